//! The life of each device: its fields, an outage, a replug, and an outage that ends in a shutdown and the loss of
//! the load.

use std::time::{Duration, Instant};

use super::expected::{self, Device};
use super::{Lab, Scenario, ensure, ensure_within};
use crate::support::usbip::Unit;
use crate::support::{self, Daemon, run_program};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("back_ups_es_850g2_lives_its_life", |lab| live(lab, &expected::ES_850G2)),
    ("back_ups_bx1600mi_lives_its_life", |lab| live(lab, &expected::BX1600MI)),
    ("back_ups_xs_1500m_lives_its_life", |lab| live(lab, &expected::XS_1500M)),
    ("back_ups_rs_1000g_lives_its_life", |lab| live(lab, &expected::RS_1000G)),
    ("smart_ups_1000_lives_its_life", |lab| live(lab, &expected::SMART_1000)),
    ("smart_ups_3000_lives_its_life", |lab| live(lab, &expected::SMART_3000)),
    ("cyberpower_cp900_lives_its_life", |lab| live(lab, &expected::CP900)),
    ("eaton_3s_lives_its_life", |lab| live(lab, &expected::EATON_3S)),
    ("tripp_lite_3016_lives_its_life", |lab| live(lab, &expected::TRIPP_LITE)),
    ("every_other_device_of_the_corpus_tells_an_outage", corpus),
];

fn live(lab: &Lab, device: &Device) {
    let mut unit = lab.plug(device.file);
    let daemon = lab.online(&lab.setup());
    fields(lab, device, &daemon);
    outage(lab, &unit, &daemon);
    replug(&mut unit, &daemon);
    low_battery(&unit, &daemon);
    kill(lab, device, &unit, daemon);
}

/// The devices whose lives are told above.
const TOLD: [&Device; 9] = [
    &expected::ES_850G2,
    &expected::BX1600MI,
    &expected::XS_1500M,
    &expected::RS_1000G,
    &expected::SMART_1000,
    &expected::SMART_3000,
    &expected::CP900,
    &expected::EATON_3S,
    &expected::TRIPP_LITE,
];

/// A file that is added to the corpus is tried too.
fn corpus(lab: &Lab) {
    let files = std::fs::read_dir(&lab.devices).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let names = names.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    let mut others: Vec<String> = names.filter(|name| TOLD.iter().all(|told| told.file != name)).collect();
    others.sort();
    assert!(others.len() >= 20, "{others:?}");
    for name in others {
        println!("@: {name}");
        let unit = lab.plug(&name);
        let (tells_line, true_values) =
            unit.change_silently(|model| (model.tells_line, model.true_values.clone()));
        if !tells_line {
            let daemon = Daemon::start(&lab.setup());
            daemon.wait_for_output("does not say its line state", support::TIMEOUT);
            continue;
        }
        let daemon = lab.online(&lab.setup());
        // Some are known only after several readings.
        for (key, truth) in true_values {
            let right = |status: &support::Status| {
                let number = status.get(&key).and_then(|value| value.split(' ').next()?.parse::<f64>().ok());
                number.is_some_and(|number| (number - truth).abs() < 0.051)
            };
            daemon.wait_for_status(right, support::TIMEOUT);
        }
        ensure(&daemon, daemon.hooks().count() == 0, &format!("{name}: an event on mains"));
        unit.mains(false);
        daemon.wait_for_hook("powerout", support::TIMEOUT);
        unit.mains(true);
        daemon.wait_for_hook("mainsback", support::TIMEOUT);
        daemon.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
    }
}

fn fields(lab: &Lab, device: &Device, daemon: &Daemon) {
    let status = daemon.wait_for_status(
        |status| device.status.iter().all(|(key, _)| status.get(key).is_some()),
        support::TIMEOUT,
    );
    let wrong: Vec<_> = device
        .status
        .iter()
        .chain(&[("SERIALNO", lab.serial.as_str())])
        .filter(|(key, value)| status.get(key) != Some(value))
        .map(|(key, value)| format!("{key} is {:?}, not {value:?}", status.get(key)))
        .collect();
    ensure(daemon, wrong.is_empty(), &format!("{wrong:?} in\n{}", status.text()));
    ensure(daemon, daemon.threads() == 1, "more than one thread");
    ensure(daemon, daemon.hooks().count() == 0, "an event on mains");
}

