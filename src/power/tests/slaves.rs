//! Slaves are told of a shutdown and waited for, never longer than the battery allows.

use super::*;
use crate::power::SavedOutage;
use std::net::{IpAddr, Ipv4Addr};

fn hosts(count: u8) -> Vec<IpAddr> {
    (1..=count).map(|n| Ipv4Addr::new(10, 0, 0, n).into()).collect()
}

/// A shutdown is decided at second 16, with this many slaves.
fn decided(slaves: u8, change: impl FnOnce(&mut Settings)) -> Bench {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.minutes = None;
        change(s);
    });
    b.slaves = hosts(slaves);
    b.mains_lost();
    b.run_to(16.0);
    b
}

impl Bench {
    /// The second of `doshutdown`.
    fn ordered(&self) -> Option<f64> {
        let found = self.log.iter().find(|(_, what)| what.starts_with("shutdown "));
        found.map(|(second, _)| (second * 10.0).round() / 10.0)
    }

    fn slaves_become(&mut self, count: u8) {
        self.slaves = hosts(count);
        self.machine.handle_slaves(self.now, &self.slaves);
        self.drain();
    }

    fn said(&self, part: &str) -> Vec<&str> {
        self.logged().into_iter().filter(|line| line.contains(part)).collect()
    }
}

#[test]
fn without_slaves_nothing_waits() {
    let mut b = decided(0, |s| s.slave_lead = secs(20.0));
    assert_eq!(b.ordered(), Some(16.0));
    assert!(b.said("slaves").is_empty());
    b.run_to(60.0);
    assert_eq!(b.happened().iter().filter(|what| what.contains("shutdown")).count(), 1);
}

#[test]
fn slaves_are_told_at_once_and_waited_for_until_the_last_has_gone() {
    let mut b = decided(2, |_| {});
    assert_eq!(b.flags() & 0x200, 0x200, "SHUTTING DOWN shows");
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery", "16 timeout"]);
    b.run_to(20.0);
    b.slaves_become(1);
    b.run_to(24.0);
    assert_eq!(b.ordered(), None);
    b.slaves_become(0);
    assert_eq!(b.ordered(), Some(24.0));
    assert_eq!(b.said("Waited"), ["Waited 8.0 s for slaves: 10.0.0.1, 10.0.0.2; all have gone."]);
    assert_eq!(b.happened(), ["24 +powerfail", "24 shutdown Timeout"]);
}

/// Whoever connects from ever new addresses while slaves have their time.
#[test]
fn slaves_that_come_and_go_without_end_are_remembered_to_a_bound() {
    let mut b = decided(1, |s| s.slave_wait = secs(600.0));
    for round in 0..100u8 {
        b.slaves = (0..100).map(|n| Ipv4Addr::new(10, 1, round, n).into()).collect();
        b.machine.handle_slaves(b.now, &b.slaves);
    }
    b.slaves_become(0);
    b.run_to(17.0);
    let more = b.said("Waited").concat();
    assert!(more.contains("10.1.0.6, 1016 more; all have gone."), "{more}");
}

#[test]
fn slaves_that_stay_are_waited_for_no_longer_than_slavewait() {
    let mut b = decided(12, |_| {});
    let waiting = "Waiting for slaves before the shutdown, 30 s at most: 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, \
                   10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8, 4 more";
    assert_eq!(b.said("Waiting"), [waiting]);
    b.run_to(45.9);
    assert_eq!(b.ordered(), None);
    b.run_to(46.1);
    assert_eq!(b.ordered(), Some(46.0));
    assert!(b.said("Waited 30.0 s")[0].ends_with("4 more; 12 not gone, and there is no more time."));
}

#[test]
fn slaves_that_nobody_counts_delay_nothing_beyond_slavewait() {
    let mut b = decided(0, |_| {});
    b.mains_back();
    b.run_to(200.0);
    b.machine.host.settings.slave_wait = secs(30.0);
    b.mains_lost();
    // Orders are taken, and the question is never answered.
    let end = b.now + secs(120.0);
    let mut ordered = None;
    while b.now < end && ordered.is_none() {
        b.now += secs(0.5);
        b.machine.handle_timeout(b.now);
        while let Some(order) = b.machine.poll_order() {
            if matches!(order, Order::Shutdown { .. }) {
                ordered = Some(b.now);
            }
        }
    }
    let second = ordered.unwrap().duration_since(b.instant(0.0)).as_secs_f64();
    assert!((246.0..248.0).contains(&second), "{second}");
}

