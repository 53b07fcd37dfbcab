//! The folder of apcupsd, `/etc/apcupsd`: what is used of it goes away when the removed package is purged, and what was copied from it
//! may have changed there since.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::Found;

/// The folder of the package apcupsd. Purging it removes the folder with everything in it, whoever made that (packaging §2).
const APCUPSD: &str = "/etc/apcupsd";
/// The folder that a package of mainsd copies it to.
const OWN: &str = "/etc/mainsd";
/// What was in [`APCUPSD`] when it was copied, byte for byte. `packaging/copy-apcupsd` makes it.
const COPIED: &str = "/var/lib/mainsd/apcupsd";

/// Most files that are compared.
const FILES_MAX: usize = 100;
/// How much of each of two files is compared, in bytes.
const COMPARED_MAX: u64 = 1024 * 1024;
/// How much of dpkg's list is read, in bytes; that of a large machine has 10 MB.
const STATUS_MAX: u64 = 64 * 1024 * 1024;
/// Longest line of dpkg's list that is looked at; none of those that matter is so long.
const LINE_MAX: usize = 256;

impl Found<'_> {
    /// Files of apcupsd that were changed after they were copied: who still edits there must hear that it has no effect.
    /// `root`: what stands for `/`.
    pub(super) fn changed_after_copied(&mut self, root: &Path) {
        if !self.uses(&PathBuf::from(&*self.parsed.name), OWN) {
            return;
        }
        for name in changed(&under(root, COPIED), &under(root, APCUPSD)) {
            let text = format!(
                "{APCUPSD}/{name} was changed after it was copied to {OWN}, and is not used: 'diff {COPIED}/{name} {APCUPSD}/{name}' \
                 shows the change; make it in {OWN}, then 'cp {APCUPSD}/{name} {COPIED}/' ends this warning"
            );
            self.warn("", text);
        }
    }

    /// A folder that goes away with the rest of a package that was removed. `root`: what stands for `/`.
    pub(super) fn purge_would_take(&mut self, root: &Path) {
        let config = &self.parsed.config;
        let used: Vec<&str> = [
            ("this file", PathBuf::from(&*self.parsed.name)),
            ("SCRIPTDIR", config.script_dir.clone()),
            ("PWRFAILDIR", config.powerfail_dir.clone()),
        ]
        .into_iter()
        .filter(|(_, path)| self.uses(path, APCUPSD))
        .map(|(what, _)| what)
        .collect();
        if used.is_empty() {
            return;
        }
        let Ok(status) = File::open(under(root, "/var/lib/dpkg/status")) else { return };
        if state_of("apcupsd", BufReader::new(status.take(STATUS_MAX))).as_deref() == Some("config-files") {
            let text = format!(
                "the package apcupsd is removed but not purged: purging it ('apt purge apcupsd', 'apt autoremove --purge') removes \
                 {APCUPSD} with all that is in it, and with it {}; move what is used to {OWN} before that",
                used.join(", ")
            );
            self.warn("", text);
        }
    }

    fn uses(&self, path: &Path, folder: &str) -> bool {
        std::path::absolute(path).is_ok_and(|path| path.starts_with(folder))
    }
}

