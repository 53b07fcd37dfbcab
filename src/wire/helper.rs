//! Messages between the main process and its helper: one message a packet, little-endian, a tag first.
//!
//! ```text
//! to the helper: h event (1) arguments                   H arguments, reason       p, n present (1): flags powerfail, nologin
//!                v flags (1) ages of line, charge, runtime (4 each) charge (2) runtime (4)
//!                O as to a writer, without its number    r ready    m on mains    a alive    f finish    c configuration
//!                U bus (2) device (2) interface    u    R number (1)    S    L    P, D, T, W number (1): jobs, each for the next spare socket
//! to main:       l priority (1) text     B text (begun)  b text (fell back)       x (failed)      s: a spare socket, with it
//!                c last (1) bytes        C text          t signal (1)              i    e
//! arguments:     flags (1) length of the name (2) name
//! ```
//!
//! No path, no command line and no format string crosses: main says which hook, the helper knows the file. What is out of range
//! is no message. Descriptors cross to main only: to close one that somebody else has made can take long.

use std::time::Duration;

use super::role::{Saved, cut, flag, line, priority_of};
use crate::ups::{Event, MAX_LINE, Priority, is_unsafe};

/// Longest packet in bytes.
pub const MAX_PACKET: usize = 8 + 4 * MAX_NAME + MAX_LINE;
/// Longest name of the interface of a USB device, in bytes.
pub const MAX_INTERFACE: usize = 40;
/// Longest name of a UPS, in characters.
pub const MAX_NAME: usize = 255;

const HOOK: u8 = b'h';
const SHUTDOWN: u8 = b'H';
const POWERFAIL: u8 = b'p';
const NOLOGIN: u8 = b'n';
const SAVED: u8 = b'O';
const ON_BATTERY: u8 = b'v';
const READY: u8 = b'r';
const ON_MAINS: u8 = b'm';
const USB_DEVICE: u8 = b'U';
const USB_LIST: u8 = b'u';
const RESOLVE: u8 = b'R';
const SERIAL_PORT: u8 = b'S';
const PORT_LOCK: u8 = b'L';
const WRITER: u8 = b'W';
const LISTEN: u8 = b'P';
const CARD_PORT: u8 = b'D';
const LISTEN_FOR_DRIVER: u8 = b'T';
const ALIVE: u8 = b'a';
const FINISH: u8 = b'f';
const RELOAD: u8 = b'c';

const LOG: u8 = b'l';
const SHUTDOWN_STARTED: u8 = b'B';
const SHUTDOWN_FELL_BACK: u8 = b'b';
const SHUTDOWN_FAILED: u8 = b'x';
const CONFIGURATION: u8 = b'c';
const NOT_READ: u8 = b'C';
const TERMINATE: u8 = b't';
const IS_ALIVE: u8 = b'i';
const FINISHED: u8 = b'e';
const SPARE: u8 = b's';

/// What a hook is told besides its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments<'a> {
    /// UPSNAME, [`MAX_NAME`] characters at most.
    pub ups_name: &'a str,
    /// 0 on a network slave.
    pub connected: bool,
    /// 0 with the simulated UPS, else 1.
    pub powered: bool,
}

/// What the UPS has said on battery: what limits go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnBattery {
    /// Its battery is low.
    pub low: bool,
    /// How long ago the line was read.
    pub line_age: Duration,
    /// Charge in tenths of a percent, and how long ago it was read.
    pub charge: Option<(u16, Duration)>,
    /// Runtime in seconds, and how long ago it was read.
    pub runtime: Option<(u32, Duration)>,
}

/// Highest charge, in tenths of a percent.
const MAX_CHARGE: u16 = 1000;

