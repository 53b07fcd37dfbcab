//! What root orders by the control socket: the shutdown, and orders to the UPS.

use super::*;
use crate::ups::{Setting, SettingValue};

fn shut_down(b: &mut Bench) -> Result<(), &'static str> {
    let taken = b.machine.handle_shutdown_now(b.now);
    b.drain();
    taken
}

fn cancel(b: &mut Bench) -> Result<(), &'static str> {
    let taken = b.machine.handle_shutdown_cancel(b.now);
    b.drain();
    taken
}

#[test]
fn on_mains_the_machine_is_shut_down_without_the_flag_and_once() {
    let mut b = Bench::new(|_| {});
    assert_eq!(shut_down(&mut b), Ok(()));
    assert_eq!(shut_down(&mut b), Err("a shutdown is decided already"));
    assert_eq!(cancel(&mut b), Err("doshutdown has started"));
    assert!(b.logged().iter().any(|line| line.starts_with("Shutdown because root has ordered it")));
    b.run_to(1000.0);
    let happened = b.happened();
    assert!(!happened.iter().any(|line| line.contains("powerfail")), "{happened:?}");
    assert_eq!(happened.iter().filter(|line| line.contains("shutdown Operator")).count(), 1, "{happened:?}");
    // Somebody has stopped it: the next outage is guarded as ever.
    b.log.clear();
    b.mains_lost();
    b.charge(4.0);
    b.run_to(1100.0);
    assert!(b.happened().iter().any(|line| line.contains("shutdown Charge")));
}

#[test]
fn an_outage_after_an_order_on_mains_is_guarded_at_once_and_cuts_no_power_by_that_order() {
    let mut b = Bench::new(|settings| settings.kill_delay = Some(Duration::from_secs(30)));
    assert_eq!(shut_down(&mut b), Ok(()));
    b.run_to(60.0);
    b.mains_lost();
    b.run_to(90.0);
    let happened = b.happened();
    assert!(!happened.iter().any(|line| line.contains("KillPower")), "{happened:?}");
    b.charge(4.0);
    b.run_to(105.0);
    let happened = b.happened();
    assert!(happened.iter().any(|line| line.contains("shutdown Charge")), "{happened:?}");
    assert!(happened.iter().any(|line| line.contains("+powerfail")), "{happened:?}");
}

#[test]
fn on_battery_the_flag_is_made_as_for_any_other() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.0);
    assert_eq!(shut_down(&mut b), Ok(()));
    let happened = b.happened();
    assert!(happened.iter().any(|line| line.contains("+powerfail")), "{happened:?}");
}

#[test]
fn it_is_cancelled_while_slaves_are_waited_for_and_limits_count_on() {
    let mut b = Bench::new(|_| {});
    b.slaves = vec!["10.0.0.7".parse().unwrap()];
    assert_eq!(cancel(&mut b), Err("no shutdown is decided"));
    assert_eq!(shut_down(&mut b), Ok(()));
    b.run_to(5.0);
    assert_eq!(cancel(&mut b), Ok(()));
    b.run_to(200.0);
    assert!(!b.happened().iter().any(|line| line.contains("shutdown Operator")));
    b.mains_lost();
    b.run_to(210.0);
    assert_eq!(shut_down(&mut b), Ok(()));
    b.charge(4.0);
    assert_eq!(cancel(&mut b), Ok(()));
    b.run_to(300.0);
    assert_eq!(
        cancel(&mut b),
        Err("the shutdown was decided by a limit, the UPS or a master, and is not cancelled")
    );
}

#[test]
fn one_that_failed_is_tried_again_until_it_is_cancelled() {
    let mut b = Bench::new(|_| {});
    b.report = Some(HookReport::ShutdownFailed);
    assert_eq!(shut_down(&mut b), Ok(()));
    b.run_to(100.0);
    let tries = |b: &mut Bench| b.happened().iter().filter(|line| line.contains("shutdown Operator")).count();
    assert_eq!(tries(&mut b), 4);
    assert_eq!(cancel(&mut b), Ok(()));
    b.log.clear();
    b.run_to(1000.0);
    assert_eq!(tries(&mut b), 0);
}

#[test]
fn orders_wait_for_mains_and_for_the_end_of_a_test() {
    let mut b = Bench::new(|_| {});
    let values = b.values.clone();
    let set = Command::Set(Setting::LowTransfer, SettingValue::Number(196));
    assert_eq!(b.machine.permits(set, &values), Ok(()));
    b.mains_lost();
    assert_eq!(
        b.machine.permits(Command::SelfTest, &values),
        Err("not now: the UPS is on battery".to_owned())
    );
    assert_eq!(b.machine.permits(Command::AbortTest, &values), Ok(()));
    b.run_to(30.0);
    b.mains_back();
    b.run_to(60.0);
    assert_eq!(b.machine.permits(set, &values), Ok(()));
    b.bit(StatusFlags::CALIBRATION, true);
    b.poll(Evidence::Poll);
    let refused = Err("not now: a self test or calibration runs".to_owned());
    assert_eq!(b.machine.permits(set, &values), refused);
}
