//! A daemon that does less than guard: it shows what it would do.

use std::path::PathBuf;

use crate::config::Config;

/// How much of what is decided is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    /// All of it.
    #[default]
    No,
    /// Hooks and SHUTDOWNCMD are run; nothing built in shuts the machine down. For tests and the demonstration, whose hooks
    /// only log.
    HooksRun,
    /// Nothing: no hook, no shutdown, no order to the UPS; each is a line in the log (`--dry-run`).
    LogOnly(Place),
}

/// What a dry run has of its own, so that it is not in the way of the daemon that guards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its folder: flags, state, events.
    pub folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl DryRun {
    /// Whether nothing is done.
    #[must_use]
    pub const fn is_log_only(&self) -> bool {
        matches!(self, Self::LogOnly(_))
    }

    /// The configuration with everything that is written, and the port, moved to the place of the dry run.
    #[must_use]
    pub fn redirect(&self, config: Config) -> Config {
        let Self::LogOnly(Place { folder, port }) = self else { return config };
        Config {
            powerfail_dir: folder.clone(),
            nologin_dir: folder.clone(),
            state_file: config.state_file.map(|_| folder.join("state")),
            events_file: Some(folder.join("events")),
            stat_file: None,
            // Its orders are for a daemon that guards.
            control_socket: None,
            // On loopback nobody minds, and it can be looked at.
            net_server: true,
            nis_ip: vec![std::net::Ipv4Addr::LOCALHOST.into()],
            nis_port: *port,
            ..config
        }
    }

    /// What the log says at the start.
    #[must_use]
    pub fn announcement(&self) -> Option<String> {
        match self {
            Self::No => None,
            Self::HooksRun => Some(
                "Dry run (MAINSD_DRY_RUN): hooks and SHUTDOWNCMD are run, and this machine is NOT shut down by anything built in. \
                 'mainsd --dry-run' runs nothing, and has state, flags and port of its own"
                    .to_owned(),
            ),
            Self::LogOnly(Place { folder, port }) => Some(format!(
                "Dry run: this machine is NOT guarded. No hook is run, nothing is shut down, the UPS gets no order; what would be done \
                 is logged. Flags, state and events are in {}; ask with: mainsd status 127.0.0.1:{port}",
                folder.display()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn everything_that_is_written_and_the_port_are_its_own() {
        let text = "UPSTYPE usb\nEVENTSFILE /e\nSTATFILE /s\nSTATTIME 5\nSTATEFILE /t\nPWRFAILDIR /p\nNOLOGINDIR /n\nNISIP 0.0.0.0 ::\nTIMEOUT 7";
        let config = parse(text.as_bytes(), "t").config;
        assert_eq!(DryRun::No.redirect(config.clone()), config);
        assert_eq!(DryRun::HooksRun.redirect(config.clone()), config);
        let dry = DryRun::LogOnly(Place { folder: "/own".into(), port: 3552 });
        let own = dry.redirect(config.clone());
        let shown = format!("{own:?}");
        for foreign in ["\"/e\"", "\"/s\"", "\"/t\"", "\"/p\"", "\"/n\"", "3551"] {
            assert!(!shown.contains(foreign), "{foreign} in {shown}");
        }
        assert_eq!(own.nis_ip, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!((own.nis_port, own.timeout, own.script_dir.clone()), (3552, 7, config.script_dir));
    }
}
