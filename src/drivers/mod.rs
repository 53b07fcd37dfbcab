//! The drivers, one row each: everything that the rest of the program knows of a driver stands in its row of [`ALL`].
//!
//! A row says how a configuration names the driver, what its UPSes can do, and how its link is made. A driver that this build
//! leaves out has a row too, so that its configurations are still understood.
#![cfg_attr(
    not(all(
        feature = "usb",
        feature = "serial-port",
        feature = "stream",
        feature = "datagram",
        feature = "unconnected"
    )),
    allow(unused, reason = "what a driver needs that this build leaves out")
)]

#[cfg(feature = "dumb")]
mod cables;
mod pcnet_device;
mod snmp_account;
mod table;

#[cfg(feature = "dumb")]
pub use cables::{guess_cable, lines_at_rest};
pub use pcnet_device::PcnetDevice;
pub use snmp_account::{SNMP_AUTHS, SNMP_LEVELS, SNMP_PRIVS, SNMP_VERSIONS, SnmpAccount, SnmpSecrets};
pub use table::ALL;

use std::time::{Duration, Instant};

use bitflags::bitflags;

use crate::bus;
use crate::link::Link;

/// A row: what UPSTYPE can be.
#[derive(Debug)]
pub struct UpsType {
    /// How a configuration spells it, in lower case (config §2).
    pub word: &'static str,
    /// DRIVER in status (status-fields §5.4).
    pub text: &'static str,
    /// Which cables it can have.
    pub cabling: Cabling,
    /// What DEVICE says.
    pub device: DeviceForm,
    /// The lock file of its port.
    pub lock: PortLock,
    /// What is special about its UPSes.
    pub traits: Traits,
    /// Makes the link and says which port it wants; `None`: not in this build.
    pub connect: Option<Connect>,
}

/// Makes a link.
pub type Connect = fn(&Request<'_>) -> Result<Connection, Refused>;

// A row is known by its word.
impl PartialEq for UpsType {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl Eq for UpsType {}

impl UpsType {
    /// The one that a file spells `word`, in any case.
    #[must_use]
    pub fn find(word: &str) -> Option<&'static Self> {
        ALL.iter().find(|row| row.word.eq_ignore_ascii_case(word))
    }

    /// All spellings, in the order of the reference.
    #[must_use]
    pub fn words() -> Vec<&'static str> {
        ALL.iter().map(|row| row.word).collect()
    }

    /// Whether its UPSes are all of these.
    #[must_use]
    pub const fn is(&self, traits: Traits) -> bool {
        self.traits.contains(traits)
    }
}

bitflags! {
    /// What the UPSes of a driver are and can do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Traits: u8 {
        /// They tell charge and runtime, or some of them do.
        const MEASURES = 1;
        /// They keep settings that `--configure` writes (apcsmart §10.4).
        const KEEPS_SETTINGS = 1 << 1;
        /// They take an order to switch off that leaves time for a shutdown.
        const DELAYS_OFF = 1 << 2;
        /// They have DATA records (config §3, DATA record).
        const HAS_RECORDS = 1 << 3;
        /// Another daemon watches the UPS; this one is its slave.
        const SLAVE = 1 << 4;
        /// A management card that can order the shutdown.
        const CARD = 1 << 5;
        /// There is no UPS.
        const SIMULATED = 1 << 6;
    }
}

/// Which cables a driver can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cabling {
    /// This one, whatever UPSCABLE says (config §4 item 2).
    Implied(&'static str),
    /// One of modem lines.
    ModemLines,
    /// One that carries bytes.
    Bytes,
    /// Any, or none.
    Any,
}

/// The form of DEVICE (config §3, DEVICE forms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceForm {
    /// Blank, a serial number or a bus port path.
    Usb,
    /// A serial port.
    SerialPort,
    /// Hosts, each with an optional port.
    Masters,
    /// `host:port:vendor:community`.
    Snmp,
    /// Blank, or `host:user:passphrase:port:webport` ([`PcnetDevice`]).
    Pcnet,
    /// Blank, or the script of a simulated UPS.
    Script,
    /// Whatever the driver makes of it.
    Free,
}

/// The lock file of a driver's port (config §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortLock {
    /// Cards and networks have none, and the simulated UPS is nobody's.
    None,
    /// For other programs to see; ours agree by the device itself.
    Shown,
    /// Another program that has it is waited for.
    Awaited,
}

/// From what a link is made.
pub struct Request<'a> {
    /// DEVICE.
    pub device: &'a str,
    /// UPSCABLE, as the reference spells it.
    pub cable: Option<&'static str>,
    /// NISPORT.
    pub nis_port: u16,
    /// POLLTIME.
    pub poll_time: Duration,
    /// USBMODBUS: a USB UPS that can is asked by Modbus too.
    pub usb_modbus: bool,
    /// SNMPVERSION and the account that goes with it.
    pub snmp: &'a SnmpAccount,
    /// The pass phrases of that account; `None`: the link is to send nothing.
    pub secrets: Option<&'a SnmpSecrets>,
    /// Reads the file that DEVICE names.
    pub read: &'a dyn Fn() -> Result<String, Refused>,
    /// How far the counters of a card's packets had come, as an earlier run has noted them.
    pub counters: Option<[u32; 2]>,
    /// Now.
    pub now: Instant,
}

/// A link of that bus.
type Of<B> = Box<dyn Link<Bus = B>>;

/// A link, and the port it wants.
pub enum Connection {
    /// A serial port.
    #[cfg(feature = "serial-port")]
    Serial {
        /// The link.
        link: Of<bus::serial::Serial>,
        /// Our modem lines from the opening on.
        rest: bus::serial::Outputs,
        /// The lines stay as they are when the port is closed.
        keeps_lines: bool,
        /// Bits a second; `None`: 2400.
        speed: Option<u32>,
    },
    /// A USB device.
    #[cfg(feature = "usb")]
    Usb {
        /// The link.
        link: Of<bus::usb::Usb>,
        /// Says which device.
        matcher: Box<dyn Fn(&bus::usb::DeviceInfo) -> bus::usb::Verdict>,
    },
    /// A connection to one of some hosts.
    #[cfg(feature = "stream")]
    Stream {
        /// The link.
        link: Of<bus::stream::Stream>,
        /// The hosts.
        targets: Vec<bus::stream::Target>,
    },
    /// A port at which a card's datagrams come, and a connection to the card.
    #[cfg(feature = "card")]
    Card {
        /// The link.
        link: Of<bus::card::Card>,
        /// The UDP port.
        port: u16,
        /// The card's web server; `None`: it is not known whose datagrams come.
        target: Option<bus::stream::Target>,
    },
    /// Datagrams.
    #[cfg(feature = "datagram")]
    Datagram {
        /// The link.
        link: Of<bus::datagram::Datagram>,
        /// To whom they are sent.
        peer: Option<bus::stream::Target>,
        /// The port at which a daemon that guards listens for them.
        listen: Option<u16>,
    },
    /// Nothing.
    #[cfg(feature = "unconnected")]
    Unconnected(Of<bus::Unconnected>),
}

/// Why there is no driver for a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The directive that it is about.
    pub keyword: &'static str,
    /// What is wrong; what is accepted.
    pub text: String,
    /// A file cannot be read now, and perhaps can later.
    pub may_pass: bool,
}

impl Refused {
    /// One that stays until the file is changed.
    #[must_use]
    pub const fn new(keyword: &'static str, text: String) -> Self {
        Self { keyword, text, may_pass: false }
    }
}
