//! The recipes for packages of distributions that were never built there: each is read by its own tools as far as Debian has them, and
//! what it installs is installed, from a program that is there already.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Scratch;
use crate::support::runner::{Group, Needs, tests};
use crate::targets::table::root;

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's packages shellcheck, bash, rpm, rpmlint, nix-bin and git"),
    tests: tests![
        each_recipe_says_first_that_it_was_never_built,
        each_recipe_has_the_version_and_the_least_compiler_of_the_program,
        each_licence_of_a_crate_is_in_the_recipes,
        the_shell_of_the_recipes_has_no_mistake,
        alpine_packs_what_a_machine_needs,
        arch_packs_what_a_machine_needs,
        fedora_packs_what_a_machine_needs_and_nothing_is_left_out,
        nixos_makes_a_machine_that_is_guarded,
        a_first_configuration_is_that_of_apcupsd_or_the_shipped_one,
    ],
    ..Group::new(module_path!())
};

const RECIPES: [&str; 5] =
    ["alpine/APKBUILD", "arch/PKGBUILD", "fedora/mainsd.spec", "nixos/module.nix", "nixos/package.nix"];

fn recipe(name: &str) -> String {
    fs::read_to_string(root().join("packaging").join(name)).unwrap()
}

/// What it said, if it went well.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&[&done.stdout[..], &done.stderr[..]].concat()).into_owned();
    assert!(done.status.success(), "{command:?}: {text}");
    text
}

/// The sources as git has them here, with a finished program where Cargo would have built it.
fn tree() -> Scratch {
    let scratch = Scratch::new();
    let copy = "git ls-files -z --cached --others --exclude-standard packaging man 'LICENSE*' '*.md' Cargo.toml Cargo.lock |
                tar --null --files-from=- --create | tar --extract --directory \"$1\"";
    run(Command::new("sh").args(["-c", copy, "sh"]).arg(scratch.path()).current_dir(root()));
    let built = scratch.path().join("target/release");
    fs::create_dir_all(&built).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_mainsd"), built.join("mainsd")).unwrap();
    scratch
}

/// The files below this folder, from there.
fn files(folder: &Path) -> BTreeSet<String> {
    let listed = run(Command::new("find").args([".", "!", "-type", "d"]).current_dir(folder));
    listed.lines().map(|line| line.trim_start_matches('.').to_owned()).collect()
}

/// What every package has, whatever starts services there; `programs` is the folder of those.
fn is_a_guard(files: &BTreeSet<String>, programs: &str) {
    let mut wanted: Vec<String> =
        ["mainsd", "apcupsd", "apcaccess", "apctest"].map(|it| format!("{programs}/{it}")).to_vec();
    wanted.extend(
        [
            "/usr/share/mainsd/mainsd.conf",
            "/usr/share/mainsd/apccontrol",
            "/usr/lib/mainsd/copy-apcupsd",
            "/usr/lib/mainsd/first-configuration",
            "/usr/lib/udev/rules.d/60-mainsd.rules",
            "/etc/logrotate.d/mainsd",
            "/usr/share/man/man8/apcupsd.8",
            "/usr/share/man/man5/apcupsd.conf.5",
            "/usr/share/bash-completion/completions/apcaccess",
            "/usr/share/zsh/site-functions/_mainsd",
        ]
        .map(str::to_owned),
    );
    for page in fs::read_dir(root().join("man")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        wanted.push(format!("/usr/share/man/man{}/{name}", name.rsplit('.').next().unwrap()));
    }
    for path in wanted {
        assert!(files.contains(&path), "no {path} in {files:#?}");
    }
    for hook in ["changeme", "commfailure", "commok", "offbattery", "onbattery"] {
        assert!(
            files.iter().any(|path| path.starts_with("/usr/share/doc/") && path.ends_with(hook)),
            "{hook}"
        );
    }
}

/// Its configuration is for /etc/mainsd, its links lead somewhere, its programs run, and nothing can be changed by everybody.
fn is_in_order(folder: &Path) {
    let config = fs::read_to_string(folder.join("usr/share/mainsd/mainsd.conf")).unwrap();
    for line in ["SCRIPTDIR /etc/mainsd", "PWRFAILDIR /etc/mainsd", "EVENTSFILE /var/log/mainsd.events"] {
        assert!(config.lines().any(|it| it == line), "no line {line}");
    }
    for path in files(folder) {
        let path = folder.join(path.trim_start_matches('/'));
        let data = fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mode = data.permissions().mode() & 0o7777;
        assert!([0o644, 0o755].contains(&mode), "{}: {mode:o}", path.display());
        let start = fs::read(&path).unwrap();
        let is_program = start.starts_with(b"#!") || start.starts_with(b"\x7fELF");
        let is_example = path.components().any(|part| part.as_os_str() == "examples");
        assert!(is_example || is_program == (mode == 0o755), "{}: {mode:o}", path.display());
    }
}

