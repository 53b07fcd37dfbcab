//! The command line of the harness: that of the usual one.

pub const HELP: &str = "\
Usage: [OPTIONS] [FILTERS...]

Runs the tests whose names contain a filter; without one, all.

    --exact             A filter is a whole name
    --skip FILTER       Leave out tests whose names contain this
    --list              Print the names instead
    --nocapture         Show what tests print, also of those that pass
    --test-threads N    So many at a time (default: RUST_TEST_THREADS, or the processors)
    -q, --quiet         One line for the whole run

Each test runs in a process of its own. With MAINSD_CI=1, tests that need root, packages or a virtual machine run too.";

/// The command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    pub list: bool,
    pub terse: bool,
    pub quiet: bool,
    pub nocapture: bool,
    pub help: bool,
    /// Only tests marked `#[ignore]`, of which there are none.
    ignored: bool,
    pub threads: usize,
}

impl Options {
    /// Understands these arguments; `threads` is what the environment says.
    pub fn parse(args: &[String], threads: Option<&str>) -> Result<Self, String> {
        let number = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(format!("a number of threads is 1 or more, not '{text}'")),
            Ok(number) => Ok(number),
        };
        let mut options = Self {
            threads: match threads {
                Some(text) => number(text)?,
                None => std::thread::available_parallelism().map_or(2, usize::from),
            },
            ..Self::default()
        };
        let mut args = args.iter().flat_map(|arg| match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => vec![name, value],
            _ => vec![arg.as_str()],
        });
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg {
                "--exact" => options.exact = true,
                "--skip" => options.skip.push(value()?.to_owned()),
                "--list" => options.list = true,
                "--nocapture" | "--no-capture" => options.nocapture = true,
                "--test-threads" => options.threads = number(value()?)?,
                "-q" | "--quiet" => options.quiet = true,
                "-h" | "--help" => options.help = true,
                "--ignored" => options.ignored = true,
                "--format" => options.terse = value()? == "terse",
                // All of them run, none is coloured, and output is shown with its test anyway.
                "--include-ignored" | "--show-output" => {}
                "--color" => drop(value()?),
                _ if arg.starts_with('-') => return Err(format!("no such option: {arg} (see --help)")),
                _ => options.filters.push(arg.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a test of this full name is to run.
    pub fn selects(&self, name: &str) -> bool {
        let is = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        !self.ignored && (self.filters.is_empty() || self.filters.iter().any(is)) && !self.skip.iter().any(is)
    }
}
