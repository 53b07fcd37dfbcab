use super::*;
use crate::sys::process;

#[test]
fn a_hook_is_told_event_name_connected_and_powered() {
    let mut stage = Stage::new("args");
    let now = stage.now();
    let args = HookArgs { ups_name: "my\nups \0 \u{1b}[31m".to_owned(), connected: false, powered: true };
    stage.act.handle(Request::Hook(Event::OnBattery, args), now);
    assert_eq!(stage.until_finished(Event::OnBattery), HookEnd::Exited(0));
    assert_eq!(stage.log(), ["onbattery myups  [31m 0 1"]);
}

#[test]
fn a_name_beyond_all_measure_does_not_keep_a_hook_from_running() {
    let mut stage = Stage::new("long-name");
    let now = stage.now();
    let args = HookArgs { ups_name: "é".repeat(1_000_000), connected: true, powered: true };
    stage.act.handle(Request::Shutdown(args, String::new()), now);
    assert_eq!(stage.until_finished(Event::DoShutdown), HookEnd::Exited(0));
    assert_eq!(stage.log(), [format!("doshutdown {} 1 1", "é".repeat(255))]);
}

#[test]
fn hooks_run_one_at_a_time_in_order() {
    let mut stage = Stage::new("order");
    let events = [Event::PowerOut, Event::OnBattery, Event::OffBattery, Event::MainsBack];
    for event in events {
        stage.on(event.arg(), "sleep 0.05; echo \"$1 ended\" >> log");
    }
    for event in events {
        stage.hook(event);
    }
    stage.until_log(&[
        "powerout",
        "powerout ended",
        "onbattery",
        "onbattery ended",
        "offbattery",
        "offbattery ended",
        "mainsback",
        "mainsback ended",
    ]);
    stage.until_finished(Event::MainsBack);
    assert_eq!(stage.act.poll_timeout(), None);
}

#[test]
fn what_a_hook_leaves_running_is_not_touched() {
    let mut stage = Stage::new("background");
    stage.on("powerout", "( until grep -q onbattery log; do sleep 0.01; done; echo later >> log ) &");
    stage.hook(Event::PowerOut);
    stage.hook(Event::OnBattery);
    stage.until_log(&["powerout", "onbattery", "later"]);
}

#[test]
fn an_exit_status_or_a_signal_is_information_only() {
    let mut stage = Stage::new("status");
    stage.on("powerout", "exit 3");
    stage.on("onbattery", "kill -KILL $$");
    stage.hook(Event::PowerOut);
    stage.hook(Event::OnBattery);
    assert_eq!(stage.until_finished(Event::OnBattery), HookEnd::Signaled(9));
    assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::Exited(3));
    let path = stage.apccontrol();
    assert_eq!(
        stage.said(Priority::Info),
        [format!("{path} powerout exited with status 3"), format!("{path} onbattery was ended by signal 9")]
    );
    assert!(stage.said(Priority::Warning).is_empty());
}

#[test]
fn a_hook_that_cannot_be_executed_is_told_in_the_known_words() {
    let cases: [(&str, Script, &str); 4] = [
        ("missing", None, "No such file or directory"),
        ("mode", Some(("#!/bin/sh\n", 0o644)), "Permission denied"),
        ("interpreter", Some(("#!/no/such/shell\n", 0o755)), "No such file or directory"),
        ("empty", Some(("", 0o755)), "Exec format error"),
    ];
    for (name, script, reason) in cases {
        let mut stage = Stage::new(name);
        std::fs::remove_file(stage.folder.join("apccontrol")).unwrap();
        if let Some((text, mode)) = script {
            write_script(&stage.folder.join("apccontrol"), text, mode);
        }
        stage.hook(Event::PowerOut);
        assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::NotExecuted(reason.to_owned()));
        let line = format!("Cannot exec {} powerout: {reason}", stage.apccontrol());
        assert_eq!(stage.said(Priority::Warning), [line]);
    }
}

#[test]
fn a_fork_that_fails_is_told_in_the_known_words_and_the_next_hook_runs() {
    let mut stage = Stage::new("fork");
    stage.act.spawn = |_| Err(std::io::Error::from_raw_os_error(libc::EAGAIN));
    stage.hook(Event::PowerOut);
    let reason = "Resource temporarily unavailable".to_owned();
    assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::NotForked(reason));
    assert_eq!(
        stage.said(Priority::Warning),
        ["execute: cannot fork(). ERR=Resource temporarily unavailable"]
    );
    stage.act.spawn = spawn::spawn;
    stage.hook(Event::OnBattery);
    stage.until_log(&["onbattery"]);
}

#[test]
fn a_hook_that_takes_too_long_is_terminated_and_the_next_runs() {
    let mut stage = Stage::new("timeout");
    stage.on("powerout", &hang("hook", true));
    stage.hook(Event::PowerOut);
    stage.hook(Event::OnBattery);
    stage.pid_in("pid-hook");
    assert_eq!(stage.log(), ["powerout"]);
    stage.skip(60);
    assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::TimedOut);
    stage.until_log(&["powerout", "onbattery"]);
    let line = format!("{} powerout took too long: terminated", stage.apccontrol());
    assert_eq!(stage.said(Priority::Warning), [line]);
}

