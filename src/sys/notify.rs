//! Tells the service manager how the start went (`sd_notify` protocol: datagrams of `KEY=value` lines to `NOTIFY_SOCKET`).

#![allow(unsafe_code)]

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager's socket, if there is one. Every message is sent without waiting; a lost one is of no consequence.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The socket named by `NOTIFY_SOCKET`; silent without one. Takes the variables of the protocol out of the environment,
    /// so that no hook speaks in our name. To be called at the start only.
    #[must_use]
    pub fn from_environment() -> Self {
        let text = |name| std::env::var_os(name).unwrap_or_default();
        let for_us = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let micros = text("WATCHDOG_USEC").to_str().and_then(|text| text.parse().ok());
        let watchdog = micros.filter(|micros| for_us && *micros > 0).map(Duration::from_micros);
        let socket = connect(text("NOTIFY_SOCKET").as_bytes());
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            // SAFETY: the program has one thread, and no reference into the environment is kept.
            unsafe { std::env::remove_var(name) };
        }
        Self { socket, watchdog }
    }

    /// Guarding has begun.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The configuration is being read again; [`Notifier::ready`] follows.
    pub fn reloading(&self) {
        let micros = read_monotonic_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The daemon is about to end.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The loop is alive. To be sent at least every [`Notifier::watchdog_interval`].
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Half the time after which the service manager takes the daemon for dead; `None`: it does not watch.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|span| span / 2)
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }
}

/// A path, or `@name` in the abstract name space.
fn connect(name: &[u8]) -> Option<UnixDatagram> {
    let address = match name {
        [] => return None,
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok()?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)).ok()?,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address).ok()?;
    Some(socket)
}

fn read_monotonic_micros() -> u128 {
    super::clock::monotonic().as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_reach_a_socket_by_path_and_by_abstract_name() {
        let path = std::env::temp_dir().join(format!("mainsd-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let abstract_name = format!("mainsd-notify-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str().as_bytes().to_vec()),
            (UnixDatagram::bind_addr(&by_name).unwrap(), format!("@{abstract_name}").into_bytes()),
        ];
        for (socket, name) in sockets {
            let notifier = Notifier { socket: connect(&name), watchdog: None };
            notifier.ready();
            notifier.stopping();
            let mut buffer = [0; 100];
            for expected in ["READY=1", "STOPPING=1"] {
                let length = socket.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], expected.as_bytes());
            }
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn without_a_service_manager_nothing_is_sent_and_nothing_fails() {
        let notifier = Notifier { socket: connect(b""), watchdog: None };
        assert!(notifier.socket.is_none());
        notifier.ready();
        notifier.stopping();
    }
}
