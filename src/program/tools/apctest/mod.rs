//! `apctest`: menus over the orders of `mainsd ctl`, for a person at a terminal (apctest §6).

#![allow(clippy::disallowed_methods, reason = "a program of its own, which waits for a person")]

mod console;
mod menu;
#[cfg_attr(not(feature = "dumb"), path = "no_port.rs")]
mod port;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::*;

use super::ctl;
use crate::config::Config;
use crate::drivers::{Cabling, Traits};
use crate::program::daemon::{Options, configure, start};
use crate::program::mistake;
use crate::program::out::{cannot_write, complain, print};
use crate::wire::control::{Action, Answer, ORDERS, Outcome, Request};
use crate::wire::decimal::decimal;
use console::{Console, Typed};
use menu::{Does, Entry, Look};
use port::Seen;

/// The long options.
const OPTIONS: [&str; 3] = ["config-file", "help", "version"];
/// A calibration is looked at so often (apctest §3).
const MONITOR_INTERVAL: Duration = Duration::from_secs(10);
/// A calibration that is to be stopped when the battery gets low stops at this charge, in per cent, or this runtime, in minutes.
const LOW_CHARGE: f64 = 10.0;
const LOW_RUNTIME: f64 = 2.0;

/// The help text.
pub fn usage() -> String {
    "usage: apctest [-f FILE]\n\
     Shows a menu of what the UPS of the configuration can be told: tests, settings, its lines. A daemon that runs is asked to do\n\
     it; where none runs, the UPS is opened for it. All is noted in ./apctest.output too. q ends it, and so does the end of input.\n\
     \n\
     \x20 -f, --config-file FILE  configuration (default /etc/mainsd/mainsd.conf, else /etc/apcupsd/apcupsd.conf)\n\
     \x20 -V, --version           the version\n\
     \x20 -h, --help              this text\n\
     \n\
     'mainsd ctl' gives the same orders without a menu. See apctest(8).\n"
        .to_owned()
}

/// Runs the program with these arguments, its name left out.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let mut file = None;
    let mut parser = lexopt::Parser::from_args(args);
    loop {
        let read = match parser.next() {
            Ok(None) => break,
            Ok(Some(Short('f') | Long("config-file"))) => parser.value().map(|path| file = Some(path.into())),
            // As apctest has it; there is nothing to say more of.
            Ok(Some(Short('d'))) => parser.value().map(drop),
            Ok(Some(Short('h') | Long("help"))) => {
                return print("apctest", usage().as_bytes(), ExitCode::SUCCESS);
            }
            Ok(Some(Short('V') | Long("version"))) => {
                let version = format!("apctest {}\n", crate::program::VERSION);
                return print("apctest", version.as_bytes(), ExitCode::SUCCESS);
            }
            Ok(Some(other)) => Err(other.unexpected()),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            complain(&format!("apctest: {} (apctest --help)", mistake::words(&error, &OPTIONS)));
            return ExitCode::FAILURE;
        }
    }
    let options = ctl::options(file.as_ref());
    let loaded = match start::load(&options) {
        Ok(loaded) => loaded,
        Err(refusal) => {
            complain(&format!("apctest: {}", refusal.text));
            return ExitCode::FAILURE;
        }
    };
    if loaded.config.ups_is(Traits::SLAVE) {
        complain("apctest: the UPS is another machine's, and is tested there");
        return ExitCode::FAILURE;
    }
    let console = match Console::new() {
        Ok(console) => console,
        Err(error) => return cannot_write("apctest", &error),
    };
    let mut menus = Menus { console, options, config: loaded.config, seen: Seen::default() };
    let daemon = if menus.is_guarded() {
        "a daemon guards this UPS: its orders go to the daemon"
    } else {
        "no daemon runs"
    };
    let driver = menus.config.ups_type.map_or("", |driver| driver.text);
    let cable = menus.config.ups_cable.map_or("", |cable| cable.word());
    menus.console.say_now(&format!("{}: {driver}, cable {cable}; {daemon}", loaded.path.display()));
    let menu = menus.menu();
    let _ = menus.run(menu);
    ExitCode::SUCCESS
}

/// A person and their UPS. A `None` is the end of input.
struct Menus {
    console: Console,
    options: Options,
    config: Config,
    seen: Seen,
}

