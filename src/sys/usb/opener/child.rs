//! The child of an [`Opener`](super::Opener): what it does, order by order.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};
use rustix::process::{WaitOptions, setsid, waitpid};
use rustix::stdio::{dup2_stdin, stdin};
use rustix::thread::set_name;

use super::{
    ABSENT, FILE_MAX, FILES_MAX, GO_ASK, GO_ATTACH, GO_BACK, GO_OPEN, GO_RESET, PACKET, TAG_DONE, TAG_FAILED,
    TAG_FILES, TAG_FRESH, TAG_HELD, TAG_LOCK, TAG_OPENED, TAG_SILENT, TAG_UNUSABLE, Target,
};
use crate::sys::fork::{Mask, close_from, exit_now, fork, reset_signals, set_mask};
use crate::sys::named_lock::PassedLock;
use crate::sys::passing;
use crate::sys::usb::kernel::{DeviceRequest, ask_kernel};

/// Starts a child for who has the other end of this socket. It reads the files, says what is in them, and waits for an order. Told to
/// open the device it takes a lock, or says who has it; opens the node, takes the interface from the kernel's driver, passes lock and
/// descriptor, and ends when nobody is at the other end any more.
/// `fresh` says what the device is now, `None`: it is gone, and the child ends. To be called while the process has one thread.
///
/// # Errors
/// No process left; `InvalidInput` for a path with a zero byte.
pub fn serve<L: PassedLock>(
    target: &Target,
    socket: &OwnedFd,
    lock: impl FnOnce() -> Result<L, String>,
    fresh: impl Fn() -> Option<Vec<u8>>,
) -> io::Result<()> {
    serve_with(target, socket, lock, fresh, ask_kernel)
}

/// As [`serve`]; `ask` makes the requests in place of the kernel, in tests.
pub(super) fn serve_with<L: PassedLock>(
    target: &Target,
    socket: &OwnedFd,
    lock: impl FnOnce() -> Result<L, String>,
    fresh: impl Fn() -> Option<Vec<u8>>,
    ask: impl Fn(BorrowedFd<'_>, DeviceRequest) -> io::Result<()>,
) -> io::Result<()> {
    let files: Vec<CString> = target.files.iter().take(FILES_MAX).map(c_path).collect::<Result<_, _>>()?;
    let node = c_path(&target.node)?;
    let interface = target.interface;
    detach(socket.as_fd(), |socket| Child { socket, node: &node, interface, fresh, ask }.run(&files, lock))
}

fn c_path(path: impl AsRef<Path>) -> io::Result<CString> {
    CString::new(path.as_ref().as_os_str().as_bytes())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Runs `job` in a grandchild, which belongs to init and needs no reaping here. It has only the one descriptor, as 0, and default
/// signals.
fn detach(socket: BorrowedFd<'_>, job: impl FnOnce(BorrowedFd<'static>) -> Option<()>) -> io::Result<()> {
    let child = fork(|| {
        let grandchild = fork(|| {
            strip(socket);
            let _ = job(stdin());
            exit_now(0)
        });
        exit_now(i32::from(grandchild.is_err()))
    })?;
    // It ends at once.
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(Some((_, status))) if status.exit_status() == Some(0) => return Ok(()),
            Ok(_) => return Err(Errno::AGAIN.into()),
            Err(_) => return Ok(()), // somebody else has reaped it
        }
    }
}

/// Leaves only this descriptor, so that no port, lock or device stays held by a child that waits; restores the default
/// actions of signals; and gives the process its name.
fn strip(kept: BorrowedFd<'_>) {
    let _ = setsid();
    let _ = set_name(c"mainsd: usb");
    reset_signals(&[]);
    set_mask(Mask::None);
    let _ = dup2_stdin(kept);
    close_from(1, -1);
}

/// The child, with what it is for.
struct Child<'a, F, A> {
    socket: BorrowedFd<'a>,
    node: &'a CStr,
    interface: u8,
    fresh: F,
    ask: A,
}

