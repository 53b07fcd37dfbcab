//! One packet over a socket, and a descriptor with it.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Room for one control message with one descriptor: the kernel closes what has none.
const CONTROL: usize = rustix::cmsg_space!(ScmRights(1));

/// Two ends of a socket that keeps the borders of packets: ours, which does not wait, and another process's, which does.
///
/// # Errors
/// No descriptor left.
pub fn socket_pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

/// Sends one packet, and a descriptor with it.
///
/// # Errors
/// What the system says.
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    pass: Option<BorrowedFd<'_>>,
    flags: SendFlags,
) -> rustix::io::Result<()> {
    let flags = flags | SendFlags::NOSIGNAL;
    if pass.is_none() {
        // The main process may not make the other call.
        return rustix::io::retry_on_intr(|| rustix::net::send(socket, bytes, flags)).map(drop);
    }
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(pass.as_slice()));
    let packet = [IoSlice::new(bytes)];
    rustix::io::retry_on_intr(|| sendmsg(socket, &packet, &mut control, flags)).map(drop)
}

/// As [`send`], without waiting.
///
/// # Errors
/// What the system says.
pub fn send_now(socket: BorrowedFd<'_>, bytes: &[u8], pass: Option<BorrowedFd<'_>>) -> std::io::Result<()> {
    Ok(send(socket, bytes, pass, SendFlags::DONTWAIT)?)
}

/// One packet, cut to the buffer, and the descriptor that came with it, without waiting.
///
/// # Errors
/// [`std::io::ErrorKind::WouldBlock`] if there is none; what the system says.
pub fn receive_now(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> std::io::Result<(usize, Option<OwnedFd>)> {
    loop {
        match receive(socket, buffer, RecvFlags::DONTWAIT) {
            // The other end was closed with something unread in it (unix(7)): what was sent before that is still here.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            result => return Ok(result?),
        }
    }
}

/// One packet, cut to the buffer, and the descriptor that came with it.
///
/// # Errors
/// What the system says.
pub fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> rustix::io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags | RecvFlags::CMSG_CLOEXEC)?;
    let passed = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((got.bytes, passed))
}
