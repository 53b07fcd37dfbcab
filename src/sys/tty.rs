//! A serial port: opened without waiting, set to raw bytes, put back as it was (apcsmart §1, dumb: modem lines).
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, Termios, ioctl_tiocnxcl, tcflush, tcgetattr,
    tcsetattr,
};
use serialport::{DataBits, FlowControl, Parity, SerialPortBuilder, StopBits};

use super::fs::{flock, flock_release};
use crate::bus::serial::Lines;

/// The kernel's number of each line of a set.
const LINES: [(Lines, libc::c_int); 6] = [
    (Lines::CD, libc::TIOCM_CD),
    (Lines::CTS, libc::TIOCM_CTS),
    (Lines::RING, libc::TIOCM_RNG),
    (Lines::DTR, libc::TIOCM_DTR),
    (Lines::RTS, libc::TIOCM_RTS),
    (Lines::ST, libc::TIOCM_ST),
];

fn to_kernel(lines: Lines) -> libc::c_int {
    LINES.iter().filter(|(line, _)| lines.contains(*line)).fold(0, |bits, (_, bit)| bits | bit)
}

fn from_kernel(bits: libc::c_int) -> Lines {
    LINES.iter().filter(|(_, bit)| bits & bit != 0).map(|(line, _)| *line).collect()
}

/// Bits a second.
const SPEED: u32 = 2400;

/// An open serial port: raw, 8 data bits, no parity, 1 stop bit, no flow control, for this process alone.
///
/// Dropped, it gets its former settings back; what was not sent yet is thrown away, so that closing does not wait for a device
/// that takes nothing.
#[derive(Debug)]
pub struct Tty {
    fd: OwnedFd,
    before: Option<Termios>,
    /// Another process has opened it, and gives it back.
    is_lent: bool,
}

impl Tty {
    /// Opens the port at 2400 bit/s. Does not wait for a carrier.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] if another program has locked the port (`flock`) or has taken it for itself
    /// (`TIOCEXCL`); `ENOTTY` if it is no serial port; whatever else the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let free = FreePort::find(path)?;
        let port = free.settings().open_native().map_err(io::Error::from)?;
        // SAFETY: the descriptor is open, and given up by the port for whoever has it now.
        let fd = unsafe { OwnedFd::from_raw_fd(port.into_raw_fd()) };
        // From here on dropping gives everything back.
        let tty = Self { fd, before: Some(free.before), is_lent: false };
        // The crate makes it blocking.
        rustix::io::ioctl_fionbio(&tty.fd, true)?;
        let mut raw = tcgetattr(&tty.fd)?;
        raw.input_modes = InputModes::IGNPAR;
        // With this the last close would switch the modem lines, which some UPSes take for an order.
        raw.control_modes -= ControlModes::HUPCL;
        tcsetattr(&tty.fd, OptionalActions::Now, &raw)?;
        tty.flush_input();
        Ok(tty)
    }

    /// Sets the speed, in bits a second.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_speed(&self, speed: u32) -> io::Result<()> {
        let mut settings = tcgetattr(&self.fd)?;
        settings.set_speed(speed)?;
        tcsetattr(&self.fd, OptionalActions::Now, &settings)?;
        Ok(())
    }

    /// A port that another process has opened with [`Tty::open`], and gives back.
    #[must_use]
    pub const fn lent(fd: OwnedFd) -> Self {
        Self { fd, before: None, is_lent: true }
    }

    /// Whose it was has ended: dropped, it is free for the next one, with the settings that it has.
    pub const fn own(&mut self) {
        self.is_lent = false;
    }

    /// The settings, and with them the modem lines, stay as they are when it is closed.
    pub const fn keep_settings(&mut self) {
        self.before = None;
    }

    /// Reads what there is; 0: the port is gone.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if there is nothing now; whatever else the system says.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.fd, buffer)?)
    }

    /// Sends bytes; how many were taken.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.fd, bytes)?)
    }

    /// Throws away what has come and was not read.
    pub fn flush_input(&self) {
        let _ = tcflush(&self.fd, QueueSelector::IFlush);
    }

    /// The modem lines that are on.
    ///
    /// # Errors
    ///
    /// If the port has none (a pseudo-terminal), or is gone.
    pub fn modem_lines(&self) -> io::Result<Lines> {
        control(&self.fd, PortRequest::ModemLines).map(from_kernel)
    }

    /// Switches modem lines on or off; the others stay as they are.
    ///
    /// # Errors
    ///
    /// As [`Self::modem_lines`].
    pub fn set_modem_lines(&self, lines: Lines, on: bool) -> io::Result<()> {
        let bits = to_kernel(lines);
        control(&self.fd, if on { PortRequest::Raise(bits) } else { PortRequest::Lower(bits) }).map(drop)
    }

    /// Puts the sending line into the break condition (positive voltage) until it is taken out again.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn set_break(&self, on: bool) -> io::Result<()> {
        control(&self.fd, if on { PortRequest::BreakOn } else { PortRequest::BreakOff }).map(drop)
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Tty {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        if self.is_lent {
            return;
        }
        let _ = tcflush(&self.fd, QueueSelector::IOFlush);
        if let Some(before) = &self.before {
            // A port that is gone has no settings.
            let _ = tcsetattr(&self.fd, OptionalActions::Now, before);
        }
        let _ = ioctl_tiocnxcl(&self.fd);
        flock_release(&self.fd);
    }
}

