//! The calls that may wait for a device, each made in a short-lived process of its own.
//!
//! While the kernel probes or resets a device it holds the device's lock, for seconds when the device does not answer,
//! and meanwhile an `open` of its node, or a look at its strings in sysfs, waits with no way out. The kernel's own
//! probe (attaching its driver) and a reset are calls that last as long. So a detached child makes them and reports
//! over a socket; if nobody listens any more, it just ends.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};
use rustix::process::{Pid, WaitOptions, setsid, waitpid};

use crate::sys::passing::{self, receive, socket_pair};
use crate::sys::spawn::close_from;

/// What a helper looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Files to read; each may wait for the device.
    pub files: Vec<PathBuf>,
    /// The usbfs node.
    pub node: PathBuf,
}

/// What a helper reports.
#[derive(Debug)]
pub enum Message {
    /// The device as it is now, in the words of who has started the child with [`serve`]: before the messages about it that take a
    /// look at it.
    Fresh(Vec<u8>),
    /// The contents of the files, in order; `None`: not readable. It waits for [`Helper::open`] or
    /// [`Helper::attach`] now.
    Files(Vec<Option<Vec<u8>>>),
    /// The node is open and the device answers.
    Opened(OwnedFd),
    /// The node cannot be opened.
    Failed(io::Error),
    /// The node is open, but the device does not answer.
    Silent,
    /// Another program has the device's lock; who, in words. Empty: nobody has.
    Held(String),
    /// The kernel has been asked to attach its driver, or to reset the device.
    Done,
    /// The helper is gone.
    Gone,
}

/// Most that is read of one file.
const FILE_MAX: usize = 1024;
/// Most files of one helper.
const FILES_MAX: usize = 4;
/// Room for all files with two bytes of length each, and for what a device is.
const PACKET: usize = 6000;
const _: () = assert!(PACKET >= FILES_MAX * (FILE_MAX + 2));
/// Length that stands for "not readable".
const ABSENT: u16 = u16::MAX;

const TAG_FILES: u8 = b's';
const TAG_OPENED: u8 = b'o';
const TAG_FAILED: u8 = b'e';
const TAG_SILENT: u8 = b't';
const TAG_DONE: u8 = b'd';
const TAG_HELD: u8 = b'h';
const TAG_FRESH: u8 = b'n';
const GO_OPEN: u8 = b'o';
const GO_ATTACH: u8 = b'a';
const GO_ASK: u8 = b'l';

/// A child that waits in our place. Dropped, it is left alone and ends when its call returns.
#[derive(Debug)]
pub struct Helper {
    socket: OwnedFd,
}

impl Helper {
    /// Starts a child that reads the files and then waits to be told what to do with the node.
    ///
    /// # Errors
    /// No process or descriptor left; `InvalidInput` for a path with a zero byte.
    pub fn start(paths: &Paths) -> io::Result<Self> {
        let files: Vec<CString> = paths.files.iter().take(FILES_MAX).map(c_path).collect::<Result<_, _>>()?;
        let node = c_path(&paths.node)?;
        let (ours, theirs) = socket_pair()?;
        detach(Some(theirs.as_fd()), None, |socket, _| child_look(socket?, &files, &node))?;
        Ok(Self { socket: ours })
    }

