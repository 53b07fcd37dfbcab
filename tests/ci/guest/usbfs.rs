//! Requests of usbfs over a descriptor that another process has open: what the process itself could do with it.
#![allow(unsafe_code, reason = "the standard library has neither pidfds nor ioctl")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// `struct usbdevfs_ioctl` of linux/usbdevice_fs.h.
#[repr(C)]
struct InterfaceIoctl {
    interface: libc::c_int,
    code: libc::c_int,
    data: *mut libc::c_void,
}

/// `struct usbdevfs_disconnect_claim`.
#[repr(C)]
struct DisconnectClaim {
    interface: libc::c_uint,
    flags: libc::c_uint,
    driver: [u8; 256],
}

const USBDEVFS: u32 = b'U' as u32;

/// The node of a USB device that a process has open.
pub struct Node(OwnedFd);

impl Node {
    /// The only one that this process has open.
    pub fn of(pid: u32) -> Self {
        let is_node = |fd: &i32| {
            let open = std::fs::read_link(format!("/proc/{pid}/fd/{fd}"));
            open.is_ok_and(|path| path.starts_with("/dev/bus/usb"))
        };
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let numbers = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap());
        let nodes: Vec<i32> = numbers.filter(is_node).collect();
        let [number] = nodes[..] else { panic!("{pid} has open: {nodes:?}") };
        let fd = |fd: libc::c_long| {
            let fd = i32::try_from(fd).unwrap();
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            // SAFETY: the kernel has just made it, for nobody else.
            unsafe { OwnedFd::from_raw_fd(fd) }
        };
        // SAFETY: plain numbers.
        let process = fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) });
        // SAFETY: plain numbers.
        Self(fd(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) }))
    }

    /// Detaches the kernel's driver from an interface.
    pub fn detach(&self, interface: u8) -> Result<(), i32> {
        self.driver_request(interface, libc::_IO(USBDEVFS, 22))
    }

    /// Has the kernel attach its driver to an interface.
    pub fn attach(&self, interface: u8) -> Result<(), i32> {
        self.driver_request(interface, libc::_IO(USBDEVFS, 23))
    }

    fn driver_request(&self, interface: u8, request: libc::Ioctl) -> Result<(), i32> {
        let code = libc::c_int::try_from(request).unwrap();
        let mut argument = InterfaceIoctl { interface: interface.into(), code, data: ptr::null_mut() };
        self.ask(libc::_IOWR::<InterfaceIoctl>(USBDEVFS, 18), &mut argument)
    }

    /// Claims an interface, whoever has it.
    pub fn seize(&self, interface: u8) -> Result<(), i32> {
        let mut argument = DisconnectClaim { interface: interface.into(), flags: 0, driver: [0; 256] };
        self.ask(libc::_IOR::<DisconnectClaim>(USBDEVFS, 27), &mut argument)
    }

    /// Claims an interface that nobody has.
    pub fn claim(&self, interface: u8) -> Result<(), i32> {
        self.ask(libc::_IOR::<libc::c_uint>(USBDEVFS, 15), &mut libc::c_uint::from(interface))
    }

    /// Sets the configuration.
    pub fn configure(&self, configuration: u8) -> Result<(), i32> {
        self.ask(libc::_IOR::<libc::c_uint>(USBDEVFS, 5), &mut libc::c_uint::from(configuration))
    }

    fn ask<T>(&self, request: libc::Ioctl, argument: &mut T) -> Result<(), i32> {
        // SAFETY: the request takes an argument of this type, which outlives the call.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, ptr::from_mut(argument)) };
        if result < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(()) }
    }
}
