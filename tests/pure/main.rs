//! The library through its public interface: devices, protocols and outages in fake time, and the rules of the sources.
#![allow(clippy::disallowed_methods, reason = "a fake clock begins at any moment")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod apcsmart;
mod architecture;
mod build_script;
mod control;
mod crossings;
mod dependencies;
mod docs;
mod documented;
mod drill;
mod dumb;
mod evidence;
mod faulty;
mod fields;
mod hid_corpus;
mod hours;
mod lexicon;
mod libusb_headers;
mod liveness;
mod net_sessions;
mod nis_report;
mod nis_server;
mod nis_sessions;
mod openwrt;
mod power_properties;
mod probe;
mod readme;
mod recorded;
mod runtime_units;
mod self_tests;
mod simulator;
#[path = "../support/mod.rs"]
mod support;
mod usb_faults;
mod usb_link;
mod usb_looks;
mod usb_modbus;
mod usb_orders;
mod usb_settings;
mod usb_status;
mod usb_values;
