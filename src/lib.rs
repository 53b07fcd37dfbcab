//! mainsd: watches a UPS and shuts the machine down cleanly when the battery runs out.
//!
//! One event loop in one thread, and a small process for each place that it writes to. What can be decided without touching the world is a
//! pure function or a sans-I/O state machine; what touches the world is small, never blocks, and
//! hangs off the loop. A byte from a UPS passes through these rooms, in this order:
//!
//! ```text
//! device ──bytes──▶ port/ ──▶ link/ ──Reading──▶ power/ ──Order──▶ act/     ──▶ hooks, flags, shutdown, UPS off
//!                    │  frames: wire/              │   └──Event──▶ journal/ ──▶ syslog, events file, state file
//!                    │                             ▼
//!                    │                          Snapshot ──▶ report/ ──▶ server/ ──▶ 3551 tcp + udp
//!                    └── daemon/: the one loop that moves these values
//! ```
//!
//! Nothing flows backwards except [`ups::Command`], which goes from the power machine to the link.
//!
//! # Rooms
//!
//! - [`ups`]: the vocabulary: readings, status flags, transfer causes, events, commands. No I/O, no clock.
//! - [`wire`]: bytes to meaning and back, without state: HID reports, NIS frames.
//! - [`bus`]: what goes between a link and its port: events, transmits, modem lines, device and transfer errors. No I/O.
//! - [`link`]: one conversation for each way of reaching a UPS; sans-I/O.
//! - [`port`]: the non-blocking ends in the loop: open, reopen, back off.
//! - [`power`]: the state machine, `(state, reading, now) → orders`: one UPS, and this computer that it feeds. The heart; pure.
//! - [`act`]: carries orders out: hooks, flags, system shutdown.
//! - [`journal`]: syslog, events file, status file.
//! - [`report`]: a [`report::Snapshot`] as text or JSON. Pure.
//! - [`server`]: listeners, connections, access lists, and the protocol of port 3551 on them.
//! - [`config`]: `apcupsd.conf`: grammar, the directive table, diagnostics.
//! - [`drivers`]: the table of drivers, one row each.
//! - [`daemon`]: the loop, and the pump that moves values between the rooms.
//! - [`program`]: one file a program: daemon, apcaccess, check, demo.
//! - [`sys`]: every line of `unsafe` and every call of libc, rustix, socket2 and libusb.
//!
//! # The life of one power failure
//!
//! Mains fails. A USB UPS sends an interrupt report; `port::usb` tells of it, and the driver's pump hands its bytes to `link::usb`,
//! which takes it as a hint and reads the feature report that carries the line state. The two agree, so
//! it emits a [`link::LinkEvent::Reading`] that carries the line state *on battery*, confirmed. The pump gives it to
//! [`power::Machine`], which answers with the order to log `Power failure.` and run `powerout`; the
//! pump passes these to [`journal`] and [`act`], and the new [`report::Snapshot`] to [`server`]. From then
//! on the machine's own deadlines drive it: `onbattery` after ONBATTERYDELAY, a limit, `doshutdown`.
#![deny(unsafe_code)]
// They panic when nobody can take the words; `program::out` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod act;
pub mod bus;
pub mod config;
pub mod daemon;
pub mod drivers;
pub mod journal;
pub mod link;
pub mod port;
pub mod power;
pub mod program;
pub mod report;
pub mod server;
pub mod sys;
pub mod ups;
pub mod wire;
