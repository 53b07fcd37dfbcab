//! The image of `packaging/container` without Docker: a folder that holds a static file (that for i686) and the configuration becomes the root, with
//! the capabilities that the README gives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::children;
use crate::static_builds::build_with_crossings;
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Lines, Scratch, TIMEOUT, free_port, poll_until, relay, send_signal};
use crate::targets::table::{Build, I686, builds, root};

pub const TESTS: Group = Group {
    long: true,
    needs: Needs::Ci("root, what packaging/cross needs, and setpriv and nsenter (util-linux)"),
    build: Some(|_| build_with_crossings()),
    tests: tests![one_file_guards_a_machine_and_its_host_is_told],
    ..Group::new(module_path!())
};

fn shipped(name: &str) -> String {
    fs::read_to_string(root().join("packaging/container").join(name)).unwrap()
}

/// The words of a line of the Dockerfile in the exec form: `CMD ["a", "b"]`.
fn words(instruction: &str) -> Vec<String> {
    let dockerfile = shipped("Dockerfile");
    let line = dockerfile.lines().find(|line| line.starts_with(instruction)).unwrap();
    let list = line.split_once('[').unwrap().1.trim_end_matches(']');
    list.split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

/// The container: its root folder, and the first process in it.
struct Image {
    scratch: Scratch,
    port: u16,
}

struct Running {
    child: Child,
    first: u32,
    output: Lines,
}

impl Image {
    fn new() -> Self {
        let image = Self { scratch: Scratch::new(), port: free_port() };
        for folder in ["proc", "dev", "etc/mainsd", "run/mainsd"] {
            fs::create_dir_all(image.path(folder)).unwrap();
        }
        fs::copy(I686.built(&builds().1, Build::Whole, "mainsd"), image.path("mainsd")).unwrap();
        let config = shipped("mainsd.conf");
        let config = config
            .replace("\nUPSTYPE usb\n", "\nUPSTYPE test\n")
            .replace("\nDEVICE\n", "\nDEVICE /etc/mainsd/ups\n");
        let config = config.replace("\nTIMEOUT 0\n", "\nTIMEOUT 2\nONBATTERYDELAY 1\n");
        let config =
            config.replace("\nNISIP 0.0.0.0\n", &format!("\nNISIP 127.0.0.1\nNISPORT {}\n", image.port));
        assert!(
            config.contains("test") && config.contains("/ups") && config.contains("TIMEOUT 2"),
            "{config}"
        );
        fs::write(image.path("etc/mainsd/mainsd.conf"), config).unwrap();
        fs::write(image.path("etc/mainsd/ups"), "2 mains off\n").unwrap();
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Runs the Dockerfile's command. Nothing in it can switch this machine off: it lacks `CAP_SYS_BOOT`, and `/proc` is read-only.
    fn start(&self) -> Running {
        let folder = self.scratch.path().display();
        // `--read-only`, and the folder that is shared.
        let mounts = format!(
            "mount --bind {folder} {folder} && mount --bind {folder}/run/mainsd {folder}/run/mainsd &&
             mount -t proc -o ro proc {folder}/proc && mount --bind /dev {folder}/dev && mount -o remount,bind,ro {folder} &&
             exec \"$@\""
        );
        let mut bounds = "--bounding-set=-all".to_owned();
        let readme = shipped("README.md");
        let given = readme.lines().find(|line| line.trim_start().starts_with("--cap-drop ALL")).unwrap();
        for name in given.split("--cap-add ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
            bounds.push_str(&format!(",+{}", name.to_lowercase()));
        }
        assert!(!bounds.contains("sys_boot") && bounds.contains("+setuid"), "{bounds}");
        let mut child = Command::new("unshare")
            .args(["-pfm", "--kill-child", "sh", "-c", &mounts, "sh"])
            .args(["setpriv", &bounds, "--inh-caps=-all", "chroot"])
            .arg(self.scratch.path())
            .args(words("ENTRYPOINT"))
            .args(words("CMD"))
            .env("container", "test")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Lines::default();
        relay(child.stdout.take().unwrap(), &output);
        relay(child.stderr.take().unwrap(), &output);
        let first = poll_until(TIMEOUT, || Some(children(child.id()).first()?.0)).unwrap();
        Running { child, first, output }
    }
}

impl Running {
    fn wait_for(&self, part: &str) -> String {
        let found = self.output.wait(0, TIMEOUT, |text| text.contains(part));
        found.unwrap_or_else(|| panic!("no line with {part:?}: {}", self.output.text())).1.text
    }

    /// As `docker exec` does it.
    fn exec(&self, words: &[String]) -> (bool, String) {
        let target = format!("--target={}", self.first);
        let done =
            Command::new("nsenter").args([&target, "-m", "-p", "-r", "-w"]).args(words).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    }

    fn end(mut self, signal: &str) -> Option<i32> {
        send_signal(self.first, signal);
        poll_until(TIMEOUT, || self.child.try_wait().unwrap()).expect("it does not end").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // With it ends what it has started.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn one_file_guards_a_machine_and_its_host_is_told() {
    let image = Image::new();
    let running = image.start();
    let health = words("HEALTHCHECK");
    let says = |running: &Running, wanted: &str| {
        let mut last = (false, String::new());
        let found = poll_until(TIMEOUT, || {
            last = running.exec(&health);
            (last.0 && last.1.starts_with(wanted)).then_some(())
        });
        assert!(found.is_some(), "{health:?} does not say {wanted}: {last:?}\n{}", running.output.text());
    };
    says(&running, "ONLINE");
    says(&running, "ONBATT");
    let flag = image.path("run/mainsd/powerfail");
    let alert = running.wait_for("No command in this container shuts the machine down: ");
    assert!(
        alert.contains("which may see /run/mainsd/powerfail. Shutdown because TIMEOUT is over"),
        "{alert}"
    );
    for trouble in ["Not all rights are given up", "Read-only file system"] {
        assert!(!running.output.text().contains(trouble), "{}", running.output.text());
    }
    host_shuts_down(&flag);

    let (_, said) = running.exec(&["/mainsd".to_owned(), "check".to_owned()]);
    for part in [
        "if that fails: the host, which alone can do it: this is a container",
        "a shutdown goes straight to the host, which alone can do it: this is a container;",
        "have the host watch the file /run/mainsd/powerfail",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("mainsd starts with this file"), "{said}");
    // Killed as a whole, it finds nothing in its way at the next start, and the outage counts on.
    assert_ne!(running.end("KILL"), Some(0));
    let again = image.start();
    again.wait_for("already when this daemon started: that time counts");
    says(&again, "ON");
    assert!(!again.output.text().contains("Pid file"), "{}", again.output.text());
    let output = again.output.clone();
    assert_eq!(again.end("TERM"), Some(0), "{}", output.text());
    assert!(output.text().contains("mainsd shutdown succeeded"), "{}", output.text());
    // It needed nothing of the folders but those.
    let mut names: Vec<_> =
        fs::read_dir(image.scratch.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["dev", "etc", "mainsd", "proc", "run"]);
}

/// The unit on the host watches the file that the container's daemon makes; its script shuts down, but not for a file of another boot.
fn host_shuts_down(flag: &Path) {
    let path_unit = shipped("host/mainsd-container.path");
    let service = shipped("host/mainsd-container.service");
    let readme = shipped("README.md");
    let watched = path_unit.lines().find_map(|line| line.strip_prefix("PathExists=")).unwrap();
    assert!(service.contains(&format!("/usr/local/sbin/mainsd-container-shutdown {watched}\n")), "{service}");
    let shared = watched.strip_suffix("/powerfail").unwrap();
    assert!(readme.contains(&format!("-v {shared}:/run/mainsd ")), "{readme}");

    let scratch = Scratch::new();
    let bin = scratch.dir("bin");
    let log = scratch.file("flag", "");
    let script = |name: &str, flag: &Path| {
        let text = format!("#!/bin/sh\necho {name} \"$@\" >>{}\nrm -f {}\n", log.display(), flag.display());
        scratch.script(&format!("bin/{name}"), &text);
    };
    let run = |flag: &Path| {
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let program = root().join("packaging/container/host/mainsd-container-shutdown");
        let mut child =
            Command::new(program).arg(flag).env("PATH", path).env("PAUSE", "0.1").spawn().unwrap();
        (
            poll_until(TIMEOUT, || child.try_wait().unwrap()).map(|status| status.success()),
            fs::read_to_string(&log).unwrap(),
        )
    };
    script("systemctl", flag);
    script("sleep", flag);
    assert!(flag.exists());
    assert_eq!(run(flag), (Some(true), "systemctl -i poweroff\nsleep 0.1\n".to_owned()));
    fs::write(&log, "").unwrap();
    scratch.script("bin/stat", "#!/bin/sh\necho ext2/ext3\n");
    let old = scratch.file("old", "0e5cbd9c-0000-0000-0000-000000000000\n");
    script("systemctl", &old);
    script("sleep", &old);
    assert_eq!(run(&old), (Some(true), "sleep 0.1\n".to_owned()), "a file of another boot");
}
