//! The processes of a daemon that guards: the helper, which this process becomes, and the main process, or several one after the
//! other.

#![allow(clippy::disallowed_methods, reason = "the moment of the start is read here")]

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::process::ExitCode;

use super::run_files::{RunFiles, Trouble};
use crate::daemon::helper::{Hands, Helper, HelperProcess, Means, Remote, Start};
use crate::daemon::{
    Clock, EventLoop, Exit, LockedDriver, Observed, Recorder, Supervisor, SupervisorConfig, Unobserved,
    driver, settings,
};
use crate::drivers::SnmpSecrets;
use crate::journal::{DebugTarget, StateFile, next_debug_line};
use crate::power::AtStart;
use crate::program::control_socket::ControlSocket;
use crate::program::out::complain;
use crate::report::Stamp;
use crate::sys::reason;
use crate::sys::resident::{Rights, keep_resident};
use crate::sys::rights::{self, Files, User};
use crate::sys::role::{Kind, Role, Socket, Streams};
use crate::sys::signals::Signals;
use crate::ups::Priority;

/// What a main process is made from. The helper keeps it for the next one.
pub struct Beginning {
    /// The loop's clock.
    pub clock: Clock,
    /// What belongs to this run.
    pub files: RunFiles,
    /// Where debug output goes.
    pub debug: Option<DebugTarget>,
    /// Lines for the log of the first main process.
    pub trouble: Trouble,
    /// The pass phrases of a card's account, read at the start: a disk may not answer later.
    pub secrets: Option<SnmpSecrets>,
    /// The seed of the faults that the port is to have.
    pub faults: Option<u64>,
    /// HOSTNAME.
    pub hostname: String,
    /// STARTTIME.
    pub start_time: Stamp,
    /// Who a main process runs as, if this one is root.
    pub user: User,
}

