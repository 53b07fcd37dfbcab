//! The table of drivers.

use super::{Cabling, DeviceForm, PortLock, Traits, UpsType};
#[cfg(any(
    feature = "usb",
    feature = "apcsmart",
    feature = "dumb",
    feature = "modbus",
    feature = "net",
    feature = "pcnet",
    feature = "snmp",
    feature = "test"
))]
use super::{Connection, Refused, Request};

/// The constructor, if this build has the driver.
macro_rules! built {
    ($feature:literal, $connect:ident) => {{
        #[cfg(feature = $feature)]
        let connect: Option<super::Connect> = Some($connect);
        #[cfg(not(feature = $feature))]
        let connect: Option<super::Connect> = None;
        connect
    }};
}

/// What all but simple signalling have.
const USUAL: Traits = Traits::MEASURES.union(Traits::DELAYS_OFF).union(Traits::HAS_RECORDS);

/// Every driver that a configuration can name, in the order of the reference (config §2).
pub static ALL: &[UpsType] = &[
    UpsType {
        word: "dumb",
        text: "DUMB UPS Driver",
        cabling: Cabling::ModemLines,
        device: DeviceForm::SerialPort,
        lock: PortLock::Awaited,
        traits: Traits::HAS_RECORDS,
        connect: built!("dumb", dumb),
    },
    UpsType {
        word: "apcsmart",
        text: "APC Smart UPS (any)",
        cabling: Cabling::Implied("smart"),
        device: DeviceForm::SerialPort,
        lock: PortLock::Awaited,
        traits: USUAL.union(Traits::KEEPS_SETTINGS),
        connect: built!("apcsmart", apcsmart),
    },
    UpsType {
        word: "usb",
        text: "USB UPS Driver",
        cabling: Cabling::Implied("usb"),
        device: DeviceForm::Usb,
        lock: PortLock::Shown,
        traits: USUAL,
        connect: built!("usb", usb),
    },
    UpsType {
        word: "snmp",
        text: "SNMP UPS Driver",
        cabling: Cabling::Implied("ether"),
        device: DeviceForm::Snmp,
        lock: PortLock::None,
        traits: USUAL.union(Traits::CARD),
        connect: built!("snmp", snmp),
    },
    UpsType {
        word: "net",
        text: "NETWORK UPS Driver",
        cabling: Cabling::Implied("ether"),
        device: DeviceForm::Masters,
        lock: PortLock::None,
        traits: USUAL.union(Traits::SLAVE),
        connect: built!("net", net),
    },
    UpsType {
        word: "test",
        text: "TEST UPS Driver",
        cabling: Cabling::Any,
        device: DeviceForm::Script,
        lock: PortLock::None,
        traits: USUAL.union(Traits::SIMULATED),
        connect: built!("test", simulated),
    },
    UpsType {
        word: "pcnet",
        text: "PCNET UPS Driver",
        cabling: Cabling::Implied("ether"),
        device: DeviceForm::Pcnet,
        lock: PortLock::None,
        traits: USUAL.union(Traits::CARD),
        connect: built!("pcnet", pcnet),
    },
    UpsType {
        word: "modbus",
        text: "MODBUS UPS Driver",
        cabling: Cabling::Bytes,
        device: DeviceForm::Free,
        lock: PortLock::Shown,
        traits: Traits::MEASURES.union(Traits::DELAYS_OFF),
        connect: built!("modbus", modbus),
    },
];

#[cfg(feature = "dumb")]
fn dumb(request: &Request<'_>) -> Result<Connection, Refused> {
    use crate::link::dumb::{Cable, DumbLink};

    // The rules of the configuration have refused every other one.
    let cable = request.cable.and_then(Cable::of_name);
    let cable =
        cable.ok_or_else(|| Refused::new("UPSCABLE", "Invalid cable specified for Dumb UPS".to_owned()))?;
    let link = Box::new(DumbLink::new(cable, request.device, request.poll_time));
    Ok(Connection::Serial { link, rest: cable.rest, keeps_lines: true, speed: None })
}

