//! The flag files `powerfail` and `nologin` (config §8), each made and removed by children of its own: one at a time, and in
//! the order of the orders, also where the folder does not answer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sys::flag_file::{self, Change};
use crate::sys::spawn::{Child, End};
use crate::sys::{clock, reason};
use crate::ups::Priority;

/// Content of the file `nologin` that mainsd writes (config §8).
pub const NOLOGIN_TEXT: &str = "POWER FAILURE\n";

/// How long a shutdown waits for its flag, and after what time the log says that a folder does not answer.
const FLAG_TIMEOUT: Duration = Duration::from_secs(1);

/// While no process can be made, it is tried again after this.
const FORK_RETRY: Duration = Duration::from_secs(1);

/// What a flag is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// There.
    Present,
    /// Gone.
    Absent,
}

/// Both flags.
#[derive(Debug)]
pub(super) struct Flags {
    pub powerfail: Flag,
    pub nologin: Flag,
    /// Children that hang in folders which are no longer configured; to be reaped.
    left_behind: Vec<Child>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Flag {
    path: PathBuf,
    create: Change,
    remove: Change,
    running: Option<Running>,
    /// The last order that has not begun, and when it is to: those before it need not be carried out.
    next: Option<(Wanted, Instant)>,
    /// That no process can be made has been told.
    told_fork: bool,
}

/// A child that creates or removes the flag.
#[derive(Debug)]
struct Running {
    child: Child,
    wanted: Wanted,
    /// `None`: it took longer, and that has been told.
    until: Option<Instant>,
}

/// Lines for the log.
type Lines = Vec<(Priority, String)>;

impl Flags {
    pub fn new(powerfail_dir: &Path, nologin_dir: &Path) -> Self {
        // So that another boot's halt knows that it is not meant.
        let boot = clock::boot_id().unwrap_or_default() + "\n";
        let text = NOLOGIN_TEXT.as_bytes();
        Self {
            powerfail: Flag::new(powerfail_dir.join("powerfail"), Change::Renew(boot.into()), Change::Remove),
            // Ours is known by its content, so that an instance started after a crash removes it too.
            nologin: Flag::new(
                nologin_dir.join("nologin"),
                Change::Create(text.into()),
                Change::RemoveIf(text.into()),
            ),
            left_behind: Vec::new(),
        }
    }

    /// Puts the flags of later orders elsewhere; those that were made stay where they are.
    pub fn reconfigure(&mut self, powerfail_dir: &Path, nologin_dir: &Path) {
        let moved =
            [(&mut self.powerfail, powerfail_dir, "powerfail"), (&mut self.nologin, nologin_dir, "nologin")];
        for (flag, dir, name) in moved {
            let path = dir.join(name);
            if path != flag.path {
                flag.path = path;
                self.left_behind.extend(flag.running.take().map(|running| running.child));
            }
        }
    }

    /// Looks after the children, and begins what is due; gives lines for the log.
    pub fn advance(&mut self, now: Instant) -> Lines {
        self.left_behind.retain_mut(|child| child.try_wait().is_none());
        let mut lines = self.powerfail.advance(now);
        lines.extend(self.nologin.advance(now));
        lines
    }

    pub fn deadline(&self) -> Option<Instant> {
        crate::ups::earliest(&[self.powerfail.deadline(), self.nologin.deadline()])
    }
}

impl Flag {
    fn new(path: PathBuf, create: Change, remove: Change) -> Self {
        Self { path, create, remove, running: None, next: None, told_fork: false }
    }

    /// Takes an order; [`Flag::advance`] begins it.
    pub fn order(&mut self, wanted: Wanted, now: Instant) {
        self.next = Some((wanted, now));
    }

    /// Whether a child is at work that is within its time.
    pub fn is_awaited(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.until.is_some())
    }

    /// Waits until everything that was ordered is done, so long at most. For the end of the daemon.
    pub fn finish(&mut self, limit: Duration, now: Instant) -> Lines {
        let mut lines = Lines::new();
        while let Some(running) = &mut self.running {
            if running.until.is_none() || running.child.wait(limit).is_none() {
                lines.extend(self.advance(now + limit));
                return lines;
            }
            lines.extend(self.advance(now));
        }
        lines
    }

    fn advance(&mut self, now: Instant) -> Lines {
        let mut lines = Lines::new();
        if let Some(mut running) = self.running.take() {
            match running.child.try_wait() {
                Some(end) => lines.extend(self.ended(&running, end)),
                None => {
                    if running.until.is_some_and(|until| until <= now) {
                        running.until = None;
                        let answer =
                            format!("no answer in {} s; nothing waits for it", FLAG_TIMEOUT.as_secs());
                        lines.push((Priority::Error, self.unable(running.wanted, &answer)));
                    }
                    self.running = Some(running);
                }
            }
        }
        // Never two at once: one that hangs would carry its order out after that of the other.
        if self.running.is_none() && self.next.is_some_and(|(_, at)| at <= now) {
            lines.extend(self.begin(now));
        }
        lines
    }