/// A name for the device at `path` that is the same whatever path leads to it: `tty-4-64`. `None`: there is no device.
#[must_use]
pub fn device_name(path: &Path) -> Option<String> {
    let data = std::fs::metadata(path).ok().filter(|data| data.file_type().is_char_device())?;
    let number = data.rdev();
    // As glibc and musl put the two together (makedev(3)).
    let major = (number >> 8 & 0xfff) | (number >> 32 & !0xfff);
    let minor = (number & 0xff) | (number >> 12 & !0xff & 0xffff_ffff);
    Some(format!("tty-{major}-{minor}"))
}

/// Whether the error says that what was opened is no serial port, or that the port has no modem lines.
#[must_use]
pub fn is_none(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL))
}

/// A port that nobody else has taken, looked at before the crate `serialport` opens it: that takes the port for this process
/// alone without a look, and the kernel refuses others but not root.
///
/// Open until the other is, for the last close of a port switches its modem lines.
struct FreePort<'a> {
    look: OwnedFd,
    path: &'a Path,
    /// Its settings.
    before: Termios,
}

impl<'a> FreePort<'a> {
    fn find(path: &'a Path) -> io::Result<Self> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let look = rustix::fs::open(&name, flags, Mode::empty())?;
        let before = tcgetattr(&look)?;
        // The real lock, which the kernel takes back however we end. The exclusive mode keeps out programs without rights; a
        // kernel that cannot say who has that is asked all the same to keep others out.
        let is_locked = flock(&look).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if is_locked || control(&look, PortRequest::IsTaken).is_ok_and(|taken| taken != 0) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        flock_release(&look);
        // What has come so far was sent at another speed.
        let _ = tcflush(&look, QueueSelector::IFlush);
        Ok(Self { look, path, before })
    }

    /// How it is to be opened: raw bytes, for this process alone, its modem lines as they are.
    fn settings(&self) -> SerialPortBuilder {
        // The crate takes texts only.
        let path = self
            .path
            .to_str()
            .map_or_else(|| Cow::Owned(format!("/proc/self/fd/{}", self.look.as_raw_fd())), Cow::Borrowed);
        serialport::new(path, SPEED)
            .data_bits(DataBits::Eight)
            .parity(Parity::None)
            .stop_bits(StopBits::One)
            .flow_control(FlowControl::None)
            .preserve_dtr_on_open()
    }
}

/// What rustix has no function for (ioctl_tty(2)), each with the int that goes to the kernel.
#[derive(Clone, Copy)]
enum PortRequest {
    /// The modem lines that are on come back.
    ModemLines,
    Raise(libc::c_int),
    Lower(libc::c_int),
    BreakOn,
    BreakOff,
    /// Whether somebody has taken the port alone comes back.
    IsTaken,
}

