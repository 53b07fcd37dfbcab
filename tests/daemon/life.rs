//! Starting, being asked, re-reading the configuration, ending: the daemon on a simulated UPS.

use crate::support::{self, Daemon, Setup, Status, TIMEOUT, play, wait_for_file};

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable")
}

fn client(daemon: &Daemon, args: &[&str]) -> String {
    let address = format!("127.0.0.1:{}", daemon.port());
    let done = support::run(["status"].into_iter().chain(args.iter().copied()).chain([address.as_str()]));
    assert!(done.status.success(), "{done:?}");
    done.stdout
}

#[test]
fn clients_see_a_ups_on_mains() {
    let daemon = play("", setup());
    let status = daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(status.is("NUMXFERS", "0") && status.is("TONBATT", "0 Seconds") && status.is("XOFFBATT", "N/A"));
    assert!(status.is("MODEL", "Simulated UPS 900") && status.is("DRIVER", "TEST UPS Driver"));
}

#[test]
fn clients_follow_an_outage() {
    let daemon = play("0 lapse 0\n1 mains off\n1 charge 42.5", setup());
    let status = daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    assert!(status.is("NUMXFERS", "1") && status.get("XONBATT").is_some(), "{}", status.text());
    assert!(
        status.is("LINEV", "0.0 Volts") && status.is("LASTXFER", "Low line voltage"),
        "{}",
        status.text()
    );
    daemon.wait_for_status(|status| status.is("BCHARGE", "42.5 Percent"), TIMEOUT);
    assert_eq!(client(&daemon, &["-p", "BCHARGE", "-u"]), "42.5\n");
    daemon
        .wait_for_status(|status| status.get("TONBATT").is_some_and(|time| !time.starts_with('0')), TIMEOUT);
}

#[test]
fn clients_see_that_an_outage_is_over() {
    let daemon = play("1 mains off\n3.5 mains on", setup());
    let over = |status: &Status| status.is("STATUS", "ONLINE") && status.is("NUMXFERS", "1");
    let status = daemon.wait_for_status(over, TIMEOUT);
    assert!(status.is("TONBATT", "0 Seconds") && !status.is("CUMONBATT", "0 Seconds"), "{}", status.text());
    let printed = client(&daemon, &[]);
    assert!(printed.contains("\nSTATUS   : ONLINE \n") && printed.contains("\nNUMXFERS : 1\n"), "{printed}");
    assert_eq!(daemon.threads(), 1);
}

#[test]
fn the_events_file_and_the_events_command_say_what_the_log_says() {
    let daemon = play("1 mains off\n1.3 mains on", setup());
    daemon.wait_for_hook("mainsback", TIMEOUT);
    daemon.wait_for_logged("Power is back. UPS running on mains.");
    let asked = daemon.nis().events().expect("events");
    let file = wait_for_file(&daemon.dir().join("events"), |text| text == asked.concat());
    let (stamp, text) = file.lines().find(|line| line.ends_with("Power failure.")).unwrap().split_at(27);
    assert_eq!(text, "Power failure.");
    assert!(stamp.ends_with(" +0000  ") && stamp.len() == 27, "{stamp:?}");
}

#[test]
fn a_client_is_answered_while_the_ups_is_silent() {
    let daemon = play("1 silent", setup());
    daemon.wait_for_hook("commfailure", TIMEOUT);
    let status = daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    assert!(status.get("BCHARGE").is_some(), "{}", status.text());
}

#[test]
fn sigterm_in_an_outage_ends_at_once_and_removes_only_what_is_ours() {
    let daemon = play("1 mains off", setup().with("NOLOGON", "always"));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    daemon.wait_for_file("flags/nologin");
    let (end, scratch) = daemon.terminate_keeping();
    assert!(end.status.success() && end.took.as_secs() < 1, "{end:?}");
    assert!(end.output.contains("this machine is now unguarded"), "{}", end.output);
    assert!(!scratch.path().join("flags/nologin").exists() && !scratch.path().join("pid").exists());
    let log = support::logged(scratch.path());
    let last: Vec<&str> = log.iter().rev().take(1).map(String::as_str).collect();
    assert_eq!(last, ["mainsd shutdown succeeded"]);
    assert!(log.iter().any(|line| line == "mainsd exiting, signal 15"), "{log:?}");
}

