//! mainsd's release binary against simulated USB UPSes under a real kernel, in a virtual machine.
//!
//! The machine boots once for those of these tests that are selected, or several of them side by side for all; `tests/ci/guest` is what
//! runs in it, and each test here looks at one scenario's result. Needs root, Debian, and about five minutes: set MAINSD_CI=1.
//! `MAINSD_BIN` names the binary to test (default: a release build), `VM` the machine's folder; `MAINSD_VM_CONSOLE=1` shows its console.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::ScopedJoinHandle;

use super::guest;
use crate::support::runner::{Group, Needs, Role, prepared, tests};
use crate::support::{self, Scratch};

/// Seconds until the machine is stopped by force: emulation on a loaded machine is slow.
const LIMIT: &str = "1800";

/// The test that looks at all results.
const ALL: &str = "every_result_of_the_guest_is_looked_at";

/// What runs in the machine.
pub const ROLE: Role = ("vm-guest", guest::main);

/// All that runs in the machine, in several: each plays every third scenario.
const PARTS: [&str; 4] = ["0/3", "1/3", "2/3", ROOT_DISK];

/// The scenario that has a machine of its own, for it ends with the machine's end as another does.
const ROOT_DISK: &str = "machine_whose_root_disk_hangs_is_switched_off";

#[derive(Debug, Default)]
struct Boot {
    /// Scenario to words of its failure; `None`: it went well.
    results: BTreeMap<String, Option<String>>,
    console: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cargo(args: &[&str]) {
    let status = Command::new(env!("CARGO")).current_dir(root()).arg("build").args(args).status().unwrap();
    assert!(status.success(), "cargo build {args:?}: {status}");
}

/// Builds the program as it is released.
pub fn release() {
    cargo(&["--release", "--bin", "mainsd"]);
}

/// The folder that Cargo builds into, from the place of this test.
pub fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// Makes the machine, if there is none yet; one test at a time.
pub fn set_up() {
    static UNDER_WAY: Mutex<()> = Mutex::new(());
    let _one = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    let setup = Command::new(root().join("tests/vm/setup")).output().unwrap();
    assert!(
        setup.status.success(),
        "tests/vm/setup needs root, Debian's apt and the network, once: {}",
        String::from_utf8_lossy(&setup.stderr)
    );
}

/// Boots a machine for these scenarios, or several for all of them; where what they said is kept.
fn boot(scenarios: &[&str]) -> String {
    let program = std::env::var_os("MAINSD_BIN").map(PathBuf::from).unwrap_or_else(|| {
        release();
        target().join("release/mainsd")
    });
    assert!(program.is_file(), "MAINSD_BIN: no {}", program.display());
    let guests = match scenarios {
        _ if scenarios.contains(&ALL) => PARTS.map(|part| guest(&program, &[part])).to_vec(),
        _ => {
            let (apart, together): (Vec<_>, Vec<_>) =
                scenarios.iter().copied().partition(|name| *name == ROOT_DISK);
            let named = [together, apart].into_iter().filter(|names| !names.is_empty());
            named.map(|names| guest(&program, &names)).collect()
        }
    };
    // One after the other they would wait for most of the time.
    let console: String = std::thread::scope(|scope| {
        let running: Vec<_> = guests.iter().map(|lines| scope.spawn(|| run(lines))).collect();
        let console =
            |machine: ScopedJoinHandle<String>| machine.join().unwrap_or_else(|panic| resume_unwind(panic));
        running.into_iter().map(console).collect()
    });
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm-console");
    std::fs::write(&kept, console).unwrap();
    kept.display().to_string()
}

/// The line of a shell in the machine that plays these scenarios with this program; a part of them all is named as [`guest::main`] has it.
pub fn guest(program: &Path, scenarios: &[&str]) -> String {
    format!(
        "{guest} --role {role} {program} {devices} {scenarios}\n",
        guest = std::env::current_exe().unwrap().display(),
        role = ROLE.0,
        program = program.display(),
        devices = root().join("tests/devices").display(),
        scenarios = scenarios.join(" "),
    )
}

/// Boots the machine for these lines of a shell; what it has said on its console.
pub fn run(lines: &str) -> String {
    set_up();
    let vm = std::env::var_os("VM").map_or_else(|| std::env::temp_dir().join("mainsd-vm"), PathBuf::from);
    let scratch = Scratch::new();
    let asleep = support::Asleep::library(scratch.path());
    let script = scratch.file(
        "init",
        format!(
            "echo\n\
             export PATH=/usr/sbin:/usr/bin:/sbin:/bin TZ=UTC TMPDIR=/run/t\n\
             echo 1 > /proc/sys/kernel/printk\n\
             export MAINSD_ASLEEP_LIBRARY={asleep}\n\
             mkdir -p /run/t /dev/pts\n\
             busybox mount -t devpts devpts /dev/pts\n\
             busybox ip link set lo up\n\
             modprobe -d {vm}/kroot -a usbip-core vhci-hcd usbhid hid-generic ftdi_sio loop ext4 dm-mod\n\
             {lines}\
             echo 'sysrq: Power Off'\n\
             echo o > /proc/sysrq-trigger\n\
             sleep 60\n",
            vm = vm.display(),
            asleep = asleep.display(),
        ),
    );
    let mut machine = Command::new(root().join("tests/vm/run"))
        .arg(&script)
        .arg(LIMIT)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut console = String::new();
    let echo = std::env::var_os("MAINSD_VM_CONSOLE").is_some();
    for line in std::io::BufReader::new(machine.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8_lossy(&line.unwrap()).trim_end().to_owned();
        if echo {
            eprintln!("{line}");
        }
        console.push_str(&line);
        console.push('\n');
    }
    let _ = machine.wait();
    console
}

impl Boot {
    fn read(console: String) -> Self {
        let mut results = BTreeMap::new();
        let mut words = BTreeMap::<String, String>::new();
        // The scenario that is to end with the machine's end.
        let mut last = None;
        for line in console.lines() {
            match line.split_once(' ') {
                Some(("@|", rest)) => {
                    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
                    words.entry(name.to_owned()).or_default().push_str(&format!("{text}\n"));
                }
                Some(("@@", rest)) => {
                    let (name, result) = rest.split_once(' ').unwrap_or((rest, ""));
                    last = (result == "begun").then(|| name.to_owned());
                    let failure = (result != "ok").then(|| words.remove(name).unwrap_or_default());
                    results.insert(name.to_owned(), failure);
                }
                // The script does it, or the kernel has nothing to run any more.
                _ if line.contains("sysrq: Power Off") || line.contains("Kernel panic") => last = None,
                // The kernel's last line: mainsd did it.
                _ if line.ends_with("reboot: Power down") => {
                    results.extend(last.take().map(|name| (name, None)));
                }
                _ => {}
            }
        }
        Self { results, console }
    }
}

/// What the guest said, read from the console that [`boot`] has kept.
fn booted() -> Boot {
    Boot::read(std::fs::read_to_string(prepared()).unwrap())
}

fn check(name: &str) {
    let boot = booted();
    match boot.results.get(name) {
        Some(None) => {}
        Some(Some(words)) => panic!("{words}"),
        None => panic!("no result; the console said\n{}", boot.console),
    }
}

/// A test of each scenario of the guest, and one that there are no others.
macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            fn $name() {
                check(stringify!($name));
            }
        )*

        fn every_result_of_the_guest_is_looked_at() {
            let known = [$(stringify!($name),)* "end"];
            let boot = booted();
            let strangers: Vec<_> = boot.results.keys().filter(|name| !known.contains(&name.as_str())).collect();
            assert!(strangers.is_empty(), "no test looks at {strangers:?}");
            let ends = boot.console.matches("@@ end ok\n").count();
            assert_eq!(ends, PARTS.len(), "a guest did not come to its end:\n{}", boot.console);
        }

        pub const TESTS: Group = Group {
            apart: Some(4),
            long: true,
            needs: Needs::Ci("a virtual machine: root, Debian's qemu-system-x86 and kernel"),
            prepare: Some(boot),
            tests: tests![$($name,)* every_result_of_the_guest_is_looked_at],
            ..Group::new(module_path!())
        };
    };
}

