//! Orders without a daemon: the UPS is opened by the same drivers, and let go when the order has ended.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemon::control::answers::{
    TEST_INTERVAL, TestWait, calibration_result, command_of, done, polled, self_test_result, show,
};
use crate::program::daemon::conversation::{GO_ON, Heard, Then, converse};
use crate::program::daemon::start::{self, Refusal};
use crate::program::daemon::{CalledAs, Options, one_shot, run_files};
use crate::program::out::complain;
use crate::sys::named_lock::NamedLock;
use crate::sys::{access, process};
use crate::ups::{Command, CommandResult, Identity, Priority, StatusFlags};
use crate::wire::control::{Action, Answer, Outcome, Request, When};

/// Gives the UPS an order by this program itself.
pub(super) fn order(config: Option<&PathBuf>, request: &Request) -> Answer {
    let options = options(config);
    match carry_out(&options, request) {
        Ok(answer) => answer,
        Err(Refusal { text, .. }) => Answer::new(Outcome::Lost, text),
    }
}

fn carry_out(options: &Options, request: &Request) -> Result<Answer, Refusal> {
    match request.row.action {
        Action::Reload | Action::ShutdownNow | Action::ShutdownCancel => {
            return Ok(Answer::new(Outcome::Lost, "no daemon runs with this configuration"));
        }
        Action::Record => {
            let words = "no daemon runs with this configuration: 'mainsd probe --record' opens the UPS";
            return Ok(Answer::new(Outcome::Lost, words));
        }
        Action::KillPower | Action::PowerOff | Action::Outlet(_) if !access::is_root() => {
            return Ok(Answer::new(Outcome::Refused, "only root may order this"));
        }
        _ => {}
    }
    let (loaded, _lock) = alone(options)?;
    if request.row.when == When::NoDaemon {
        let command =
            if request.row.action == Action::KillPower { Command::KillPower } else { Command::PowerOff };
        return Ok(match one_shot::give(options, command, false)? {
            Ok((true, words)) => Answer::new(Outcome::Done, words),
            Ok((false, words)) | Err(words) => Answer::new(Outcome::Refused, words),
        });
    }
    let commands: Vec<Command> = match command_of(request) {
        // The first is answered when everything about the UPS has been read.
        None | Some(Command::Poll) => vec![Command::Poll],
        // Its value comes with a reading.
        Some(Command::ReadSelfTest) => vec![Command::Poll, Command::ReadSelfTest, Command::Poll],
        Some(command) if request.waits => vec![Command::Poll, command, Command::ReadSelfTest],
        Some(command) => vec![Command::Poll, command],
    };
    loaded.print_warnings(options);
    let locks = run_files::locks_for_order(&loaded.path);
    let mut say = |_: Priority, text: &str| complain(text);
    let mut ended = Ended { request: *request, answer: None, looks: 0, wait: TestWait::default() };
    converse(&loaded.config, &locks, &commands, Duration::ZERO, &mut say, &mut |result, heard| {
        ended.take(result, heard)
    })?;
    Ok(ended.answer.unwrap_or_else(|| Answer::new(Outcome::Lost, "the UPS did not answer the order")))
}

/// The configuration, and what keeps a daemon from starting with it until it is dropped.
///
/// # Errors
/// The configuration is bad, or a daemon runs with it.
pub(in crate::program::tools) fn alone(
    options: &Options,
) -> Result<(start::Loaded, Option<NamedLock>), Refusal> {
    let loaded = start::load(options)?;
    let file = loaded.path.canonicalize().unwrap_or_else(|_| loaded.path.clone());
    match run_files::existing_run_folder().map(|folder| folder.lock_config(&file)) {
        Some(Err(pid)) => Err(Refusal::new(format!(
            "{} runs and has no control socket here (CONTROLSOCKET)",
            process::describe(pid)
        ))),
        lock => Ok((loaded, lock.and_then(Result::ok).flatten())),
    }
}

/// What has come of the commands.
struct Ended {
    request: Request,
    answer: Option<Answer>,
    /// Since the test was ordered.
    looks: u32,
    wait: TestWait,
}

impl Ended {
    fn take(&mut self, result: &CommandResult, heard: &Heard) -> Then {
        // The first that fails ends it, and the rest would be given in vain.
        if self.answer.as_ref().is_some_and(|answer| answer.outcome != Outcome::Done) {
            return GO_ON;
        }
        if result.outcome.is_err() {
            let mut answer = Answer::of(result.outcome.clone());
            if heard.ups.is_none() {
                answer.outcome = Outcome::Lost;
            }
            self.answer = Some(answer);
            return GO_ON;
        }
        if self.request.waits && result.command == Command::SelfTest {
            return Then::Next(TEST_INTERVAL);
        }
        if self.request.waits && result.command == Command::ReadSelfTest {
            return self.look_at_test(heard);
        }
        self.answer = Some(self.answer(result, heard));
        GO_ON
    }

    fn answer(&self, result: &CommandResult, heard: &Heard) -> Answer {
        let identity = Identity::default();
        let ups = heard.ups.as_deref().unwrap_or(&identity);
        match self.request.row.action {
            action @ (Action::Settings | Action::ManufactureDate) => show(action, ups, &heard.values),
            action @ Action::Setting(_) if self.request.value.is_none() => show(action, ups, &heard.values),
            Action::Poll => polled(heard.status, &heard.values),
            Action::CalibrateResult => {
                let runs = heard.status.contains(StatusFlags::CALIBRATION);
                calibration_result(heard.values.calibration, runs, None)
            }
            Action::SelfTestResult => self_test_result(heard.values.self_test, false)
                .unwrap_or_else(|| Answer::of(result.outcome.clone())),
            _ => done(&self.request, result.outcome.clone().unwrap_or_default()),
        }
    }

    fn look_at_test(&mut self, heard: &Heard) -> Then {
        self.looks += 1;
        let runs = heard.status.contains(StatusFlags::ONBATT);
        let result = self_test_result(heard.values.self_test, true);
        self.answer = self.wait.look(result, runs, TEST_INTERVAL * self.looks);
        if self.answer.is_some() { GO_ON } else { Then::Again(TEST_INTERVAL) }
    }
}

/// As if by the daemon's command line.
pub(in crate::program::tools) fn options(config: Option<&PathBuf>) -> Options {
    Options {
        called_as: CalledAs::Mainsd,
        foreground: true,
        debug: 0,
        trace: false,
        config_file: config.cloned(),
        pid_file: None,
        kill_on_powerfail: false,
        term_on_powerfail: false,
        dry_run: false,
        faults: None,
    }
}
