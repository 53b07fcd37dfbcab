//! `packaging/copy-apcupsd`: what a package makes of the folder of apcupsd, over many shapes of configurations and hooks.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mainsd::config::{self, Severity};

use crate::support::{self, Scratch};

/// A folder that stands for `/`.
struct Machine(Scratch);

impl Machine {
    fn new() -> Self {
        let machine = Self(Scratch::new());
        fs::create_dir_all(machine.path("etc/apcupsd")).unwrap();
        fs::create_dir_all(machine.path("var/lib")).unwrap();
        machine
    }

    /// One with these lines as configuration.
    fn with(config: &str) -> Self {
        let machine = Self::new();
        machine.file("apcupsd.conf", config);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn from(&self) -> String {
        self.path("etc/apcupsd").display().to_string()
    }

    fn to(&self) -> String {
        self.path("etc/mainsd").display().to_string()
    }

    /// A file in apcupsd's folder; `FROM` and `TO` in the text are the two folders.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        self.0.file(&format!("etc/apcupsd/{name}"), self.filled(text))
    }

    fn filled(&self, text: &str) -> String {
        text.replace("FROM", &self.from()).replace("TO", &self.to())
    }

    fn run(&self) -> Output {
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/copy-apcupsd"))
            .args([self.from(), self.to(), self.path("var/lib/mainsd/apcupsd").display().to_string()])
            .output()
            .unwrap()
    }