#[cfg(feature = "apcsmart")]
#[allow(clippy::unnecessary_wraps, reason = "as all of them")]
fn apcsmart(request: &Request<'_>) -> Result<Connection, Refused> {
    use crate::bus::serial::{Lines, Outputs};
    use crate::link::apcsmart::{ApcSmartLink, Settings};

    // RTS off is what cables for plug and play need; the others do not connect it (apcsmart §1).
    let rest = Outputs { raise: Lines::empty(), clear: Lines::RTS };
    let settings = Settings { poll_time: request.poll_time, port: request.device.to_owned() };
    Ok(Connection::Serial {
        link: Box::new(ApcSmartLink::new(settings)),
        rest,
        keeps_lines: false,
        speed: None,
    })
}

#[cfg(feature = "usb")]
#[allow(clippy::unnecessary_wraps, reason = "as all of them")]
fn usb(request: &Request<'_>) -> Result<Connection, Refused> {
    use crate::link::usb::{Settings, UsbLink, Wanted, verdict};

    #[cfg(feature = "modbus")]
    if request.usb_modbus {
        return Ok(usb_modbus(request, false));
    }
    let wanted = Wanted::from_device(request.device);
    let link = Box::new(UsbLink::new(Settings { poll_time: request.poll_time }, request.now));
    Ok(Connection::Usb { link, matcher: Box::new(move |info| verdict(info, &wanted)) })
}

/// HID guards, and Modbus goes beside it where the UPS has it.
#[cfg(all(feature = "usb", feature = "modbus"))]
fn usb_modbus(request: &Request<'_>, modbus_first: bool) -> Connection {
    use crate::link::usb::{Settings, Wanted, verdict};
    use crate::link::usb_modbus::UsbModbusLink;

    let wanted = Wanted::from_device(request.device);
    let settings = Settings { poll_time: request.poll_time };
    let link = Box::new(UsbModbusLink::new(settings, modbus_first, request.now));
    Connection::Usb { link, matcher: Box::new(move |info| verdict(info, &wanted)) }
}

#[cfg(feature = "net")]
#[allow(clippy::unnecessary_wraps, reason = "as all of them")]
fn net(request: &Request<'_>) -> Result<Connection, Refused> {
    use crate::link::net::{NetLink, targets};

    let targets = targets(request.device, request.nis_port);
    let link = Box::new(NetLink::new(targets.clone(), request.poll_time, request.now));
    Ok(Connection::Stream { link, targets })
}

#[cfg(feature = "snmp")]
fn snmp(request: &Request<'_>) -> Result<Connection, Refused> {
    use std::hash::{BuildHasher, RandomState};

    use crate::bus::stream::Target;
    use crate::link::snmp::{Device, Login, Settings, SnmpLink, TRAP_PORT, Version};

    let device = Device::parse(request.device).map_err(|what| {
        let accepted = "host:port:vendor:community, all but the host optional, an IPv6 address in brackets";
        Refused::new("DEVICE", format!("{what}; accepted: {accepted}"))
    })?;
    let peer = Target { host: device.host.clone(), port: device.port };
    let listen = device.traps.then_some(TRAP_PORT);
    let account = request.snmp;
    if account.is_v3() && account.user.is_empty() {
        let text = "blank, but SNMPVERSION 3 needs the name of the account in the card";
        return Err(Refused::new("SNMPUSER", text.to_owned()));
    }
    // What nobody can guess: who does not see the messages can answer none.
    let random = RandomState::new();
    let [a, b, c, d, ..] = random.hash_one(0).to_le_bytes();
    let first_number = i32::from_le_bytes([a, b, c, d & 0x3f]);
    let login = account.is_v3().then(|| {
        let (signing, encrypting) = request.secrets.map_or(("", ""), |it| (&it.auth, &it.privacy));
        let secrets = [account.is_signed().then_some(signing), account.is_encrypted().then_some(encrypting)];
        Login::new((&account.user, account.auth, account.privacy), secrets, random.hash_one(1))
    });
    let version = match account.version {
        "1" => Some(Version::V1),
        "2c" => Some(Version::V2c),
        _ => None,
    };
    let settings = Settings { device, version, login, poll_time: request.poll_time, first_number };
    Ok(Connection::Datagram {
        link: Box::new(SnmpLink::new(settings, request.now)),
        peer: Some(peer),
        listen,
    })
}

