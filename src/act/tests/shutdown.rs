use std::cell::Cell;

use super::*;
use crate::sys::container::Container;
use crate::sys::process;

fn started(by: &str) -> Outcome {
    Outcome::ShutdownStarted(by.to_owned())
}

impl Stage {
    fn outcomes(&self) -> Vec<&Outcome> {
        let of_shutdown = |outcome: &&Outcome| {
            matches!(
                outcome,
                Outcome::ShutdownStarted(_) | Outcome::ShutdownFellBack(_) | Outcome::ShutdownFailed
            )
        };
        self.seen.iter().filter(of_shutdown).collect()
    }

    fn until_over(&mut self) {
        self.until("the shutdown is over", |stage| !stage.act.is_shutting_down());
        self.turn();
    }
}

#[test]
fn doshutdown_runs_after_the_hooks_before_it_and_before_those_after_it() {
    let mut stage = Stage::new("sequence");
    for event in ["timeout", "doshutdown"] {
        stage.on(event, "sleep 0.05; echo \"$1 ended\" >> log");
    }
    stage.hook(Event::PowerOut);
    stage.hook(Event::Timeout);
    stage.shut_down();
    stage.hook(Event::OnBattery);
    stage.until_log(&["powerout", "timeout", "timeout ended", "doshutdown", "doshutdown ended", "onbattery"]);
    let by = format!("{} doshutdown", stage.apccontrol());
    stage.until_seen(&started(&by));
    assert_eq!(stage.outcomes().len(), 1);
    assert_eq!(
        stage.said(Priority::Notice),
        [format!("System shutdown started by {by}. TIMEOUT 10 s reached.")]
    );
    assert!(!stage.act.is_shutting_down());
}

#[test]
fn a_hung_hook_delays_doshutdown_by_ten_seconds_and_no_more() {
    let mut stage = Stage::new("hung");
    stage.on("powerout", &hang("hook", true));
    stage.hook(Event::PowerOut);
    stage.hook(Event::Timeout);
    stage.shut_down();
    let hung = stage.pid_in("pid-hook");
    stage.skip(9);
    assert_eq!(stage.log(), ["powerout"]);
    stage.skip(1);
    // What waited is not lost, and what runs goes on until its own limit.
    stage.until_log(&["powerout", "doshutdown", "timeout"]);
    assert!(process::runs(hung));
    let line = format!("{} powerout has not ended: the shutdown does not wait for it", stage.apccontrol());
    assert_eq!(stage.said(Priority::Warning), [line]);
    stage.skip(50);
    assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::TimedOut);
    assert!(!process::runs(hung));
}

#[test]
fn ten_seconds_are_for_all_hooks_together() {
    let mut stage = Stage::new("together");
    for event in [Event::PowerOut, Event::OnBattery, Event::Timeout] {
        stage.on(event.arg(), &hang(event.arg(), true));
        stage.hook(event);
    }
    stage.shut_down();
    stage.pid_in("pid-powerout");
    stage.skip(10);
    stage.until("doshutdown ran", |stage| stage.log().contains(&"doshutdown".to_owned()));
    // It hangs on; the end of the test ends those whose ids it knows.
    stage.pid_in("pid-onbattery");
}

#[test]
fn a_daemon_that_ends_starts_a_waiting_doshutdown_first() {
    let mut stage = Stage::new("run_pending_now");
    stage.on("powerout", &hang("hook", true));
    stage.hook(Event::PowerOut);
    stage.shut_down();
    stage.pid_in("pid-hook");
    let now = stage.now();
    stage.act.run_pending_now(now);
    stage.until_log(&["powerout", "doshutdown"]);
}

#[test]
fn whatever_is_wrong_with_the_hook_the_shutdown_command_runs() {
    let bad: [(&str, Script, &str); 7] = [
        ("missing", None, "cannot be executed: No such file or directory"),
        ("mode", Some(("#!/bin/sh\n", 0o644)), "cannot be executed: Permission denied"),
        ("interpreter", Some(("#!/no/such/shell\n", 0o755)), "cannot be executed: No such file or directory"),
        ("empty", Some(("", 0o755)), "cannot be executed: Exec format error"),
        ("status", Some(("#!/bin/sh\nexit 1\n", 0o755)), "exited with status 1"),
        ("signal", Some(("#!/bin/sh\nkill -SEGV $$\n", 0o755)), "was ended by signal 11"),
        ("syntax", Some(("#!/bin/sh\nif\n", 0o755)), "exited with status 2"),
    ];
    for (name, script, how) in bad {
        let mut stage = Stage::new(&format!("bad-{name}"));
        std::fs::remove_file(stage.folder.join("apccontrol")).unwrap();
        if let Some((text, mode)) = script {
            write_script(&stage.folder.join("apccontrol"), text, mode);
        }
        stage.shut_down();
        stage.until_log(&["SHUTDOWNCMD"]);
        stage.until_over();
        let command = stage.act.settings.fallback.shutdown_cmd.clone().unwrap();
        assert_eq!(
            stage.outcomes(),
            [&Outcome::ShutdownFellBack(command.clone()), &started(&command)],
            "{name}"
        );
        let why = "TIMEOUT 10 s reached.";
        let line = format!("{} doshutdown {how}; {command} is run instead. {why}", stage.apccontrol());
        assert_eq!(stage.said(Priority::Error), [line]);
    }
}

