//! Tests that need more than every machine has: root, packages, a virtual machine. They run with `MAINSD_CI=1`, and those that need only a
//! program or a kernel feature wherever that is; what does not run is skipped, and says why.
#![deny(dead_code, reason = "a test that no list names is never run")]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes by the real clock")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod access;
mod apcsmart_beside;
mod beside;
mod check;
mod check_hooks;
mod client_words;
mod clock_steps;
mod container;
mod control;
mod debian;
mod demo;
mod distributions;
mod drivers;
mod fault_injection;
mod guest;
mod hook_scripts;
mod hostile_files;
mod ipv6;
mod manual;
mod modbus;
mod namespaces;
mod nis_clients;
mod nis_master;
mod openwrt;
mod openwrt_luci;
mod packaging;
mod pcnet;
mod permissions;
mod power_failure;
mod snmp;
mod snmpd;
mod static_builds;
#[path = "../support/mod.rs"]
mod support;
mod system_calls;
mod targets;
mod two_daemons;
mod vm;
mod with_apcupsd;
mod without;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::runner::main(
        &[
            access::TESTS,
            check::TESTS,
            check_hooks::TESTS,
            client_words::TERMINAL,
            client_words::TIME,
            clock_steps::TESTS,
            container::TESTS,
            demo::TESTS,
            distributions::TESTS,
            hook_scripts::dash::TESTS,
            hook_scripts::bash::TESTS,
            hook_scripts::busybox::TESTS,
            openwrt::dash::TESTS,
            openwrt::busybox::TESTS,
            openwrt_luci::VIEWS,
            openwrt_luci::ESLINT,
            hostile_files::TESTS,
            two_daemons::TESTS,
            ipv6::TESTS,
            manual::TESTS,
            packaging::TESTS,
            control::TESTS,
            permissions::TESTS,
            system_calls::TESTS,
            apcsmart_beside::TESTS,
            modbus::TESTS,
            modbus::PYMODBUS,
            pcnet::TESTS,
            snmp::TESTS,
            snmp::TRAPS,
            snmpd::TESTS,
            snmpd::HINTS,
            with_apcupsd::TESTS,
            nis_master::TESTS,
            namespaces::TESTS,
            nis_clients::TESTS,
            fault_injection::TESTS,
            without::TESTS,
            vm::TESTS,
            debian::TESTS,
            power_failure::TESTS,
            static_builds::TESTS,
            openwrt::TESTS,
            openwrt::BUILD,
            container::image::TESTS,
            drivers::TESTS,
            targets::mips::TESTS,
            targets::mips::BUILDS,
            targets::armv7::TESTS,
            targets::armv7::BUILDS,
            targets::mipsel::TESTS,
            targets::mipsel::BUILDS,
            targets::arm::TESTS,
            targets::arm::BUILDS,
            targets::aarch64::TESTS,
            targets::aarch64::BUILDS,
            targets::i686::TESTS,
            targets::i686::BUILDS,
            targets::x86_64::TESTS,
            targets::x86_64::BUILDS,
        ],
        &[vm::ROLE],
    )
}