impl Beginning {
    /// Guards the machine until a signal ends it.
    ///
    /// # Errors
    /// What the system says.
    pub fn guard(
        mut self: Box<Self>,
        event_loop: EventLoop,
        hands: Box<Hands>,
        at_start: AtStart,
    ) -> Result<ExitCode, String> {
        let now = self.clock.now();
        lock_memory(Rights::Kept);
        if !hands.of_the_file().privsep {
            return self.guard_alone(event_loop, hands, &first(at_start));
        }
        let means = self.means();
        let mut helper = Box::new(HelperProcess::new(*hands, means, at_start, now));
        let level = log::max_level();
        let mut event_loop = Some(event_loop);
        loop {
            let role = self.start_main(&helper, &mut event_loop, level);
            let Some(running) = &mut event_loop else { return Err("no loop".to_owned()) };
            if let (Err(error), true) = (&role, helper.next().is_first) {
                let why =
                    format!("No main process can be made ({}): the helper does its work", reason(error));
                self.trouble.push((Priority::Warning, why));
                let start = helper.next().clone();
                let event_loop = event_loop.take().ok_or("no loop")?;
                return self.guard_alone(event_loop, Box::new(helper.into_hands()), &start);
            }
            self.hand_over();
            helper.handle_start(role, self.clock.now());
            match running.run(&mut *helper).map_err(|error| error.to_string())? {
                Exit::StartMain => {}
                exit => {
                    running.close(&mut *helper, exit);
                    self.files.give_back_port();
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }

    /// In this process, with the helper's work.
    #[inline(never)]
    fn guard_alone(
        mut self: Box<Self>,
        mut event_loop: EventLoop,
        hands: Box<Hands>,
        start: &Start,
    ) -> Result<ExitCode, String> {
        let (of_the_file, invocation) = (hands.of_the_file().clone(), hands.invocation().clone());
        let mut supervisor = self.supervisor(&of_the_file, &invocation, start, Helper::Here(hands))?;
        supervisor.listen();
        run(&mut event_loop, &mut supervisor).map_err(|error| error.to_string())?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the helper does jobs with.
    fn means(&self) -> Means {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        Means {
            locks: self.files.devices.clone().for_process(own),
            debug: self.debug.as_ref().and_then(DebugTarget::duplicate),
            state: self.files.state.as_ref().map(|(state, _)| state.for_another()),
            user: self.user,
            port_lock: self.files.wait_for_port.clone(),
        }
    }

    fn start_main(
        &mut self,
        helper: &HelperProcess,
        event_loop: &mut Option<EventLoop>,
        level: log::LevelFilter,
    ) -> io::Result<Role> {
        let kept = self.kept();
        let kind = Kind { name: c"mainsd: main", kept: &kept, streams: Streams::All, has_loop: true };
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let main = |socket| {
            log::set_max_level(level);
            if let Err(error) = self.run_main(helper, socket, own) {
                complain(&format!("{}: {error}", helper.hands().invocation().name));
            }
        };
        Role::start(&kind, || drop(event_loop.take()), main)
    }

    /// The descriptors that a main process needs: its writers take them over.
    fn kept(&self) -> Vec<RawFd> {
        let state = self.files.state.as_ref().and_then(|(state, _)| state.lock());
        let debug = match &self.debug {
            Some(DebugTarget::File(file)) => Some(file.as_raw_fd()),
            _ => None,
        };
        let control = self.files.control.as_ref().map(ControlSocket::fd);
        state.into_iter().chain(debug).chain(control).collect()
    }

    /// The main process has it now.
    fn hand_over(&mut self) {
        self.trouble.clear();
        if let Some((state, _)) = &mut self.files.state {
            state.hand_over_lock();
        }
        log::set_max_level(log::LevelFilter::Off);
        while next_debug_line().is_some() {}
    }

    fn run_main(&mut self, helper: &HelperProcess, socket: Socket, parent: i32) -> Result<(), String> {
        // First, so that what another main process needs to start is in memory too.
        lock_memory(Rights::GivenUp);
        let signals = Signals::new().map_err(|error| error.to_string())?;
        let mut event_loop = EventLoop::new(self.clock, signals).map_err(|error| error.to_string())?;
        let (of_the_file, invocation) = (helper.hands().of_the_file(), helper.hands().invocation());
        let remote = Remote::new(socket, self.clock.now());
        self.files.devices = self.files.devices.clone().with_starter(remote.starter());
        let mut supervisor =
            self.supervisor(of_the_file, invocation, helper.next(), Helper::Process(remote))?;
        let now = self.clock.now();
        supervisor.open_server(event_loop.registry(), now);
        let files = match supervisor.prepare() {
            true => Files::None(self.files.empty.as_deref()),
            false => Files::AsOthers,
        };
        let filters = !helper.next().without_filter;
        for kept in rights::give_up(self.user, files, filters, parent) {
            supervisor.log(Priority::Warning, &format!("Not all rights are given up: {kept}"), now);
        }
        run(&mut event_loop, &mut supervisor).map_err(|error| error.to_string())
    }

    /// Not inlined: what it needs of the stack, its caller has no use for later.
    #[inline(never)]
    fn supervisor(
        &mut self,
        of_the_file: &crate::config::Config,
        invocation: &crate::daemon::Invocation,
        start: &Start,
        helper: Helper,
    ) -> Result<Box<Supervisor>, String> {
        let now = self.clock.now();
        let mut config = invocation.dry_run.redirect(of_the_file.clone());
        config.net_server &= !start.without_server;
        let mut state: Option<StateFile> = self.files.state.take().map(|(state, _)| state);
        if let (Some(state), Some(saved), false) = (&mut state, &start.at_start.saved, start.is_first) {
            state.resume_saved_outage(saved);
        }
        // The writers, before anything that somebody else says is read.
        let mut places = settings::places(&config, invocation, self.debug.take(), state);
        places.starter = self.files.devices.starter().clone();
        let recorder = Recorder::new(&config, places, now);
        let counters = start.at_start.saved.as_ref().and_then(|saved| saved.counters);
        let mut driver = driver::open(
            of_the_file,
            &self.files.devices,
            self.faults,
            self.secrets.as_ref(),
            counters,
            now,
        )?;
        if let Some(path) = self.files.wait_for_port.take() {
            let starter = self.files.devices.starter().clone();
            driver = Box::new(LockedDriver::new(driver, path, config.device.clone(), starter, now));
        }
        let parts = SupervisorConfig {
            config,
            invocation: invocation.clone(),
            driver,
            recorder,
            helper,
            is_restarted: !start.is_first,
            control: self.files.control.as_ref().and_then(ControlSocket::listening),
            at_start: start.at_start.clone(),
            hostname: self.hostname.clone(),
            start_time: self.start_time,
        };
        let mut supervisor = Box::new(Supervisor::new(parts, now));
        for (priority, line) in self.trouble.drain(..) {
            supervisor.log(priority, &line, now);
        }
        Ok(supervisor)
    }
}

/// So that a disk that hangs holds nothing up. Who cannot lock memory (an ordinary user, a container) can do without.
fn lock_memory(rights: Rights) {
    if let Err(error) = keep_resident(rights) {
        log::debug!("not all memory is locked: {}", reason(&error));
    }
}

fn first(at_start: AtStart) -> Start {
    Start { at_start, is_first: true, without_server: false, without_filter: false }
}

fn run(event_loop: &mut EventLoop, supervisor: &mut Supervisor) -> io::Result<()> {
    let mut nobody = Unobserved;
    let mut daemon = Observed::new(supervisor, &mut nobody);
    let exit = event_loop.run(&mut daemon)?;
    // Without the helper nothing can be given back in order: the next daemon finds what this one leaves.
    if exit != Exit::HelperEnded {
        event_loop.close(&mut daemon, exit);
    }
    Ok(())
}
