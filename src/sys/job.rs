//! What takes rights that the process which reads foreign bytes does not have, and who does it for that process.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Something that is done by a process with rights. It speaks over a socket of its own, and ends with that at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job<'a> {
    /// Tells which USB devices there are.
    UsbList,
    /// Opens a USB device: see [`super::usb::Opener`].
    UsbDevice {
        /// The name of its HID interface: `1-1.2:1.0`.
        interface: &'a str,
        /// Number of its bus.
        bus: u16,
        /// Number of the device on the bus.
        device: u16,
    },
    /// Opens the serial port that DEVICE names.
    SerialPort,
    /// Looks up the name of the target with this number, of those that DEVICE names.
    Resolve(u8),
    /// Makes the lock file of the serial port, or says who has it.
    PortLock,
    /// Opens a listener of the port for clients, by its number among those that the configuration wants.
    Listen(u8),
    /// Opens a socket at the port to which a card sends, by its number.
    CardPort(u8),
    /// Opens the listener of the driver's port: 0 IPv4, 1 IPv6.
    ListenForDriver(u8),
    /// Writes: 0 files, 1 system log, 2 standard error and debug output.
    Writer(u8),
}

/// Has a job begun, and gives the socket over which it speaks.
type Begin = dyn Fn(&Job<'_>) -> io::Result<OwnedFd>;

/// Who does jobs.
#[derive(Clone, Default)]
pub struct Starter(Option<Rc<Begin>>);

impl fmt::Debug for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Starter(another process)" } else { "Starter(this process)" })
    }
}

impl Starter {
    /// Another process, which is told so.
    pub fn new(begin: impl Fn(&Job<'_>) -> io::Result<OwnedFd> + 'static) -> Self {
        Self(Some(Rc::new(begin)))
    }

    /// Whether another process does jobs.
    #[must_use]
    pub const fn is_another(&self) -> bool {
        self.0.is_some()
    }

    /// Has a job done. What comes of it is said over the socket, which does not wait; that it ends says that the job has, or was
    /// refused. `None`: this process has the rights itself.
    pub fn start(&self, job: &Job<'_>) -> Option<io::Result<OwnedFd>> {
        Some(self.0.as_ref()?(job))
    }
}
