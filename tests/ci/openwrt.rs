//! The scripts for OpenWrt under the shells that a router and its build have; a package that is built from `packaging/openwrt`; and
//! that package in the virtual machine, with a busybox for everything that OpenWrt has from one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::vm;
use crate::support::openwrt::each_openwrt_case;
use crate::support::runner::{Group, Needs, prepared, tests};

macro_rules! in_shell {
    ($name:ident $words:tt $($case:ident)*) => {
        pub mod $name {
            use std::path::Path;

            use crate::support::hook_scripts::Shell;
            use crate::support::openwrt;
            use crate::support::runner::{Group, Needs, tests};

            const SHELL: Shell = &$words;

            pub const TESTS: Group = Group {
                needs: Needs::Machine(SHELL[0], || Path::new(SHELL[0]).exists()),
                tests: tests![$($case),*],
                ..Group::new(module_path!())
            };

            $(
                fn $case() {
                    openwrt::$case(SHELL);
                }
            )*
        }
    };
}

each_openwrt_case!(in_shell dash ["/bin/dash"]);
each_openwrt_case!(in_shell busybox ["/bin/busybox", "sh"]);

/// What is built once for the tests below.
fn prepare(names: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openwrt");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    if names.iter().any(|name| name.contains("router")) {
        fs::write(folder.join("console"), router(&folder)).unwrap();
    }
    folder.display().to_string()
}

