//! What goes between the link and the port of a USB device.

use std::time::Duration;

/// What the port must do next. At most one is outstanding; the next comes after its end was handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A control transfer from the device; ends with [`UsbLink::handle_control`](super::UsbLink::handle_control).
    ControlIn {
        /// The setup packet, `wLength` included, little endian as on the wire.
        setup: [u8; 8],
        /// Size of the buffer, the same as `wLength`.
        length: u16,
        /// After this the port gives up with [`TransferError::Timeout`].
        timeout: Duration,
    },
    /// A control transfer to the device; ends the same way, with an empty answer.
    ControlOut {
        /// The setup packet, `wLength` included.
        setup: [u8; 8],
        /// Data stage.
        data: Vec<u8>,
        /// As for `ControlIn`.
        timeout: Duration,
    },
    /// Close the device, look for it again and open it: the link has given up on this handle. Ends with
    /// [`UsbLink::handle_opened`](super::UsbLink::handle_opened), or
    /// [`UsbLink::handle_closed`](super::UsbLink::handle_closed) when there is no such device now.
    Reopen,
    /// The same, with a USB reset of the device before: it hangs.
    Reset,
}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The device refused the request (`EPIPE`).
    Stall,
    /// No answer in time.
    Timeout,
    /// The device is gone (`ENODEV`).
    NoDevice,
    /// More bytes came than were asked for (`EOVERFLOW`).
    Overflow,
    /// Anything else (`EIO`, `EPROTO`, …).
    Other,
}