#[test]
fn sighup_applies_a_good_file_without_dropping_clients_and_keeps_the_old_one_for_a_bad() {
    let daemon = play("", setup().with("TIMEOUT", "300"));
    let mut client = daemon.nis();
    let mut maxtime = || client.status().expect("the connection stays").get("MAXTIME").map(str::to_owned);
    assert_eq!(maxtime().as_deref(), Some("300 Seconds"));

    let path = daemon.dir().join("mainsd.conf");
    let file = std::fs::read_to_string(&path).expect("the configuration");
    let rewrite = |timeout: &str| {
        std::fs::write(&path, file.replace("TIMEOUT 300", timeout)).expect("can be written");
        daemon.signal("HUP");
    };
    rewrite("TIMEOUT 77");
    let applied = support::poll_until(TIMEOUT, || maxtime().filter(|value| value == "77 Seconds"));
    assert!(applied.is_some(), "{}", daemon.describe());

    rewrite("TIMEOUT soon");
    daemon.wait_for_output("the old configuration stays", TIMEOUT);
    let line = 1 + file.lines().position(|line| line == "TIMEOUT 300").expect("stands there");
    daemon.wait_for_output(&format!("mainsd.conf:{line}: TIMEOUT"), TIMEOUT);
    assert_eq!(maxtime().as_deref(), Some("77 Seconds"));
}

/// A fifo that nobody writes to is opened for as long as a file on a disk that does not answer.
#[test]
fn a_configuration_that_does_not_answer_is_given_up_and_holds_nothing_up() {
    let daemon = play("", setup().with("TIMEOUT", "300"));
    let maxtime = |value: &'static str| {
        daemon.wait_for_status(|status| status.get("MAXTIME") == Some(value), TIMEOUT);
    };
    maxtime("300 Seconds");
    let (path, kept) = (daemon.dir().join("mainsd.conf"), daemon.dir().join("kept.conf"));
    std::fs::rename(&path, &kept).expect("can be moved");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    daemon.signal("HUP");
    daemon.signal("HUP");
    maxtime("300 Seconds");
    let line = daemon.wait_for_output("the old configuration stays", TIMEOUT);
    let expected = format!("Error opening configuration file ({}): no answer in 10 s;", path.display());
    assert!(line.text.contains(&expected), "{}", line.text);
    let file = std::fs::read_to_string(&kept).expect("the configuration");
    std::fs::remove_file(&path).expect("can be removed");
    std::fs::write(&path, file.replace("TIMEOUT 300", "TIMEOUT 77")).expect("can be written");
    daemon.signal("HUP");
    maxtime("77 Seconds");
    assert!(daemon.terminate().status.success());
}

#[test]
fn an_upsname_that_is_removed_and_reloaded_leaves_the_status() {
    let daemon = play("", setup().with("UPSNAME", "rack"));
    daemon.wait_for_status(|status| status.is("UPSNAME", "rack"), TIMEOUT);
    let path = daemon.dir().join("mainsd.conf");
    let file = std::fs::read_to_string(&path).expect("the configuration");
    std::fs::write(&path, file.replace("UPSNAME rack\n", "")).expect("can be written");
    daemon.signal("HUP");
    // The simulated UPS tells no name, so it is that of this machine.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    daemon.wait_for_status(|status| status.is("UPSNAME", host.trim()), TIMEOUT);
}

#[test]
fn a_mistake_in_the_script_is_named_and_nothing_starts() {
    let daemon = play("1 mains off\n2 mians on", setup());
    let end = daemon.wait_for_exit();
    assert_eq!(end.status.code(), Some(78));
    assert!(end.output.contains("line 2: unknown action 'mians'"), "{}", end.output);
}
