//! A serial port: opened without waiting, set to raw bytes, put back as it was (apcsmart §1, dumb: modem lines).
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

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

// The libc crate asks for the `cfsetspeed` of a certain version of glibc, which no static glibc has.
unsafe extern "C" {
    fn cfsetspeed(attributes: *mut libc::termios, speed: libc::speed_t) -> libc::c_int;
}

/// 2400 bit/s as `cfsetspeed` takes it. Every glibc takes the number itself; its constant is another one since 2.42.
const SPEED: libc::speed_t = if cfg!(target_env = "gnu") { 2400 } else { libc::B2400 };

/// An open serial port: raw, 8 data bits, no parity, 1 stop bit, no flow control, for this process alone.
///
/// Dropped, it gets its former settings back; what was not sent yet is thrown away, so that closing does not wait for a device
/// that takes nothing.
#[derive(Debug)]
pub struct Tty {
    fd: OwnedFd,
    before: Option<libc::termios>,
}

impl Tty {
    /// Opens the port at 2400 bit/s. Does not wait for a carrier.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] if another program has locked the port (`flock`) or has taken it for itself
    /// (`TIOCEXCL`); `ENOTTY` if it is no serial port; whatever else the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: `name` is a string with its end mark that outlives the call.
        let fd = unsafe { libc::open(name.as_ptr(), flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut before = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: tcgetattr writes one termios through the pointer, which is valid for that; termios is plain numbers, so the
        // zeroed value is initialised whatever the call does.
        let (result, before) =
            unsafe { (libc::tcgetattr(fd.as_raw_fd(), before.as_mut_ptr()), before.assume_init()) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // The real lock, which the kernel takes back however we end. The exclusive mode keeps out programs without rights.
        match flock(&fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            _ => {}
        }
        take_alone(&fd)?;
        // From here on dropping gives everything back.
        let tty = Self { fd, before: Some(before) };
        let mut raw = before;
        raw.c_iflag = libc::IGNPAR;
        raw.c_oflag = 0;
        raw.c_lflag = 0;
        raw.c_cflag = libc::CREAD | libc::CS8 | libc::CLOCAL;
        if let Some(least) = raw.c_cc.get_mut(libc::VMIN) {
            *least = 1;
        }
        if let Some(time) = raw.c_cc.get_mut(libc::VTIME) {
            *time = 0;
        }
        // SAFETY: cfsetspeed changes the one termios it is given.
        if unsafe { cfsetspeed(&raw mut raw, SPEED) } != 0 {
            return Err(io::Error::last_os_error());
        }
        tty.flush_input();
        set(&tty.fd, &raw)?;
        tty.flush_input();
        Ok(tty)
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
        // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
        let got = unsafe { libc::read(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// Sends bytes; how many were taken.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the kernel reads at most `bytes.len()` bytes from the slice.
        let took = unsafe { libc::write(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        usize::try_from(took).map_err(|_| io::Error::last_os_error())
    }

    /// Throws away what has come and was not read.
    pub fn flush_input(&self) {
        // SAFETY: takes no pointer; the descriptor is open, being owned.
        unsafe { libc::tcflush(self.fd.as_raw_fd(), libc::TCIFLUSH) };
    }

    /// The modem lines that are on.
    ///
    /// # Errors
    ///
    /// If the port has none (a pseudo-terminal), or is gone.
    pub fn modem_lines(&self) -> io::Result<Lines> {
        let mut lines: libc::c_int = 0;
        // SAFETY: TIOCMGET writes one int through the pointer.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::TIOCMGET, &raw mut lines) };
        if result == 0 { Ok(from_kernel(lines)) } else { Err(io::Error::last_os_error()) }
    }

    /// Switches modem lines on or off; the others stay as they are.
    ///
    /// # Errors
    ///
    /// As [`Self::modem_lines`].
    pub fn set_modem_lines(&self, lines: Lines, on: bool) -> io::Result<()> {
        let bits = to_kernel(lines);
        let request = if on { libc::TIOCMBIS } else { libc::TIOCMBIC };
        // SAFETY: both requests read one int through the pointer.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), request, &raw const bits) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Puts the sending line into the break condition (positive voltage) until it is taken out again.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn set_break(&self, on: bool) -> io::Result<()> {
        let request = if on { libc::TIOCSBRK } else { libc::TIOCCBRK };
        // SAFETY: takes no pointer.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), request) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsRawFd for Tty {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // SAFETY: takes no pointer; the descriptor is open, being owned.
        unsafe { libc::tcflush(self.fd.as_raw_fd(), libc::TCIOFLUSH) };
        if let Some(before) = &self.before {
            // A port that is gone has no settings.
            let _ = set(&self.fd, before);
        }
        // SAFETY: takes no pointer.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::TIOCNXCL) };
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

/// Takes the port for this process alone. The kernel refuses others but not root, who must look.
fn take_alone(fd: &OwnedFd) -> io::Result<()> {
    let mut taken: libc::c_int = 0;
    // SAFETY: TIOCGEXCL writes one int through the pointer.
    let known = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGEXCL, &raw mut taken) } == 0;
    if known && taken != 0 {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    // SAFETY: takes no pointer.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCEXCL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn set(fd: &OwnedFd, attributes: &libc::termios) -> io::Result<()> {
    // SAFETY: tcsetattr reads one termios through the pointer, which is valid for that.
    let result = unsafe { libc::tcsetattr(fd.as_raw_fd(), libc::TCSANOW, attributes) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A pseudo-terminal for tests: its master, and the path of its other side.
///
/// # Errors
///
/// If the system has no more of them.
#[cfg(test)]
pub fn pty() -> io::Result<(OwnedFd, std::path::PathBuf)> {
    // SAFETY: takes no pointer; what comes back is a new descriptor or -1.
    let fd =
        unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut name = [0_u8; 64];
    // SAFETY: the calls take an open master; ptsname_r writes at most the length given.
    let failed = unsafe {
        libc::grantpt(fd.as_raw_fd()) != 0
            || libc::unlockpt(fd.as_raw_fd()) != 0
            || libc::ptsname_r(fd.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok((fd, std::path::PathBuf::from(String::from_utf8_lossy(name).into_owned())))
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
        let mut set = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: tcgetattr writes one termios through the pointer, which is valid for that and zeroed.
        let set = unsafe {
            assert_eq!(libc::tcgetattr(tty.as_raw_fd(), set.as_mut_ptr()), 0);
            set.assume_init()
        };
        assert_eq!(set.c_cflag & libc::CBAUD, libc::B2400);
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
