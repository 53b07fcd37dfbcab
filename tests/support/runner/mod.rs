//! A harness for what the usual one cannot run: it gives each test a process of its own, so that a test may fork, take all
//! files that a process may have, or be skipped. It takes the command lines of the usual harness.
//!
//! ```no_run
//! const TESTS: Group = Group { needs: Needs::Ci("root"), tests: tests![a_disk_is_mounted], ..Group::new(module_path!()) };
//!
//! fn main() -> ExitCode {
//!     runner::main(&[TESTS], &[])
//! }
//! ```

mod ahead;
mod options;

use std::collections::VecDeque;
use std::fs::File;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Scratch;
use ahead::{Ahead, Build, timed};
pub use options::Options;

/// What a failed run ends with, as with the usual harness.
const FAILED: u8 = 101;
/// With this variable set to 1, what needs more than every machine has runs too.
const IN_CI: &str = "MAINSD_CI";
/// What [`Group::prepare`] gave, for the processes of its tests.
const PREPARED: &str = "MAINSD_TEST_PREPARED";
/// The first argument of the process of one test; its name follows.
const ALONE: &str = "--alone";
/// The first argument of a process in a role; its name and arguments follow.
const ROLE: &str = "--role";

/// A test.
#[derive(Clone, Copy)]
pub struct Test {
    /// Its function's name.
    pub name: &'static str,
    /// Fails by panicking.
    pub run: fn(),
}

/// These functions as tests.
#[macro_export]
macro_rules! tests {
    ($($test:ident),+ $(,)?) => {
        &[$($crate::support::runner::Test { name: stringify!($test), run: $test }),+]
    };
}
pub use crate::tests;

/// Where tests can run.
#[derive(Clone, Copy)]
pub enum Needs {
    /// Everywhere.
    Nothing,
    /// Only with `MAINSD_CI=1`: this.
    Ci(&'static str),
    /// Only with `MAINSD_CI=1` and this other variable of the environment, set to 1: this. For what CI has no time for.
    Asked(&'static str, &'static str),
    /// This, wherever the function finds it. Without it they are skipped, and fail with `MAINSD_CI=1`.
    Machine(&'static str, fn() -> bool),
}

/// The tests of a module.
#[derive(Clone, Copy)]
pub struct Group {
    /// As `module_path!()` has it.
    pub module: &'static str,
    pub needs: Needs,
    /// So many at a time, and no other tests beside them: they load the machine, or measure it. What [`Self::build`] gives the compiler to do has
    /// a lower priority. `None`: beside those of other groups.
    pub apart: Option<usize>,
    /// They take minutes, prepared or run: two such groups at a time run after all others.
    pub long: bool,
    /// What those of these names need, and only takes processors and time, as a compiler does: done at a low priority beside the tests of
    /// other groups, before [`Self::prepare`].
    pub build: Option<fn(&[&str])>,
    /// What those of these names need once; [`prepared`] gives each what it returns.
    pub prepare: Option<fn(&[&str]) -> String>,
    pub tests: &'static [Test],
}

impl Group {
    /// No tests, and no conditions.
    pub const fn new(module: &'static str) -> Self {
        Self {
            module,
            needs: Needs::Nothing,
            apart: None,
            long: false,
            build: None,
            prepare: None,
            tests: &[],
        }
    }

    /// The full name of a test, without the name of the program.
    fn name(&self, test: &Test) -> String {
        let path = self.module.split_once("::").map_or(self.module, |(_, path)| path);
        format!("{path}::{}", test.name)
    }
}

/// What a program does that a test starts: [`role`].
pub type Role = (&'static str, fn(&[String]) -> ExitCode);

/// What [`Group::prepare`] has returned to this test's group.
pub fn prepared() -> String {
    std::env::var(PREPARED).expect("the group has a `prepare`")
}

/// This program in the role of this name.
pub fn role(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(ROLE).arg(name);
    command
}

/// What takes longer is told, so that it is seen where the time goes.
const LONG: Duration = Duration::from_secs(10);

/// So many of the groups that are [`Group::long`] run side by side.
const LONG_AT_A_TIME: usize = 2;

/// Runs the program's tests, or plays the role that its arguments name.
pub fn main(groups: &[Group], roles: &[Role]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name, args @ ..] = &args[..] {
        if first == ROLE {
            let role = roles.iter().find(|(known, _)| known == name);
            return (role.unwrap_or_else(|| panic!("no such role: {name}")).1)(args);
        }
    }
    run(groups, &args, &[])
}

/// Runs the tests that `args` select. `again` are the arguments before the harness's own that lead this program here.
pub fn run(groups: &[Group], args: &[String], again: &[&str]) -> ExitCode {
    if let [first, name] = args {
        if first == ALONE {
            alone(groups, name);
            return ExitCode::SUCCESS;
        }
    }
    let options = match Options::parse(args, std::env::var("RUST_TEST_THREADS").ok().as_deref()) {
        Ok(options) => options,
        Err(words) => {
            eprintln!("error: {words}");
            return ExitCode::from(FAILED);
        }
    };
    if options.help {
        println!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    if options.list {
        list(groups, &options);
        return ExitCode::SUCCESS;
    }
    let in_ci = is_set(IN_CI);
    let report =
        Runner { options, again, in_ci, report: Mutex::default(), ahead: Ahead::default() }.run(groups);
    if report { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// Whether this variable of the environment is 1.
pub fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}

/// In the process of one test.
fn alone(groups: &[Group], name: &str) {
    let mut all =
        groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group.name(test), test)));
    let (_, test) = all.find(|(known, _)| known == name).unwrap_or_else(|| panic!("no such test: {name}"));
    (test.run)();
}

fn list(groups: &[Group], options: &Options) {
    let mut count = 0;
    for group in groups {
        for name in group.tests.iter().map(|test| group.name(test)).filter(|name| options.selects(name)) {
            println!("{name}: test");
            count += 1;
        }
    }
    if !options.terse {
        println!("\n{count} tests, 0 benchmarks");
    }
}

#[derive(Default)]
struct Report {
    passed: usize,
    skipped: usize,
    /// Name, and what the test has printed.
    failed: Vec<(String, String)>,
}

struct Runner<'a> {
    options: Options,
    again: &'a [&'a str],
    in_ci: bool,
    report: Mutex<Report>,
    ahead: Ahead,
}