fn under(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// The names of the files in `copied` that are another text in `now`, sorted. One that is not there any more was removed with its
/// package, and is no change.
fn changed(copied: &Path, now: &Path) -> Vec<String> {
    let names = fs::read_dir(copied).into_iter().flatten().flatten().take(FILES_MAX);
    let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    names.sort();
    let differs = |(before, after): (Option<Vec<u8>>, Option<Vec<u8>>)| match (before, after) {
        (Some(before), Some(after)) => before != after,
        _ => false,
    };
    names
        .into_iter()
        .filter(|name| differs((text_of(&copied.join(name)), text_of(&now.join(name)))))
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// What is in a file; `None`: it is no file, or cannot be read.
fn text_of(path: &Path) -> Option<Vec<u8>> {
    // A fifo would be waited for.
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut text = Vec::new();
    File::open(path).ok()?.take(COMPARED_MAX).read_to_end(&mut text).ok()?;
    Some(text)
}

/// The state of a package in dpkg's list (dpkg-query(1), `db:Status-Status`): `installed`, `config-files` …; `None`: it is not
/// in the list.
fn state_of(package: &str, mut list: impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let mut is_it = false;
    let mut state = None;
    loop {
        line.clear();
        let read = list.read_until(b'\n', &mut line).ok()?;
        let text = String::from_utf8_lossy(line.get(..LINE_MAX).unwrap_or(&line));
        let text = text.trim_end();
        if text.is_empty() {
            if is_it && state.is_some() {
                return state;
            }
            (is_it, state) = (false, None);
        } else if let Some(name) = text.strip_prefix("Package:") {
            is_it = name.trim() == package;
        } else if let Some(words) = text.strip_prefix("Status:") {
            state = words.split_whitespace().nth(2).map(str::to_owned);
        }
        if read == 0 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::sys::scratch::Scratch;

    /// A root folder, removed at the end.
    struct Root(Scratch);

    impl Root {
        fn new(name: &str) -> Self {
            let path = Scratch::new(&format!("apcupsd-{name}"));
            Self(path)
        }

        fn file(&self, path: &str, text: &str) {
            let path = under(&self.0, path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn told(&self, name: &str, config: &str, look: fn(&mut Found<'_>, &Path)) -> Vec<String> {
            let parsed = parse(format!("UPSTYPE usb\n{config}").as_bytes(), name);
            let mut found = Found { parsed: &parsed, warnings: Vec::new() };
            look(&mut found, &self.0);
            found.warnings.iter().map(ToString::to_string).collect()
        }

        fn changed(&self, name: &str) -> Vec<String> {
            self.told(name, "", |found, root| found.changed_after_copied(root))
        }

        fn purge(&self, name: &str, config: &str) -> Vec<String> {
            self.told(name, config, |found, root| found.purge_would_take(root))
        }
    }

    const OWN_FILE: &str = "/etc/mainsd/mainsd.conf";

    #[test]
    fn a_file_that_changed_after_the_copy_is_told_with_what_ends_the_warning() {
        let root = Root::new("changed");
        for name in ["apcupsd.conf", "apccontrol", "onbattery", "offbattery"] {
            root.file(&format!("{COPIED}/{name}"), "as it was\n");
            root.file(&format!("{APCUPSD}/{name}"), "as it was\n");
        }
        assert_eq!(root.changed(OWN_FILE), [""; 0], "nothing has changed");
        root.file("/etc/apcupsd/apcupsd.conf", "TIMEOUT 60\n");
        root.file("/etc/apcupsd/onbattery", "as it was\nand more\n");
        let told = root.changed(OWN_FILE);
        assert_eq!(told.len(), 2, "{told:#?}");
        assert_eq!(
            told[0],
            "/etc/mainsd/mainsd.conf: /etc/apcupsd/apcupsd.conf was changed after it was copied to /etc/mainsd, and is not used: \
             'diff /var/lib/mainsd/apcupsd/apcupsd.conf /etc/apcupsd/apcupsd.conf' shows the change; make it in /etc/mainsd, then \
             'cp /etc/apcupsd/apcupsd.conf /var/lib/mainsd/apcupsd/' ends this warning"
        );
        assert!(told[1].contains("/etc/apcupsd/onbattery was changed"), "{told:#?}");
        root.file(&format!("{COPIED}/apcupsd.conf"), "TIMEOUT 60\n");
        root.file(&format!("{COPIED}/onbattery"), "as it was\nand more\n");
        assert_eq!(root.changed(OWN_FILE), [""; 0], "the command of the warning has been run");
    }

    #[test]
    fn what_was_purged_never_copied_or_belongs_to_another_configuration_is_no_change() {
        let root = Root::new("unchanged");
        assert_eq!(root.changed(OWN_FILE), [""; 0], "nothing was copied");
        root.file(&format!("{COPIED}/apcupsd.conf"), "as it was\n");
        assert_eq!(root.changed(OWN_FILE), [""; 0], "the package was purged");
        root.file("/etc/apcupsd/doshutdown", "new\n");
        assert_eq!(root.changed(OWN_FILE), [""; 0], "it was not copied");
        root.file("/etc/apcupsd/apcupsd.conf", "other\n");
        assert_eq!(root.changed("/etc/apcupsd/apcupsd.conf"), [""; 0], "this file is the one that is used");
        assert_eq!(root.changed(OWN_FILE).len(), 1);
        fs::remove_file(under(&root.0, "/etc/apcupsd/apcupsd.conf")).unwrap();
        fs::create_dir(under(&root.0, "/etc/apcupsd/apcupsd.conf")).unwrap();
        assert_eq!(root.changed(OWN_FILE), [""; 0], "that is no file");
    }

    const LIST: &str = "Package: apcupsd-doc\nStatus: install ok installed\nDescription: about\n Package: apcupsd\n\n\
        Package: apcupsd\nStatus: deinstall ok config-files\nPriority: optional\nConffiles:\n /etc/apcupsd/apcupsd.conf 1\n\n\
        Package: bash\nStatus: install ok installed\n";

    #[test]
    fn the_state_of_a_package_is_the_third_word_of_its_status() {
        let table = [
            ("apcupsd", LIST, Some("config-files")),
            ("apcupsd-doc", LIST, Some("installed")),
            ("bash", LIST, Some("installed")),
            ("nut", LIST, None),
            ("apcupsd", "", None),
            ("apcupsd", "\n\n\n", None),
            ("apcupsd", "Package: apcupsd\n", None),
            ("apcupsd", "Package: apcupsd\nStatus: odd\n", None),
            ("apcupsd", "Package: x\nStatus: install ok installed\n\nPackage: apcupsd\n\n", None),
        ];
        for (package, list, state) in table {
            assert_eq!(state_of(package, list.as_bytes()).as_deref(), state, "{package} in {list:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_list_is_understood_or_not(
            list in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
            begin in "(Package: apcupsd\n)?(Status:)?[ a-z]{0,20}",
        ) {
            let _ = state_of("apcupsd", [begin.as_bytes(), &list].concat().as_slice());
        }
    }

    #[test]
    fn a_folder_that_a_purge_would_take_is_told_with_what_is_used_of_it() {
        let root = Root::new("purge");
        assert_eq!(root.purge("/etc/apcupsd/apcupsd.conf", ""), [""; 0], "there is no dpkg");
        root.file("/var/lib/dpkg/status", LIST);
        let told = root.purge("/etc/apcupsd/apcupsd.conf", "");
        assert_eq!(
            told,
            [
                "/etc/apcupsd/apcupsd.conf: the package apcupsd is removed but not purged: purging it ('apt purge apcupsd', 'apt autoremove \
              --purge') removes /etc/apcupsd with all that is in it, and with it this file, SCRIPTDIR, PWRFAILDIR; move what is used to \
              /etc/mainsd before that"
            ]
        );
        let own = "SCRIPTDIR /etc/mainsd\nPWRFAILDIR /etc/mainsd";
        assert_eq!(root.purge(OWN_FILE, own), [""; 0]);
        let told = root.purge(OWN_FILE, "SCRIPTDIR /etc/apcupsd/hooks\nPWRFAILDIR /run");
        assert!(told[0].contains(" and with it SCRIPTDIR; move"), "{told:?}");
        root.file("/var/lib/dpkg/status", &LIST.replace("deinstall ok config-files", "install ok installed"));
        assert_eq!(root.purge("/etc/apcupsd/apcupsd.conf", ""), [""; 0], "it is installed");
    }
}
