//! Sockets that the standard library cannot set up as a server needs them, and the limit on open files.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Connections that the kernel keeps until we accept them.
const BACKLOG: libc::c_int = 512;
/// Send and receive buffers of accepted connections, in bytes. They hold a whole answer and many requests; the system's
/// own sizes grow to megabytes for a client that sends and does not read.
const SEND_BUFFER: libc::c_int = 32 * 1024;
const RECEIVE_BUFFER: libc::c_int = 8 * 1024;

/// A listening TCP socket, non-blocking. An IPv6 socket takes IPv6 only, so that `0.0.0.0` and `::` can be listened on
/// together. Buffer sizes and "no delay" are inherited by the connections.
///
/// # Errors
///
/// Those of socket(2), bind(2) and listen(2).
pub fn tcp_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let fd = socket(address, libc::SOCK_STREAM)?;
    set(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    set(&fd, libc::SOL_SOCKET, libc::SO_SNDBUF, SEND_BUFFER)?;
    set(&fd, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER)?;
    set(&fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    bind(&fd, address)?;
    // SAFETY: listen takes plain values, and the descriptor is open for the length of the borrow.
    check(unsafe { libc::listen(fd.as_raw_fd(), BACKLOG) })?;
    Ok(TcpListener::from(fd))
}

/// A bound UDP socket, non-blocking; IPv6 only if it is IPv6.
///
/// # Errors
///
/// Those of socket(2) and bind(2).
pub fn udp_bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let fd = socket(address, libc::SOCK_DGRAM)?;
    bind(&fd, address)?;
    Ok(UdpSocket::from(fd))
}

/// The first of `count` ports from `first` on that is free on 127.0.0.1 for TCP and UDP; somebody else may take it before it is
/// bound again.
#[must_use]
pub fn free_local_port(first: u16, count: u16) -> Option<u16> {
    (first..first.saturating_add(count)).find(|port| {
        let address = (std::net::Ipv4Addr::LOCALHOST, *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    })
}

/// Has the kernel acknowledge at once what has been received. A client that sends a request in two segments waits for
/// this between them; by itself the kernel would take 40 ms (nis §2, "Segmentation").
pub fn acknowledge_now(socket: &impl AsFd) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // A hint: what the kernel thinks of it changes nothing for us.
        let _ = set(socket, libc::IPPROTO_TCP, libc::TCP_QUICKACK, 1);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = socket;
}

/// Prepares a connection for news sent unasked: as long as the peer has not taken the last, the kernel takes no more
/// (so at most one answer waits), and a peer that acknowledges nothing for `patience` is given up.
pub fn watched(socket: &impl AsFd, patience: Duration) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // Without these a silent peer is found later, by the deadline for writing.
        let _ = set(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, 1);
        let patience = libc::c_int::try_from(patience.as_millis()).unwrap_or(libc::c_int::MAX);
        let _ = set(socket, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, patience);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, patience);
}

/// Bounds what the kernel keeps of what has come and not been read, in bytes (it takes twice as many, for its own records).
pub fn limit_receive_buffer(socket: &impl AsFd, bytes: libc::c_int) {
    // A hint: with the system's own size a flood is older when it is read, and nothing else.
    let _ = set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes);
}

/// Whether a bind failed because this machine has no such address, or not even such addresses.
#[must_use]
pub fn is_without_address(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// Whether a bind failed because another socket has the port.
#[must_use]
pub fn is_taken(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EADDRINUSE)
}

/// Whether an accept failed because this process or the system has no more files or memory for it: the connection
/// still waits, and trying again at once would fail again.
#[must_use]
pub fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// How many files this process may have open (the soft limit); `usize::MAX` if there is no limit.
#[must_use]
pub fn max_open_files() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit, to which we hold the only reference.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    if known { usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX) } else { usize::MAX }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn socket(address: SocketAddr, kind: libc::c_int) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "openbsd"))]
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes plain values.
    let raw = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the descriptor is new, and nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    if address.is_ipv6() {
        set(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    Ok(fd)
}

fn set(fd: &impl AsFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the pointer and the size are those of `value`, an int, as all options used here want it.
    check(unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_as_socklen::<libc::c_int>(),
        )
    })?;
    Ok(())
}

fn bind(fd: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let result = match address {
        SocketAddr::V4(v4) => {
            // SAFETY: all zeroes is a valid sockaddr_in.
            let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            // SAFETY: the pointer and the size are those of `raw`, which outlives the call.
            unsafe {
                libc::bind(fd.as_raw_fd(), (&raw const raw).cast(), size_of_as_socklen::<libc::sockaddr_in>())
            }
        }
        SocketAddr::V6(v6) => {
            // SAFETY: all zeroes is a valid sockaddr_in6.
            let mut raw: libc::sockaddr_in6 = unsafe { mem::zeroed() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            // SAFETY: the pointer and the size are those of `raw`, which outlives the call.
            unsafe {
                libc::bind(
                    fd.as_raw_fd(),
                    (&raw const raw).cast(),
                    size_of_as_socklen::<libc::sockaddr_in6>(),
                )
            }
        }
    };
    check(result).map(drop)
}

#[allow(clippy::cast_possible_truncation)]
const fn size_of_as_socklen<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    #[test]
    fn both_families_listen_on_every_address_and_the_same_port() {
        let v4 = tcp_listen((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        let port = v4.local_addr().unwrap().port();
        match tcp_listen((Ipv6Addr::UNSPECIFIED, port).into()) {
            Ok(v6) => assert_eq!(v6.local_addr().unwrap().port(), port),
            // Machines without IPv6 have no such address family.
            Err(error) => assert_ne!(error.kind(), ErrorKind::AddrInUse, "{error}"),
        }
    }

    #[test]
    fn a_listener_does_not_block_and_its_connections_work() {
        let listener = tcp_listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        acknowledge_now(&server);
        assert!(server.nodelay().unwrap());
        drop(server);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let first = tcp_listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let second = tcp_listen(first.local_addr().unwrap());
        assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
        let udp = udp_bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert_eq!(udp_bind(udp.local_addr().unwrap()).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(udp.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn the_limit_on_open_files_is_known() {
        assert!(max_open_files() > 2);
    }
}
