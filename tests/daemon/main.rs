//! The real program as a process: daemon, clients and one-shot commands, at simulated UPSes on the loopback interface.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes by the real clock")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod a_minute;
mod access;
mod access_watch;
mod apcsmart;
mod apcsmart_settings;
mod apctest;
mod busybox_killpower;
mod check;
mod check_field;
mod check_hooks;
mod client_words;
mod command_line;
mod container_host;
mod control;
mod control_drivers;
mod control_power;
mod copy_apcupsd;
mod debug;
mod demo;
mod doctor;
mod drill;
mod dry_run;
mod dumb;
mod fault_injection;
mod faults;
mod files;
mod first_configuration;
mod harness;
mod helper;
mod hook_scripts;
mod hostile;
mod hostile_files;
mod install;
mod install_again;
mod life;
mod manual;
mod modbus;
mod net_slave;
mod net_watch;
mod next_main;
mod nis_files;
mod nis_watch;
mod one_shot;
mod openwrt;
mod outage;
mod packaging;
mod pcnet;
mod probe;
mod readme;
mod replay;
mod self_tests;
mod slave_replay;
mod snmp;
mod start;
mod stopped;
#[path = "../support/mod.rs"]
mod support;
mod suspend;
mod two_daemons;
mod writers;