#[test]
fn a_doshutdown_that_hangs_gives_way_at_its_limit_and_is_killed_beside() {
    let mut stage = Stage::new("doshutdown-hangs");
    stage.on("doshutdown", &hang("hook", false));
    stage.shut_down();
    let hung = stage.pid_in("pid-hook");
    stage.skip(59);
    assert_eq!(stage.log(), ["doshutdown"]);
    stage.skip(1);
    stage.until_log(&["doshutdown", "SHUTDOWNCMD"]);
    stage.until_over();
    assert!(process::runs(hung), "the shutdown did not wait for its death");
    stage.skip(5);
    assert_eq!(stage.until_finished(Event::DoShutdown), HookEnd::TimedOut);
    stage.until("it is gone", |_| !process::runs(hung));
}

#[test]
fn the_commands_that_exist_are_tried_in_turn() {
    let mut stage = Stage::new("built-in");
    stage.on("doshutdown", "exit 1");
    stage.without_shutdown_cmd();
    stage.command("shutdown", 1);
    stage.command("poweroff", 1);
    stage.command("halt", 0);
    stage.command("systemctl", 0);
    stage.find_commands();
    stage.shut_down();
    stage.until_log(&["doshutdown", "shutdown -h now", "poweroff ", "halt -p"]);
    stage.until_over();
    let bin = stage.folder.join("bin");
    let first = format!("{} -h now", bin.join("shutdown").display());
    let last = format!("{} -p", bin.join("halt").display());
    assert_eq!(stage.outcomes(), [&Outcome::ShutdownFellBack(first), &started(&last)]);
}

#[test]
fn systemctl_is_first_where_systemd_runs_and_only_there() {
    let mut stage = Stage::new("systemd");
    stage.on("doshutdown", "exit 1");
    stage.without_shutdown_cmd();
    stage.command("systemctl", 0);
    stage.command("poweroff", 0);
    let poweroff = stage.folder.join("bin/poweroff").display().to_string();
    stage.find_commands();
    assert_eq!(stage.act.settings.fallback.describe().join("\n"), poweroff);
    std::fs::create_dir(stage.folder.join("systemd")).unwrap();
    stage.find_commands();
    let systemctl = format!("{} -i poweroff", stage.folder.join("bin/systemctl").display());
    assert_eq!(stage.act.settings.fallback.describe(), [systemctl, poweroff]);
    stage.shut_down();
    stage.until_log(&["doshutdown", "systemctl -i poweroff"]);
}

#[test]
fn the_own_command_comes_before_those_that_exist_and_they_after_it() {
    let mut stage = Stage::new("own-first");
    stage.on("doshutdown", "exit 1");
    stage.command("poweroff", 0);
    stage.find_commands();
    stage.act.settings.fallback.shutdown_cmd =
        Some(format!("echo mine >> {}/log; exit 4", stage.folder.display()));
    stage.shut_down();
    stage.until_log(&["doshutdown", "mine", "poweroff "]);
    stage.until_over();
}

#[test]
fn when_every_way_fails_that_is_said_and_the_next_request_tries_again() {
    let mut stage = Stage::new("all-fail");
    stage.on("doshutdown", "exit 1");
    stage.without_shutdown_cmd();
    stage.shut_down();
    stage.until_seen(&Outcome::ShutdownFailed);
    let alert = "No command shuts the system down. TIMEOUT 10 s reached.";
    assert_eq!(stage.said(Priority::Alert), [alert]);
    assert!(!stage.act.is_shutting_down());
    stage.on("doshutdown", "exit 0");
    stage.shut_down();
    let by = format!("{} doshutdown", stage.apccontrol());
    stage.until_seen(&started(&by));
}

#[test]
fn the_last_resort_is_told_when_it_fails_too() {
    let mut stage = Stage::new("last-resort");
    stage.on("doshutdown", "exit 1");
    stage.without_shutdown_cmd();
    stage.act.settings.fallback.last_resort = LastResort::PowerOff;
    stage.shut_down();
    stage.until("the disks are being written", |stage| !stage.said(Priority::Alert).is_empty());
    stage.skip(10);
    stage.until_seen(&Outcome::ShutdownFailed);
    assert_eq!(
        stage.said(Priority::Alert),
        [
            "No command shuts the system down: it is switched off at once. TIMEOUT 10 s reached.",
            "The system cannot be switched off: reboot ERR=Operation not permitted",
        ]
    );
}

