//! The machine: what is started at boot, its file systems, its clock.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Look, What};
use crate::program::surroundings::{Init, entries};
use crate::sys::clock;

/// Services of other programs that watch a UPS.
const OTHERS: &str = "apcupsd nut nut-server nut-monitor nut-driver nut-driver-enumerator nut-client \
                      nut-upsd nut-upsmon upsd upsmon upsdrv pwrstatd PBEAgent powerchute";

/// 21 November 2026, the day in [`crate::program::VERSION`], in seconds since 1970.
pub(super) const MADE: i64 = 1_795_219_200;

impl Look<'_> {
    /// What is started at boot: we, and others. `is_machine`: it is no container.
    pub(super) fn boot(&mut self, is_machine: bool) {
        let enabled = enabled(self.root);
        let own = enabled.iter().find(|(name, _)| name == "mainsd");
        let inittab = self.root.join("etc/inittab");
        let in_inittab = fs::read_to_string(&inittab).is_ok_and(|text| {
            text.lines()
                .any(|line| line.contains(":respawn:") && line.contains("mainsd") && !line.starts_with('#'))
        });
        let own = own.map(|(_, path)| path.clone()).or_else(|| in_inittab.then_some(inittab));
        match own {
            Some(path) => self.say(What::AtBoot, &[&path.display().to_string()]),
            None if is_machine => self.say(What::NotAtBoot, &[self.start()]),
            None => {}
        }
        // One that is installed and told to do nothing.
        let idle = ["etc/nut/nut.conf", "etc/ups/nut.conf"].iter().any(|file| {
            fs::read_to_string(self.root.join(file))
                .is_ok_and(|text| text.lines().any(|line| line.trim().replace(' ', "") == "MODE=none"))
        });
        let is_nut = |name: &str| name.starts_with("nut") || name.starts_with("ups");
        let mut alone = true;
        for name in OTHERS.split(' ') {
            let Some((_, path)) = enabled.iter().find(|(it, _)| it == name) else { continue };
            // The name by which an old service starts us.
            let is_ours = ["usr/sbin", "sbin"].iter().any(|folder| {
                fs::read_link(self.root.join(folder).join(name)).is_ok_and(|it| it.ends_with("mainsd"))
            });
            let is_idle = idle && is_nut(name);
            if !is_ours && !is_idle {
                alone = false;
                let path = path.display().to_string();
                let remedy = match Init::of(self.root) {
                    Init::Systemd => format!("systemctl disable --now {name}"),
                    Init::OpenRc => format!("rc-update del {name}; rc-service {name} stop"),
                    Init::Procd => format!("/etc/init.d/{name} disable; /etc/init.d/{name} stop"),
                    Init::Other => format!("end it, and remove {path}"),
                };
                self.say(What::Other, &[name, &path, &remedy]);
            }
        }
        if alone {
            self.say(What::Alone, &[]);
        }
    }

    /// How mainsd is started here, now and at each boot.
    pub(super) fn start(&self) -> &'static str {
        match Init::of(self.root) {
            Init::Systemd => "systemctl enable --now mainsd",
            Init::OpenRc => "rc-update add mainsd default; rc-service mainsd start",
            Init::Procd => "/etc/init.d/mainsd enable; /etc/init.d/mainsd start",
            Init::Other => "have init start it: a service in /etc/init.d, or a line in /etc/inittab",
        }
    }

    /// File systems and clock.
    pub(super) fn state(&mut self) {
        let mounts = fs::read_to_string(self.root.join("proc/mounts")).unwrap_or_default();
        // What was mounted last covers what was there.
        let of = |place: &str| {
            let mut fields = mounts.lines().rev().map(|line| line.split(' ').skip(1).collect::<Vec<_>>());
            fields.find(|fields| fields.first() == Some(&place))
        };
        let root = of("/").unwrap_or_default();
        if root.get(2).is_some_and(|options| options.split(',').any(|it| it == "ro")) {
            self.say(What::ReadOnly, &[]);
        }
        let run = of("/run").or_else(|| of("/var/run")).unwrap_or_else(|| root.clone());
        if let Some(kind) = run.get(1).filter(|kind| !matches!(**kind, "tmpfs" | "ramfs" | "rootfs")) {
            self.say(What::RunStays, &[kind]);
        }
        if clock::unix_seconds(self.now) < MADE {
            self.say(What::Clock, &[&clock::local(self.now).to_string()]);
        }
    }

    /// Days since 1970.
    pub(super) fn today(&self) -> i64 {
        clock::unix_seconds(self.now).div_euclid(86_400)
    }
}

/// The services that are started at boot, and the link of each: of systemd, sysvinit, OpenRC and OpenWrt.
fn enabled(root: &Path) -> Vec<(String, PathBuf)> {
    let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for folder in entries(&root.join("etc/systemd/system")) {
        if folder.extension().is_some_and(|it| it == "wants" || it == "requires") {
            for unit in entries(&folder) {
                let name = name_of(&unit);
                let name = name.split(['.', '@']).next().unwrap_or_default().to_owned();
                found.push((name, unit));
            }
        }
    }
    for folder in ["etc/rc2.d", "etc/rc3.d", "etc/rc4.d", "etc/rc5.d", "etc/rc.d"] {
        for script in entries(&root.join(folder)) {
            let name = name_of(&script);
            if let Some(name) =
                name.strip_prefix('S').map(|it| it.trim_start_matches(|c: char| c.is_ascii_digit()))
            {
                found.push((name.to_owned(), script));
            }
        }
    }
    for level in ["etc/runlevels/boot", "etc/runlevels/default"] {
        found.extend(entries(&root.join(level)).into_iter().map(|service| (name_of(&service), service)));
    }
    found
}
