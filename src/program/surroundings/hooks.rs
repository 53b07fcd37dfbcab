//! `apccontrol` and the scripts beside it: would the kernel run them?

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Found, for_anyone};
use crate::ups::Event;

/// How much of a hook is looked at, in bytes.
pub(super) const LONGEST_HOOK: u64 = 64 * 1024;
/// Folders in which a program without a path is looked for: those that hooks have in their `PATH`.
pub(super) const FOLDERS: [&str; 6] =
    ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];
/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why the kernel does not run a file, or not as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is none.
    Missing,
    /// No file, no execute bit, no permission.
    NotExecutable,
    /// Nothing in it.
    Empty,
    /// It begins with a byte order mark, which hides `#!` from the kernel.
    ByteOrderMark,
    /// A script that does not begin with `#!`.
    NoInterpreterLine,
    /// Lines end in carriage return and newline.
    WindowsLineEnds,
    /// The interpreter of its first line, or the program that env(1) looks for, does not exist.
    NoInterpreter(String),
}

impl Fault {
    /// What is wrong, and what mends it; `shown` is the file's name.
    fn words(&self, shown: &str) -> (String, String) {
        let mend = |command: &str| format!("{command} {shown}");
        match self {
            Self::Missing => ("does not exist".into(), "install the hooks or set SCRIPTDIR".into()),
            Self::NotExecutable => ("cannot be run".into(), mend("chmod 755")),
            Self::Empty => ("is empty".into(), "install the hooks".into()),
            Self::ByteOrderMark => (
                "begins with a byte order mark, which hides its #! from the kernel".into(),
                mend(r"sed -i '1s/^\xef\xbb\xbf//'"),
            ),
            Self::NoInterpreterLine => {
                ("does not begin with #!".into(), "make '#!/bin/sh' its first line".into())
            }
            Self::WindowsLineEnds => (
                "has the line ends of Windows (CRLF): its interpreter is not found, or chokes on them".into(),
                mend(r"sed -i 's/\r$//'"),
            ),
            Self::NoInterpreter(program) => {
                (format!("wants the interpreter {program}, which does not exist"), "install it".into())
            }
        }
    }
}

impl Found<'_> {
    /// `apccontrol`, and each script that it may run for an event.
    pub(super) fn hooks(&mut self, shutdown_commands: &[String]) {
        let folder = self.parsed.config.script_dir.clone();
        let apccontrol = folder.join("apccontrol");
        let next = match shutdown_commands.first() {
            Some(own) if Some(own) == self.parsed.config.shutdown_cmd.as_ref() => "SHUTDOWNCMD",
            Some(command) => command,
            None => "the kernel",
        };
        let effect = format!("no hook runs, and a shutdown goes straight to {next}");
        if !self.hook(&apccontrol, &effect) {
            if let Some(program) = super::killpower::missing_program(&apccontrol) {
                let text = format!(
                    "the killpower of {} calls {program}, which does not exist: the UPS is not told to cut its power after a \
                 shutdown; make it call mainsd",
                    apccontrol.display()
                );
                self.warn("SCRIPTDIR", text);
            }
        }
        for path in scripts(&folder).skip(1) {
            self.hook(&path, "apccontrol cannot run it as it was meant");
        }
    }

    /// Warns of one hook; whether there was something to warn of.
    fn hook(&mut self, path: &Path, effect: &str) -> bool {
        let shown = path.display();
        let text = match fault(path) {
            Some(fault) => {
                let (what, remedy) = fault.words(&shown.to_string());
                format!("{shown} {what}: {effect}; {remedy}")
            }
            None if for_anyone(path) => {
                format!("any user can write to {shown}, which is run as root; chmod o-w {shown}")
            }
            None => return false,
        };
        self.warn("SCRIPTDIR", text);
        true
    }
}

/// `apccontrol`, and each script beside it that it may run; most events have none of their own.
pub(super) fn scripts(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let names = Event::ALL.iter().map(|event| event.arg()).chain(["killpower"]);
    let beside: Vec<PathBuf> = names.map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    std::iter::once(folder.join("apccontrol")).chain(beside)
}

/// Why the kernel would not run this file as a program; a script without `#!` is one for a shell.
pub(super) fn cannot_run(path: &Path) -> Option<Fault> {
    fault(path)
        .filter(|fault| matches!(fault, Fault::Missing | Fault::NotExecutable | Fault::NoInterpreter(_)))
}