fn each_recipe_says_first_that_it_was_never_built() {
    for name in RECIPES {
        assert!(recipe(name).starts_with("# Never built on "), "{name}");
    }
    let unraid = recipe("unraid/README.md");
    assert!(unraid.lines().take(3).any(|line| line.starts_with("Never tried on Unraid")), "{unraid}");
}

fn each_recipe_has_the_version_and_the_least_compiler_of_the_program() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let rust = manifest["package"]["rust-version"].as_str().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for (name, lines) in [
        (
            "alpine/APKBUILD",
            [
                format!("pkgver={version}"),
                format!("makedepends=\"cargo>={rust} cargo-auditable linux-headers\""),
            ],
        ),
        ("arch/PKGBUILD", [format!("pkgver={version}"), format!("makedepends=('cargo>={rust}')")]),
        ("fedora/mainsd.spec", [format!("Version: {version}"), format!("BuildRequires: rust >= {rust}")]),
    ] {
        let text = recipe(name);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in lines {
            assert!(text.lines().any(|it| words(it) == line), "{name}: no line {line}");
        }
    }
    let spec = recipe("fedora/mainsd.spec");
    let newest = spec.split("%changelog\n").nth(1).unwrap().lines().next().unwrap();
    assert!(newest.ends_with(&format!(" - {version}-1")), "{newest}");
    let libusb = spec.lines().find(|line| line.contains("bundled(libusb1)")).unwrap();
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo");
    let crates = std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from).join("registry/src");
    let of_libusb = ["-path", "*/libusb1-sys-0.7*/build.rs", "-exec", "cat", "{}", "+"];
    let build = run(Command::new("find").arg(crates).args(of_libusb));
    let bundled = build.split("VERSION: &str = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(libusb.ends_with(&format!(" = {bundled}")), "libusb is {bundled}: {libusb}");
}

/// Where a crate lets choose, MIT or Apache-2.0 is taken.
fn each_licence_of_a_crate_is_in_the_recipes() {
    let tree = [
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{l}",
    ];
    let listed = run(Command::new(env!("CARGO")).args(tree).current_dir(root()));
    let licences: BTreeSet<&str> = listed.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let free = |licence: &str| licence.split([' ', '/']).any(|word| ["MIT", "Apache-2.0"].contains(&word));
    let others: Vec<&str> = licences.into_iter().filter(|licence| !free(licence)).collect();
    assert_eq!(others, ["MPL-2.0"], "and libusb's, which no manifest names");
    for name in ["alpine/APKBUILD", "arch/PKGBUILD", "fedora/mainsd.spec"] {
        assert!(recipe(name).contains("(MIT OR Apache-2.0) AND LGPL-2.1-or-later AND MPL-2.0"), "{name}");
    }
}

fn the_shell_of_the_recipes_has_no_mistake() {
    let names = [
        "alpine/APKBUILD",
        "alpine/mainsd.pre-install",
        "alpine/mainsd.post-install",
        "arch/PKGBUILD",
        "arch/mainsd.install",
    ];
    run(Command::new("shellcheck").args(names).current_dir(root().join("packaging")));
}

fn alpine_packs_what_a_machine_needs() {
    let tree = tree();
    let package = tree.dir("package");
    let script = "set -eu; . packaging/alpine/APKBUILD; pkgdir=$1; package; echo $install";
    let said = run(Command::new("dash").args(["-c", script, "dash"]).arg(&package).current_dir(tree.path()));
    for name in said.split_whitespace() {
        assert!(root().join("packaging/alpine").join(name).exists(), "{name}");
    }
    let files = files(&package);
    is_a_guard(&files, "/usr/sbin");
    is_in_order(&package);
    for path in ["/etc/init.d/mainsd", "/etc/init.d/mainsd.killpower", "/usr/lib/mainsd/killpower"] {
        assert!(files.contains(path), "no {path}");
    }
    // What it names is what the service runs.
    let killpower = fs::read_to_string(package.join("etc/init.d/mainsd.killpower")).unwrap();
    assert!(killpower.contains("\nlast_stage=/usr/lib/mainsd/killpower\n"), "{killpower}");
}

