//! `packaging/install` where it has been before, is interrupted, or is given odd names: the machine keeps what starts it and its guard.

use std::process::Command;

use super::install::Root;

const INITTAB: &str = "::sysinit:/etc/init.d/rcS\n::shutdown:/bin/umount -a -r\n";
const START: &str = "::respawn:/usr/local/sbin/mainsd";

#[test]
fn an_upgrade_keeps_the_lines_of_inittab_without_being_asked_again() {
    let root = Root::new();
    root.file("etc/inittab", INITTAB);
    root.said("/usr/local", &["--inittab"]);
    let with_lines = root.read("etc/inittab");
    assert!(with_lines.lines().any(|line| line == START), "{with_lines}");
    root.said("/usr/local", &[]);
    assert_eq!(root.read("etc/inittab"), with_lines);
    root.said("/usr/local", &["--uninstall"]);
    assert_eq!(root.read("etc/inittab"), INITTAB);
}

#[test]
fn an_upgrade_is_for_the_init_that_was_named_the_first_time() {
    let root = Root::new();
    root.said("/usr/local", &["--init", "sysvinit"]);
    let said = root.said("/usr/local", &[]);
    assert!(root.path("etc/init.d/mainsd").is_file(), "{said:#?}");
    assert_eq!(said[0], "mainsd: starts services there: sysvinit (as you said before)");
    // Until another one is named.
    root.said("/usr/local", &["--init", "none"]);
    root.said("/usr/local", &[]);
    assert!(!root.path("etc/init.d/mainsd").exists());
    root.said("/usr/local", &["--uninstall", "--purge"]);
    assert!(root.is_empty());
}

#[test]
fn no_inittab_is_made_where_init_has_lines_of_its_own() {
    let root = Root::new();
    let said = root.said("/usr/local", &["--init", "busybox", "--inittab"]);
    assert!(!root.path("etc/inittab").exists(), "such a machine would not start: {said:#?}");
    assert!(said.iter().any(|line| line.ends_with(START)), "{said:#?}");
    assert!(said.iter().any(|line| line.contains("/etc/inittab is no file")), "{said:#?}");
}

#[test]
fn a_full_disk_leaves_inittab_as_it_was() {
    let root = Root::new();
    root.file("etc/inittab", INITTAB);
    // Once while installing, once while removing.
    for args in [&["--inittab"][..], &["--uninstall"]] {
        let before = root.read("etc/inittab");
        let done = root.run_without(
            "cat",
            "case $* in *inittab*) exit 1 ;; esac\nexec /bin/cat \"$@\"",
            "/usr/local",
            args,
        );
        assert!(!done.status.success(), "{done:?}");
        assert_eq!(root.read("etc/inittab"), before);
        root.said("/usr/local", &["--inittab"]);
    }
    // An awk that does not notice.
    let before = root.read("etc/inittab");
    let awk = "case $* in *start=*) exit 0 ;; esac\nexec /usr/bin/awk \"$@\"";
    let done = root.run_without("awk", awk, "/usr/local", &["--inittab"]);
    assert!(!done.status.success(), "{done:?}");
    assert_eq!(root.read("etc/inittab"), before);
}

#[test]
fn a_line_of_others_behind_our_mark_stays() {
    let root = Root::new();
    root.file("etc/inittab", INITTAB);
    root.said("/usr/local", &["--inittab"]);
    let text = root.read("etc/inittab").replace(START, "::respawn:/sbin/getty");
    root.file("etc/inittab", &text);
    root.said("/usr/local", &["--uninstall"]);
    assert_eq!(root.read("etc/inittab"), format!("{INITTAB}::respawn:/sbin/getty\n"));
}

#[test]
fn a_configuration_is_there_whole_or_not_at_all() {
    let root = Root::new();
    let cp =
        "for to; do :; done\ncase $to in *mainsd.conf*) echo >\"$to\"; exit 1 ;; esac\nexec /bin/cp \"$@\"";
    let done = root.run_without("cp", cp, "/usr/local", &[]);
    assert!(!done.status.success(), "{done:?}");
    root.said("/usr/local", &[]);
    assert!(root.read("etc/mainsd/mainsd.conf").contains("\nSCRIPTDIR /etc/mainsd\n"));
    root.said("/usr/local", &["--uninstall", "--purge"]);
    assert!(root.is_empty());
}