/// What is wrong with a hook.
pub(super) fn fault(path: &Path) -> Option<Fault> {
    let data = match fs::metadata(path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Some(Fault::NotExecutable),
        Err(_) => return Some(Fault::Missing),
    };
    if !data.is_file() || data.permissions().mode() & 0o111 == 0 {
        return Some(Fault::NotExecutable);
    }
    // What cannot be read may be run all the same.
    let text = start_of(path)?;
    if text.is_empty() {
        return Some(Fault::Empty);
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        return Some(Fault::ByteOrderMark);
    }
    let Some(rest) = text.strip_prefix(b"#!") else {
        // A program of any kind; `binfmt_misc` knows more than ELF.
        let is_text = !text.iter().take(256).any(|byte| *byte == 0);
        return is_text.then_some(Fault::NoInterpreterLine);
    };
    if text.windows(2).any(|pair| pair == b"\r\n") {
        return Some(Fault::WindowsLineEnds);
    }
    interpreter_fault(rest)
}

/// The program of a first line, and what env(1) is to find.
fn interpreter_fault(after_mark: &[u8]) -> Option<Fault> {
    // 256 bytes are what the kernel reads (`execve(2)`).
    let line = after_mark.get(..254).unwrap_or(after_mark).split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let program = PathBuf::from(OsStr::from_bytes(words.next()?));
    if program.is_absolute() && !program.is_file() {
        return Some(Fault::NoInterpreter(program.display().to_string()));
    }
    if program.file_name() != Some(OsStr::new("env")) {
        return None;
    }
    let wanted = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))?;
    let wanted = Path::new(OsStr::from_bytes(wanted));
    (!is_there(wanted)).then(|| Fault::NoInterpreter(wanted.display().to_string()))
}

/// Whether a program exists, by its path or in one of [`FOLDERS`].
pub(super) fn is_there(program: &Path) -> bool {
    let runs = |path: &Path| {
        fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    if program.is_absolute() {
        runs(program)
    } else {
        // What has a slash depends on the folder that it is run in.
        program.components().count() > 1
            || FOLDERS.iter().any(|folder| runs(&Path::new(folder).join(program)))
    }
}

/// The beginning of a file.
pub(super) fn start_of(path: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LONGEST_HOOK).read_to_end(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hook of its own in the temporary folder.
    struct Hook(PathBuf);

    impl Hook {
        fn new(name: &str, text: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("mainsd-hook-{name}-{}", std::process::id()));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            Self(path)
        }
    }

    impl Drop for Hook {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        let missing = |program: &str| Some(Fault::NoInterpreter(program.to_owned()));
        let table: [(&[u8], Option<Fault>); 14] = [
            (b"#!/bin/sh\necho hi\n", None),
            (b"#! /bin/sh -e\necho hi\n", None),
            (b"\x7fELF\x02\x01\x01\0\0\0", None),
            (b"#!/bin/sh\r\necho hi\r\n", Some(Fault::WindowsLineEnds)),
            (b"#!/bin/sh\necho hi\r\n", Some(Fault::WindowsLineEnds)),
            (b"\xef\xbb\xbf#!/bin/sh\necho hi\n", Some(Fault::ByteOrderMark)),
            (b"\xef\xbb\xbf#!/bin/sh\r\necho hi\r\n", Some(Fault::ByteOrderMark)),
            (b"echo hi\n", Some(Fault::NoInterpreterLine)),
            (b" #!/bin/sh\n", Some(Fault::NoInterpreterLine)),
            (b"", Some(Fault::Empty)),
            (b"#!/bin/sh/env python\n", missing("/bin/sh/env")),
            (b"#!/nonexistent/perl -w\n", missing("/nonexistent/perl")),
            (b"#!/usr/bin/env -S nonexistent-program -u\n", missing("nonexistent-program")),
            (b"#!/usr/bin/env sh\n", None),
        ];
        for (index, (text, expected)) in table.into_iter().enumerate() {
            let hook = Hook::new(&index.to_string(), text);
            assert_eq!(fault(&hook.0), expected, "{:?}", String::from_utf8_lossy(text));
        }
        let hook = Hook::new("mode", b"#!/bin/sh\n");
        fs::set_permissions(&hook.0, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(fault(&hook.0), Some(Fault::NotExecutable));
        assert_eq!(fault(Path::new("/nonexistent/hook")), Some(Fault::Missing));
        assert_eq!(fault(Path::new("/")), Some(Fault::NotExecutable));
    }

    #[test]
    fn the_remedy_mends_the_file() {
        for (name, text) in
            [("crlf", &b"#!/bin/sh\r\nexit 0\r\n"[..]), ("bom", b"\xef\xbb\xbf#!/bin/sh\nexit 0\n")]
        {
            let hook = Hook::new(name, text);
            let (_, remedy) = fault(&hook.0).unwrap().words(&hook.0.display().to_string());
            assert!(std::process::Command::new("sh").args(["-c", &remedy]).status().unwrap().success());
            assert_eq!(fault(&hook.0), None, "{remedy}");
        }
    }
}
