//! A slave whose master is lost (nis §9.4).

use super::*;

fn slave(change: impl FnOnce(&mut Settings)) -> Bench {
    Bench::new(|s| {
        s.slave = true;
        s.battery_level = None;
        s.minutes = None;
        change(s);
    })
}

impl Bench {
    /// The master stops answering; four checks later, 2 s apart, it is unreachable.
    fn lose_master(&mut self) {
        let since = self.now;
        self.silence();
        let at = since.duration_since(self.instant(0.0)).as_secs_f64();
        self.run_to(at + 8.0);
        self.machine.handle_master(self.now, Some(since));
        self.drain();
    }

    fn events(&self) -> Vec<(f64, &str)> {
        let names = ["powerout", "onbattery", "commfailure", "commok", "remotedown", "runlimit", "mainsback"];
        let found = self.log.iter().filter(|(_, what)| names.contains(&what.as_str()));
        found.map(|(at, what)| (at.round(), what.as_str())).collect()
    }

    fn count(&self, part: &str) -> usize {
        self.log.iter().filter(|(_, what)| what.contains(part)).count()
    }
}

const LOST: &str = "log Shutdown because loss of comm with NIS master while on batteries.";

#[test]
fn a_master_lost_on_battery_is_borne_for_nettimeout_and_not_longer() {
    let mut b = slave(|s| s.net_timeout = secs(30.0));
    b.mains_lost();
    b.run_to(20.0);
    b.lose_master();
    b.run_to(49.5);
    assert_eq!(b.count("shutdown "), 0);
    b.run_to(100.0);
    assert_eq!(
        b.events(),
        [(0.0, "powerout"), (6.0, "onbattery"), (40.0, "commfailure"), (50.0, "remotedown")]
    );
    assert_eq!((b.count(LOST), b.count("shutdown MasterLost")), (1, 1));
    assert!(b.machine.view().flags.contains(StatusFlags::SHUTDOWN | StatusFlags::SHUT_REMOTE));
}

#[test]
fn the_loss_is_announced_before_the_shutdown_that_it_causes() {
    let mut b = slave(|_| ());
    b.mains_lost();
    b.run_to(20.0);
    b.lose_master();
    b.run_to(40.0);
    let events = b.events();
    assert_eq!(events[2..], [(30.0, "commfailure"), (30.0, "remotedown")]);
}

#[test]
fn a_master_lost_on_mains_never_shuts_down() {
    let mut b = slave(|_| ());
    b.lose_master();
    b.run_to(100_000.0);
    assert_eq!(b.events(), [(20.0, "commfailure")]);
    b.machine.handle_master(b.now, None);
    b.answer();
    assert_eq!(b.count("shutdown "), 0);
}

#[test]
fn a_master_lost_during_its_self_test_never_shuts_down_for_that() {
    let mut b = slave(|s| s.net_timeout = secs(10.0));
    b.self_test();
    b.run_to(3.0);
    b.lose_master();
    b.run_to(120.0);
    assert_eq!(b.count(LOST), 0, "{:?}", b.log);
}

#[test]
fn a_master_lost_after_one_reading_of_mains_never_shuts_down_for_that() {
    let mut b = slave(|s| s.net_timeout = secs(10.0));
    b.mains_lost();
    b.run_to(20.0);
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    b.lose_master();
    b.run_to(120.0);
    assert_eq!(b.count(LOST), 0, "{:?}", b.log);
}

#[test]
fn a_master_that_returns_in_time_ends_the_count() {
    let mut b = slave(|s| s.net_timeout = secs(30.0));
    b.mains_lost();
    b.run_to(20.0);
    b.lose_master();
    b.run_to(45.0);
    b.machine.handle_master(b.now, None);
    b.answer();
    b.run_to(80.0);
    assert_eq!(b.count("shutdown "), 0);
    // A second loss counts from its own beginning.
    b.lose_master();
    b.run_to(109.0);
    assert_eq!(b.count("shutdown "), 0);
    b.run_to(111.0);
    assert_eq!(b.count("shutdown MasterLost"), 1);
}

#[test]
fn its_own_limit_counted_down_may_come_before_nettimeout() {
    let mut b = slave(|s| {
        s.minutes = Some(Minutes(3.0));
        s.net_timeout = secs(600.0);
    });
    b.mains_lost();
    b.runtime(4.0);
    b.run_to(20.0);
    b.lose_master();
    b.run_to(300.0);
    assert_eq!(b.events().last(), Some(&(80.0, "runlimit")));
    assert_eq!((b.count(LOST), b.count("shutdown ")), (0, 1));
}

#[test]
fn a_shutdown_for_a_lost_master_is_not_repeated_once_the_master_is_back() {
    let mut b = slave(|s| s.shutdown_grace = secs(60.0));
    b.mains_lost();
    b.run_to(20.0);
    b.lose_master();
    b.run_to(40.0);
    b.machine.handle_master(b.now, None);
    b.answer();
    b.run_to(600.0);
    assert_eq!(b.count("shutdown MasterLost"), 1);
    assert!(!b.machine.view().flags.contains(StatusFlags::SHUTDOWN), "ready again");
    b.lose_master();
    b.run_to(700.0);
    assert_eq!(b.count(LOST), 2);
}

#[test]
fn a_slave_shows_that_it_is_one_from_the_first_answer_on() {
    let mut b = Bench::cold(|s| s.slave = true, AtStart::default());
    assert!(!b.machine.view().flags.contains(StatusFlags::SLAVE));
    b.machine.handle_master(b.now, None);
    let flags = b.machine.view().flags;
    assert!(flags.contains(StatusFlags::SLAVE | StatusFlags::COMMLOST));
}
