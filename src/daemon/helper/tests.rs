//! A main process that is somebody else's: it sends what it likes, as fast as it likes.

#![allow(clippy::disallowed_methods, reason = "tests run real processes by the real clock")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::Poll;
use rustix::net::{Shutdown, shutdown};

use super::allowance::HOOKS;
use super::connection::{Connection, Received};
use super::process::HelperProcess;
use super::spares::SPARES;
use super::*;
use crate::act::BuiltIn;
use crate::config::{self, Config};
use crate::daemon::event_loop::{Exit, Source};
use crate::daemon::{DryRun, Invocation};
use crate::power::AtStart;
use crate::sys::job::Job;
use crate::sys::process;
use crate::sys::role::{Kind, Role, Socket, Streams, wait_for_any};
use crate::sys::signals::Signal;
use crate::sys::spawn::tests::write_script;
use crate::ups::Event;
use crate::wire::helper::{Arguments, FromHelper, MAX_PACKET, OnBattery, ToHelper};
use crate::wire::role::Saved;

const MAIN: Kind<'static> = Kind { name: c"main", kept: &[], streams: Streams::Null, has_loop: false };
const TIMEOUT: Duration = Duration::from_secs(60);

/// A helper with an `apccontrol` that logs, and a main process that does this.
struct Stage {
    folder: PathBuf,
    poll: Poll,
    helper: HelperProcess,
}