fn arch_packs_what_a_machine_needs() {
    let tree = tree();
    let package = tree.dir("package");
    let version = env!("CARGO_PKG_VERSION");
    std::os::unix::fs::symlink(".", tree.path().join(format!("mainsd-{version}"))).unwrap();
    let script = "set -eu; . packaging/arch/PKGBUILD; pkgdir=$1; package; echo $install";
    let said = run(Command::new("bash").args(["-c", script, "bash"]).arg(&package).current_dir(tree.path()));
    assert!(root().join("packaging/arch").join(said.trim()).exists(), "{said}");
    let files = files(&package);
    is_a_guard(&files, "/usr/bin");
    is_in_order(&package);
    // On Arch it is a link, and a package that brings it is refused.
    assert!(!package.join("usr/sbin").exists());
    is_for_systemd(&files);
}

fn is_for_systemd(files: &BTreeSet<String>) {
    for path in [
        "/usr/lib/systemd/system/mainsd.service",
        "/usr/lib/systemd/system/mainsd@.service",
        "/usr/lib/systemd/system-shutdown/mainsd",
        "/usr/lib/sysusers.d/mainsd.conf",
    ] {
        assert!(files.contains(path), "no {path}");
    }
}

/// The macros of Fedora that Debian's rpm has not: what would compile does nothing, for the program is there.
const MACROS: &str = "\
%cargo_prep(v:) %{nil}
%cargo_build %{nil}
%cargo_test %{nil}
%cargo_license_summary true
%cargo_vendor_manifest true
%sysusers_create_compat() %{nil}
%systemd_post() %{nil}
%systemd_preun() %{nil}
%systemd_postun_with_restart() %{nil}
%_unitdir /usr/lib/systemd/system
%_sysusersdir /usr/lib/sysusers.d
%_udevrulesdir /usr/lib/udev/rules.d
%debug_package %{nil}
%_build_id_links none
%__os_install_post %{nil}
";

fn fedora_packs_what_a_machine_needs_and_nothing_is_left_out() {
    let spec = root().join("packaging/fedora/mainsd.spec");
    let said = run(Command::new("rpmlint").arg("-r").arg(spec.with_extension("rpmlintrc")).arg(&spec));
    assert!(said.contains(" 0 errors, 0 warnings"), "{said}");
    let tree = tree();
    let macros = tree.file("macros", MACROS);
    let top = format!("_topdir {}", tree.dir("top").display());
    let load = format!("--load={}", macros.display());
    run(Command::new("rpmspec").args(["--parse", "--define", &top, &load]).arg(&spec));
    // What is installed and in no list of files is an error of rpmbuild, as is a file of the list that is not there.
    let arguments = [
        "-bb",
        "--build-in-place",
        "--nodeps",
        "--nocheck",
        "--define",
        &top,
        &load,
        "packaging/fedora/mainsd.spec",
    ];
    run(Command::new("rpmbuild").args(arguments).current_dir(tree.path()));
    let found = run(Command::new("find").arg(tree.path().join("top/RPMS")).args(["-name", "*.rpm"]));
    let listed = run(Command::new("rpm").args(["--query", "--list", "--package", found.trim()]));
    let files: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    is_a_guard(&files, "/usr/sbin");
    is_for_systemd(&files);
}

/// What the module takes from nixpkgs.
const STAND_INS: &str = r#"
let
  lib = {
    mkEnableOption = what: { default = false; };
    mkOption = it: it;
    mkIf = condition: it: if condition then it else { };
    literalExpression = it: it;
    types = { package = 1; lines = 2; attrsOf = it: it; };
    makeBinPath = paths: builtins.concatStringsSep ":" (map (path: path + "/bin") paths);
    mapAttrs' = f: set: builtins.listToAttrs (map (name: f name set.${name}) (builtins.attrNames set));
  };
  pkgs = {
    coreutils = "/coreutils"; gnused = "/gnused"; util-linux = "/util-linux";
    callPackage = path: arguments: "/package";
    writeShellScript = name: text: { inherit name text; };
  };
  module = options: import MODULE { inherit lib pkgs; config = { services.mainsd = options; services.apcupsd.enable = true; }; };
  defaults = (module { }).options.services.mainsd;
  given = { enable = true; package = defaults.package.default; configText = defaults.configText.default; hooks.onbattery = "true"; };