    /// What was told, a line each, with `FROM` and `TO` for the folders.
    fn copy(&self) -> Vec<String> {
        let done = self.run();
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        let told = String::from_utf8(done.stdout).unwrap();
        told.replace(&self.from(), "FROM").replace(&self.to(), "TO").lines().map(str::to_owned).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A file of the copy.
    fn copied(&self, name: &str) -> String {
        self.read(&format!("etc/mainsd/{name}"))
    }
}

/// Names, modes, link targets and contents of a folder.
fn listing(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::symlink_metadata(&path).unwrap();
        let name = path.display().to_string();
        if data.is_dir() {
            found.extend(listing(&path));
        } else if data.is_symlink() {
            found.push((name, 0, fs::read_link(&path).unwrap().display().to_string().into_bytes()));
        } else if data.is_file() {
            found.push((name, data.mode(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn the_folder_of_debian_is_copied_with_the_paths_of_the_copy_and_stays_as_it_is() {
    let machine = Machine::new();
    let debian = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/debian.conf"));
    let debian = debian.unwrap().replace("/etc/apcupsd", "FROM");
    machine.file("apcupsd.conf", &debian);
    machine
        .file("apccontrol", "#!/bin/sh\n# in FROM\nSCRIPTDIR=FROM\nif [ -f FROM/powerfail ] ; then\n:\nfi\n");
    machine.file(
        "onbattery",
        "#!/bin/sh\n# This shell script if placed in FROM\n# will be called by FROM/apccontrol\n",
    );
    machine.file("hosts.conf", "# a line that names no folder\n");
    machine.file("ups-monitor", "#!/bin/sh\nFROM/apccontrol killpower\n");
    machine.file("powerfail", "");
    let before = listing(&machine.path("etc/apcupsd"));
    let told = machine.copy();
    assert_eq!(listing(&machine.path("etc/apcupsd")), before, "the originals stay");
    assert_eq!(
        machine.copied("apccontrol"),
        machine.filled("#!/bin/sh\n# in FROM\nSCRIPTDIR=TO\nif [ -f TO/powerfail ] ; then\n:\nfi\n")
    );
    assert_eq!(machine.copied("hosts.conf"), "# a line that names no folder\n");
    for gone in ["powerfail", "ups-monitor", "apcupsd.conf"] {
        assert!(!machine.path("etc/mainsd").join(gone).exists(), "{gone}");
    }
    assert_eq!(told.first().unwrap(), "FROM/apcupsd.conf is copied to TO/mainsd.conf");
    assert!(
        told.contains(&"TO/apccontrol:3: changed: SCRIPTDIR=FROM, now SCRIPTDIR=TO".to_owned()),
        "{told:#?}"
    );
    assert!(!told.iter().any(|line| line.contains("onbattery")), "comments are no news: {told:#?}");
    let changed: Vec<_> = told.iter().filter(|line| line.starts_with("TO/mainsd.conf:")).collect();
    assert_eq!(changed.len(), 2, "{told:#?}");
    // An exact copy, by which a later change of the old files is seen.
    for name in ["apcupsd.conf", "apccontrol", "onbattery", "hosts.conf"] {
        assert_eq!(
            machine.read(&format!("var/lib/mainsd/apcupsd/{name}")),
            machine.read(&format!("etc/apcupsd/{name}"))
        );
    }
    assert!(!machine.path("var/lib/mainsd/apcupsd/powerfail").exists());
    let left: Vec<_> =
        fs::read_dir(machine.path("etc/mainsd")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn each_shape_of_a_line_is_rewritten_or_left_and_told() {
    // The line; what becomes of it, `None`: it stays and that is told.
    let shapes: [(&str, Option<&str>); 33] = [
        ("SCRIPTDIR=FROM", Some("SCRIPTDIR=TO")),
        ("SCRIPTDIR=FROM/", Some("SCRIPTDIR=TO/")),
        ("SCRIPTDIR=\"FROM\"; x", Some("SCRIPTDIR=\"TO\"; x")),
        ("SCRIPTDIR='FROM'", Some("SCRIPTDIR='TO'")),
        ("cd FROM && ./x", Some("cd TO && ./x")),
        ("cd FROM||exit", Some("cd TO||exit")),
        (". FROM/config", Some(". TO/config")),
        ("x=${faildir:=FROM}/powerfail", Some("x=${faildir:=TO}/powerfail")),
        ("x=${faildir:-FROM}", Some("x=${faildir:-TO}")),
        ("x=$(cat FROM/a FROM/b)", Some("x=$(cat TO/a TO/b)")),
        ("x=`cat FROM/a`", Some("x=`cat TO/a`")),
        ("date >>FROM/log 2>&1 <FROM/in", Some("date >>TO/log 2>&1 <TO/in")),
        ("f=$(grep -e^PWRFAILDIR FROM/apcupsd.conf)", Some("f=$(grep -e^PWRFAILDIR TO/mainsd.conf)")),
        ("cat FROM//apcupsd.conf", Some("cat TO/mainsd.conf")),
        ("cp FROM/apcupsd.conf.bak FROM/apcupsd.conf", Some("cp TO/apcupsd.conf.bak TO/mainsd.conf")),
        ("apcupsd -f FROM/second.conf", Some("apcupsd -f TO/second.conf")),
        ("  \tFROM/sub dir/x", Some("  \tTO/sub dir/x")),
        ("echo $HOME; FROM/x # FROM", Some("echo $HOME; TO/x # TO")),
        ("[ -f FROM/${1} -a -x FROM/${1} ]", Some("[ -f TO/${1} -a -x TO/${1} ]")),
        ("sed -i 's,FROM,&,'", Some("sed -i 's,TO,&,'")),
        ("FROM/grüße", Some("TO/grüße")),
        // Another folder, or nobody knows which.
        ("cat /usr/localFROM/x", None),
        ("cat $ROOTFROM/x", None),
        ("cat ${ROOT}FROM/x", None),
        ("cat ~FROM/x", None),
        ("cat FROM.old/x", None),
        ("cat FROM-2/x FROM_x", None),
        ("PATH=/bin:FROM", None),
        ("echo see FROM.", None),
        // Another machine.
        ("ssh nas FROM/doshutdown", None),
        ("sudo ssh -i FROM/key nas poweroff", None),
        ("scp FROM/a nas:FROM/b", None),
        ("/usr/bin/rsync -a FROM/ nas:x", None),
    ];
    let machine = Machine::with("UPSTYPE usb\n");
    let text: String = shapes.iter().map(|(line, _)| format!("{line}\n")).collect();
    machine.file("doshutdown", &format!("#!/bin/sh\n# FROM\n{text}"));
    let told = machine.copy();
    let copied = machine.copied("doshutdown");
    let lines: Vec<&str> = copied.lines().skip(2).collect();
    assert_eq!(lines.len(), shapes.len());
    for (index, (line, expected)) in shapes.iter().enumerate() {
        let wanted = machine.filled(expected.unwrap_or(line));
        assert_eq!(lines[index], wanted, "{line}");
        let number = index + 3;
        let what = if expected.is_some() { "changed: " } else { "left as it is, please look: " };
        let start = format!("TO/doshutdown:{number}: {what}");
        let about = told.iter().filter(|told| told.starts_with(&format!("TO/doshutdown:{number}: ")));
        let about: Vec<_> = about.collect();
        assert!(about.len() == 1 && about[0].starts_with(&start), "{line}: {about:?}");
    }
    assert!(!told.iter().any(|line| line.starts_with("TO/doshutdown:2:")), "a comment: {told:#?}");
}

#[test]
fn each_shape_of_a_configuration_means_the_same_but_for_the_folder() {
    // What is added or changed is told; everything else stays.
    let shapes = [
        "UPSTYPE usb\nSCRIPTDIR FROM\nPWRFAILDIR FROM\n",
        "UPSTYPE usb",
        "UPSTYPE usb\n#SCRIPTDIR FROM\n# PWRFAILDIR FROM\n",
        "upstype usb\nscriptdir FROM/\npwrfaildir \"FROM\"\n",
        "UPSTYPE usb\r\nSCRIPTDIR FROM\r\nPWRFAILDIR FROM\r\n",
        "\u{feff}UPSTYPE usb\n\tSCRIPTDIR\tFROM # there\n",
        "UPSTYPE usb\nSCRIPTDIR /a\nSCRIPTDIR FROM\nPWRFAILDIR FROM\nPWRFAILDIR /var/run\n",
        "UPSTYPE usb\nEVENTSFILE FROM/events\nSTATFILE FROM/status\nLOCKFILE /var/lock\n",
        "UPSTYPE usb\nSCRIPTDIR=FROM\nPWRFAILDIR = FROM/flags\n",
        "\u{feff}PWRFAILDIR FROM/flags\nUPSTYPE usb\nSCRIPTDIR\u{a0}FROM/hooks\n",
        "UPSTYPE usb\nUPSNAME Büro /etc\nSHUTDOWNCMD FROM/down now\n",
    ];
    for shape in shapes {
        let machine = Machine::with(shape);
        let old = config::load(&machine.path("etc/apcupsd/apcupsd.conf")).unwrap();
        let told = machine.copy();
        let new = config::load(&machine.path("etc/mainsd/mainsd.conf")).unwrap();
        assert_eq!(new.of(Severity::Error).count(), 0, "{shape}: {:?}", new.diagnostics);
        for change in config::changed(&old.config, &new.config) {
            let name = change.directive.name;
            let is_told = told.iter().any(|line| line.starts_with("TO/mainsd.conf:") && line.contains(name))
                || told.iter().any(|line| line.to_uppercase().contains(name));
            let default = ["SCRIPTDIR", "PWRFAILDIR"].contains(&name) && change.old == "/etc/apcupsd";
            assert!(
                default || change.old.replace(&machine.from(), &machine.to()) == change.new,
                "{shape}: {change}"
            );
            assert!(is_told, "{shape}: {change} is not told: {told:#?}");
        }
        let folder = machine.path("etc/mainsd");
        assert!(new.config.script_dir.starts_with(&folder), "{shape}: {:?}", new.config.script_dir);
        assert!(!new.config.powerfail_dir.starts_with(machine.path("etc/apcupsd")), "{shape}");
    }
}

#[test]
fn every_sample_of_the_field_still_starts_or_fails_as_before() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let folders = [samples.clone(), samples.join("field")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|e| e.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let machine = Machine::new();
        fs::copy(&file, machine.path("etc/apcupsd/apcupsd.conf")).unwrap();
        machine.copy();
        let [old, new] = ["etc/apcupsd/apcupsd.conf", "etc/mainsd/mainsd.conf"]
            .map(|name| config::load(&machine.path(name)).unwrap());
        let errors =
            |parsed: &config::Parsed| parsed.of(Severity::Error).map(|e| e.text.clone()).collect::<Vec<_>>();
        assert_eq!(errors(&old), errors(&new), "{}", file.display());
        let folders = ["SCRIPTDIR", "PWRFAILDIR"];
        let changed = config::changed(&old.config, &new.config);
        assert!(
            changed.iter().all(|c| folders.contains(&c.directive.name)),
            "{}: {changed:?}",
            file.display()
        );
    }
}

#[test]
fn links_modes_and_folders_are_kept_and_nothing_outside_is_changed() {
    let machine = Machine::with("UPSTYPE usb\nSCRIPTDIR FROM\nPWRFAILDIR FROM\n");
    let elsewhere = machine.0.file("shared-hook", machine.filled("#!/bin/sh\nFROM/x\n"));
    for (name, target) in [
        ("inside", "FROM/onbattery".to_owned()),
        ("relative", "onbattery".to_owned()),
        ("config-link", "apcupsd.conf".to_owned()),
        ("outside", elsewhere.display().to_string()),
        ("nowhere", "/nonexistent".to_owned()),
    ] {
        symlink(machine.filled(&target), machine.path("etc/apcupsd").join(name)).unwrap();
    }
    let hook = machine.file("onbattery", "#!/bin/sh\nFROM/x\n");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o750)).unwrap();
    fs::create_dir_all(machine.path("etc/apcupsd/lib/deep")).unwrap();
    machine.file("lib/deep/a file", "FROM/y\n");
    machine.file("binary", "\0FROM\0");
    machine.file("apcupsd.conf.dpkg-old", "SCRIPTDIR FROM\n");
    assert!(Command::new("mkfifo").arg(machine.path("etc/apcupsd/fifo")).status().unwrap().success());
    let told = machine.copy();
    let link =
        |name: &str| fs::read_link(machine.path("etc/mainsd").join(name)).unwrap().display().to_string();
    assert_eq!(link("inside"), machine.filled("TO/onbattery"));
    assert_eq!((link("relative"), link("config-link")), ("onbattery".to_owned(), "mainsd.conf".to_owned()));
    assert_eq!(
        (link("outside"), link("nowhere")),
        (elsewhere.display().to_string(), "/nonexistent".to_owned())
    );
    assert!(fs::read_to_string(&elsewhere).unwrap().contains(&machine.from()), "what is outside stays");
    assert_eq!(fs::metadata(machine.path("etc/mainsd/onbattery")).unwrap().mode() & 0o777, 0o750);
    assert_eq!(machine.copied("onbattery"), machine.filled("#!/bin/sh\nTO/x\n"));
    assert_eq!(machine.copied("lib/deep/a file"), machine.filled("TO/y\n"));
    assert_eq!(machine.copied("binary"), machine.filled("\0FROM\0"));
    assert!(
        told.iter().any(|line| line == "TO/binary: left as it is, please look: no text, and it names FROM"),
        "{told:#?}"
    );
    for gone in ["fifo", "apcupsd.conf.dpkg-old"] {
        assert!(fs::symlink_metadata(machine.path("etc/mainsd").join(gone)).is_err(), "{gone}");
    }
}

#[test]
fn a_configuration_that_is_a_link_becomes_a_file_and_what_it_led_to_stays() {
    let machine = Machine::new();
    let text = machine.filled("UPSTYPE usb\nSCRIPTDIR FROM\n");
    let real = machine.0.file("real.conf", &text);
    symlink(&real, machine.path("etc/apcupsd/apcupsd.conf")).unwrap();
    machine.copy();
    assert!(!fs::symlink_metadata(machine.path("etc/mainsd/mainsd.conf")).unwrap().is_symlink());
    assert!(machine.copied("mainsd.conf").contains(&machine.filled("SCRIPTDIR TO\n")));
    assert_eq!(fs::read_to_string(&real).unwrap(), text);
}

#[test]
fn a_script_dir_elsewhere_stays_and_what_it_says_of_the_folder_is_told() {
    let machine = Machine::new();
    fs::create_dir(machine.path("hooks")).unwrap();
    machine.0.file("hooks/apccontrol", machine.filled("#!/bin/sh\n. FROM/config\n"));
    let hooks = machine.path("hooks").display().to_string();
    machine.file("apcupsd.conf", &format!("UPSTYPE usb\nSCRIPTDIR {hooks}\nPWRFAILDIR /run\n"));
    let told = machine.copy();
    assert_eq!(machine.copied("mainsd.conf"), machine.read("etc/apcupsd/apcupsd.conf"));
    let expected = format!("{hooks}/apccontrol: left as it is, please look: it names FROM");
    assert!(told.contains(&expected), "{told:#?}");
}

#[test]
fn what_is_there_already_stays() {
    let machine = Machine::with("UPSTYPE usb\n");
    machine.file("onbattery", "#!/bin/sh\nold\n");
    machine.file("offbattery", "#!/bin/sh\nsame\n");
    fs::create_dir(machine.path("etc/mainsd")).unwrap();
    machine.0.file("etc/mainsd/onbattery", "#!/bin/sh\nmine\n");
    machine.0.file("etc/mainsd/offbattery", "#!/bin/sh\nsame\n");
    let told = machine.copy();
    assert!(told.contains(&"TO/onbattery is there already, and stays".to_owned()), "{told:#?}");
    assert!(!told.iter().any(|line| line.starts_with("TO/offbattery")), "{told:#?}");
    assert_eq!(machine.copied("onbattery"), "#!/bin/sh\nmine\n");

    let before = listing(&machine.path("etc/mainsd"));
    machine.file("apcupsd.conf", "UPSTYPE test\n");
    assert_eq!(machine.copy(), ["TO/mainsd.conf is there already: nothing is copied"]);
    assert_eq!(listing(&machine.path("etc/mainsd")), before);
}

#[test]
fn without_a_configuration_nothing_is_made_and_the_exit_status_says_so() {
    let machine = Machine::new();
    machine.file("onbattery", "#!/bin/sh\n");
    let done = machine.run();
    assert_eq!(done.status.code(), Some(3), "{done:?}");
    assert!(!machine.path("etc/mainsd").exists() && !machine.path("var/lib/mainsd").exists());
    fs::remove_dir_all(machine.path("etc/apcupsd")).unwrap();
    assert_eq!(machine.run().status.code(), Some(3));
}

#[test]
fn a_copy_that_fails_leaves_no_configuration_and_can_be_made_again() {
    let machine = Machine::with("UPSTYPE usb\n");
    machine.file("onbattery", "#!/bin/sh\n");
    // A file where a folder is to be made.
    machine.0.file("var/lib/mainsd", "");
    let done = machine.run();
    assert!(!matches!(done.status.code(), Some(0 | 3)), "{done:?}");
    assert!(!machine.path("etc/mainsd/mainsd.conf").exists());
    fs::remove_file(machine.path("var/lib/mainsd")).unwrap();
    machine.copy();
    assert!(machine.path("etc/mainsd/mainsd.conf").exists());
    assert_eq!(machine.copied("onbattery"), "#!/bin/sh\n");
}

#[test]
fn the_daemon_starts_with_the_copy_as_with_the_original() {
    let machine = Machine::with("UPSTYPE usb\nPWRFAILDIR FROM\n");
    machine.copy();
    for file in ["etc/apcupsd/apcupsd.conf", "etc/mainsd/mainsd.conf"] {
        let done = support::run(["check", "--quiet", "-f", machine.path(file).to_str().unwrap()]);
        assert!(done.status.success(), "{done:?}");
    }
}