impl Menus {
    fn menu(&self) -> &'static [Entry] {
        let cabling = self.config.ups_type.map(|driver| driver.cabling);
        match cabling {
            Some(Cabling::ModemLines) => menu::LINES,
            Some(Cabling::Bytes) => menu::MODBUS,
            _ if self.config.ups_is(Traits::KEEPS_SETTINGS) => menu::SMART,
            _ => menu::USB,
        }
    }

    fn is_guarded(&self) -> bool {
        ctl::listens(self.options.config_file.as_ref()) != Some(false)
    }

    fn run(&mut self, menu: &'static [Entry]) -> Option<()> {
        loop {
            self.console.say("");
            for entry in menu {
                self.console.say(&format!("{:3}  {}", entry.number, entry.text));
            }
            let typed = self.console.ask("number, or q")?;
            let digits = typed.bytes().take_while(u8::is_ascii_digit).count();
            let number: Option<u32> = typed.get(..digits).and_then(|digits| digits.parse().ok());
            match menu.iter().find(|entry| Some(entry.number) == number) {
                _ if typed.eq_ignore_ascii_case("q") => return Some(()),
                Some(entry) => self.carry_out(&entry.does)?,
                None => self.console.say("no such number; q leaves"),
            }
        }
    }

    fn carry_out(&mut self, does: &Does) -> Option<()> {
        match does {
            Does::Order(order) => drop(self.order(order)),
            Does::Danger(order, words) => {
                self.console.say(words);
                if self.is_sure()? {
                    self.show_lines("lines before");
                    self.order(order);
                    self.show_lines("lines after");
                }
            }
            Does::Value(order, rule) => {
                self.order(order);
                let typed = self.console.ask(&format!("{}; Enter alone changes nothing", rule.words()))?;
                match rule.value(&typed) {
                    Ok(None) => self.console.say("left as it is"),
                    Ok(Some(value)) => drop(self.order(&format!("{order} {value}"))),
                    Err(words) => self.console.say(&words),
                }
            }
            Does::Choose(shown, choices) => {
                if !shown.is_empty() {
                    self.order(shown);
                }
                let all: Vec<String> = choices.iter().map(|(key, text, _)| format!("{key} {text}")).collect();
                let typed = self.console.ask(&format!("{}; Enter alone changes nothing", all.join(", ")))?;
                match choices.iter().find(|(key, ..)| *key == typed) {
                    Some((.., order)) => drop(self.order(order)),
                    None => self.console.say("left as it is"),
                }
            }
            Does::Query | Does::RawQuery => {
                for order in ["poll", "self-test result", "settings", "manufacture date"] {
                    self.order(order);
                }
                // The port is the daemon's.
                if matches!(does, Does::RawQuery) && !self.is_guarded() {
                    port::query(&mut self.console, &self.options);
                }
            }
            Does::Calibrate => {
                self.console.say("The battery is emptied. It must be full, and the load 10 % or more.");
                if !self.is_sure()? {
                    return Some(());
                }
                let stops = self.console.ask("stop it when the battery gets low (y, n)")?;
                if self.order("calibrate").outcome == Outcome::Done {
                    return self.monitor(stops.starts_with(['y', 'Y']));
                }
            }
            Does::Monitor => return self.monitor(false),
            Does::Outlet => {
                if self.order("outlets").outcome != Outcome::Done {
                    return Some(());
                }
                let group = self.console.ask("number of the group")?;
                let what = self.console.ask("on, off or reboot")?;
                if self.is_sure()? {
                    self.order(&format!("outlet {what} {group} --yes"));
                }
            }
            Does::Menu(menu) => return self.run(menu),
            Does::Tty => return port::by_hand(&mut self.console, &self.options),
            Does::Configure => return self.configure(),
            Does::Look(look) => return self.seen.look(&mut self.console, &self.options, *look),
            Does::AllLooks => {
                for look in Look::ALL {
                    self.seen.look(&mut self.console, &self.options, look)?;
                }
            }
            Does::Guess => self.seen.guess(&mut self.console),
        }
        Some(())
    }

    fn is_sure(&mut self) -> Option<bool> {
        let sure = self.console.ask("yes, or something else to leave it")? == "yes";
        if !sure {
            self.console.say("nothing was done");
        }
        Some(sure)
    }

    /// Gives an order and shows the answer.
    fn order(&mut self, line: &str) -> Answer {
        let answer = match Request::parse(line.as_bytes()) {
            Ok(request) => ctl::give(self.options.config_file.as_ref(), line, &request),
            Err(words) => Answer::new(Outcome::Usage, words),
        };
        let words = match answer.outcome {
            Outcome::Done => answer.text.clone(),
            _ => format!("{}: {}", answer.outcome.word(), answer.text),
        };
        self.console.show(&ctl::values(&answer));
        if !words.is_empty() {
            self.console.say(&words);
        }
        answer
    }

    /// Looks at a calibration until it is over.
    fn monitor(&mut self, stops: bool) -> Option<()> {
        self.console.say("Enter stops the calibration");
        let began = Instant::now();
        loop {
            match self.console.line(MONITOR_INTERVAL) {
                Typed::End => return None,
                Typed::Line(_) => {
                    self.order("calibrate abort");
                    return Some(());
                }
                Typed::Nothing => {}
            }
            self.console.say_now("");
            let answer = self.order("poll");
            let of = |name: &str| answer.values.iter().find(|(of, _)| of == name).map(|(_, value)| value);
            let is_below = |name, least| of(name).and_then(|it| decimal(it)).is_some_and(|it| it <= least);
            if answer.outcome == Outcome::Done && of("test").is_none() {
                let words = format!("no calibration runs any more, after {} s", began.elapsed().as_secs());
                self.console.say(&words);
                self.order("calibrate result");
                return Some(());
            }
            if stops && (is_below("charge", LOW_CHARGE) || is_below("runtime", LOW_RUNTIME)) {
                self.order("calibrate abort");
                return Some(());
            }
        }
    }

    /// Simple signalling: what the lines do is all that is seen of an order.
    fn show_lines(&mut self, when: &str) {
        if self.config.ups_type.is_some_and(|it| it.cabling == Cabling::ModemLines) {
            self.seen.show(&mut self.console, &self.options, when);
        }
    }

    /// What the configuration says about settings; by orders where a daemon has the UPS.
    fn configure(&mut self) -> Option<()> {
        self.console.say("Each setting that the configuration names is written into the UPS.");
        if !self.is_sure()? {
            return Some(());
        }
        if !self.is_guarded() {
            if let Err(refusal) = configure::run(&self.options) {
                self.console.say(&refusal.text);
            }
            return Some(());
        }
        for (setting, value) in configure::settings(&self.config).collect::<Vec<_>>() {
            if let Some(row) = ORDERS.iter().find(|row| row.action == Action::Setting(setting)) {
                self.console.say(&format!("{}: {value}", row.words));
                self.order(&format!("{} {value}", row.words));
            }
        }
        Some(())
    }
}
