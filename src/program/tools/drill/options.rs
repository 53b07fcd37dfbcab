//! Options of `mainsd drill`.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use lexopt::prelude::*;

use super::story::Story;
use crate::program::mistake;
use crate::program::which_file::WhichFile;

/// The long options.
const OPTIONS: [&str; 8] = ["config-file", "story", "runtime", "takes", "slave", "run-hooks", "yes", "help"];

/// A command line.
#[derive(Debug)]
pub(super) struct Options {
    pub file: WhichFile,
    pub story: Story,
    /// Minutes.
    pub runtime: u32,
    pub takes: Duration,
    pub slave: bool,
    pub run_hooks: bool,
    pub yes: bool,
}

/// Parses the arguments after `drill`; `None`: help is wanted.
pub(super) fn parse(args: Vec<OsString>) -> Result<Option<Options>, String> {
    let mut options = Options {
        file: WhichFile::new(None),
        story: Story::default(),
        runtime: 20,
        takes: Duration::from_secs(90),
        slave: false,
        run_hooks: false,
        yes: false,
    };
    let mut parser = lexopt::Parser::from_args(args);
    let wrong = |error: lexopt::Error| mistake::words(&error, &OPTIONS);
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Short('f') | Long("config-file") => {
                options.file = WhichFile::new(Some(parser.value().map_err(wrong)?.into()));
            }
            Long("story") => options.story = story(&parser.value().map_err(wrong)?)?,
            Long("runtime") => {
                options.runtime = number("runtime", &parser.value().map_err(wrong)?, 1440)?;
            }
            Long("takes") => {
                let seconds = number("takes", &parser.value().map_err(wrong)?, 86_400)?;
                options.takes = Duration::from_secs(seconds.into());
            }
            Long("slave") => options.slave = true,
            Long("run-hooks") => options.run_hooks = true,
            Long("yes") => options.yes = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(wrong(other.unexpected())),
        }
    }
    if options.yes && !options.run_hooks {
        return Err("--yes goes with --run-hooks only".to_owned());
    }
    Ok(Some(options))
}

fn story(value: &OsStr) -> Result<Story, String> {
    let word = value.to_string_lossy();
    let names = || Story::ALL.iter().map(|(_, name, _)| *name);
    let found = Story::ALL.iter().find(|(_, name, _)| *name == word);
    found.map(|(story, ..)| *story).ok_or_else(|| {
        let all: Vec<&str> = names().collect();
        format!("{}; there are {}", mistake::no_such("story", &word, names()), all.join(", "))
    })
}

fn number(option: &str, value: &OsStr, most: u32) -> Result<u32, String> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.filter(|number| (1..=most).contains(number)).ok_or_else(|| {
        format!("--{option} takes a number from 1 to {most}, not '{}'", value.to_string_lossy())
    })
}

/// The help text.
#[must_use]
pub fn usage() -> String {
    let mut text = String::from(
        "usage: mainsd drill [-f FILE] [--story NAME] [--runtime MINUTES] [--takes SECONDS] [--slave] [--run-hooks [--yes]]\n\
         \n\
         Rehearses a power failure with this machine's own configuration and a simulated UPS, and tells what would happen when,\n\
         and what would go wrong. Shuts nothing down, gives no UPS an order, writes no file; a daemon that runs goes on guarding.\n\
         \n\
         \x20 -f, --config-file FILE  configuration (default /etc/mainsd/mainsd.conf, else /etc/apcupsd/apcupsd.conf)\n\
         \x20     --story NAME        what happens:\n",
    );
    for (_, name, words) in Story::ALL {
        text.push_str(&format!("{:28}{name:<12} {words}\n", ""));
    }
    text.push_str(
        "\x20     --runtime MINUTES   how long the full battery carries this machine (20)\n\
         \x20     --takes SECONDS     how long this machine takes to shut down (90)\n\
         \x20     --slave             another machine depends on this one, and does not go before it\n\
         \x20     --run-hooks         run the scripts of the events that happen, with MAINSD_DRILL=1: their real work, if they do\n\
         \x20                         not know this variable. doshutdown, killpower and what apccontrol does itself are never run\n\
         \x20     --yes               do not ask before that\n\
         \x20 -h, --help              this text\n\
         \n\
         Exit status: 0 nothing would go wrong, 1 something would, 2 wrong usage or not confirmed, 3 the daemon does not start\n\
         with this configuration.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Option<Options>, String> {
        parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn every_option_and_every_story_is_taken() {
        for (story, name, words) in Story::ALL {
            let args = ["--story", name, "--runtime", "7", "--takes=30", "--slave", "--run-hooks", "--yes"];
            let options = of(&args).unwrap().unwrap();
            assert_eq!((options.story, options.runtime, options.takes.as_secs()), (story, 7, 30));
            assert!(options.slave && options.run_hooks && options.yes);
            assert!(usage().contains(name) && usage().contains(words));
        }
        let options = of(&[]).unwrap().unwrap();
        assert!(!options.run_hooks && !options.yes && options.story == Story::Outage);
        assert!(of(&["--help"]).unwrap().is_none());
    }

    #[test]
    fn a_mistake_says_what_is_accepted() {
        let table: [(&[&str], &str); 5] = [
            (&["--yes"], "--yes goes with --run-hooks only"),
            (
                &["--story", "outtage"],
                "no such story 'outtage'; the nearest is 'outage'; there are outage, short, low-battery, comm-loss, remote, self-test, faults",
            ),
            (&["--runtime", "0"], "--runtime takes a number from 1 to 1440, not '0'"),
            (&["--takes", "-1"], "--takes takes a number from 1 to 86400, not '-1'"),
            (&["--run-hook"], "no such option '--run-hook'; the nearest is '--run-hooks'"),
        ];
        for (args, words) in table {
            assert_eq!(of(args).unwrap_err(), words, "{args:?}");
        }
    }
}