/// What a shell would be needed for is not there either: the hook is none.
#[test]
fn in_a_container_the_host_is_left_to_switch_off_and_no_command_is_tried() {
    let mut stage = Stage::new("container");
    std::fs::remove_file(stage.folder.join("apccontrol")).unwrap();
    let container = Container { kind: "docker".to_owned(), has_init: false, sees_the_machine: false };
    stage.act.settings.fallback = Fallback::system(None, BuiltIn::in_container(&container));
    stage.shut_down();
    stage.until_seen(&Outcome::ShutdownFailed);
    let flag = stage.folder.join("powerfail");
    let alert = format!(
        "No command in this container shuts the machine down: its host must, which may see {}. TIMEOUT 10 s reached.",
        flag.display()
    );
    assert_eq!(stage.said(Priority::Alert), [alert]);
    assert_eq!(
        stage.act.settings.fallback.describe(),
        ["the host, which alone can do it: this is a container"]
    );
    // Where the processes of the machine are seen, the call is one for the machine.
    let host = BuiltIn::in_container(&Container { sees_the_machine: true, ..container });
    assert_eq!(Fallback::system(None, host).last_resort, LastResort::PowerOff);
}

thread_local! {
    /// How many more forks fail, on this test's thread.
    static FAILING_FORKS: Cell<u32> = const { Cell::new(0) };
}

fn failing_spawn(spec: &Spec) -> std::io::Result<Child> {
    let left = FAILING_FORKS.get();
    FAILING_FORKS.set(left.saturating_sub(1));
    if left == 0 { spawn::spawn(spec) } else { Err(std::io::Error::from_raw_os_error(libc::EAGAIN)) }
}

#[test]
fn if_the_hook_cannot_be_forked_the_command_is_tried() {
    let mut stage = Stage::new("fork-once");
    stage.act.spawn = failing_spawn;
    FAILING_FORKS.set(1);
    stage.shut_down();
    stage.until_log(&["SHUTDOWNCMD"]);
    stage.until_over();
    assert_eq!(
        stage.said(Priority::Warning),
        ["execute: cannot fork(). ERR=Resource temporarily unavailable"]
    );
}

#[test]
fn while_nothing_can_be_forked_all_is_tried_again_each_second() {
    let mut stage = Stage::new("fork-later");
    stage.act.spawn = failing_spawn;
    // The hook and the command, in three rounds.
    FAILING_FORKS.set(6);
    stage.shut_down();
    for _ in 0..3 {
        assert!(stage.log().is_empty());
        stage.skip(1);
    }
    stage.until_log(&["doshutdown"]);
    stage.until_over();
    let by = format!("{} doshutdown", stage.apccontrol());
    assert_eq!(stage.outcomes(), [&started(&by)], "no fall-back was started");
}

#[test]
fn a_command_that_could_not_be_forked_gets_another_chance_before_the_last_resort() {
    let mut stage = Stage::new("fork-command");
    stage.act.spawn = failing_spawn;
    stage.on("doshutdown", "while [ ! -f go ]; do sleep 0.01; done; exit 1");
    stage.shut_down();
    stage.until_log(&["doshutdown"]);
    FAILING_FORKS.set(1);
    std::fs::write(stage.folder.join("go"), "").unwrap();
    stage.until("it waits to try again", |stage| stage.said(Priority::Error).len() == 2);
    stage.skip(1);
    stage.until_log(&["doshutdown", "doshutdown", "SHUTDOWNCMD"]);
    stage.until_over();
}

#[test]
fn if_nothing_can_be_forked_for_ten_seconds_the_last_resort_comes() {
    let mut stage = Stage::new("fork-never");
    stage.act.spawn = failing_spawn;
    FAILING_FORKS.set(u32::MAX);
    stage.shut_down();
    for _ in 0..9 {
        stage.skip(1);
        assert!(stage.act.is_shutting_down());
    }
    stage.skip(2);
    stage.until_seen(&Outcome::ShutdownFailed);
    assert!(stage.log().is_empty());
    // Told once, not in each round.
    assert_eq!(stage.said(Priority::Warning).len(), 1);
}

#[test]
fn a_second_request_while_one_is_under_way_changes_nothing() {
    let mut stage = Stage::new("twice");
    stage.on("doshutdown", "sleep 0.1");
    stage.shut_down();
    stage.shut_down();
    stage.until_over();
    stage.skip(30);
    assert_eq!(stage.log(), ["doshutdown"]);
    assert_eq!(stage.outcomes().len(), 1);
}

