//! Bytes to meaning and back: no state, no I/O, no time. Every parser is total: any bytes give a value or an error.

pub mod control;
pub mod decimal;
pub mod helper;
#[cfg(feature = "usb")]
pub mod hid;
#[cfg(feature = "modbus")]
pub mod modbus;
pub mod nis;
pub mod nis_status;
#[cfg(feature = "pcnet")]
pub mod pcnet;
pub mod role;
#[cfg(feature = "snmp")]
pub mod snmp;
#[cfg(any(feature = "apcsmart", feature = "pcnet"))]
pub mod upslink;