impl OnBattery {
    fn encode(&self) -> Vec<u8> {
        let flags =
            u8::from(self.low) | u8::from(self.charge.is_some()) << 1 | u8::from(self.runtime.is_some()) << 2;
        let (charge, charge_age) = self.charge.unwrap_or_default();
        let (runtime, runtime_age) = self.runtime.unwrap_or_default();
        let mut out = vec![ON_BATTERY, flags];
        for age in [self.line_age, charge_age, runtime_age] {
            out.extend_from_slice(&u32::try_from(age.as_millis()).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend_from_slice(&charge.min(MAX_CHARGE).to_le_bytes());
        out.extend_from_slice(&runtime.to_le_bytes());
        out
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let (flags, mut rest) = body.split_first().filter(|(flags, _)| **flags < 8)?;
        let mut ages = [Duration::ZERO; 3];
        for age in &mut ages {
            let (milliseconds, after) = rest.split_first_chunk()?;
            *age = Duration::from_millis(u32::from_le_bytes(*milliseconds).into());
            rest = after;
        }
        let (charge, rest) = rest.split_first_chunk()?;
        let (charge, runtime) = (u16::from_le_bytes(*charge), u32::from_le_bytes(*rest.first_chunk()?));
        let [line_age, charge_age, runtime_age] = ages;
        let said = Self {
            low: flags & 1 == 1,
            line_age,
            charge: (flags >> 1 & 1 == 1).then_some((charge, charge_age)),
            runtime: (flags >> 2 & 1 == 1).then_some((runtime, runtime_age)),
        };
        // What is not said is 0, and nothing follows.
        (rest.len() == 4 && charge <= MAX_CHARGE && said.encode().get(1..) == Some(body)).then_some(said)
    }
}

/// What the helper is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToHelper<'a> {
    /// Run the hook of this event.
    Hook(Event, Arguments<'a>),
    /// Shut the system down; why, in one line of at most [`MAX_LINE`] bytes.
    Shutdown(Arguments<'a>, &'a str),
    /// Create or remove the flag `powerfail`.
    Powerfail {
        /// It is to be there.
        present: bool,
    },
    /// Create or remove the flag `nologin`.
    Nologin {
        /// It is to be there.
        present: bool,
    },
    /// What a main process that is started in place of this one has to know.
    Saved(Saved<'a>),
    /// What the UPS has said on battery.
    OnBattery(OnBattery),
    /// The UPS has said that it is not on battery any more, or for the first time.
    OnMains,
    /// Open a USB device for who has the other end of the next spare socket.
    UsbDevice {
        /// The name of its interface, [`MAX_INTERFACE`] bytes at most.
        interface: &'a str,
        /// Number of its bus.
        bus: u16,
        /// Number of the device on the bus.
        device: u16,
    },
    /// Tell which USB devices there are, likewise.
    UsbList,
    /// Look up the name of a target of DEVICE, by its number, likewise.
    Resolve(u8),
    /// Open the serial port, likewise.
    SerialPort,
    /// Make the lock file of the serial port, likewise.
    PortLock,
    /// Open a listener of the port for clients, likewise; its number.
    Listen(u8),
    /// Open a socket at the port to which a card sends.
    CardPort(u8),
    /// Open a listener of the driver's port, likewise; its number.
    ListenForDriver(u8),
    /// Start a writer, likewise; its number.
    Writer(u8),
    /// The UPS is watched; a configuration has been applied, or not.
    Ready,
    /// The loop goes on.
    Alive,
    /// Read the configuration again, as at SIGHUP.
    Reload,
    /// The daemon ends, as it was told to: carry out what is left, and say when that is done.
    Finish,
}

/// What the helper tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromHelper<'a> {
    /// A line for the log, of at most [`MAX_LINE`] bytes.
    Log(Priority, &'a str),
    /// The shutdown was started by this.
    ShutdownStarted(&'a str),
    /// `doshutdown` failed, this was started in its place.
    ShutdownFellBack(&'a str),
    /// Every way to shut down failed.
    ShutdownFailed,
    /// A piece of what was found when the configuration was read again, at most [`MAX_LINE`] bytes.
    Configuration {
        /// The last piece.
        last: bool,
        /// Any bytes.
        bytes: &'a [u8],
    },
    /// The configuration could not be read again; why.
    NotRead(&'a str),
    /// This signal asks for the end of the daemon.
    Terminate(i32),
    /// Say whether the loop goes on.
    IsAlive,
    /// Everything that was left is done.
    Finished,
    /// One end of a socket for a job, which comes with this; the jobs take them in their order.
    Spare,
}

impl ToHelper<'_> {
    /// The packet of this message. A text that is too long is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hook(event, arguments) => {
                let number = Event::ALL.iter().position(|of| of == event).unwrap_or(0);
                let mut out = vec![HOOK, u8::try_from(number).unwrap_or(0)];
                arguments.encode(&mut out);
                out
            }
            Self::Shutdown(arguments, reason) => {
                let mut out = vec![SHUTDOWN];
                arguments.encode(&mut out);
                out.extend_from_slice(cut(reason, MAX_LINE).as_bytes());
                out
            }
            Self::Powerfail { present } => vec![POWERFAIL, u8::from(*present)],
            Self::Nologin { present } => vec![NOLOGIN, u8::from(*present)],
            Self::Saved(saved) => {
                let mut out = vec![SAVED];
                saved.encode(&mut out);
                out
            }
            Self::UsbDevice { interface, bus, device } => {
                let interface = cut(interface, MAX_INTERFACE).as_bytes();
                [&[USB_DEVICE], &bus.to_le_bytes()[..], &device.to_le_bytes()[..], interface].concat()
            }
            Self::UsbList => vec![USB_LIST],
            Self::Resolve(number) => vec![RESOLVE, *number],
            Self::SerialPort => vec![SERIAL_PORT],
            Self::PortLock => vec![PORT_LOCK],
            Self::Writer(number) => vec![WRITER, *number],
            Self::Listen(number) => vec![LISTEN, *number],
            Self::CardPort(number) => vec![CARD_PORT, *number],
            Self::ListenForDriver(number) => vec![LISTEN_FOR_DRIVER, *number],
            Self::OnBattery(said) => said.encode(),
            Self::OnMains => vec![ON_MAINS],
            Self::Ready => vec![READY],
            Self::Alive => vec![ALIVE],
            Self::Reload => vec![RELOAD],
            Self::Finish => vec![FINISH],
        }
    }

    /// The message in a packet. `None`: it is none.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<ToHelper<'_>> {
        let (tag, rest) = packet.split_first()?;
        let message = match *tag {
            HOOK => {
                let (number, rest) = rest.split_first()?;
                let (arguments, rest) = Arguments::decode(rest)?;
                let event = *Event::ALL.get(usize::from(*number))?;
                return rest.is_empty().then_some(ToHelper::Hook(event, arguments));
            }
            SHUTDOWN => {
                let (arguments, rest) = Arguments::decode(rest)?;
                return Some(ToHelper::Shutdown(arguments, line(rest)?));
            }
            SAVED => return Saved::decode(rest).map(ToHelper::Saved),
            ON_BATTERY => return OnBattery::decode(rest).map(ToHelper::OnBattery),
            POWERFAIL | NOLOGIN => {
                let [present] = rest else { return None };
                let present = flag(*present)?;
                return Some(match *tag {
                    POWERFAIL => ToHelper::Powerfail { present },
                    _ => ToHelper::Nologin { present },
                });
            }
            USB_DEVICE => {
                let (bus, rest) = rest.split_first_chunk()?;
                let (device, rest) = rest.split_first_chunk()?;
                let interface = line(rest).filter(|interface| interface.len() <= MAX_INTERFACE)?;
                let (bus, device) = (u16::from_le_bytes(*bus), u16::from_le_bytes(*device));
                return Some(ToHelper::UsbDevice { interface, bus, device });
            }
            WRITER | RESOLVE | LISTEN | CARD_PORT | LISTEN_FOR_DRIVER => {
                let [number] = *rest else { return None };
                return Some(match *tag {
                    WRITER => ToHelper::Writer(number),
                    LISTEN => ToHelper::Listen(number),
                    CARD_PORT => ToHelper::CardPort(number),
                    LISTEN_FOR_DRIVER => ToHelper::ListenForDriver(number),
                    _ => ToHelper::Resolve(number),
                });
            }
            USB_LIST => ToHelper::UsbList,
            SERIAL_PORT => ToHelper::SerialPort,
            PORT_LOCK => ToHelper::PortLock,
            ON_MAINS => ToHelper::OnMains,
            READY => ToHelper::Ready,
            ALIVE => ToHelper::Alive,
            RELOAD => ToHelper::Reload,
            FINISH => ToHelper::Finish,
            _ => return None,
        };
        rest.is_empty().then_some(message)
    }
}

impl<'a> Arguments<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        let end = self.ups_name.char_indices().nth(MAX_NAME).map_or(self.ups_name.len(), |(at, _)| at);
        let name = self.ups_name.get(..end).unwrap_or_default();
        out.push(u8::from(self.connected) | u8::from(self.powered) << 1);
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
    }

    fn decode(body: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (flags, rest) = body.split_first().filter(|(flags, _)| **flags < 4)?;
        let (length, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let ups_name = std::str::from_utf8(name).ok()?;
        let fits = ups_name.chars().count() <= MAX_NAME && !ups_name.chars().any(is_unsafe);
        let arguments = Self { ups_name, connected: flags & 1 == 1, powered: flags >> 1 == 1 };
        fits.then_some((arguments, rest))
    }
}