#[test]
fn slavewait_zero_is_off_and_a_lead_is_part_of_the_wait() {
    assert_eq!(decided(3, |s| s.slave_wait = secs(0.0)).ordered(), Some(16.0));
    for (lead, ordered) in [(10.0, 26.0), (60.0, 46.0)] {
        let mut b = decided(3, |s| s.slave_lead = secs(lead));
        b.run_to(17.0);
        b.slaves_become(0);
        b.run_to(ordered - 0.1);
        assert_eq!(b.ordered(), None);
        b.run_to(ordered + 0.1);
        assert_eq!(b.ordered(), Some(ordered));
    }
}

#[test]
fn ninety_seconds_of_runtime_are_kept_for_this_machine() {
    for (minutes, ordered) in [(2.0, 45.0), (1.75, 30.0), (1.5, 16.0), (0.5, 16.0)] {
        let mut b = Bench::new(|s| {
            s.timeout = Some(secs(10.0));
            s.minutes = None;
        });
        b.slaves = hosts(1);
        b.runtime(minutes);
        b.mains_lost();
        b.run_to(15.5);
        // It says no more: its runtime runs down by our clock.
        b.values.runtime_left = None;
        b.run_to(60.0);
        let at = b.ordered().unwrap();
        assert!((ordered..=ordered + 1.0).contains(&at), "{minutes}: {at}");
    }
}

#[test]
fn a_low_battery_that_says_no_runtime_gives_a_few_seconds() {
    let mut b = Bench::new(|s| s.minutes = None);
    b.slaves = hosts(1);
    b.values.runtime_left = None;
    b.machine.supply.forget_runtime();
    b.bit(StatusFlags::BATTLOW, true);
    b.mains_lost();
    b.run_to(5.5);
    assert_eq!(b.happened(), ["0 powerout", "5 failing"]);
    b.run_to(9.9);
    assert_eq!(b.ordered(), None);
    b.run_to(11.0);
    assert!((10.0..=10.6).contains(&b.ordered().unwrap()));
}

#[test]
fn where_staying_is_dangerous_the_waiting_ends_at_once() {
    type Trouble = fn(&mut Bench);
    let troubles: [(&str, Trouble); 3] = [
        ("low battery", |b| {
            b.bit(StatusFlags::BATTLOW, true);
            b.poll(Evidence::Poll);
        }),
        ("silent", Bench::silence),
        ("emergency", |b| {
            b.bit(StatusFlags::BATTLOW | StatusFlags::ONLINE, true);
            b.poll(Evidence::Poll);
        }),
    ];
    for (what, trouble) in troubles {
        let mut b = decided(2, |s| s.slave_lead = secs(30.0));
        b.run_to(20.3);
        assert_eq!(b.ordered(), None);
        trouble(&mut b);
        assert_eq!(b.ordered(), Some(20.3), "{what}");
    }
}