in
(module given).config
"#;

fn nixos_makes_a_machine_that_is_guarded() {
    let nix = |expression: &str| {
        let mut command = Command::new("nix-instantiate");
        command
            .args(["--eval", "--strict", "--json", "--expr", expression])
            .env("NIX_STATE_DIR", Scratch::new().path());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap()
    };
    for name in ["module.nix", "package.nix"] {
        run(Command::new("nix-instantiate").arg("--parse").arg(root().join("packaging/nixos").join(name)));
    }
    let module = root().join("packaging/nixos/module.nix").display().to_string();
    let config = nix(&STAND_INS.replace("MODULE", &module));
    let etc = &config["environment"]["etc"];
    let text = etc["mainsd/mainsd.conf"]["text"].as_str().unwrap();
    let scratch = Scratch::new();
    let file = scratch.file("mainsd.conf", text);
    run(Command::new(env!("CARGO_BIN_EXE_mainsd")).args(["check", "--quiet", "-f"]).arg(file));
    assert!(text.contains("SCRIPTDIR /etc/mainsd\nPWRFAILDIR /run/mainsd\n"), "{text}");
    assert_eq!(etc["mainsd/apccontrol"]["source"], "/package/share/mainsd/apccontrol");
    assert_eq!(etc["mainsd/onbattery"]["source"]["text"], "true");
    assert_eq!(config["systemd"]["services"]["mainsd"]["wantedBy"][0], "multi-user.target");
    assert_eq!(config["assertions"][0]["assertion"], false, "apcupsd is enabled too");
    let last = config["systemd"]["shutdown"]["mainsd"]["text"].as_str().unwrap();
    assert!(
        last.contains("PATH=/package/bin:/coreutils/bin:/gnused/bin\nexec /package/lib/mainsd/killpower"),
        "{last}"
    );
    // The package, as far as its own words go: what it installs from the sources is there.
    let package = recipe("nixos/package.nix");
    for word in
        package.split_whitespace().filter(|word| word.starts_with("packaging/") || word.starts_with("man/*"))
    {
        let there = word == "man/*.[1-8]" || root().join(word).exists();
        assert!(there, "packaging/nixos/package.nix: there is no {word}");
    }
}

fn a_first_configuration_is_that_of_apcupsd_or_the_shipped_one() {
    let machine = |apcupsd: bool| {
        let scratch = Scratch::new();
        let at = |path: &str| scratch.path().join(path);
        for folder in ["usr/lib/mainsd", "usr/share/mainsd", "etc/apcupsd"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for (from, to) in
            [("copy-apcupsd", "usr/lib/mainsd/copy-apcupsd"), ("mainsd.conf", "usr/share/mainsd/mainsd.conf")]
        {
            fs::copy(root().join("packaging").join(from), at(to)).unwrap();
        }
        if apcupsd {
            fs::write(at("etc/apcupsd/apcupsd.conf"), "UPSTYPE usb\nTIMEOUT 77\n").unwrap();
        }
        let said = run(Command::new(root().join("packaging/first-configuration")).arg(scratch.path()));
        (said, scratch)
    };
    let (said, scratch) = machine(true);
    let config = || fs::read_to_string(scratch.path().join("etc/mainsd/mainsd.conf")).unwrap();
    assert!(config().contains("TIMEOUT 77\n") && said.contains("is copied to"), "{said}");
    let link = fs::read_link(scratch.path().join("etc/mainsd/apccontrol")).unwrap();
    assert_eq!(link, Path::new("/usr/share/mainsd/apccontrol"));
    // Once there is one it stays.
    fs::write(scratch.path().join("etc/mainsd/mainsd.conf"), "UPSTYPE test\n").unwrap();
    assert_eq!(run(Command::new(root().join("packaging/first-configuration")).arg(scratch.path())), "");
    assert_eq!(config(), "UPSTYPE test\n");
    let (said, scratch) = machine(false);
    let shipped = fs::read(root().join("packaging/mainsd.conf")).unwrap();
    assert_eq!(
        (said.as_str(), fs::read(scratch.path().join("etc/mainsd/mainsd.conf")).unwrap()),
        ("", shipped)
    );
}
