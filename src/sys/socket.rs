//! Sockets that the standard library cannot set up as a server needs them, and the limit on open files.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use socket2::{Domain, SockRef, Socket, Type};

/// Connections that the kernel keeps until we accept them.
const BACKLOG: i32 = 512;
/// Send and receive buffers of accepted connections, in bytes. They hold a whole answer and many requests; the system's
/// own sizes grow to megabytes for a client that sends and does not read.
const SEND_BUFFER: usize = 32 * 1024;
const RECEIVE_BUFFER: usize = 8 * 1024;

/// A listening TCP socket, non-blocking. An IPv6 socket takes IPv6 only, so that `0.0.0.0` and `::` can be listened on
/// together. Buffer sizes and "no delay" are inherited by the connections.
///
/// # Errors
///
/// Those of socket(2), bind(2) and listen(2).
pub fn tcp_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM)?;
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A bound UDP socket, non-blocking; IPv6 only if it is IPv6.
///
/// # Errors
///
/// Those of socket(2) and bind(2).
pub fn udp_bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// As [`udp_bind`], at a port that other sockets of the same user may have too if all of them are bound so.
///
/// # Errors
///
/// Those of socket(2) and bind(2).
pub fn udp_bind_shared(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A UDP socket to one peer, non-blocking: what others send does not come to it. The system chooses its own port.
///
/// # Errors
///
/// Those of socket(2) and connect(2).
pub fn udp_connect(peer: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(peer, Type::DGRAM)?;
    socket.connect(&peer.into())?;
    Ok(socket.into())
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
    // A hint: what the kernel thinks of it changes nothing for us.
    let _ = SockRef::from(socket).set_tcp_quickack(true);
}

/// Prepares a connection for news sent unasked: as long as the peer has not taken the last, the kernel takes no more
/// (so at most one answer waits), and a peer that acknowledges nothing for `timeout` is given up.
pub fn watched(socket: &impl AsFd, timeout: Duration) {
    let socket = SockRef::from(socket);
    // Without these a silent peer is found later, by the deadline for writing.
    let _ = socket.set_tcp_notsent_lowat(1);
    let _ = socket.set_tcp_user_timeout(Some(timeout));
}

/// Bounds what the kernel keeps of what has come and not been read, in bytes (it takes twice as many, for its own records).
pub fn limit_receive_buffer(socket: &impl AsFd, bytes: usize) {
    // A hint: with the system's own size a flood is older when it is read, and nothing else.
    let _ = SockRef::from(socket).set_recv_buffer_size(bytes);
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

/// The error of a port that another socket has.
#[must_use]
pub fn taken() -> io::Error {
    io::Error::from_raw_os_error(libc::EADDRINUSE)
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
    let soft = getrlimit(Resource::Nofile).current;
    soft.and_then(|soft| usize::try_from(soft).ok()).unwrap_or(usize::MAX)
}

/// Not to be waited for, and not inherited by children.
fn socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
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
    fn a_socket_to_a_peer_hears_the_peer_alone() {
        let [peer, other] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let socket = udp_connect(peer.local_addr().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        other.send_to(b"other", own).unwrap();
        peer.send_to(b"peer", own).unwrap();
        let mut buffer = [0; 8];
        // On the loopback interface a datagram is there when it has been sent.
        assert_eq!(socket.recv(&mut buffer).unwrap(), 4);
        assert_eq!(socket.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn the_limit_on_open_files_is_known() {
        assert!(max_open_files() > 2);
    }
}