    /// One that another process has started with [`serve`], with the other end of this socket.
    #[must_use]
    pub const fn of_another(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Tells the child to open the node and see whether the device answers.
    ///
    /// # Errors
    /// The child is gone.
    pub fn open(&self) -> io::Result<()> {
        self.say([GO_OPEN, 0])
    }

    /// Asks a child of [`serve`] who has the device's lock: [`Message::Held`] comes, without words if nobody has.
    ///
    /// # Errors
    /// The child is gone.
    pub fn ask_holder(&self) -> io::Result<()> {
        self.say([GO_ASK, 0])
    }

    /// Tells the child to have the kernel attach its driver to an interface that has none.
    ///
    /// # Errors
    /// The child is gone.
    pub fn attach(&self, interface: u8) -> io::Result<()> {
        self.say([GO_ATTACH, interface])
    }

    fn say(&self, words: [u8; 2]) -> io::Result<()> {
        Ok(send(self.socket.as_fd(), &words, None)?)
    }

    /// The next report; `None`: not yet.
    ///
    /// # Errors
    /// What the system says; the helper is useless then.
    pub fn receive(&self) -> io::Result<Option<Message>> {
        let mut packet = [0; PACKET + 1];
        let (got, passed) = match receive(self.socket.as_fd(), &mut packet, RecvFlags::empty()) {
            Ok(got) => got,
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let message = match (packet.get(..got).and_then(<[u8]>::split_first), passed) {
            (Some((&TAG_FILES, rest)), _) => Message::Files(split_files(rest)),
            (Some((&TAG_OPENED, _)), Some(fd)) => Message::Opened(fd),
            (Some((&TAG_FAILED, rest)), _) => {
                let code = rest.first_chunk().map_or(libc::EIO, |b| i32::from_le_bytes(*b));
                Message::Failed(io::Error::from_raw_os_error(code))
            }
            (Some((&TAG_SILENT, _)), _) => Message::Silent,
            (Some((&TAG_FRESH, rest)), _) => Message::Fresh(rest.to_vec()),
            (Some((&TAG_HELD, rest)), _) => Message::Held(String::from_utf8_lossy(rest).into_owned()),
            (Some((&TAG_DONE, _)), _) => Message::Done,
            _ => Message::Gone,
        };
        Ok(Some(message))
    }
}

impl AsRawFd for Helper {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Starts a child as [`Helper::start`] does, for a process that has the other end of this socket. The child takes a lock before it
/// opens the node, or says who has it; that it keeps until nobody is at the other end any more. `fresh` says what the device is now,
/// `None`: it is gone, and the child ends. To be called while the process has one thread.
///
/// # Errors
/// No process left; `InvalidInput` for a path with a zero byte.
pub fn serve<L>(
    paths: &Paths,
    socket: &OwnedFd,
    lock: impl FnOnce() -> Result<L, String>,
    fresh: impl Fn() -> Option<Vec<u8>>,
) -> io::Result<()> {
    let files: Vec<CString> = paths.files.iter().take(FILES_MAX).map(c_path).collect::<Result<_, _>>()?;
    let node = c_path(&paths.node)?;
    detach(Some(socket.as_fd()), None, |socket, _| {
        let socket = socket?;
        let mut held = None;
        let lock = || {
            held = Some(lock()?);
            Ok(())
        };
        let tell_fresh = || send(socket, &[&[TAG_FRESH], &*fresh()?].concat(), None).ok();
        let done = child_look_with(socket, &files, &node, lock, tell_fresh);
        if held.is_some() {
            while matches!(recv(socket, &mut [0; 2], RecvFlags::empty()), Ok((1.., _)) | Err(Errno::INTR)) {}
        }
        drop(held);
        done
    })
}

/// Has the kernel attach its driver to an interface again, without waiting for it. The descriptor is closed here and
/// stays open in the child until that is done.
///
/// # Errors
/// No process left.
pub fn reattach(fd: OwnedFd, interface: u8) -> io::Result<()> {
    detach(None, Some(fd.as_fd()), |_, device| {
        attach_driver(device?, interface);
        Some(())
    })
}

/// Resets the device; [`Message::Done`] comes when that is over, whatever came of it.
///
/// # Errors
/// No process or descriptor left.
pub fn reset(fd: OwnedFd) -> io::Result<Helper> {
    let (ours, theirs) = socket_pair()?;
    detach(Some(theirs.as_fd()), Some(fd.as_fd()), |socket, device| {
        let _ = ask_kernel(device?, DeviceRequest::Reset);
        send(socket?, &[TAG_DONE], None).ok()
    })?;
    Ok(Helper { socket: ours })
}

/// Resets the host's toggle and halt state of an endpoint. Sends nothing and does not wait.
pub(super) fn reset_endpoint(fd: &OwnedFd, endpoint: u8) {
    let _ = ask_kernel(fd.as_fd(), DeviceRequest::ResetEndpoint(endpoint));
}

// Requests and structures of the kernel's include/uapi/linux/usbdevice_fs.h.
#[repr(C)]
pub(crate) struct ControlTransfer {
    pub(crate) request_type: u8,
    pub(crate) request: u8,
    pub(crate) value: u16,
    pub(crate) index: u16,
    pub(crate) length: u16,
    pub(crate) timeout: u32,
    pub(crate) data: *mut libc::c_void,
}

#[repr(C)]
pub(crate) struct InterfaceIoctl {
    pub(crate) interface: libc::c_int,
    pub(crate) code: libc::c_int,
    pub(crate) data: *mut libc::c_void,
}

const USBDEVFS: u32 = b'U' as u32;
pub(crate) const USBDEVFS_CONTROL: libc::Ioctl = libc::_IOWR::<ControlTransfer>(USBDEVFS, 0);
pub(crate) const USBDEVFS_RESETEP: libc::Ioctl = libc::_IOR::<libc::c_uint>(USBDEVFS, 3);
pub(crate) const USBDEVFS_IOCTL: libc::Ioctl = libc::_IOWR::<InterfaceIoctl>(USBDEVFS, 18);
pub(crate) const USBDEVFS_RESET: libc::Ioctl = libc::_IO(USBDEVFS, 20);
pub(crate) const USBDEVFS_CONNECT: libc::Ioctl = libc::_IO(USBDEVFS, 23);

/// How long a device may take to tell its configuration, milliseconds.
const ANSWER_MS: u32 = 1000;

fn c_path(path: impl AsRef<Path>) -> io::Result<CString> {
    CString::new(path.as_ref().as_os_str().as_bytes())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// What a job is given of a descriptor; `None`, by which a job may end: it has none.
type Given = Option<BorrowedFd<'static>>;

/// Runs `job` in a grandchild, which belongs to init and needs no reaping here. It has only the two descriptors, as
/// 0 and 1, and default signals. `job` must only make system calls.
fn detach(
    first: Option<BorrowedFd<'_>>,
    second: Option<BorrowedFd<'_>>,
    job: impl FnOnce(Given, Given) -> Option<()>,
) -> io::Result<()> {
    // SAFETY: the child makes only async-signal-safe calls until it ends by _exit.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        // SAFETY: plain system calls; neither process returns from here. `strip` has made the descriptors that there are 0 and 1,
        // which stay open to the end.
        unsafe {
            match libc::fork() {
                0 => {
                    strip([first, second]);
                    let _ = job(
                        first.map(|_| BorrowedFd::borrow_raw(0)),
                        second.map(|_| BorrowedFd::borrow_raw(1)),
                    );
                    libc::_exit(0)
                }
                -1 => libc::_exit(1),
                _ => libc::_exit(0),
            }
        }
    }
    // It ends at once.
    loop {
        match waitpid(Pid::from_raw(child), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(Some((_, status))) if status.exit_status() == Some(0) => return Ok(()),
            Ok(_) => return Err(Errno::AGAIN.into()),
            Err(_) => return Ok(()), // somebody else has reaped it
        }
    }
}

/// Leaves only the two descriptors, so that no port, lock or device stays held by a child that waits; and restores
/// the default actions of signals.
fn strip(kept: [Option<BorrowedFd<'_>>; 2]) {
    let _ = setsid();
    // SAFETY: async-signal-safe system calls on plain numbers, in a process with one thread that ends by _exit. The
    // descriptors are first moved out of the way of 0 and 1.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        let moved = kept.map(|fd| fd.map_or(-1, |fd| libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD, 8)));
        for (fd, to) in moved.into_iter().zip(0..) {
            if fd < 0 {
                libc::close(to);
            } else {
                libc::dup2(fd, to);
            }
        }
    }
    close_from(2, -1);
}

/// The child of [`Helper::start`].
fn child_look(socket: BorrowedFd<'_>, files: &[CString], node: &CStr) -> Option<()> {
    child_look_with(socket, files, node, || Ok(()), || Some(()))
}

fn child_look_with(
    socket: BorrowedFd<'_>,
    files: &[CString],
    node: &CStr,
    lock: impl FnOnce() -> Result<(), String>,
    tell_fresh: impl Fn() -> Option<()>,
) -> Option<()> {
    let mut packet = [0; PACKET + 1];
    let length = read_files(files, &mut packet);
    tell_fresh()?;
    send(socket, packet.get(..length).unwrap_or(&[]), None).ok()?;
    let mut order = [0; 2];
    let (got, _) = recv(socket, &mut order, RecvFlags::empty()).ok()?;
    let [go, interface] = order;
    if got != 2 {
        return None;
    }
    let held = |holder: &str| {
        let words = [&[TAG_HELD], holder.get(..FILE_MAX).unwrap_or(holder).as_bytes()].concat();
        send(socket, &words, None).ok()
    };
    match go {
        GO_OPEN => {
            if let Err(holder) = lock() {
                return held(&holder);
            }
        }
        GO_ASK => return held(&lock().err().unwrap_or_default()),
        _ => {}
    }
    let sent = match open(node, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Err(error) => {
            tell_fresh()?;
            let [a, b, c, d] = error.raw_os_error().to_le_bytes();
            send(socket, &[TAG_FAILED, a, b, c, d], None)
        }
        Ok(device) if go == GO_ATTACH => {
            attach_driver(device.as_fd(), interface);
            tell_fresh()?;
            send(socket, &[TAG_DONE], None)
        }
        Ok(device) if answers(device.as_fd()) => send(socket, &[TAG_OPENED], Some(device.as_fd())),
        Ok(_) => send(socket, &[TAG_SILENT], None),
    };
    sent.ok()
}

/// Whether the device answers GET_CONFIGURATION; a refusal is an answer.
fn answers(device: BorrowedFd<'_>) -> bool {
    let asked = ask_kernel(device, DeviceRequest::GetConfiguration);
    !asked.is_err_and(|error| error.raw_os_error() == Some(libc::ETIMEDOUT))
}

fn attach_driver(device: BorrowedFd<'_>, interface: u8) {
    let _ = ask_kernel(device, DeviceRequest::AttachDriver(interface));
}

/// What the kernel is asked to do with a device.
#[derive(Clone, Copy)]
enum DeviceRequest {
    Reset,
    /// The host's toggle and halt state of an endpoint.
    ResetEndpoint(u8),
    /// The device is asked which configuration it is in; what it says is thrown away.
    GetConfiguration,
    /// To an interface that has none.
    AttachDriver(u8),
}

fn ask_kernel(device: BorrowedFd<'_>, request: DeviceRequest) -> io::Result<()> {
    let mut answer = 0_u8;
    let mut transfer = ControlTransfer {
        request_type: 0x80,
        request: 0x08,
        value: 0,
        index: 0,
        length: 1,
        timeout: ANSWER_MS,
        data: (&raw mut answer).cast(),
    };
    let code = libc::c_int::try_from(USBDEVFS_CONNECT).unwrap_or_default();
    let mut connect = InterfaceIoctl { interface: 0, code, data: ptr::null_mut() };
    let mut number: libc::c_uint;
    let (request, argument): (_, *mut libc::c_void) = match request {
        DeviceRequest::Reset => (USBDEVFS_RESET, ptr::null_mut()),
        DeviceRequest::ResetEndpoint(endpoint) => {
            number = endpoint.into();
            (USBDEVFS_RESETEP, (&raw mut number).cast())
        }
        DeviceRequest::GetConfiguration => (USBDEVFS_CONTROL, (&raw mut transfer).cast()),
        DeviceRequest::AttachDriver(interface) => {
            connect.interface = interface.into();
            (USBDEVFS_IOCTL, (&raw mut connect).cast())
        }
    };
    // SAFETY: each request takes what its argument points to, which outlives the call: RESET nothing, RESETEP an unsigned
    // int, the others a structure of the kernel. The data pointer of CONTROL has room for the one byte asked for; CONNECT
    // takes no data.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), request, argument) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts the files into a packet: the tag, then each as its length (two bytes, little endian) and bytes.
fn read_files(files: &[CString], packet: &mut [u8; PACKET + 1]) -> usize {
    let mut file = [0; FILE_MAX];
    let mut out = packet.iter_mut();
    let mut length = 0;
    let mut put = |byte: u8| {
        if let Some(slot) = out.next() {
            *slot = byte;
            length += 1;
        }
    };
    put(TAG_FILES);
    for path in files {
        let got = read_file(path, &mut file);
        let announced = got.and_then(|n| u16::try_from(n).ok()).unwrap_or(ABSENT);
        announced.to_le_bytes().into_iter().for_each(&mut put);
        file.iter().take(got.unwrap_or(0)).copied().for_each(&mut put);
    }
    length
}

fn read_file(path: &CStr, buffer: &mut [u8]) -> Option<usize> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    rustix::io::read(&file, buffer).ok()
}

fn split_files(mut rest: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut files = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        rest = after;
        match u16::from_le_bytes(*length) {
            ABSENT => files.push(None),
            length => {
                let (file, after) = rest.split_at_checked(usize::from(length)).unwrap_or((rest, &[]));
                files.push(Some(file.to_vec()));
                rest = after;
            }
        }
    }
    files
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], pass: Option<BorrowedFd<'_>>) -> rustix::io::Result<()> {
    passing::send(socket, bytes, pass, SendFlags::empty())
}

#[cfg(test)]
mod tests;