/// The cable says which way: a serial one, USB, or the network.
#[cfg(feature = "modbus")]
fn modbus(request: &Request<'_>) -> Result<Connection, Refused> {
    use crate::bus::serial::Outputs;
    use crate::bus::stream::Target;
    use crate::link::modbus::{PORT, SerialModbus, TcpModbus};

    let device = request.device;
    match request.cable {
        #[cfg(feature = "usb")]
        Some("usb") => Ok(usb_modbus(request, true)),
        #[cfg(not(feature = "usb"))]
        Some("usb") => Err(Refused::new("UPSCABLE", "this build of mainsd has no driver for USB".to_owned())),
        Some("ether") if device.is_empty() => Err(Refused::new(
            "DEVICE",
            format!(
                "blank, but this is where the card is; accepted: a host or host:port, the port {PORT} if none is named"
            ),
        )),
        Some("ether") => {
            let target = Target::parse(device, PORT);
            let link = Box::new(TcpModbus::new(&target, request.poll_time, request.now));
            Ok(Connection::Stream { link, targets: vec![target] })
        }
        _ if device.is_empty() => Err(Refused::new(
            "DEVICE",
            "blank, but UPSTYPE modbus with this cable needs a serial port; accepted: such as /dev/ttyS0"
                .to_owned(),
        )),
        _ => {
            let link = Box::new(SerialModbus::new(device, request.poll_time));
            let speed = Some(SerialModbus::SPEED);
            Ok(Connection::Serial { link, rest: Outputs::default(), keeps_lines: false, speed })
        }
    }
}

#[cfg(feature = "pcnet")]
fn pcnet(request: &Request<'_>) -> Result<Connection, Refused> {
    use super::PcnetDevice;
    use crate::bus::stream::Target;
    use crate::link::pcnet::{Card, PORT, PcnetLink, Settings, WEB_PORT};

    let (card, port) = match PcnetDevice::parse(request.device) {
        Ok(Some(named)) => {
            let web_port = named.web_port.unwrap_or(WEB_PORT);
            let card = Card::new(named.host, (named.user, named.passphrase), web_port);
            (Some(card), named.port.unwrap_or(PORT))
        }
        Ok(None) => (None, PORT),
        Err(what) => {
            return Err(Refused::new("DEVICE", format!("{what}; accepted: {}", PcnetDevice::ACCEPTED)));
        }
    };
    let target = card.as_ref().map(|card| Target { host: card.host.clone(), port: card.web_port });
    let settings = Settings { card, port, counters: request.counters };
    Ok(Connection::Card { link: Box::new(PcnetLink::new(settings, request.now)), port, target })
}

/// The script that DEVICE names; without one, mains stays.
#[cfg(feature = "test")]
fn simulated(request: &Request<'_>) -> Result<Connection, Refused> {
    use crate::link::simulated::{Script, Simulated};

    let device = request.device;
    let script = match device {
        "" => Script::default(),
        _ => Script::parse(&(request.read)()?)
            .map_err(|error| Refused::new("DEVICE", format!("{device}: {error}")))?,
    };
    Ok(Connection::Unconnected(Box::new(Simulated::new(script, request.poll_time, request.now))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_in_any_case() {
        for row in ALL {
            assert_eq!(UpsType::find(&row.word.to_uppercase()), Some(row));
        }
        assert_eq!(UpsType::find("backups"), None);
    }

    #[test]
    fn status_texts_are_those_of_the_reference() {
        assert_eq!(UpsType::find("apcsmart").unwrap().text, "APC Smart UPS (any)");
        assert_eq!(UpsType::find("usb").unwrap().text, "USB UPS Driver");
    }
}