#[test]
fn it_is_installed_in_one_place_only() {
    // What both have would go with the removal of one.
    for args in [
        &["--init", "openrc"][..],
        &["--init", "sysvinit"],
        &["--init", "systemd"],
        &["--inittab"],
        &["--init", "none"],
    ] {
        let root = Root::new();
        root.file("etc/inittab", INITTAB);
        if args != ["--init", "none"] {
            // Of apcupsd, not a link to ours.
            root.file("etc/mainsd/apccontrol", "#!/bin/sh\n");
        }
        root.said("/opt/ups", args);
        let before = root.files();
        let done = root.run("/usr", args);
        assert_eq!(done.status.code(), Some(1), "{args:?}: {done:?}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.contains("PREFIX=/opt/ups packaging/install --uninstall"), "{said}");
        assert_eq!(root.files(), before);
        root.said("/opt/ups", &["--uninstall"]);
        root.said("/usr", args);
    }
}

#[test]
fn what_a_package_has_put_in_the_same_place_is_not_removed() {
    let root = Root::new();
    root.said("/usr", &["--init", "openrc"]);
    root.file("lib/apk/db/installed", "P:mainsd\nV:0.1\n");
    let before = root.files();
    let done = root.run("/usr", &["--uninstall", "--purge"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(root.files(), before);
}

#[test]
fn a_prefix_that_scripts_and_units_cannot_hold_is_refused() {
    for prefix in ["/opt/R&D", "/opt/my ups", "/opt/a,b", "/opt/a\\b", "/opt/$x", "/opt/../usr", "/"] {
        let root = Root::new();
        let done = root.run(prefix, &["--init", "systemd"]);
        assert_eq!(done.status.code(), Some(1), "{prefix}: {done:?}");
        assert!(root.is_empty(), "{prefix}: {:?}", root.files());
    }
    let root = Root::new();
    root.said("/usr//", &["--init", "systemd"]);
    assert!(root.path("usr/lib/systemd/system/mainsd.service").is_file(), "{:?}", root.files());
}

#[test]
fn a_folder_that_is_missing_below_the_root_is_made() {
    // Only the functions: the rest would install into this machine.
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/install")).unwrap();
    let function = |name: &str| {
        let start = text.find(&format!("\n{name}() {{")).unwrap();
        let length = text[start..].find("\n}\n").unwrap() + 3;
        text[start..start + length].to_owned()
    };
    let run = format!(
        "set -eu\nDESTDIR=\nmkdir() {{ echo \"$1\"; }}\nnote() {{ :; }}\n{}{}folder /mainsd-not-there/lib\n",
        function("there"),
        function("folder")
    );
    let done = Command::new("sh").args(["-c", &run]).output().unwrap();
    assert!(done.status.success(), "{:?}", done.status);
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "/mainsd-not-there\n/mainsd-not-there/lib\n");
}

#[test]
fn a_removal_that_was_interrupted_can_be_done_again() {
    let root = Root::new();
    root.file("etc/inittab", INITTAB);
    root.said("/usr/local", &["--init", "busybox", "--inittab"]);
    let rm = "case $* in *killpower-busybox*) exit 1 ;; esac\nexec /bin/rm \"$@\"";
    let done = root.run_without("rm", rm, "/usr/local", &["--uninstall"]);
    assert!(!done.status.success(), "{done:?}");
    root.said("/usr/local", &["--uninstall", "--purge"]);
    assert_eq!(root.files().into_iter().collect::<Vec<_>>(), ["/etc/inittab"]);
    assert_eq!(root.read("etc/inittab"), INITTAB);
}

#[test]
fn where_usr_cannot_be_written_the_machine_is_guarded_all_the_same() {
    let root = Root::new();
    let ln = "case $* in *system-shutdown*) exit 1 ;; esac\nexec /bin/ln \"$@\"";
    let done = root.run_without("ln", ln, "/usr/local", &["--init", "systemd"]);
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("/usr/lib/systemd/system-shutdown cannot be written"), "{said}");
    assert!(said.contains("systemctl enable --now mainsd"), "{said}");
    assert!(root.path("etc/mainsd/mainsd.conf").is_file(), "{said}");
    root.said("/usr/local", &["--uninstall", "--purge"]);
    assert!(root.is_empty());
}

#[test]
fn a_full_disk_is_left_without_half_a_file() {
    for (program, half) in [("cp", "mainsd.new"), ("chmod", "mainsd.8.new")] {
        let root = Root::new();
        let lines = format!(
            "for to; do :; done\ncase $to in */{half}) echo >\"$to\"; exit 1 ;; esac\nexec /bin/{program} \"$@\""
        );
        let done = root.run_without(program, &lines, "/usr/local", &[]);
        assert!(!done.status.success(), "{done:?}");
        let left = root.files();
        assert!(!left.iter().any(|name| name.ends_with(".new")), "{left:?}");
        root.said("/usr/local", &["--uninstall", "--purge"]);
        assert!(root.is_empty(), "{half}");
    }
}
