//! The non-blocking ends in the loop: open, reopen, back off. No protocol knowledge.

pub mod lookup;
pub mod serial;
pub mod tcp_client;
pub mod usb;