impl Stage {
    fn new(name: &str, lines: &str, main: impl FnOnce(Socket)) -> Self {
        let folder = std::env::temp_dir().join(format!("mainsd-helper-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let text = "#!/bin/sh\necho \"$1\" >> \"${0%/*}/log\"\n";
        write_script(&folder.join("apccontrol"), text, 0o755);
        let hands = Hands::new(configuration(&folder, lines), invocation(&folder), Instant::now());
        let helper = HelperProcess::new(hands, Means::default(), AtStart::default(), Instant::now());
        let mut stage = Self { folder, poll: Poll::new().unwrap(), helper };
        stage.start_main(main);
        stage
    }

    fn start_main(&mut self, main: impl FnOnce(Socket)) {
        self.helper.handle_start(Role::start(&MAIN, || (), main), Instant::now());
        self.helper.start(self.poll.registry(), Instant::now());
    }

    /// Turns the loop until there is nothing to be read or carried out, and this is so.
    fn turn_until(&mut self, wanted: impl Fn(&HelperProcess) -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !wanted(&self.helper) {
            assert!(Instant::now() < deadline, "{:?}", self.helper);
            let now = Instant::now();
            self.helper.take_all(now);
            self.helper.handle_signal(Signal::Child, self.poll.registry(), now);
            self.helper.handle_timeout(self.poll.registry(), now);
            self.helper.pump(now);
            assert!(self.helper.outbox().waiting() <= 2000, "the helper grows");
            std::thread::yield_now();
        }
    }

    /// From now on each hook waits for the file `go`.
    fn make_hooks_wait(&self) {
        let text =
            "#!/bin/sh\nwhile [ ! -e \"${0%/*}/go\" ]; do sleep 0.02; done\necho \"$1\" >> \"${0%/*}/log\"\n";
        write_script(&self.folder.join("apccontrol"), text, 0o755);
    }

    fn hooks(&self) -> Vec<String> {
        hooks(&self.folder)
    }
}

fn hooks(folder: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn configuration(folder: &Path, lines: &str) -> Config {
    let folder = folder.display();
    let text =
        format!("UPSTYPE test\nSCRIPTDIR {folder}\nPWRFAILDIR {folder}\nNOLOGINDIR {folder}\n{lines}\n");
    config::parse(text.as_bytes(), "test").config
}

pub(super) fn invocation(folder: &Path) -> Invocation {
    Invocation {
        name: "mainsd",
        version: "0",
        config_file: folder.join("conf"),
        pid_file: None,
        foreground: false,
        kill_on_powerfail: false,
        term_on_powerfail: false,
        // Nothing built in shuts this machine down.
        dry_run: DryRun::HooksRun,
        syslog: false,
        stderr: false,
        shutdown_commands: BuiltIn::default(),
        surroundings: |_| Vec::new(),
    }
}

const ARGUMENTS: Arguments<'static> = Arguments { ups_name: "ups", connected: true, powered: true };

/// Or the end; spare sockets are none.
fn wait_for_a_message(socket: &Socket) {
    let mut packet = [0; 16];
    while socket
        .receive(&mut packet)
        .is_ok_and(|length| FromHelper::decode(&packet[..length]) == Some(FromHelper::Spare))
    {}
}

/// Or the end.
fn wait_until_the_shutdown_has_started(socket: &Socket) {
    let mut packet = [0; MAX_PACKET];
    while socket.receive(&mut packet).is_ok_and(|length| {
        length > 0 && !matches!(FromHelper::decode(&packet[..length]), Some(FromHelper::ShutdownStarted(_)))
    }) {}
}

fn ended(helper: &HelperProcess) -> bool {
    helper.exit() == Some(Exit::StartMain)
}

#[test]
fn a_main_process_that_says_what_none_says_is_killed_and_another_one_is_due() {
    for packet in [b"zzz".to_vec(), vec![b'h', 255], vec![0; MAX_PACKET + 1], ToHelper::Finish.encode()] {
        let mut stage = Stage::new(&format!("nonsense-{}", packet.len()), "", |socket| {
            socket.send(&packet);
            // It goes on until it is killed.
            wait_for_a_message(&socket);
            wait_for_a_message(&socket);
            loop {
                socket.send(&ToHelper::Alive.encode());
            }
        });
        stage.turn_until(ended);
        assert!(!stage.helper.next().is_first);
    }
}

/// The name of no target, which is refused.
const REFUSED: Job<'static> = Job::Resolve(9);

#[test]
fn each_job_has_a_socket_of_its_own_also_where_more_are_begun_than_sockets_are_ready() {
    let mut stage = Stage::new("jobs", "", |socket| {
        let connection = Connection::new(socket);
        let mut begun = Vec::new();
        while begun.len() < 3 * SPARES {
            match connection.start(&REFUSED) {
                Ok(socket) => begun.push(Role::of_another(socket)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => connection.wait(TIMEOUT),
                Err(error) => panic!("{error}"),
            }
        }
        for mut job in begun {
            wait_for_any([&job].into_iter(), TIMEOUT);
            assert!(job.has_ended());
        }
        let _ = connection.send(&ToHelper::Hook(Event::PowerOut, ARGUMENTS).encode());
        while connection.receive() != Received::End {
            connection.wait(TIMEOUT);
        }
    });
    let folder = stage.folder.clone();
    stage.turn_until(|_| hooks(&folder) == ["powerout"]);
}

#[test]
fn jobs_beyond_the_sockets_that_were_sent_are_not_begun() {
    let mut stage = Stage::new("no-sockets", "", |socket| {
        for _ in 0..1000 {
            socket.send(&ToHelper::UsbList.encode());
        }
        socket.send(&ToHelper::Hook(Event::PowerOut, ARGUMENTS).encode());
        while let Ok(1..) = socket.receive(&mut [0; 2000]) {}
    });
    let folder = stage.folder.clone();
    stage.turn_until(|_| hooks(&folder) == ["powerout"]);
}

#[test]
fn every_message_in_any_order_at_full_speed_runs_configured_hooks_only_and_not_too_many() {
    let mut stage = Stage::new("flood", "", |socket| {
        let saved = Saved { announced: true, transfers: 9, ..Saved::default() };
        for turn in 0..2000_usize {
            let event = Event::ALL[turn % Event::ALL.len()];
            let messages = [
                ToHelper::Hook(event, ARGUMENTS),
                ToHelper::Powerfail { present: turn % 2 == 0 },
                ToHelper::Shutdown(ARGUMENTS, "because"),
                ToHelper::Saved(saved),
                ToHelper::Nologin { present: turn % 3 == 0 },
                ToHelper::Ready,
                ToHelper::Alive,
            ];
            for message in messages {
                socket.send(&message.encode());
            }
        }
    });
    // On a busy machine the first hook may write its line later than main ends.
    let folder = stage.folder.clone();
    stage.turn_until(|helper| ended(helper) && !hooks(&folder).is_empty());
    stage.helper.hands_mut().finish(Instant::now());
    let hooks = stage.hooks();
    let names: Vec<&str> = Event::ALL.iter().map(|event| event.arg()).collect();
    assert!(hooks.iter().all(|hook| names.contains(&hook.as_str())), "{hooks:?}");
    let most = usize::try_from(HOOKS.at_once).unwrap() + usize::try_from(TIMEOUT.as_secs()).unwrap();
    let asked = hooks.iter().filter(|hook| *hook != "doshutdown").count();
    assert!(asked <= most, "{asked}");
}

#[test]
fn a_main_process_that_is_gone_when_the_daemon_is_told_to_end_is_followed_by_one_that_ends_it() {
    let mut stage = Stage::new("gone", "", |_| {});
    // Nobody has noticed yet that it has ended.
    stage.helper.handle_signal(Signal::Terminate(15), stage.poll.registry(), Instant::now());
    stage.turn_until(|helper| helper.exit().is_some());
    assert!(ended(&stage.helper));
    stage.start_main(|socket| {
        let mut buffer = [0; MAX_PACKET + 1];
        while let Ok(length @ 1..) = socket.receive(&mut buffer) {
            match FromHelper::decode(&buffer[..length]) {
                Some(FromHelper::Terminate(15)) => socket.send(&ToHelper::Finish.encode()),
                Some(FromHelper::Finished) => return,
                _ => {}
            }
        }
    });
    stage.turn_until(|helper| helper.exit() == Some(Exit::Signal(15)));
    // A second one is not started for that.
    let mut stage = Stage::new("gone-twice", "", |_| {});
    stage.helper.handle_signal(Signal::Terminate(15), stage.poll.registry(), Instant::now());
    stage.turn_until(ended);
    stage.start_main(|_| {});
    stage.turn_until(|helper| helper.exit() == Some(Exit::Signal(15)));
}

#[test]
fn a_main_process_that_ends_is_told_of_once_its_status_is_known_and_hears_what_was_to_be_told() {
    let mut stage = Stage::new("ends", "", |socket| {
        let outage = Saved { announced: true, transfers: 3, ..Saved::default() };
        socket.send(&ToHelper::Saved(outage).encode());
        socket.send(&ToHelper::Powerfail { present: true }.encode());
    });
    stage.turn_until(ended);
    let next = stage.helper.next().clone();
    assert_eq!(next.at_start.saved.map(|saved| (saved.announced, saved.transfers)), Some((true, 3)));
    assert!(next.at_start.powerfail && !next.is_first && !next.without_server);
    assert!(stage.helper.outbox().waiting() >= 2, "two lines for the log");
}

#[test]
fn a_shutdown_that_is_started_while_there_is_no_main_process_is_not_started_again_for_the_next() {
    let mut stage = Stage::new("between", "", |socket| {
        let decided = [Some(Duration::from_secs(1)), None, None, None, Some(Duration::from_secs(2))];
        socket
            .send(&ToHelper::Saved(Saved { announced: true, moments: decided, ..Saved::default() }).encode());
        socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
    });
    let waits =
        "#!/bin/sh\nwhile [ ! -e \"${0%/*}/go\" ]; do sleep 0.02; done\necho \"$1\" >> \"${0%/*}/log\"\n";
    write_script(&stage.folder.join("apccontrol"), waits, 0o755);
    stage.turn_until(|helper| ended(helper) && helper.hands().is_shutting_down());
    std::fs::write(stage.folder.join("go"), "").unwrap();
    stage.turn_until(|helper| !helper.hands().is_shutting_down());
    stage.start_main(|socket| {
        socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
        socket.send(&ToHelper::Hook(Event::OnBattery, ARGUMENTS).encode());
        while let Ok(1..) = socket.receive(&mut [0; 2000]) {}
    });
    let folder = stage.folder.clone();
    stage.turn_until(|_| hooks(&folder).contains(&"onbattery".to_owned()));
    assert_eq!(stage.hooks(), ["doshutdown", "onbattery"]);
}

#[test]
fn a_shutdown_that_the_machine_that_stands_in_has_decided_is_not_started_again_for_the_next_main_process() {
    let said = |age| OnBattery { low: false, line_age: age, charge: None, runtime: None };
    let mut stage = Stage::new("stand-in", "TIMEOUT 1\nONBATTERYDELAY 0", |socket| {
        let moments = [Some(Duration::ZERO), None, None, None, None];
        socket.send(&ToHelper::Saved(Saved { announced: true, moments, ..Saved::default() }).encode());
        for age in [9, 6, 3] {
            socket.send(&ToHelper::OnBattery(said(Duration::from_secs(age))).encode());
        }
    });
    stage.make_hooks_wait();
    stage.turn_until(|helper| ended(helper) && helper.hands().is_shutting_down());
    let folder = stage.folder.clone();
    stage.start_main(|socket| {
        socket.send(&ToHelper::OnBattery(said(Duration::ZERO)).encode());
        socket.send(&ToHelper::Saved(Saved { transfers: 1, ..Saved::default() }).encode());
        wait_until_the_shutdown_has_started(&socket);
        socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
        socket.send(&ToHelper::Hook(Event::OnBattery, ARGUMENTS).encode());
        while let Ok(1..) = socket.receive(&mut [0; 2000]) {}
    });
    stage.turn_until(|helper| helper.outage.stand_in.is_none());
    std::fs::write(stage.folder.join("go"), "").unwrap();
    stage.turn_until(|_| hooks(&folder).contains(&"onbattery".to_owned()));
    let shutdowns = stage.hooks().iter().filter(|hook| *hook == "doshutdown").count();
    assert_eq!(shutdowns, 1, "{:?}", stage.hooks());
}

#[test]
fn a_shutdown_that_is_started_in_the_turn_in_which_the_next_main_process_asks_is_not_started_again() {
    let mut stage = Stage::new("same-turn", "", |socket| {
        socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
    });
    stage.make_hooks_wait();
    stage.turn_until(|helper| ended(helper) && helper.hands().is_shutting_down());
    std::fs::write(stage.folder.join("go"), "").unwrap();
    while stage.helper.hands().is_shutting_down() {
        stage.helper.hands_mut().handle_child_signal(Instant::now());
    }
    stage.start_main(|socket| {
        socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
        socket.send(&ToHelper::Hook(Event::OnBattery, ARGUMENTS).encode());
        wait_for_a_message(&socket);
    });
    let folder = stage.folder.clone();
    stage.turn_until(|_| hooks(&folder).contains(&"onbattery".to_owned()));
    assert_eq!(stage.hooks(), ["doshutdown", "onbattery"]);
}

#[test]
fn what_stands_in_for_a_main_process_says_nothing_anew_of_a_shutdown_that_was_asked_for() {
    for still_runs in [true, false] {
        let name = format!("asked-{still_runs}");
        let mut stage = Stage::new(&name, "TIMEOUT 1\nONBATTERYDELAY 0", |socket| {
            let moments = [Some(Duration::ZERO), None, None, None, None];
            socket.send(&ToHelper::Saved(Saved { announced: true, moments, ..Saved::default() }).encode());
            for age in [9, 6, 3] {
                let line_age = Duration::from_secs(age);
                let said = OnBattery { low: false, line_age, charge: None, runtime: None };
                socket.send(&ToHelper::OnBattery(said).encode());
            }
            socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
            if !still_runs {
                wait_until_the_shutdown_has_started(&socket);
            }
        });
        if still_runs {
            stage.make_hooks_wait();
        }
        stage.turn_until(ended);
        assert_eq!(stage.helper.hands().is_shutting_down(), still_runs);
        std::fs::write(stage.folder.join("go"), "").unwrap();
        stage.turn_until(|helper| !helper.hands().is_shutting_down());
        stage.helper.hands_mut().finish(Instant::now());
        assert_eq!(stage.hooks(), ["doshutdown"], "{name}");
        let told = stage.helper.outbox().text();
        assert!(told.contains("Another main process"), "{name}: {told}");
        for words in ["the helper shuts this machine down", "Shutdown because ", "already when this daemon"] {
            assert!(!told.contains(words), "{name}: {told}");
        }
    }
}

#[test]
fn a_main_process_that_closes_its_socket_and_lives_on_is_killed() {
    type Closes = fn(&Socket);
    // An empty message is received as the end is; the other cannot be told what has come of its shutdown.
    let ways: [(&str, Closes); 2] = [
        ("empty", |socket| socket.send(&[])),
        ("deaf", |socket| {
            let _ = shutdown(socket, Shutdown::Read);
            socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
        }),
    ];
    for (name, close) in ways {
        let mut stage = Stage::new(name, "", |socket| {
            close(&socket);
            loop {
                std::thread::park();
            }
        });
        let main = stage.helper.main_pid().unwrap();
        stage.turn_until(|helper| ended(helper) && !process::runs(main));
    }
}

#[test]
fn the_flag_that_has_the_ups_switched_off_is_made_with_a_shutdown_only() {
    let mut stage = Stage::new("flag", "", |socket| {
        socket.send(&ToHelper::Powerfail { present: true }.encode());
        socket.send(&ToHelper::Hook(Event::PowerOut, ARGUMENTS).encode());
        wait_for_a_message(&socket);
        socket.send(&ToHelper::Shutdown(ARGUMENTS, "because").encode());
        while let Ok(1..) = socket.receive(&mut [0; 2000]) {}
    });
    let (folder, flag) = (stage.folder.clone(), stage.folder.join("powerfail"));
    stage.turn_until(|helper| hooks(&folder) == ["powerout"] && helper.hands().is_idle());
    assert!(!flag.exists());
    // It goes on when it is told something.
    stage.helper.handle_signal(Signal::Reload, stage.poll.registry(), Instant::now());
    stage.turn_until(|_| hooks(&folder) == ["powerout", "doshutdown"]);
    assert!(flag.exists());
}

#[test]
fn the_moment_of_a_decision_stays_when_another_machine_stands_in() {
    let said = OnBattery { low: false, line_age: Duration::ZERO, charge: None, runtime: None };
    let mut stage = Stage::new("moment", "TIMEOUT 3600", |socket| {
        socket.send(&ToHelper::OnBattery(said).encode());
        socket.send(&ToHelper::Hook(Event::PowerOut, ARGUMENTS).encode());
        wait_for_a_message(&socket);
        // A moment that has not come yet is now.
        let moments = [Some(Duration::ZERO), None, None, None, Some(Duration::from_secs(1 << 30))];
        socket.send(&ToHelper::Saved(Saved { announced: true, moments, ..Saved::default() }).encode());
    });
    let folder = stage.folder.clone();
    stage.turn_until(|helper| hooks(&folder) == ["powerout"] && helper.hands().is_idle());
    let before = Instant::now();
    // It goes on when it is told something.
    stage.helper.handle_signal(Signal::Reload, stage.poll.registry(), before);
    stage.turn_until(|helper| ended(helper) && helper.outage.stand_in.is_some());
    let decided = stage.helper.next().at_start.saved.as_ref().and_then(|saved| saved.decided_at);
    assert!(decided.is_some_and(|at| at >= before), "{decided:?} {before:?}");
}
