//! Files of the daemon in folders that others can write to. The daemon follows no link that another user has put there, but
//! they can still take the file's place before it, or make the folder lead elsewhere.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{NoLogon, Origin, Parsed};
use crate::sys::trust::{folder_of, trusted};

/// What is to be said, each with the directive that names the file.
pub fn warnings(parsed: &Parsed) -> Vec<(&'static str, String)> {
    let config = &parsed.config;
    let status = config.stat_file.clone().filter(|_| config.stat_time > Duration::ZERO);
    let state = config.state_file.clone().filter(|_| parsed.origin("STATEFILE") != Origin::Default);
    let nologin = (config.no_logon != NoLogon::Disable).then(|| config.nologin_dir.join("nologin"));
    let files: [(&'static str, Option<PathBuf>, &str); 7] = [
        ("SCRIPTDIR", Some(config.script_dir.join("apccontrol")), "and become what is run as root"),
        ("", Some(PathBuf::from(&*parsed.name)), "and say what is run as root"),
        (
            "PWRFAILDIR",
            Some(config.powerfail_dir.join("powerfail")),
            "and decide whether the UPS cuts its power after a shutdown",
        ),
        ("NOLOGINDIR", nologin, "and keep users out"),
        ("EVENTSFILE", config.events_file.clone(), "and events are lost or invented"),
        ("STATFILE", status, "and the status is not written, or another one is read"),
        ("STATEFILE", state, "and a restart during an outage begins to count anew"),
    ];
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for (keyword, path, effect) in files {
        let Some(path) = path else { continue };
        let Some(Open { path: folder, fault }) = open_to(&path) else { continue };
        let (file, folder) = (path.display(), folder.display());
        let text = format!(
            "{folder} {fault}: they can take the place of {file} {effect}; choose a folder of root's"
        );
        found.push((keyword, text));
    }
    found
}

/// A folder on the way to a file in which others can make or rename something.
struct Open {
    path: PathBuf,
    fault: &'static str,
}

/// The first such folder: the one that the file is in, else one above it.
fn open_to(path: &Path) -> Option<Open> {
    let inner = folder_of(path);
    let mut folder = Some(inner);
    while let Some(path) = folder.filter(|path| !path.as_os_str().is_empty()) {
        if let Ok(data) = fs::metadata(path) {
            let open = |fault| Some(Open { path: path.to_owned(), fault });
            // In a sticky folder nobody can rename what is another's; but anybody can be the first to make it.
            let sticky = data.mode() & 0o1000 != 0;
            if data.mode() & 0o002 != 0 && (path == inner || !sticky) {
                return open("can be written to by other users");
            }
            if !trusted(data.uid()) {
                return open("belongs to another user than root");
            }
        }
        folder = path.parent();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::sys::access;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    /// Folders in one that is ours; gone when dropped.
    struct Tree(Scratch);

    impl Tree {
        fn new(name: &str) -> Self {
            let path = Scratch::new(&format!("shared-{name}"));
            fs::create_dir_all(path.join("sub/deep")).unwrap();
            Self(path)
        }

        fn set(&self, folder: &str, mode: u32) {
            fs::set_permissions(self.0.join(folder), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn warned(&self, lines: &str) -> Vec<String> {
            let dir = self.0.display();
            let text = format!(
                "UPSTYPE test\nNOLOGON always\nSTATTIME 1\n{}\n",
                lines.replace("{dir}", &dir.to_string())
            );
            let defaults = format!(
                "SCRIPTDIR {dir}\nPWRFAILDIR {dir}\nNOLOGINDIR {dir}\nEVENTSFILE\nSTATEFILE\nSTATFILE {dir}/status\n{text}"
            );
            let parsed = parse(defaults.as_bytes(), &format!("{dir}/conf"));
            warnings(&parsed).into_iter().map(|(keyword, text)| format!("{keyword}: {text}")).collect()
        }
    }

    #[test]
    fn files_in_folders_of_ours_are_no_reason_to_warn() {
        let tree = Tree::new("ours");
        tree.set("sub", 0o775);
        assert_eq!(tree.warned("EVENTSFILE {dir}/sub/events\nSTATEFILE {dir}/sub/deep/"), [""; 0]);
    }

    #[test]
    fn each_file_in_a_folder_that_everybody_can_write_to_is_named_with_its_directive() {
        let tree = Tree::new("all");
        for mode in [0o1777, 0o777] {
            tree.set("sub", mode);
            let lines = "SCRIPTDIR {dir}/sub\nPWRFAILDIR {dir}/sub\nNOLOGINDIR {dir}/sub\nEVENTSFILE {dir}/sub/events\n\
                         STATFILE {dir}/sub/status\nSTATEFILE {dir}/sub/state";
            let warned = tree.warned(lines);
            let keywords: Vec<&str> = warned.iter().filter_map(|line| line.split(':').next()).collect();
            assert_eq!(
                keywords,
                ["SCRIPTDIR", "PWRFAILDIR", "NOLOGINDIR", "EVENTSFILE", "STATFILE", "STATEFILE"]
            );
            let dir = tree.0.display();
            let words = format!(
                "EVENTSFILE: {dir}/sub can be written to by other users: they can take the place of {dir}/sub/events and events \
                 are lost or invented; choose a folder of root's"
            );
            assert_eq!(warned[3], words);
        }
    }

    #[test]
    fn a_folder_above_counts_unless_it_is_sticky() {
        let tree = Tree::new("above");
        let line = "EVENTSFILE {dir}/sub/deep/events";
        tree.set("sub", 0o1777);
        assert_eq!(tree.warned(line), [""; 0]);
        tree.set("sub", 0o777);
        assert_eq!(tree.warned(line).len(), 1);
    }

    #[test]
    fn a_folder_of_another_user_is_named_as_that() {
        if access::is_root() {
            let tree = Tree::new("owner");
            std::os::unix::fs::chown(tree.0.join("sub"), Some(65534), None).unwrap();
            let warned = tree.warned("EVENTSFILE {dir}/sub/events");
            assert!(warned[0].contains("sub belongs to another user than root: "), "{warned:?}");
        }
    }

    #[test]
    fn what_is_not_written_is_not_warned_about() {
        let tree = Tree::new("unused");
        tree.set("sub", 0o1777);
        let lines = "NOLOGON disable\nNOLOGINDIR {dir}/sub\nSTATTIME 0\nSTATFILE {dir}/sub/status\nSTATEFILE";
        assert_eq!(tree.warned(lines), [""; 0]);
    }
}