/// The int that comes back is the one that went, for requests that bring none.
fn control(fd: &OwnedFd, request: PortRequest) -> io::Result<libc::c_int> {
    let (request, mut value) = match request {
        PortRequest::ModemLines => (libc::TIOCMGET, 0),
        PortRequest::Raise(lines) => (libc::TIOCMBIS, lines),
        PortRequest::Lower(lines) => (libc::TIOCMBIC, lines),
        PortRequest::BreakOn => (libc::TIOCSBRK, 0),
        PortRequest::BreakOff => (libc::TIOCCBRK, 0),
        PortRequest::IsTaken => (libc::TIOCGEXCL, 0),
    };
    // SAFETY: each of these reads or writes one int through the pointer, or looks at no argument; the descriptor is open, being
    // owned.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut value) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// A pseudo-terminal for tests: its master, and the path of its other side.
///
/// # Errors
///
/// If the system has no more of them.
#[cfg(test)]
pub fn pty() -> io::Result<(OwnedFd, std::path::PathBuf)> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let fd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    grantpt(&fd)?;
    unlockpt(&fd)?;
    let name = ptsname(&fd, Vec::new())?;
    Ok((fd, std::path::PathBuf::from(name.to_string_lossy().into_owned())))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn bytes_pass_unchanged_in_both_directions() {
        let (master, path) = pty().unwrap();
        let mut master = std::fs::File::from(master);
        let tty = Tty::open(&path).unwrap();
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(tty.write(&all).unwrap(), all.len());
        assert_eq!(take(all.len(), |buffer| master.read(buffer)), all);
        master.write_all(&all).unwrap();
        assert_eq!(take(all.len(), |buffer| tty.read(buffer)), all);
    }

    /// Reads so many bytes; the kernel hands them over in its own time.
    fn take(length: usize, mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Vec<u8> {
        let mut got = Vec::new();
        let mut buffer = [0; 300];
        while got.len() < length {
            match read(&mut buffer) {
                Ok(length) => got.extend_from_slice(&buffer[..length]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        got
    }

    #[test]
    fn a_port_is_set_to_2400_bits_a_second() {
        let (_master, path) = pty().unwrap();
        let tty = Tty::open(&path).unwrap();
        let set = tcgetattr(&tty.fd).unwrap();
        assert_eq!((set.output_speed(), set.input_speed()), (2400, 2400));
    }

    #[test]
    fn a_port_is_taken_by_one_and_free_again_afterwards() {
        let (_master, path) = pty().unwrap();
        let first = Tty::open(&path).unwrap();
        assert_eq!(Tty::open(&path).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        let keeps_it_alive = std::fs::File::open(&path);
        drop(first);
        assert!(Tty::open(&path).is_ok(), "{keeps_it_alive:?}");
    }

    #[test]
    fn a_port_that_is_open_is_locked_for_those_who_ask_too() {
        let (_master, path) = pty().unwrap();
        let tty = Tty::open(&path).unwrap();
        let other = File::open(&path).unwrap_or_else(|_| File::open("/dev/null").unwrap());
        if other.metadata().unwrap().rdev() == std::fs::metadata(&path).unwrap().rdev() {
            assert_eq!(flock(&other).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        drop(tty);
        // A lock alone keeps us out: programs of root see no exclusive mode.
        flock(&other).unwrap();
        let again = Tty::open(&path);
        assert_eq!(
            again.is_ok(),
            other.metadata().unwrap().rdev() != std::fs::metadata(&path).unwrap().rdev()
        );
    }

    #[test]
    fn a_port_has_one_number_under_each_of_its_names() {
        let (_master, path) = pty().unwrap();
        let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        // Pseudo-terminals have the major numbers 136 to 143 (Linux, devices.txt).
        let expected = format!("tty-{}-{}", 136 + number / 256, number % 256);
        let link = std::env::temp_dir().join(format!("mainsd-tty-name-{}", std::process::id()));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let names = [device_name(&path), device_name(&link)];
        std::fs::remove_file(&link).unwrap();
        assert_eq!(names, [Some(expected.clone()), Some(expected)]);
        assert_eq!(device_name(Path::new("/etc/passwd")), None);
        assert_eq!(device_name(&link), None);
    }

    #[test]
    fn what_is_no_serial_port_is_refused() {
        assert_eq!(Tty::open(Path::new("/dev/null")).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
        assert_eq!(Tty::open(Path::new("/dev/nonexistent0")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_port_without_modem_lines_says_so() {
        let (_master, path) = pty().unwrap();
        let tty = Tty::open(&path).unwrap();
        assert!(tty.modem_lines().is_err());
        assert!(tty.set_modem_lines(Lines::RTS, false).is_err());
        let lines = Lines::DTR | Lines::CD;
        assert_eq!(from_kernel(to_kernel(lines)), lines);
    }

    #[test]
    fn a_port_that_is_gone_reads_as_nothing_or_an_error() {
        let (master, path) = pty().unwrap();
        let tty = Tty::open(&path).unwrap();
        drop(master);
        // A process that another test starts may hold the master until it has become its program.
        while tty.read(&mut [0; 8]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {}
        assert_eq!(tty.read(&mut [0; 8]).unwrap_or(0), 0);
    }
}
