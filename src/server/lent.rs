//! Listeners that another process opens: this one may open none once it has given up its rights.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use super::Settings;
use super::listeners::wanted;

/// Opens the listener with this number among those that the settings want, for who has the other end of the socket.
pub fn lend(settings: &Settings, number: u8, socket: BorrowedFd<'_>) {
    let Some((address, transport)) = wanted(settings).nth(number.into()) else { return };
    crate::sys::lent::lend(&transport.bind(SocketAddr::new(address, settings.port)), socket);
}
