//! Which configuration file is read: the one that is named, else mainsd's own, else that of apcupsd.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::{APCUPSD_PATH, LoadError, OWN_PATH};

/// A configuration file, and why it is this one.
#[derive(Debug)]
pub struct WhichFile {
    /// The file.
    pub path: PathBuf,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Named,
    /// There is something of mainsd's own name.
    Own,
    /// There is not.
    NoOwn,
}

impl WhichFile {
    /// The file that the command line names, or the default.
    ///
    /// A link that leads nowhere counts as mainsd's own file, and so does one that may not be looked at: then reading it fails and says
    /// why. To guard by another file instead, perhaps an old one, would be the worse mistake.
    pub fn new(named: Option<PathBuf>) -> Self {
        Self::with_own(named, Path::new(OWN_PATH))
    }

    fn with_own(named: Option<PathBuf>, own: &Path) -> Self {
        if let Some(path) = named {
            return Self { path, why: Why::Named };
        }
        match fs::symlink_metadata(own) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Self { path: PathBuf::from(APCUPSD_PATH), why: Why::NoOwn }
            }
            Ok(_) | Err(_) => Self { path: own.to_owned(), why: Why::Own },
        }
    }

    /// A line for who may wonder; `None`: the command line names it.
    pub fn why_it_is_read(&self) -> Option<String> {
        match self.why {
            Why::Named => None,
            Why::Own if Path::new(APCUPSD_PATH).exists() => {
                Some(format!("(it exists, so {APCUPSD_PATH} is not read; -f names another file)"))
            }
            Why::Own => Some("(the default; -f names another file)".to_owned()),
            Why::NoOwn => Some(format!("(there is no {OWN_PATH}; -f names another file)")),
        }
    }

    /// Why it could not be read, and that a default file was looked for in two places.
    pub fn words_of(&self, error: &LoadError) -> String {
        if self.why == Why::NoOwn && error.source.kind() == ErrorKind::NotFound {
            format!("{error}; there is no {OWN_PATH} either")
        } else {
            error.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::sys::scratch::Scratch;

    /// A folder that is removed at the end.
    struct Folder(Scratch);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = Scratch::new(&format!("which-{name}"));
            Self(path)
        }
    }

    #[test]
    fn a_named_file_is_read_and_needs_no_explanation() {
        let folder = Folder::new("named");
        let own = folder.0.join("mainsd.conf");
        fs::write(&own, "").unwrap();
        let file = WhichFile::with_own(Some("/x/y.conf".into()), &own);
        assert_eq!((file.path.as_path(), file.why_it_is_read()), (Path::new("/x/y.conf"), None));
        let error = load(&file.path).unwrap_err();
        assert_eq!(file.words_of(&error), error.to_string());
    }

    #[test]
    fn the_own_file_is_read_where_there_is_one_and_apcupsds_where_there_is_none() {
        let folder = Folder::new("own");
        let own = folder.0.join("mainsd.conf");
        for missing in [own.clone(), folder.0.join("no-folder/mainsd.conf"), PathBuf::from("/dev/null/x")] {
            let file = WhichFile::with_own(None, &missing);
            assert_eq!(file.path, Path::new(APCUPSD_PATH));
            let why = file.why_it_is_read().unwrap();
            assert!(why.starts_with("(there is no /etc/mainsd/mainsd.conf; "), "{why}");
        }
        fs::write(&own, "UPSTYPE usb\n").unwrap();
        let file = WhichFile::with_own(None, &own);
        assert_eq!(file.path, own);
        assert!(file.why_it_is_read().is_some());
    }

    #[test]
    fn an_own_file_that_cannot_be_read_is_an_error_and_no_reason_for_another() {
        let folder = Folder::new("dangling");
        let own = folder.0.join("mainsd.conf");
        std::os::unix::fs::symlink("/nonexistent/mainsd.conf", &own).unwrap();
        let file = WhichFile::with_own(None, &own);
        assert_eq!(file.path, own);
        let error = load(&file.path).unwrap_err();
        let words = file.words_of(&error);
        assert!(words.ends_with("No such file or directory"), "{words}");
    }

    #[test]
    fn who_has_neither_file_hears_of_both() {
        let file = WhichFile { path: "/nonexistent/apcupsd.conf".into(), why: Why::NoOwn };
        let error = load(&file.path).unwrap_err();
        assert_eq!(
            file.words_of(&error),
            "Error opening configuration file (/nonexistent/apcupsd.conf): No such file or directory; \
             there is no /etc/mainsd/mainsd.conf either"
        );
    }
}