fn outage(lab: &Lab, unit: &Unit, daemon: &Daemon) {
    let failed = Instant::now();
    unit.mains(false);
    let powerout = daemon.wait_for_hook("powerout", support::TIMEOUT);
    lab.measured("mains-loss-to-hook-ms", powerout.at.duration_since(failed).as_millis());
    let onbattery = daemon.wait_for_hook("onbattery", support::TIMEOUT);
    // ONBATTERYDELAY is 1 s.
    let delay = onbattery.at.duration_since(failed);
    ensure(daemon, delay >= Duration::from_secs(1), &format!("onbattery {delay:?} after mains failed"));
    let status = daemon.wait_for_status(|status| status.has("ONBATT"), support::TIMEOUT);
    ensure(daemon, !status.has("ONLINE") && status.is("NUMXFERS", "1"), &status.text());
    unit.mains(true);
    daemon.wait_for_hook("mainsback", support::TIMEOUT);
    let status = daemon.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
    ensure(daemon, !status.has("ONBATT"), &status.text());
    let events = daemon.events();
    ensure(daemon, events == ["powerout", "onbattery", "offbattery", "mainsback"], &format!("{events:?}"));
}

fn replug(unit: &mut Unit, daemon: &Daemon) {
    let from = daemon.hooks().count();
    unit.unplug();
    daemon.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    daemon.wait_for_hook_from(from, "commfailure", support::TIMEOUT);
    unit.plug();
    // A silent device of another scenario keeps the kernel from taking it for longer than the daemon may need.
    unit.place();
    daemon.wait_for_hook_from(from, "commok", support::TIMEOUT);
    let status = daemon.wait_for_status(|status| !status.has("COMMLOST"), support::TIMEOUT);
    ensure(daemon, status.has("ONLINE"), &status.text());
    let events = daemon.events().split_off(from);
    ensure(daemon, events == ["commfailure", "commok"], &format!("{events:?}"));
}

fn low_battery(unit: &Unit, daemon: &Daemon) {
    let from = daemon.hooks().count();
    unit.mains(false);
    daemon.wait_for_hook_from(from, "onbattery", support::TIMEOUT);
    let low = Instant::now();
    unit.battery_low(true);
    let (_, failing) = daemon.wait_for_hook_from(from, "failing", support::TIMEOUT);
    // The condition must hold for 5 s.
    let held = failing.at.duration_since(low);
    ensure(daemon, held >= Duration::from_secs(5), &format!("failing {held:?} after low battery"));
    daemon.wait_for_hook_from(from, "doshutdown", support::TIMEOUT);
    daemon.wait_for_status(|status| status.is("STATUS", "SHUTTING DOWN"), support::TIMEOUT);
    let events = daemon.events().split_off(from);
    ensure(daemon, events == ["powerout", "onbattery", "failing", "doshutdown"], &format!("{events:?}"));
    daemon.wait_for_file("flags/powerfail");
}

fn kill(lab: &Lab, device: &Device, unit: &Unit, daemon: Daemon) {
    let (end, scratch) = daemon.terminate_keeping();
    lab.measured("sigterm-to-exit-ms", end.took.as_millis());
    assert!(end.status.success(), "{end:?}");
    ensure_within(end.took, Duration::from_secs(1), "SIGTERM to exit");
    assert!(
        unit.wait_for_kernel_driver(Some("usbhid")),
        "kernel driver not given back: {:?}",
        unit.kernel_driver()
    );
    let from = unit.seen_count();
    let config = scratch.path().join("mainsd.conf");
    let done = run_program(&lab.program, ["-f".as_ref(), config.as_os_str(), "--killpower".as_ref()]);
    let written = unit.written_since(from);
    assert!(done.status.success(), "{done:?}; written: {written:02x?}");
    let (id, bytes) = device.kill;
    assert_eq!(written.last(), Some(&(id, bytes.to_vec())), "{written:02x?}; {done:?}");
    if let Some((id, bytes)) = device.before_kill {
        assert!(written.contains(&(id, bytes.to_vec())), "{written:02x?}; {done:?}");
    }
    // Some units carry out the last SET_REPORT again at each return of mains unless a read follows it.
    let seen = unit.seen_since(from);
    let last_write = seen.iter().rposition(|seen| seen.set_report().is_some()).unwrap();
    assert!(
        seen[last_write..].iter().any(|seen| seen.get_report().is_some()),
        "no read after the last write"
    );
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "kernel driver not given back after --killpower");
}