impl Stage {
    /// Whether the machine has been told to switch off; these tests have no `reboot`, and it fails.
    fn is_off(&self) -> bool {
        self.said(Priority::Alert).iter().any(|line| line.starts_with("The system cannot be switched off"))
    }

    fn create_flags(&mut self) {
        let now = self.now();
        self.act.handle(Request::CreatePowerfail, now);
        self.act.handle(Request::CreateNologin, now);
    }
}

#[test]
fn a_machine_on_which_everything_hangs_is_off_30_seconds_after_hooktimeout() {
    let mut stage = Stage::new("all-hang");
    let release = stage.folder.join("release");
    let waits = waits_for(&release);
    for event in ["powerout", "doshutdown"] {
        stage.on(event, &waits);
    }
    for name in ["systemctl", "shutdown", "poweroff", "halt"] {
        write_script(&stage.folder.join("bin").join(name), &format!("#!/bin/sh\n{waits}\n"), 0o755);
    }
    std::fs::create_dir(stage.folder.join("systemd")).unwrap();
    stage.find_commands();
    assert_eq!(stage.act.settings.fallback.describe().len(), 6);
    stage.act.settings.fallback.shutdown_cmd = Some(waits);
    stage.act.settings.fallback.last_resort = LastResort::PowerOff;
    let now = stage.now();
    for flag in [&mut stage.act.flags.powerfail, &mut stage.act.flags.nologin] {
        flag.hang(&release, now);
    }
    stage.hook(Event::PowerOut);
    stage.shut_down();
    let before = stage.skipped;
    while !stage.is_off() {
        assert!(stage.skipped - before < Duration::from_secs(60 + 30), "{:#?}", stage.seen);
        stage.skip(1);
    }
    // Each of them was tried, and the disks had their time.
    let beside = "has not ended: the next way is tried beside it";
    let tried = stage.said(Priority::Warning).into_iter().filter(|line| line.ends_with(beside)).count();
    assert_eq!(tried, 5, "{:#?}", stage.seen);
    std::fs::write(&release, "").unwrap();
    stage.until("all have ended", |stage| stage.act.abandoned.is_empty());
}

#[test]
fn a_command_that_is_slow_and_ends_well_counts_beside_those_after_it() {
    let mut stage = Stage::new("slow");
    stage.on("doshutdown", &hang("hook", true));
    stage.act.settings.fallback.shutdown_cmd = Some(waits_for(&stage.folder.join("go")));
    stage.command("poweroff", 1);
    stage.find_commands();
    stage.shut_down();
    stage.pid_in("pid-hook");
    stage.skip(60);
    stage.skip(10);
    let own = stage.act.settings.fallback.shutdown_cmd.clone().unwrap();
    let line = format!("{own} has not ended: the next way is tried beside it");
    assert!(stage.said(Priority::Warning).contains(&line.as_str()), "{:#?}", stage.seen);
    stage.until_log(&["doshutdown", "poweroff "]);
    std::fs::write(stage.folder.join("go"), "").unwrap();
    stage.until_seen(&started(&own));
    stage.until_over();
    assert_eq!(stage.outcomes(), [&Outcome::ShutdownFellBack(own.clone()), &started(&own)]);
}

#[test]
fn doshutdown_finds_its_flag_and_a_folder_that_does_not_answer_costs_a_second() {
    let mut stage = Stage::new("flag-first");
    stage.on("doshutdown", "[ ! -e powerfail ] || echo flag >> log");
    stage.create_flags();
    stage.shut_down();
    stage.until_log(&["doshutdown", "flag"]);
    stage.until_over();
    let mut stage = Stage::new("flag-hangs");
    let (release, now) = (stage.folder.join("release"), stage.now());
    stage.act.flags.powerfail.hang(&release, now);
    stage.act.flags.nologin.hang(&release, now);
    stage.shut_down();
    stage.turn();
    assert!(stage.act.is_shutting_down() && stage.log().is_empty());
    stage.skip(1);
    stage.until_log(&["doshutdown"]);
    stage.until_over();
    assert_eq!(stage.said(Priority::Error).len(), 2, "{:#?}", stage.seen);
    std::fs::write(&release, "").unwrap();
    stage.until("both are done after all", |stage| stage.said(Priority::Notice).len() == 3);
}

#[test]
fn a_daemon_that_ends_does_not_wait_for_a_flag_beyond_its_limit() {
    let mut stage = Stage::new("flag-at-end");
    let (release, now) = (stage.folder.join("release"), stage.now());
    stage.act.flags.powerfail.hang(&release, now);
    stage.act.handle(Request::CreateNologin, now);
    stage.act.finish_flags(Duration::from_millis(20), now);
    stage.turn();
    std::fs::write(&release, "").unwrap();
    let now = stage.now();
    stage.act.finish_flags(Duration::from_secs(60), now);
    assert!(stage.folder.join("nologin").exists());
}