#[test]
fn a_hook_that_ignores_sigterm_is_killed_with_its_children() {
    let mut stage = Stage::new("kill");
    let child = hang("child", false);
    stage.on(
        "powerout",
        &format!("trap '' TERM\nsh -c '{}' &\n{}", child.replace('\'', "'\\''"), hang("hook", false)),
    );
    stage.hook(Event::PowerOut);
    stage.hook(Event::OnBattery);
    let pids = [stage.pid_in("pid-hook"), stage.pid_in("pid-child")];
    stage.skip(60);
    stage.skip(4);
    assert!(pids.iter().all(|pid| process::runs(*pid)));
    stage.skip(1);
    assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::TimedOut);
    stage.until("all are gone", |_| pids.iter().all(|pid| !process::runs(*pid)));
    stage.until_log(&["powerout", "onbattery"]);
    let path = stage.apccontrol();
    let lines = [
        format!("{path} powerout took too long: terminated"),
        format!("{path} powerout ignored SIGTERM: killed"),
    ];
    assert_eq!(stage.said(Priority::Warning), lines);
}

#[test]
fn a_child_that_ignores_sigterm_goes_when_its_hook_ends_by_it() {
    let mut stage = Stage::new("group");
    let child = hang("child", false);
    stage.on("powerout", &format!("sh -c '{}' &\n{}", child.replace('\'', "'\\''"), hang("hook", true)));
    stage.hook(Event::PowerOut);
    stage.pid_in("pid-hook");
    let child = stage.pid_in("pid-child");
    stage.skip(60);
    assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::TimedOut);
    stage.until("the child is gone", |_| !process::runs(child));
}

#[test]
fn the_oldest_waiting_hook_gives_way_when_too_many_wait() {
    let mut stage = Stage::new("queue");
    stage.on("powerout", &hang("hook", true));
    stage.hook(Event::PowerOut);
    stage.pid_in("pid-hook");
    stage.hook(Event::OnBattery);
    for _ in 0..31 {
        stage.hook(Event::CommOk);
    }
    stage.turn();
    assert!(stage.said(Priority::Warning).is_empty());
    stage.hook(Event::MainsBack);
    stage.turn();
    assert_eq!(stage.said(Priority::Warning), ["Too many hooks are waiting: onbattery is not run"]);
    stage.skip(60);
    stage.until("mainsback ran", |stage| stage.log().last().is_some_and(|last| last == "mainsback"));
    assert_eq!(stage.log().len(), 1 + 31 + 1);
}

#[test]
fn a_call_to_log_off_that_waits_is_not_queued_again() {
    let mut stage = Stage::new("annoyed");
    stage.on("powerout", "sleep 0.3");
    stage.hook(Event::PowerOut);
    stage.hook(Event::OnBattery);
    for _ in 0..100 {
        stage.hook(Event::AnnoyMe);
    }
    stage.hook(Event::MainsBack);
    stage.until_finished(Event::MainsBack);
    assert_eq!(stage.log(), ["powerout", "onbattery", "annoyme", "mainsback"]);
    assert!(stage.said(Priority::Warning).is_empty());
}

#[test]
fn flags_come_and_go_and_trouble_with_them_is_only_told() {
    let mut stage = Stage::new("flags");
    let now = stage.now();
    let (powerfail, nologin) = (stage.folder.join("powerfail"), stage.folder.join("nologin"));
    stage.act.handle(Request::CreatePowerfail, now);
    stage.act.handle(Request::CreateNologin, now);
    stage.until("both are there", |_| powerfail.exists() && nologin.exists());
    stage.act.handle(Request::RemovePowerfail, now);
    stage.act.handle(Request::RemoveNologin, now);
    stage.until("both are gone", |_| is_gone(&powerfail) && is_gone(&nologin));
    let missing = PathBuf::from("/nonexistent");
    let settings =
        ActSettings { powerfail_dir: missing.clone(), nologin_dir: missing, ..stage.act.settings.clone() };
    stage.act.reconfigure(settings);
    stage.act.handle(Request::CreatePowerfail, now);
    stage.act.handle(Request::CreateNologin, now);
    stage.until("both are refused", |stage| stage.said(Priority::Error).len() == 2);
    for name in ["powerfail", "nologin"] {
        let line = format!("Unable to create /nonexistent/{name}: ERR=No such file or directory");
        assert!(stage.said(Priority::Error).contains(&line.as_str()), "{:?}", stage.seen);
    }
    stage.shut_down();
    stage.until_log(&["doshutdown"]);
}

#[test]
fn new_settings_are_for_what_starts_later() {
    let mut stage = Stage::new("settings");
    stage.on("powerout", &hang("hook", true));
    stage.hook(Event::PowerOut);
    stage.pid_in("pid-hook");
    let other = stage.folder.join("other");
    std::fs::create_dir(&other).unwrap();
    write_script(&other.join("apccontrol"), "#!/bin/sh\necho other >> \"${0%/*}/../log\"\n", 0o755);
    let hook_timeout = Duration::from_secs(1000);
    let settings = ActSettings { script_dir: other.clone(), hook_timeout, ..stage.act.settings.clone() };
    stage.act.reconfigure(settings);
    stage.hook(Event::OnBattery);
    stage.skip(60);
    assert_eq!(stage.until_finished(Event::PowerOut), HookEnd::TimedOut);
    stage.until_log(&["powerout", "other"]);
}
