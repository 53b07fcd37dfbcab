//! A USB device with a HID interface: control transfers, interrupt reports from the device and, for Modbus, to it.

use std::time::Duration;

use super::{Bus, Fault};

/// One HID interface of a USB device.
#[derive(Debug)]
pub struct Usb;

impl Bus for Usb {
    type Event<'a> = Event<'a>;
    type Transmit = Transmit;

    fn spoil<'a>(event: Event<'a>, fault: Fault, spoilt: &'a mut Vec<u8>) -> Event<'a> {
        let mut copy = |bytes: &[u8]| {
            spoilt.clear();
            spoilt.extend_from_slice(bytes);
            fault.spoil(spoilt);
        };
        match event {
            Event::Control(Ok(_)) if fault == Fault::Silence => Event::Control(Err(TransferError::Timeout)),
            Event::Control(Ok(bytes)) => {
                copy(bytes);
                Event::Control(Ok(spoilt))
            }
            Event::Interrupt(bytes) => {
                copy(bytes);
                Event::Interrupt(spoilt)
            }
            #[cfg(feature = "usb-out")]
            Event::InterruptSent(_) if fault == Fault::Silence => {
                Event::InterruptSent(Err(TransferError::Timeout))
            }
            #[cfg(feature = "usb-out")]
            Event::InterruptSent(_) => event,
            Event::Opened(_) | Event::Closed(_) | Event::Control(Err(_)) => event,
        }
    }
}

/// One HID interface of a USB device, as found without touching it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Bus port path, `1-1.2`.
    pub location: String,
    /// `idVendor`.
    pub vendor: u16,
    /// `idProduct`.
    pub product: u16,
    /// `bcdDevice`.
    pub bcd_device: u16,
    /// String `iManufacturer`, if the system shows it.
    pub manufacturer: Option<String>,
    /// String `iProduct`, if the system shows it.
    pub product_name: Option<String>,
    /// String `iSerialNumber`, if the system shows it.
    pub serial: Option<String>,
    /// Number of the HID interface.
    pub interface: u8,
    /// Report descriptor as the system showed it; may be empty.
    pub report_descriptor: Vec<u8>,
    /// `wDescriptorLength` of the report descriptor in the HID class descriptor.
    pub announced_descriptor_len: Option<u16>,
}

/// What is to be done with a device that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The device that is wanted: open it.
    Wanted,
    /// One of this kind, but not the one that is wanted (as far as known: the strings may still be missing).
    Other,
    /// Cannot be said without the report descriptor, which the kernel's HID driver would show: have it attached, and if that
    /// does not help, open it.
    NeedsDescriptor,
    /// Cannot be said by the report descriptor that the kernel shows, which is damaged: open it, so that it can be read from the
    /// device. Tried after all that are wanted for certain.
    Doubtful,
    /// Something else: never touched.
    Foreign,
}

/// What the port tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The device is open and its interface claimed.
    Opened(DeviceInfo),
    /// There is no open device: it is gone, or none was found. Told once.
    Closed(String),
    /// The control transfer ended; the bytes are the data stage.
    Control(Result<&'a [u8], TransferError>),
    /// A packet came on the interrupt endpoint; the first byte is the report id.
    Interrupt(&'a [u8]),
    /// The interrupt report to the device has been sent, or not.
    #[cfg(feature = "usb-out")]
    InterruptSent(Result<(), TransferError>),
}

/// What the port must do next. At most one control transfer is outstanding, and beside it one interrupt report to the device; the next
/// of its kind comes after its end was handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A control transfer from the device; ends with [`Event::Control`].
    ControlIn {
        /// The setup packet, `wLength` included, little endian as on the wire.
        setup: [u8; 8],
        /// Size of the buffer, the same as `wLength`.
        length: u16,
        /// After this the port gives up with [`TransferError::Timeout`].
        timeout: Duration,
        /// Its end is not wanted any sooner: one of several reads, between whose starts there is a pause.
        rest: Duration,
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
    /// A report to the interrupt OUT endpoint; ends with [`Event::InterruptSent`], with [`TransferError::Other`] if there is no such
    /// endpoint.
    #[cfg(feature = "usb-out")]
    InterruptOut {
        /// The report, its id first.
        data: Vec<u8>,
        /// As for `ControlIn`.
        timeout: Duration,
    },
    /// Close the device, look for it again and open it: the link has given up on this handle. Ends with
    /// [`Event::Opened`], or [`Event::Closed`] when there is no such device now.
    Reopen,
    /// The same, with a USB reset of the device before: it hangs.
    Reset,
    /// The longest interrupt report of the open device has so many bytes: until it is closed, reports longer than a packet are to
    /// come whole. May come at any time.
    InterruptLen(u16),
    /// It is no UPS: give it back to the system, and do not open it again until it is plugged in anew. Look for another.
    LeaveAlone,
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
