//! The kernel's virtual host controller: plug and unplug.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::unit::poll;

const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";

/// A plugged device's place.
#[derive(Debug)]
pub struct Port {
    number: u32,
}

/// True if the controller is there.
pub fn present() -> bool {
    Path::new(CONTROLLER).join("attach").exists()
}

fn status() -> Vec<(u32, u32, String)> {
    let text = std::fs::read_to_string(Path::new(CONTROLLER).join("status")).unwrap_or_default();
    let row = |line: &str| {
        // `hs  0000 006 002 00010002 000003 1-1`: hub, port, state, speed, device id, socket, bus id.
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["hs", port, state, .., place] => {
                Some((port.parse().ok()?, state.parse().ok()?, place.to_owned()))
            }
            _ => None,
        }
    };
    text.lines().filter_map(row).collect()
}

/// Whether the kernel still has the device that was plugged in at a port before: it may be busy with another port's for minutes. Until
/// then its node speaks to whatever is plugged in there next.
fn has_old_device(number: u32) -> bool {
    let hubs = std::fs::read_dir(CONTROLLER).into_iter().flatten().flatten();
    let hubs = hubs.filter_map(|hub| Some(hub.file_name().to_str()?.strip_prefix("usb")?.to_owned()));
    // The ports of the hub for such speeds have the bus of the lowest number.
    let bus = hubs.filter_map(|bus| bus.parse::<u32>().ok()).min().unwrap_or(1);
    Path::new("/sys/bus/usb/devices").join(format!("{bus}-{}", number + 1)).exists()
}

/// Plugs a device in on a free port; `speed` 1 = low, 2 = full. The kernel holds its own reference to `socket`.
pub fn attach(socket: &UnixStream, speed: u8) -> std::io::Result<Port> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    // State 4: nothing plugged.
    let free = |&(port, state, _): &(u32, u32, String)| state == 4 && !has_old_device(port);
    let number = poll(|| status().into_iter().find(free)).map(|(port, ..)| port);
    let number = number.ok_or_else(|| std::io::Error::other("no free port on the virtual controller"))?;
    let line = format!("{number} {} {} {speed}", socket.as_raw_fd(), 0x0001_0000 + number + 2);
    std::fs::write(Path::new(CONTROLLER).join("attach"), line)?;
    Ok(Port { number })
}

impl Port {
    /// Unplugs the device.
    pub fn detach(&self) {
        let _ = std::fs::write(Path::new(CONTROLLER).join("detach"), self.number.to_string());
    }

    /// Bus and port, as in `/sys/bus/usb/devices/1-1`; `None` until the kernel has given it an address.
    pub fn place(&self) -> Option<String> {
        let (_, state, place) = status().into_iter().find(|&(port, ..)| port == self.number)?;
        (state == 6 && place != "0-0").then_some(place)
    }

    /// The sysfs folder of its first interface.
    pub fn interface(&self) -> Option<PathBuf> {
        let place = self.place()?;
        Some(PathBuf::from(format!("/sys/bus/usb/devices/{place}/{place}:1.0")))
    }
}
