//! The UPS as the kernel shows it, before a daemon has opened it: nothing is opened here that a program may hold.
#![cfg_attr(
    not(all(feature = "usb", feature = "serial-port")),
    allow(unused, reason = "what a driver needs that this build leaves out")
)]

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::{Look, What};
use crate::config::device;
use crate::daemon;
use crate::drivers::{Connection, Traits};
use crate::sys::access;
use crate::sys::process::{self, Users};
use crate::ups::StatusFlags;
use crate::wire::nis_status::MasterStatus;

/// Programs that hold a UPS, and what gives it back.
const HOLDERS: [(&str, &str); 6] = [
    ("apcupsd", "systemctl disable --now apcupsd, or what stands for it here"),
    ("usbhid-ups", "it is of NUT: systemctl disable --now nut-driver.target nut-server nut-monitor"),
    ("nutdrv", "it is of NUT: systemctl disable --now nut-driver.target nut-server nut-monitor"),
    ("blazer", "it is of NUT: systemctl disable --now nut-driver.target nut-server nut-monitor"),
    (
        "qemu",
        "take the UPS out of the virtual machine, and have that watch this machine instead (UPSTYPE net)",
    ),
    ("pwrstatd", "systemctl disable --now pwrstatd"),
];

impl Look<'_> {
    /// Everything about the device.
    pub(super) fn device(&mut self) {
        let config = &self.parsed.config;
        if config.ups_is(Traits::SIMULATED) {
            self.say(What::Simulated, &[]);
        }
        let is_heard = self.daemon.is_heard();
        match daemon::connection(config) {
            #[cfg(feature = "usb")]
            Ok(Connection::Usb { matcher, .. }) => self.usb(&*matcher),
            #[cfg(feature = "serial-port")]
            Ok(Connection::Serial { .. }) => self.serial(),
            Ok(_) if is_heard.is_none() && !config.ups_is(Traits::SIMULATED) => {
                self.say(What::Network, &[&device::describe(config)]);
            }
            // What is wrong with it is said of the configuration.
            Ok(_) | Err(_) => {}
        }
        match is_heard {
            Some(true) => {
                let status = self.daemon.status().cloned().unwrap_or_default();
                let line = if status.flags.contains(StatusFlags::ONBATT) { "on battery" } else { "on mains" };
                let model = status.identity.model.unwrap_or_else(|| "a UPS without a name".to_owned());
                self.say(What::Heard, &[&model, line]);
            }
            Some(false) => self.say(What::Lost, &[]),
            None => {}
        }
    }

    #[cfg(feature = "usb")]
    fn usb(&mut self, matcher: &dyn Fn(&crate::bus::usb::DeviceInfo) -> crate::bus::usb::Verdict) {
        use crate::bus::usb::Verdict;
        use crate::port::usb::Roots;

        /// What a UPS that can speak Modbus is called (modbus §1.2).
        const WITH_MODBUS: (u16, u16) = (0x051d, 0x0003);

        let roots = Roots { sys: self.root.join("sys"), dev: self.root.join("dev") };
        let mut other = None;
        let mut found = false;
        for mut ups in roots.scan() {
            if matcher(&ups.info) == Verdict::Foreign {
                continue;
            }
            let serial = fs::read_to_string(ups.folder.join("serial")).ok();
            ups.info.serial = serial.map(|serial| serial.trim_end().to_owned());
            let words = ups.words();
            match matcher(&ups.info) {
                Verdict::Foreign => continue,
                Verdict::Other => {
                    other = Some((words, ups.info.serial.unwrap_or(ups.info.location)));
                    continue;
                }
                // A program that has claimed it has it without the kernel's driver.
                Verdict::NeedsDescriptor if !ups.is_claimed() => self.say(What::NoDriver, &[&words]),
                Verdict::NeedsDescriptor | Verdict::Doubtful | Verdict::Wanted => {
                    self.say(What::UpsFound, &[&words, ups.driver.as_deref().unwrap_or("none")]);
                }
            }
            found = true;
            let control = ups.folder.join("power/control");
            if fs::read_to_string(&control).is_ok_and(|text| text.trim() == "auto") {
                self.say(What::Asleep, &[&words, &control.display().to_string()]);
            }
            if ups.node.exists() {
                self.node(&ups.node, ups.is_claimed());
            } else {
                self.say(What::NoNode, &[&words, &ups.node.display().to_string()]);
            }
            let says_little = |status: &MasterStatus| status.values.output_voltage.is_none();
            let is_mute =
                self.daemon.is_heard() == Some(true) && self.daemon.status().is_some_and(says_little);
            if (ups.info.vendor, ups.info.product) == WITH_MODBUS && self.parsed.config.usb_modbus && is_mute
            {
                self.say(What::ModbusOff, &[]);
            }
            // The daemon takes the first.
            break;
        }
        match other.filter(|_| !found) {
            Some((words, names)) => self.say(What::OtherUps, &[&words, &names]),
            // A daemon that hears it sees more than is to be seen here.
            None if !found && self.daemon.is_heard() != Some(true) => self.say(What::NoUps, &[]),
            None => {}
        }
        let rules = ["usr/lib", "lib", "etc", "run"].map(|of| self.root.join(of).join("udev/rules.d"));
        let has_udev = rules.iter().any(|folder| folder.is_dir());
        if has_udev && !rules.iter().any(|folder| folder.join("60-mainsd.rules").exists()) {
            self.say(What::NoRule, &[]);
        }
    }

    #[cfg(feature = "serial-port")]
    fn serial(&mut self) {
        let path = PathBuf::from(&self.parsed.config.device);
        let shown = path.display().to_string();
        match fs::metadata(&path) {
            Err(_) => self.say(What::NoPort, &[&shown]),
            Ok(data) if !data.file_type().is_char_device() => self.say(What::NotAPort, &[&shown]),
            Ok(_) => {
                self.say(What::PortFound, &[&shown]);
                self.node(&path, false);
            }
        }
    }

    /// A device that is there. `is_claimed`: a program has it for certain.
    fn node(&mut self, node: &Path, is_claimed: bool) {
        let shown = node.display().to_string();
        if access::writable(node).is_err() {
            self.say(What::NotAllowed, &[&shown]);
        }
        let Users { seen, all_seen } = process::users(&self.root.join("proc"), node);
        for (pid, name) in &seen {
            let who = format!("{name} (process {pid})");
            if name.starts_with("mainsd") {
                self.say(What::HeldByUs, &[&shown, &who]);
                continue;
            }
            let known = HOLDERS.iter().find(|(holder, _)| name.starts_with(holder));
            let remedy =
                known.map_or_else(|| format!("end it: kill {pid}"), |(_, remedy)| (*remedy).to_owned());
            self.say(What::Held, &[&shown, &who, &remedy]);
        }
        if seen.is_empty() && self.daemon.is_heard() != Some(true) {
            let what = if all_seen && !is_claimed { What::Free } else { What::HolderUnknown };
            self.say(what, &[&shown]);
        }
    }
}