    fn begin(&mut self, now: Instant) -> Option<(Priority, String)> {
        let (wanted, _) = self.next.take()?;
        let change = match wanted {
            Wanted::Present => &self.create,
            Wanted::Absent => &self.remove,
        };
        match flag_file::start(&self.path, change) {
            Ok(child) => {
                self.told_fork = false;
                self.running = Some(Running { child, wanted, until: Some(now + FLAG_TIMEOUT) });
                None
            }
            Err(error) => {
                self.next = Some((wanted, now + FORK_RETRY));
                let told = std::mem::replace(&mut self.told_fork, true);
                (!told).then(|| (Priority::Error, self.unable(wanted, &reason(&error))))
            }
        }
    }

    fn ended(&self, running: &Running, end: End) -> Option<(Priority, String)> {
        let answer = match end {
            End::Exited(0) if running.until.is_some() => return None,
            End::Exited(0) => {
                let done = if running.wanted == Wanted::Present { "created" } else { "removed" };
                return Some((Priority::Notice, format!("{} is {done} after all", self.path.display())));
            }
            End::Failed(errno) => reason(&std::io::Error::from_raw_os_error(errno)),
            End::Exited(_) | End::Signaled(_) | End::Unknown => "its process was ended".to_owned(),
        };
        Some((Priority::Error, self.unable(running.wanted, &answer)))
    }

    /// In place of a child that creates the flag, one that ends when this file is there.
    #[cfg(test)]
    pub fn hang(&mut self, until: &Path, now: Instant) {
        let script = super::tests::waits_for(until);
        let spec = crate::sys::spawn::Spec::new(Path::new("/bin/sh"), ["-c", &script], super::Output::Null);
        let child = crate::sys::spawn::spawn(&spec).unwrap();
        self.running = Some(Running { child, wanted: Wanted::Present, until: Some(now + FLAG_TIMEOUT) });
    }

