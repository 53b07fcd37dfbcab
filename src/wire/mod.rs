//! Bytes to meaning and back: no state, no I/O, no time. Every parser is total: any bytes give a value or an error.

pub mod control;
pub mod helper;
#[cfg(feature = "usb")]
pub mod hid;
#[cfg(feature = "modbus")]
pub mod modbus;
pub mod nis;
pub mod role;
#[cfg(feature = "apcsmart")]
pub mod upslink;
