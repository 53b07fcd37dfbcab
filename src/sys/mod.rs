//! Every line of `unsafe` and every libc and libusb call, behind safe owned types. No policy, no UPS vocabulary.

pub mod socket;
pub mod usb;