impl<F, A> Child<'_, F, A>
where
    F: Fn() -> Option<Vec<u8>>,
    A: Fn(BorrowedFd<'_>, DeviceRequest) -> io::Result<()>,
{
    /// `None`: there is nobody left to speak to, or nothing left to do.
    fn run<L: PassedLock>(&self, files: &[CString], lock: impl FnOnce() -> Result<L, String>) -> Option<()> {
        let mut packet = [0; PACKET + 1];
        let length = read_files(files, &mut packet);
        // Who wants no answer may have ended after the order.
        let _ = self.send(&[&[TAG_FRESH], &*(self.fresh)()?].concat(), None);
        let _ = self.send(packet.get(..length).unwrap_or(&[]), None);
        match self.order()? {
            GO_ASK => self.tell_held(&lock().err().unwrap_or_default()),
            GO_ATTACH => self.make(DeviceRequest::AttachDriver(self.interface), ()),
            GO_OPEN => {
                let held = match lock() {
                    Ok(held) => held,
                    Err(holder) => return self.tell_held(&holder),
                };
                if let Some(descriptor) = held.descriptor() {
                    self.send(&[TAG_LOCK], Some(descriptor))?;
                }
                self.open()?;
                match self.order() {
                    Some(GO_ATTACH) => self.make(DeviceRequest::AttachDriver(self.interface), held),
                    _ => {
                        held.leave();
                        None
                    }
                }
            }
            order @ (GO_RESET | GO_BACK) => {
                let request = match order {
                    GO_RESET => DeviceRequest::Reset,
                    _ => DeviceRequest::AttachDriver(self.interface),
                };
                match lock() {
                    Ok(held) => self.make(request, held),
                    Err(holder) => self.tell_held(&holder),
                }
            }
            _ => None,
        }
    }

    /// The next order; `None`: nobody will give one.
    fn order(&self) -> Option<u8> {
        let mut order = [0; 2];
        loop {
            match recv(self.socket, &mut order, RecvFlags::empty()) {
                Ok((1, _)) => return order.first().copied(),
                // What it was told, and nobody has read, is gone; what was ordered before is still there (unix(7)).
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }

    /// Opens the node, takes the interface and passes the descriptor; `None`: there is no open device. No copy of it stays here: that
    /// would keep the interface.
    fn open(&self) -> Option<()> {
        let device = self.open_node()?;
        let asked = (self.ask)(device.as_fd(), DeviceRequest::GetConfiguration);
        // A refusal is an answer.
        if asked.is_err_and(|error| error.raw_os_error() == Some(libc::ETIMEDOUT)) {
            let _ = self.send(&[TAG_SILENT], None);
            return None;
        }
        match self.take_interface(device.as_fd()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                let _ = self.tell_held("");
                return None;
            }
            // A device that has just gone is no news.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return None,
            Err(error) => {
                let _ = self.tell_error(TAG_UNUSABLE, error.raw_os_error());
                return None;
            }
        }
        // A kernel that does not know it (before 4.6) is no reason to leave a UPS alone.
        let _ = (self.ask)(device.as_fd(), DeviceRequest::Strip(self.interface));
        // If nobody takes it any more, the order may have come to give it back.
        let _ = self.send(&[TAG_OPENED], Some(device.as_fd()));
        Some(())
    }

    /// Claims the interface, which is taken from the kernel's driver but from no program.
    fn take_interface(&self, device: BorrowedFd<'_>) -> io::Result<()> {
        let is = |error: &io::Error, code| error.raw_os_error() == Some(code);
        match (self.ask)(device, DeviceRequest::TakeInterface(self.interface)) {
            Err(error) if is(&error, libc::ENOTTY) => {}
            taken => return taken,
        }
        match (self.ask)(device, DeviceRequest::DetachDriver(self.interface)) {
            Err(error) if !is(&error, libc::ENODATA) => return Err(error),
            _ => {}
        }
        (self.ask)(device, DeviceRequest::ClaimInterface(self.interface))
    }

    /// Opens the node anew for a request whose result nobody needs, and gives up a lock then.
    fn make<L>(&self, request: DeviceRequest, held: L) -> Option<()> {
        let device = self.open_node()?;
        let _ = (self.ask)(device.as_fd(), request);
        drop((device, held));
        self.tell_fresh()?;
        self.send(&[TAG_DONE], None)
    }

    fn open_node(&self) -> Option<OwnedFd> {
        match open(self.node, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Ok(device) => Some(device),
            Err(error) => {
                let _ = self.tell_error(TAG_FAILED, Some(error.raw_os_error()));
                None
            }
        }
    }

    fn tell_fresh(&self) -> Option<()> {
        self.send(&[&[TAG_FRESH], &*(self.fresh)()?].concat(), None)
    }

    fn tell_error(&self, tag: u8, code: Option<i32>) -> Option<()> {
        self.tell_fresh()?;
        let [a, b, c, d] = code.unwrap_or(libc::EIO).to_le_bytes();
        self.send(&[tag, a, b, c, d], None)
    }

    fn tell_held(&self, holder: &str) -> Option<()> {
        self.send(&[&[TAG_HELD], holder.get(..FILE_MAX).unwrap_or(holder).as_bytes()].concat(), None)
    }

    fn send(&self, bytes: &[u8], pass: Option<BorrowedFd<'_>>) -> Option<()> {
        passing::send(self.socket, bytes, pass, SendFlags::empty()).ok()
    }
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
