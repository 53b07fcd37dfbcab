//! The shipped hooks under this machine's `/bin/sh`. Under other shells: `tests/ci/hook_scripts.rs`.

use std::path::Path;

use crate::support::hook_scripts::{self, each_hook_case, last_hook};

macro_rules! in_sh {
    ($($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                hook_scripts::$case(&["/bin/sh"]);
            }
        )*
    };
}

each_hook_case!(in_sh);

#[test]
fn every_event_is_in_the_manual() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/mainsd-hooks.8")).unwrap();
    let described: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".It Cm "))
        .flat_map(|names| names.split(" , "))
        .collect();
    for event in mainsd::ups::Event::ALL {
        assert!(described.contains(&event.arg()), "{event:?} is missing");
    }
    assert_eq!(described.len(), mainsd::ups::Event::ALL.len() + 1, "all events and killpower: {described:?}");
}

#[test]
fn a_stale_flag_never_makes_an_ordinary_reboot_cut_the_power() {
    let this_boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let other_boot = "6f0d4d5c-7a52-4f43-9ac5-0b8f0e4c9a11\n";
    let (mains, battery) = ("", "0 mains off");
    std::thread::scope(|scope| {
        for (action, ups, flag, cuts) in [
            // A shutdown that was cancelled, mains back, and a reboot before the daemon has removed the flag.
            ("reboot", mains, this_boot.as_str(), false),
            // A flag that no daemon has seen on mains since.
            ("reboot", mains, other_boot, false),
            ("reboot", battery, other_boot, this_boot.is_empty()),
            ("poweroff", battery, other_boot, this_boot.is_empty()),
            // One that apcupsd left.
            ("reboot", mains, "", false),
            // And those that are meant: who halts must be started again.
            ("reboot", battery, &this_boot, true),
            ("poweroff", battery, &this_boot, true),
            ("poweroff", mains, &this_boot, true),
            ("halt", battery, "", true),
        ] {
            scope.spawn(move || {
                let said = last_hook(action, ups, flag);
                assert!(
                    said.contains("Apccontrol has done: mainsd --killpower"),
                    "{action} {ups} {flag}: {said}"
                );
                let cut = said.contains("the load is switched off in 20 seconds");
                assert_eq!(cut, cuts, "{action} {ups} {flag}: {said}");
            });
        }
    });
}