scenarios! {
    ups_plugged_in_after_start_is_found
    damaged_report_descriptor_is_read_again
    garbled_report_descriptor_of_a_known_vendor_is_read_from_the_device
    device_that_turns_out_to_be_no_ups_is_given_back_and_left_alone
    two_daemons_never_open_the_same_unit
    stale_lock_of_another_user_is_removed_past_the_kernels_protection
    kernel_driver_comes_back_after_exit
    container_with_few_rights_guards_with_a_usb_ups_that_is_plugged_in_again
    a_resume_wakes_the_daemon_at_once
    dates_are_those_of_the_clock
    back_ups_es_850g2_lives_its_life
    back_ups_bx1600mi_lives_its_life
    back_ups_xs_1500m_lives_its_life
    back_ups_rs_1000g_lives_its_life
    smart_ups_1000_lives_its_life
    smart_ups_3000_lives_its_life
    cyberpower_cp900_lives_its_life
    eaton_3s_lives_its_life
    tripp_lite_3016_lives_its_life
    every_other_device_of_the_corpus_tells_an_outage
    stalls_are_a_loss_that_ends
    one_stalled_report_costs_only_its_fields
    silent_device_blocks_nobody
    silent_device_on_battery_does_not_stop_the_shutdown
    garbage_interrupt_reports_on_mains_make_no_event
    discharging_together_with_mains_is_no_outage
    runtime_without_a_unit_ends_no_outage
    garbage_on_battery_does_not_shut_down
    over_long_answers_are_read_right
    short_answers_make_no_event
    short_drop_of_the_cable_makes_no_event
    bus_port_path_chooses_between_equal_units
    outage_that_only_a_poll_can_see_is_seen
    interrupt_report_is_followed_long_before_the_next_poll
    unplugged_on_battery_still_shuts_down
    smart_ups_that_speaks_modbus_over_usb_tells_what_hid_lacks
    smart_ups_whose_modbus_falls_silent_in_an_outage_is_guarded_by_hid
    smart_ups_as_it_is_delivered_is_asked_twice_by_modbus_and_guarded_by_hid
    upstype_modbus_over_usb_switches_off_by_modbus
    usbmodbus_off_sends_nothing
    a_ups_on_usb_does_what_a_client_orders_while_it_is_watched
    a_ups_on_usb_does_the_same_without_a_daemon_and_is_given_back
    daemon_that_was_stopped_hears_what_waits_before_it_judges
    kill_power_without_the_powerfail_flag_is_refused
    kill_power_with_mains_back_goes_by_a_way_that_comes_back_or_none
    refused_kill_power_falls_through_to_the_next_way
    kill_power_that_every_way_refuses_is_a_failure
    kill_power_without_a_ups_ends_with_an_error
    kill_power_of_a_silent_ups_ends_with_an_error
    simple_cable_lives_its_life
    cable_940_0119a_lives_its_life
    mam_cable_lives_its_life
    cable_940_0095b_lives_its_life
    cable_940_0023a_lives_its_life
    serial_port_that_is_missing_or_held_is_waited_for
    a_simple_cable_shows_its_lines_live_is_guessed_and_cuts_the_power_without_a_daemon
    kill_signal_outlives_a_daemon_that_is_ended_with_the_system
    main_process_of_a_usb_ups_that_is_killed_is_followed
    main_process_of_a_usb_ups_that_hangs_on_battery_is_followed_and_the_limit_kept
    descriptor_that_the_main_process_has_of_a_usb_ups_is_stripped
    main_process_at_a_simple_cable_that_is_killed_is_followed
    no_refused_system_call_is_made_from_inside_the_main_process
    main_process_at_cable_940_0119a_that_is_killed_is_followed
    frozen_folder_of_the_powerfail_flag_stops_nothing
    frozen_folder_of_nologin_stops_nothing
    frozen_folder_of_the_lock_file_stops_nothing
    frozen_configuration_stops_nothing
    hook_that_hangs_on_a_frozen_disk_gives_way
    frozen_lock_file_of_another_program_is_waited_for_no_longer_than_5_s
    frozen_events_file_stops_nothing
    frozen_status_file_stops_nothing
    frozen_state_file_stops_nothing
    everything_on_a_frozen_disk_stops_nothing
    port_reads_hears_and_gives_the_device_back
    port_finds_a_device_again_under_its_new_address
    port_leaves_a_unit_that_another_port_holds
    port_closes_a_silent_device_at_once
    port_passes_over_a_device_that_does_not_answer
    port_is_not_held_up_by_the_kernel_probing_a_silent_device
    port_resets_a_device_and_finds_it_again
    port_clears_a_halted_interrupt_endpoint
    daemon_with_a_usb_ups_has_one_thread_and_wakes_seldom
    probe_lists_each_ups_with_its_configuration_and_has_a_daemon_record_its_own
    probe_records_each_device_as_the_file_that_it_was_made_from
    port_sees_the_descriptor_of_a_device_that_a_killed_program_left
    machine_without_an_init_is_switched_off_all_the_same
    machine_whose_root_disk_hangs_is_switched_off
}