/// Tests of a group that are to run.
type Selected<'a> = (&'a Group, Vec<&'a Test>);

/// How a test ended.
#[derive(Clone)]
enum End {
    Passed,
    /// What it needs, and the variable that has it run.
    Skipped(&'static str, &'static str),
    Failed(String),
}

impl Runner<'_> {
    /// True if nothing has failed.
    fn run(self, groups: &[Group]) -> bool {
        let began = Instant::now();
        let total: usize = groups.iter().map(|group| group.tests.len()).sum();
        let selected: Vec<Selected> = groups.iter().map(|group| (group, self.selected(group))).collect();
        let count: usize = selected.iter().map(|(_, tests)| tests.len()).sum();
        println!("\nrunning {count} test{}", if count == 1 { "" } else { "s" });
        let builds: Vec<_> = selected.iter().filter_map(|selected| self.build_of(selected)).collect();
        self.ahead.announce(&builds);
        std::thread::scope(|scope| {
            scope.spawn(|| self.ahead.work(builds, self.options.quiet));
            self.run_in_order(selected);
        });
        let Report { passed, skipped, failed } = self.report.into_inner().unwrap();
        if !failed.is_empty() {
            println!("\nfailures:\n");
            for (name, output) in &failed {
                println!("---- {name} ----\n{output}\n");
            }
            let names: String = failed.iter().map(|(name, _)| format!("    {name}\n")).collect();
            println!("\nfailures:\n{names}");
        }
        println!(
            "\ntest result: {}. {passed} passed; {} failed; {skipped} skipped; {} filtered out; finished in {:.2}s\n",
            if failed.is_empty() { "ok" } else { "FAILED" },
            failed.len(),
            total - count,
            began.elapsed().as_secs_f64(),
        );
        failed.is_empty()
    }

    /// Those that take long last, and before them, one after the other, those that are to be apart.
    fn run_in_order(&self, selected: Vec<Selected>) {
        let (long, short): (Vec<_>, Vec<_>) = selected.into_iter().partition(|(group, _)| group.long);
        let (apart, together) = short.into_iter().partition(|(group, _)| group.apart.is_some());
        self.run_beside(together, self.options.threads);
        for (group, tests) in apart {
            self.run_beside(vec![(group, tests)], group.apart.unwrap_or(1));
        }
        let long = Mutex::new(VecDeque::from(long));
        std::thread::scope(|scope| {
            for _ in 0..self.options.threads.min(LONG_AT_A_TIME) {
                scope.spawn(|| {
                    loop {
                        let next = long.lock().unwrap().pop_front();
                        let Some((group, tests)) = next else { return };
                        self.run_beside(vec![(group, tests)], group.apart.unwrap_or(self.options.threads));
                    }
                });
            }
        });
    }

    fn selected<'t>(&self, group: &'t Group) -> Vec<&'t Test> {
        group.tests.iter().filter(|test| self.options.selects(&group.name(test))).collect()
    }

    /// Runs these side by side, so many at a time.
    fn run_beside(&self, selected: Vec<Selected>, at_a_time: usize) {
        let mut queue = VecDeque::new();
        for (group, tests) in selected {
            let Some(prepared) = self.prepare(group, &tests) else { continue };
            queue.extend(tests.into_iter().map(|test| (group.name(test), prepared.clone())));
        }
        let workers = at_a_time.min(self.options.threads).min(queue.len());
        let queue = Mutex::new(queue);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap().pop_front();
                        let Some((name, prepared)) = next else { return };
                        let began = Instant::now();
                        let end = self.run_test(&name, &prepared);
                        self.ended(&name, end, began.elapsed());
                    }
                });
            }
        });
    }

    /// What is built for these tests, if they can run.
    fn build_of<'t>(&self, (group, tests): &Selected<'t>) -> Option<Build<'t>> {
        let names = || tests.iter().map(|test| test.name).collect();
        let runs = !tests.is_empty() && self.why_not(group).is_none();
        group.build.filter(|_| runs).map(|build| Build { module: group.module, names: names(), build })
    }

    /// How each test of this group ends if it cannot run.
    fn why_not(&self, group: &Group) -> Option<End> {
        let (what, is_there) = match group.needs {
            Needs::Nothing => return None,
            Needs::Ci(what) => (what, self.in_ci),
            Needs::Asked(variable, what) if !(self.in_ci && is_set(variable)) => {
                return Some(End::Skipped(what, variable));
            }
            Needs::Asked(..) => return None,
            Needs::Machine(what, is_there) => (what, is_there()),
        };
        match is_there {
            true => None,
            false if self.in_ci => Some(End::Failed(format!("needs {what}"))),
            false => Some(End::Skipped(what, IN_CI)),
        }
    }

    /// Makes what these tests need; `None` if they cannot run, and have ended.
    fn prepare(&self, group: &Group, tests: &[&Test]) -> Option<String> {
        let end_all = |end: &End| {
            tests.iter().for_each(|test| self.ended(&group.name(test), end.clone(), Duration::ZERO));
            None
        };
        if tests.is_empty() {
            return None;
        }
        if let Some(end) = self.why_not(group) {
            return end_all(&end);
        }
        let names: Vec<&str> = tests.iter().map(|test| test.name).collect();
        let built = if group.build.is_some() { self.ahead.wait(group.module) } else { Ok(()) };
        let prepare = || group.prepare.map(|prepare| prepare(&names)).unwrap_or_default();
        match built.and_then(|()| timed("prepared", group.module, self.options.quiet, prepare)) {
            Ok(prepared) => Some(prepared),
            Err(words) => end_all(&End::Failed(format!("what it needs failed: {words}"))),
        }
    }

    fn run_test(&self, name: &str, prepared: &str) -> End {
        let scratch = Scratch::new();
        // A file, not a pipe: what a test leaves behind may hold it open.
        let path = scratch.file("output", "");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(self.again).args([ALONE, name]).env(PREPARED, prepared).stdin(Stdio::null());
        if !self.options.nocapture {
            let file = File::options().append(true).open(&path).unwrap();
            command.stdout(file.try_clone().unwrap()).stderr(file);
        }
        match command.status().unwrap() {
            status if status.success() => End::Passed,
            status => {
                let output = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                End::Failed(format!("{output}{status}"))
            }
        }
    }

    fn ended(&self, name: &str, end: End, took: Duration) {
        let mut report = self.report.lock().unwrap();
        let words = match &end {
            End::Passed => "ok".to_owned(),
            End::Skipped(what, IN_CI) => format!("skipped: needs {what}; {IN_CI}=1 runs it"),
            End::Skipped(what, variable) => format!("skipped: needs {what}; {IN_CI}=1 {variable}=1 runs it"),
            End::Failed(_) => "FAILED".to_owned(),
        };
        if !self.options.quiet {
            let took = if took >= LONG { format!(" ({} s)", took.as_secs()) } else { String::new() };
            println!("test {name} ... {words}{took}");
        }
        match end {
            End::Passed => report.passed += 1,
            End::Skipped(..) => report.skipped += 1,
            End::Failed(output) => report.failed.push((name.to_owned(), output)),
        }
    }
}