/// The static build for glibc, where `.ci/run` has it too: a router has no libraries of Debian's.
fn static_build() -> PathBuf {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let host = String::from_utf8(rustc.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let folder = root().join("target/static");
    let status = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["build", "--release", "--bin", "mainsd", "--target", &host, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    folder.join(host).join("release/mainsd")
}

/// Boots the virtual machine as a router; what it has said.
fn router(folder: &Path) -> String {
    let program = static_build();
    fs::create_dir_all(folder.join("built/bin")).unwrap();
    fs::copy(program, folder.join("built/bin/mainsd")).unwrap();
    let tree = folder.join("tree");
    make(folder, &["install-mainsd", &format!("DESTDIR={}", tree.display())], "full");
    let status = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["build", "--example", "usbip-ups", "--target-dir"])
        .arg(vm::target())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let lib = root().join("tests/openwrt");
    vm::run(&format!(
        "exec /bin/sh {lib}/router {tree} {ups} {device} {lib}\n",
        lib = lib.display(),
        tree = tree.display(),
        ups = vm::target().join("debug/examples/usbip-ups").display(),
        device = root().join("tests/devices/apc-back-ups-es-850g2.toml").display(),
    ))
}

/// GNU make on the Makefile of the packages, with stand-ins for what OpenWrt's build includes.
fn make(folder: &Path, args: &[&str], variant: &str) -> String {
    let done = Command::new("make")
        .args(["-s", "-C"])
        .arg(root().join("packaging/openwrt/net/mainsd"))
        .arg(format!("TOPDIR={}", root().join("tests/openwrt/buildroot").display()))
        .arg(format!("BUILD_DIR={}", folder.join("build").display()))
        .arg(format!("PKG_INSTALL_DIR={}", folder.join("built").display()))
        .args(args)
        .env("BUILD_VARIANT", variant)
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub const TESTS: Group = Group {
    apart: Some(1),
    long: true,
    needs: Needs::Ci("a virtual machine: root, Debian's qemu-system-x86 and kernel, busybox-static; make"),
    build: Some(|names| {
        if names.iter().any(|name| name.contains("router")) {
            static_build();
        }
    }),
    prepare: Some(prepare),
    tests: tests![
        a_router_guards_itself_and_tells_its_ups_last_of_all,
        the_packages_are_what_the_feed_expects,
    ],
    ..Group::new(module_path!())
};

pub const BUILD: Group = Group {
    long: true,
    needs: Needs::Ci("make, crates.io, and two minutes of time"),
    build: Some(|_| build_as_the_feed()),
    tests: tests![what_the_feed_builds_works_and_is_as_small_as_ours],
    ..Group::new("ci::openwrt::build")
};

fn a_router_guards_itself_and_tells_its_ups_last_of_all() {
    let console = fs::read_to_string(Path::new(&prepared()).join("console")).unwrap();
    let lines: Vec<&str> = console.lines().collect();
    let at = |line: &str| {
        let found = lines.iter().position(|told| *told == line);
        found.unwrap_or_else(|| panic!("no '{line}'; the console said\n{console}"))
    };
    let story = [
        "@links etc/rc.d/K88mainsd etc/rc.d/K90umount etc/rc.d/K95mainsd-killpower etc/rc.d/S60mainsd",
        "@story disabled: not started",
        "@story enabled: on line",
        "@story the option of UCI counts",
        "@story check has nothing to say",
        "@story the log has no warning",
        "@story reload: the new value counts",
        "@story reload: the same process",
        "@story mistake: told in the log",
        "@story mistake: the earlier value counts",
        "@story mistake: the same process",
        "@story crash: another process",
        "@story crash: on line again",
        "@story nothing was written to the flash",
        "@story outage: on battery",
        "@procd shutdown",
        "@procd K88mainsd done",
        "@procd K90umount done",
        "@procd K95mainsd-killpower",
        "@procd K95mainsd-killpower done",
        "@procd off",
    ];
    let order = story.map(at);
    assert!(order.is_sorted(), "{order:?}; the console said\n{console}");
    // The way of this device that comes back with mains, 60 seconds from then: the test `vm::back_ups_es_850g2_lives_its_life`.
    let told = at("set 41 [3c, 00]");
    assert!(told > at("@procd K95mainsd-killpower done"), "the simulator says at the end what it was told");
    let killed = "Apccontrol has done: mainsd --killpower on UPS UPS (status 0)";
    assert!((at("@procd K95mainsd-killpower")..at("@procd off")).contains(&at(killed)), "{console}");
    // /tmp is still there, because of a process that holds it; and nobody is alarmed by what has to be so.
    assert!(console.contains("umount: tmp busy - remounted read-only"), "{console}");
    assert!(!console.contains("cannot write"), "{console}");
    assert!(lines.iter().any(|line| line.ends_with("reboot: Power down")), "{console}");
}

fn the_packages_are_what_the_feed_expects() {
    let folder = PathBuf::from(prepared());
    let said = |target: &str, variant: &str| make(&folder, &[target], variant);
    for (package, provides, conflicts) in
        [("mainsd", "apcupsd", "apcupsd mainsd-tiny"), ("mainsd-tiny", "apcupsd mainsd", "apcupsd")]
    {
        let described = said(&format!("describe-{package}"), "");
        for field in [
            format!("PROVIDES={provides};"),
            format!("CONFLICTS={conflicts};"),
            "USERID=mainsd=451:mainsd=451;".to_owned(),
            "DEPENDS=@(aarch64".to_owned(),
        ] {
            assert!(described.contains(&field), "{field}: {described}");
        }
        assert_eq!(said(&format!("conffiles-{package}"), "").trim(), "/etc/config/mainsd /etc/mainsd/");
    }
    assert!(!said("command", "full").contains("features"), "all of them are the default");
    let tiny = said("command", "tiny");
    assert!(
        tiny.contains("--locked --no-default-features") && tiny.contains("--features \"usb,net\""),
        "{tiny}"
    );
    let version = format!("PKG_VERSION:={}\n", env!("CARGO_PKG_VERSION"));
    let text = fs::read_to_string(root().join("packaging/openwrt/net/mainsd/Makefile")).unwrap();
    assert!(text.contains(&version), "the version is that of Cargo.toml");
    // The tree that is built from is this one.
    fs::create_dir_all(folder.join("built/bin")).unwrap();
    fs::write(folder.join("built/bin/mainsd"), "").unwrap();
    let tree = folder.join("tiny");
    make(&folder, &["install-mainsd-tiny", &format!("DESTDIR={}", tree.display())], "tiny");
    for (file, mode) in [
        ("usr/sbin/mainsd", 0o755),
        ("usr/sbin/apcaccess", 0o755),
        ("usr/lib/mainsd/uci.sh", 0o644),
        ("etc/init.d/mainsd", 0o755),
        ("etc/init.d/mainsd-killpower", 0o755),
        ("etc/config/mainsd", 0o600),
        ("etc/mainsd/apccontrol", 0o755),
        ("etc/uci-defaults/90_mainsd", 0o755),
        ("lib/upgrade/keep.d/mainsd", 0o644),
    ] {
        let found = fs::metadata(tree.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(found.permissions().mode() & 0o777, mode, "{file}");
    }
}

/// The most bytes that the checks for overflow may cost.
const CHECKS: u64 = 40 * 1024;

/// The same place each time: what Cargo keeps of a build script names it.
fn feed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("openwrt-feed")
}

fn build_as_the_feed() {
    let folder = feed();
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    make(&folder, &["prepare"], "full");
    let command = make(&folder, &["command"], "full");
    let done = Command::new("sh")
        .args(["-ec", &command])
        // Kept, so that the next run has less to do; and away from the builds with other variables.
        .env("CARGO_TARGET_DIR", root().join("target/openwrt"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{command}: {done:?}");
}

fn what_the_feed_builds_works_and_is_as_small_as_ours() {
    let program = feed().join("built/bin/mainsd");
    // What the feed's CI runs with it; a demonstration is part of that.
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let test = |version: &str| {
        let script = root().join("packaging/openwrt/net/mainsd/test.sh");
        let done =
            Command::new(script).args(["mainsd", version]).env("PATH", &path).stdin(Stdio::null()).output();
        done.unwrap()
    };
    let good = test(env!("CARGO_PKG_VERSION"));
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success() && said.contains("hook: apccontrol mainsback"), "{good:?}");
    assert!(!test("9.9.9").status.success(), "another version is not what was built");
    vm::release();
    let size = |program: &Path| fs::metadata(program).unwrap().len();
    let (built, ours) = (size(&program), size(&vm::target().join("release/mainsd")));
    println!("by OpenWrt's profile: {built} bytes; by ours: {ours}");
    assert!(built <= ours + CHECKS, "{built} bytes, ours has {ours}");
    // Not even the shared unwinder is loaded.
    assert!(!fs::read(&program).unwrap().windows(9).any(|bytes| bytes == b"libgcc_s."), "it needs libgcc_s");
}