impl FromHelper<'_> {
    /// The packet of this message. What is too long is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let with = |head: &[u8], text: &str| [head, cut(text, MAX_LINE).as_bytes()].concat();
        match self {
            Self::Log(priority, text) => with(&[LOG, *priority as u8], text),
            Self::ShutdownStarted(what) => with(&[SHUTDOWN_STARTED], what),
            Self::ShutdownFellBack(what) => with(&[SHUTDOWN_FELL_BACK], what),
            Self::ShutdownFailed => vec![SHUTDOWN_FAILED],
            Self::Configuration { last, bytes } => {
                [&[CONFIGURATION, u8::from(*last)], bytes.get(..MAX_LINE).unwrap_or(bytes)].concat()
            }
            Self::NotRead(why) => with(&[NOT_READ], why),
            Self::Terminate(signal) => vec![TERMINATE, u8::try_from(*signal).unwrap_or(0)],
            Self::IsAlive => vec![IS_ALIVE],
            Self::Finished => vec![FINISHED],
            Self::Spare => vec![SPARE],
        }
    }

    /// The message in a packet. `None`: it is none.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<FromHelper<'_>> {
        let (tag, rest) = packet.split_first()?;
        let message = match *tag {
            LOG => {
                let (priority, rest) = rest.split_first()?;
                return Some(FromHelper::Log(priority_of(*priority)?, line(rest)?));
            }
            SHUTDOWN_STARTED => return line(rest).map(FromHelper::ShutdownStarted),
            SHUTDOWN_FELL_BACK => return line(rest).map(FromHelper::ShutdownFellBack),
            NOT_READ => return line(rest).map(FromHelper::NotRead),
            CONFIGURATION => {
                let (last, bytes) = rest.split_first()?;
                let last = flag(*last)?;
                return (bytes.len() <= MAX_LINE).then_some(FromHelper::Configuration { last, bytes });
            }
            TERMINATE => match rest {
                [signal] => return Some(FromHelper::Terminate(i32::from(*signal))),
                _ => return None,
            },
            SHUTDOWN_FAILED => FromHelper::ShutdownFailed,
            IS_ALIVE => FromHelper::IsAlive,
            FINISHED => FromHelper::Finished,
            SPARE => FromHelper::Spare,
            _ => return None,
        };
        rest.is_empty().then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ups::one_line;

    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let tagged = (
            proptest::sample::select(b"hHpnOvmUuRSLPWraflBbxcCties".as_slice()),
            proptest::collection::vec(0_u8..8, 0..8),
            proptest::collection::vec(any::<u8>(), 0..40),
        )
            .prop_map(|(tag, small, rest)| [vec![tag], small, rest].concat());
        prop_oneof![tagged, proptest::collection::vec(any::<u8>(), 0..80)]
    }

    proptest! {
        #[test]
        fn what_the_helper_is_told_arrives_as_it_was_sent(
            event in 0..Event::ALL.len(), name in ".{0,255}", reason in ".{0,300}", flags in any::<[bool; 2]>(),
        ) {
            let name: String = name.chars().filter(|c| !is_unsafe(*c)).collect();
            let [connected, powered] = flags;
            let arguments = Arguments { ups_name: &name, connected, powered };
            let saved = Saved { announced: connected, transfers: 3, serial: "A1", on_battery_total: Duration::from_millis(5), ..Saved::default() };
            for message in [
                ToHelper::Hook(Event::ALL[event], arguments),
                ToHelper::Shutdown(arguments, &one_line(&reason)),
                ToHelper::Powerfail { present: powered },
                ToHelper::Nologin { present: powered },
                ToHelper::Saved(saved),
                ToHelper::OnBattery(OnBattery { low: connected, line_age: Duration::from_millis(7), charge: powered.then_some((1000, Duration::ZERO)), runtime: connected.then_some((u32::MAX, Duration::from_secs(9))) }),
                ToHelper::UsbDevice { interface: "1-1.2:1.0", bus: 1, device: 300 },
                ToHelper::UsbList,
                ToHelper::Resolve(3),
                ToHelper::SerialPort,
                ToHelper::PortLock,
                ToHelper::Writer(2),
                ToHelper::Listen(63),
                ToHelper::CardPort(3),
                ToHelper::ListenForDriver(1),
                ToHelper::OnMains,
                ToHelper::Ready,
                ToHelper::Alive,
                ToHelper::Reload,
                ToHelper::Finish,
            ] {
                let packet = message.encode();
                prop_assert!(packet.len() <= MAX_PACKET);
                prop_assert_eq!(ToHelper::decode(&packet), Some(message));
            }
        }

        #[test]
        fn what_the_helper_tells_arrives_as_it_was_sent(
            text in ".{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..MAX_LINE), last in any::<bool>(), signal in 0..=64,
        ) {
            let text = &*one_line(&text);
            for message in [
                FromHelper::Log(Priority::Warning, text),
                FromHelper::ShutdownStarted(text),
                FromHelper::ShutdownFellBack(text),
                FromHelper::ShutdownFailed,
                FromHelper::Configuration { last, bytes: &bytes },
                FromHelper::NotRead(text),
                FromHelper::Terminate(signal),
                FromHelper::IsAlive,
                FromHelper::Finished,
                FromHelper::Spare,
            ] {
                let packet = message.encode();
                prop_assert!(packet.len() <= MAX_PACKET);
                prop_assert_eq!(FromHelper::decode(&packet), Some(message));
            }
        }

        /// The short run of `fuzz/fuzz_targets/role_message.rs`.
        #[test]
        fn any_packet_is_one_message_or_none(packet in packets()) {
            if let Some(message) = ToHelper::decode(&packet) {
                prop_assert_eq!(message.encode(), &packet[..]);
            }
            if let Some(message) = FromHelper::decode(&packet) {
                prop_assert_eq!(message.encode(), &packet[..]);
            }
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_a_name_that_no_hook_may_have_is_no_message() {
        let name = "é".repeat(MAX_NAME + 9);
        let reason = "x".repeat(MAX_LINE + 9);
        let arguments = Arguments { ups_name: &name, connected: true, powered: true };
        let packet = ToHelper::Shutdown(arguments, &reason).encode();
        assert!(packet.len() <= MAX_PACKET);
        let Some(ToHelper::Shutdown(told, why)) = ToHelper::decode(&packet) else { panic!() };
        assert_eq!((told.ups_name.chars().count(), why.len()), (MAX_NAME, MAX_LINE));
        let with_escape = Arguments { ups_name: "a\x1b[2J", ..arguments };
        assert_eq!(ToHelper::decode(&ToHelper::Hook(Event::PowerOut, with_escape).encode()), None);
    }
}