    fn unable(&self, wanted: Wanted, answer: &str) -> String {
        let to = if wanted == Wanted::Present { "create" } else { "remove" };
        format!("Unable to {to} {}: ERR={answer}", self.path.display())
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.running {
            Some(running) => running.until,
            None => self.next.map(|(_, at)| at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const TIMEOUT: Duration = Duration::from_secs(60);

    impl Flags {
        fn create(&mut self) -> Vec<String> {
            [&mut self.powerfail, &mut self.nologin]
                .into_iter()
                .flat_map(|flag| flag.run(Wanted::Present))
                .collect()
        }

        fn remove(&mut self) -> Vec<String> {
            [&mut self.powerfail, &mut self.nologin]
                .into_iter()
                .flat_map(|flag| flag.run(Wanted::Absent))
                .collect()
        }
    }

    impl Flag {
        /// Orders it, and waits until it is done.
        #[expect(clippy::disallowed_methods, reason = "tests run real processes by the real clock")]
        fn run(&mut self, wanted: Wanted) -> Vec<String> {
            let now = Instant::now();
            self.order(wanted, now);
            let mut said = self.advance(now);
            said.extend(self.finish(TIMEOUT, now));
            assert!(!self.is_awaited() && self.deadline().is_none());
            said.into_iter().map(|(_, line)| line).collect()
        }
    }

    const NOTHING: [&str; 0] = [];

    struct Folder(Scratch);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = Scratch::new(&format!("flags-{name}"));
            Self(path)
        }
    }

    #[test]
    fn flags_have_the_content_and_mode_that_others_look_for() {
        let folder = Folder::new("content");
        let mut flags = Flags::new(&folder.0, &folder.0);
        assert_eq!(flags.create(), NOTHING);
        let boot = clock::boot_id().unwrap_or_default() + "\n";
        for (name, content) in [("powerfail", boot.as_str()), ("nologin", "POWER FAILURE\n")] {
            let path = folder.0.join(name);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        }
        assert_eq!(flags.create(), NOTHING);
        assert_eq!(flags.remove(), NOTHING);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
        assert_eq!(flags.remove(), NOTHING);
    }

    #[test]
    fn a_powerfail_flag_of_an_earlier_boot_becomes_one_of_this() {
        let folder = Folder::new("boots");
        let flag = folder.0.join("powerfail");
        fs::write(&flag, "00000000-0000-0000-0000-000000000000 and more than the name of a boot\n").unwrap();
        Flags::new(&folder.0, &folder.0).create();
        assert_eq!(fs::read_to_string(&flag).unwrap().trim_end(), clock::boot_id().unwrap_or_default());
        // Never through a link.
        let other = folder.0.join("other");
        fs::write(&other, "of somebody else").unwrap();
        fs::remove_file(&flag).unwrap();
        std::os::unix::fs::symlink(&other, &flag).unwrap();
        Flags::new(&folder.0, &folder.0).create();
        assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody else");
    }

    #[test]
    fn nothing_that_has_a_flags_name_is_waited_for_or_written_to() {
        for name in ["powerfail", "nologin"] {
            let folder = Folder::new(name);
            let other = folder.0.join("other");
            let mut flags = Flags::new(&folder.0, &folder.0);
            let path = folder.0.join(name);
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            assert_eq!(flags.create(), NOTHING);
            flags.nologin.run(Wanted::Absent);
            assert!(path.exists(), "{name}");
            fs::remove_file(&path).unwrap();
            fs::write(&other, "of somebody else").unwrap();
            fs::hard_link(&other, &path).unwrap();
            assert_eq!(flags.create(), NOTHING);
            assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody else", "{name}");
            flags.nologin.run(Wanted::Absent);
            assert!(path.exists(), "{name}");
        }
    }

    #[test]
    fn a_nologin_of_the_administrator_survives() {
        let folder = Folder::new("admin");
        let nologin = folder.0.join("nologin");
        for content in ["", "Maintenance until 18:00\n", "POWER FAILURE", "POWER FAILURE\nand more\n"] {
            fs::write(&nologin, content).unwrap();
            let mut flags = Flags::new(&folder.0, &folder.0);
            assert_eq!(flags.create(), NOTHING);
            assert_eq!(flags.remove(), NOTHING);
            assert_eq!(fs::read_to_string(&nologin).unwrap(), content);
        }
    }

    #[test]
    fn a_nologin_left_by_an_instance_before_us_is_removed() {
        let folder = Folder::new("before");
        fs::write(folder.0.join("nologin"), NOLOGIN_TEXT).unwrap();
        Flags::new(&folder.0, &folder.0).remove();
        assert!(!folder.0.join("nologin").exists());
    }

    #[test]
    fn a_folder_that_is_missing_is_told_in_the_known_words() {
        let missing = Path::new("/nonexistent");
        let mut flags = Flags::new(missing, missing);
        let unable = |name| format!("Unable to create /nonexistent/{name}: ERR=No such file or directory");
        assert_eq!(flags.create(), [unable("powerfail"), unable("nologin")]);
        assert_eq!(flags.remove(), NOTHING);
    }

    /// What hangs is another process here, in place of the child.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests run real processes by the real clock")]
    fn an_order_waits_for_the_one_before_that_hangs_and_nothing_else_does() {
        let folder = Folder::new("hangs");
        let mut flags = Flags::new(&folder.0, &folder.0);
        let now = Instant::now();
        let release = folder.0.join("release");
        flags.powerfail.hang(&release, now);
        flags.powerfail.order(Wanted::Absent, now);
        assert!(flags.powerfail.is_awaited());
        assert_eq!(flags.nologin.run(Wanted::Present), NOTHING);
        let path = folder.0.join("powerfail");
        assert_eq!(flags.deadline(), Some(now + FLAG_TIMEOUT));
        let told = format!("Unable to create {}: ERR=no answer in 1 s; nothing waits for it", path.display());
        assert_eq!(flags.advance(now + FLAG_TIMEOUT), [(Priority::Error, told)]);
        assert!(!flags.powerfail.is_awaited() && flags.deadline().is_none());
        // The file that the child makes at last is removed all the same.
        fs::write(&path, "").unwrap();
        assert_eq!(flags.advance(now + 10 * FLAG_TIMEOUT), []);
        fs::write(&release, "").unwrap();
        let mut said = Vec::new();
        while flags.powerfail.running.is_some() || flags.powerfail.next.is_some() {
            said.extend(flags.powerfail.advance(now + 10 * FLAG_TIMEOUT));
            assert!(now.elapsed() < TIMEOUT);
        }
        assert_eq!(said, [(Priority::Notice, format!("{} is created after all", path.display()))]);
        assert!(!path.exists());
        // A folder that is configured in its place has no need to wait.
        flags.powerfail.hang(&folder.0.join("never"), now);
        let other = folder.0.join("other");
        fs::create_dir(&other).unwrap();
        flags.reconfigure(&other, &other);
        assert_eq!(flags.create(), NOTHING);
        assert!(other.join("powerfail").exists());
        flags.left_behind.iter().for_each(Child::kill_group);
        while !flags.left_behind.is_empty() {
            flags.advance(now);
            assert!(now.elapsed() < TIMEOUT);
        }
    }
}