#[test]
fn an_emergency_leaves_no_time_for_slaves_also_when_the_battery_was_low_before() {
    // Low battery alone, decided and waited for: it is known, and the runtime allows it.
    let mut b = Bench::new(|s| s.slave_lead = secs(30.0));
    b.slaves = hosts(2);
    b.mains_lost();
    b.run_to(3.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(12.3);
    assert!(b.log.iter().any(|(_, what)| what == "failing") && b.ordered().is_none(), "{:?}", b.log);
    b.bit(StatusFlags::ONLINE, true);
    b.poll(Evidence::Poll);
    assert_eq!(b.ordered(), Some(12.3));
    // The emergency is what decides.
    let mut b = Bench::new(|s| s.slave_lead = secs(30.0));
    b.slaves = hosts(2);
    b.mains_lost();
    b.run_to(3.3);
    b.bit(StatusFlags::BATTLOW | StatusFlags::ONLINE, true);
    b.run_to(6.0);
    let decided =
        b.log.iter().find(|(_, what)| what == "emergency").map(|(second, _)| (second * 10.0).round() / 10.0);
    assert!(decided.is_some() && b.ordered() == decided, "{:?}", b.log);
}

#[test]
fn a_decided_shutdown_is_carried_out_though_mains_comes_back() {
    let mut b = decided(1, |s| s.slave_wait = secs(200.0));
    b.run_to(20.0);
    b.mains_back();
    // Longer than after what the decision is dropped.
    b.run_to(100.0);
    assert_eq!((b.ordered(), b.flags() & 0x200), (None, 0x200));
    b.slaves_become(0);
    assert_eq!(b.ordered(), Some(100.0));
    // And has its time then.
    b.run_to(159.0);
    assert_eq!(b.flags() & 0x200, 0x200);
    b.run_to(161.0);
    assert_eq!(b.flags() & 0x200, 0);
}

#[test]
fn on_mains_a_remote_order_waits_without_a_look_at_the_battery() {
    let mut b = Bench::new(|s| s.minutes = None);
    b.slaves = hosts(1);
    b.runtime(0.5);
    b.run_to(10.0);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.drain();
    b.run_to(39.9);
    assert_eq!(b.ordered(), None);
    b.run_to(40.1);
    assert_eq!(b.ordered(), Some(40.0));
}

#[test]
fn a_report_of_an_earlier_order_does_not_end_the_waiting() {
    let mut b = decided(1, |s| s.kill_on_powerfail = true);
    b.machine.handle_report(b.now, HookReport::ShutdownStarted);
    b.drain();
    b.run_to(30.0);
    assert!(!b.happened().iter().any(|what| what.contains("KillPower")));
    b.run_to(47.0);
    assert!(b.happened().iter().any(|what| what.contains("KillPower")), "when the shutdown is under way");
}

#[test]
fn a_restart_does_not_start_the_waiting_over() {
    let mut b = decided(1, |_| {});
    b.run_to(26.0);
    let decided_at = Some(b.instant(16.0));
    let restart = |decided_at| {
        let mut again = Bench::cold(|s| s.minutes = None, AtStart::default());
        again.slaves = hosts(1);
        let since = Some(again.now - secs(26.0));
        let settings = Settings { timeout: Some(secs(10.0)), minutes: None, ..settings() };
        let saved =
            SavedOutage { on_battery_since: since, announced: true, decided_at, ..SavedOutage::default() };
        let at_start = AtStart { saved: Some(saved), ..AtStart::default() };
        again.machine = Machine::new(settings, again.now, at_start);
        again.drain();
        again.line_silently(StatusFlags::ONBATT);
        again.answer();
        again.run_to(60.0);
        let start = again.log.iter().find(|(_, what)| what == "timeout").unwrap().0;
        again.ordered().unwrap() - start
    };
    assert_eq!(b.machine.host.saved.decided_at, decided_at, "it is in the state file");
    let now = Bench::cold(|_| {}, AtStart::default()).now;
    let fresh = restart(None);
    assert!((29.0..=31.0).contains(&fresh), "{fresh}");
    // Ten of the thirty seconds were over when it was stopped.
    let rest = restart(Some(now - secs(10.0)));
    assert!((17.0..=20.5).contains(&rest), "{rest}");
    assert_eq!(restart(Some(now - secs(40.0))), 0.0);
    assert!(restart(Some(now - secs(700.0))) > 29.0, "another outage");
}

#[test]
fn mains_for_good_ends_what_an_earlier_run_had_decided() {
    let mut b = Bench::cold(|_| {}, AtStart::default());
    let saved = SavedOutage { decided_at: Some(b.now), ..SavedOutage::default() };
    let at_start = AtStart { saved: Some(saved), ..AtStart::default() };
    b.machine = Machine::new(settings(), b.now, at_start);
    b.answer();
    assert!(b.machine.host.saved.decided_at.is_some());
    b.run_to(130.0);
    assert_eq!(b.machine.host.saved.decided_at, None);
}

#[test]
fn a_daemon_that_is_stopped_leaves_without_the_shutdown_and_says_so() {
    let mut b = decided(1, |_| {});
    b.machine.handle_stop(b.now);
    b.drain();
    assert_eq!(b.ordered(), None);
    assert_eq!(b.said("Stopped while waiting for slaves").len(), 1);
}
