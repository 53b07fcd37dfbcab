//! The non-blocking ends in the loop: open, reopen, back off. No protocol knowledge.

pub mod serial;
pub mod usb;
