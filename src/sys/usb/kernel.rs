//! What the kernel is asked to do with an open USB device, beside what libusb asks. All but
//! [`DeviceRequest::ResetEndpoint`], [`DeviceRequest::ClaimInterface`] and [`DeviceRequest::Strip`] may wait for the device.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceRequest {
    Reset,
    /// The host's toggle and halt state of an endpoint.
    ResetEndpoint(u8),
    /// The device is asked which configuration it is in; what it says is thrown away.
    GetConfiguration,
    /// The kernel's driver, to an interface that has none.
    AttachDriver(u8),
    /// Claims an interface, and detaches the kernel's driver in the same step. EBUSY: a program has it. ENOTTY: the kernel does not
    /// know this request.
    TakeInterface(u8),
    /// Detaches the kernel's driver. EBUSY: a program has the interface. ENODATA: it has no driver.
    DetachDriver(u8),
    /// Claims an interface that has no driver. EBUSY: it has one, or a program has it.
    ClaimInterface(u8),
    /// From now on the descriptor claims no interface but this one, detaches and attaches no driver, and resets no device that others
    /// use. ENOTTY: a kernel before 4.6.
    Strip(u8),
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

/// Room for the name of a driver, which ends with a zero byte.
const NAME: usize = 256;

#[repr(C)]
pub(crate) struct GetDriver {
    pub(crate) interface: libc::c_uint,
    pub(crate) driver: [u8; NAME],
}

#[repr(C)]
pub(crate) struct DisconnectClaim {
    pub(crate) interface: libc::c_uint,
    pub(crate) flags: libc::c_uint,
    pub(crate) driver: [u8; NAME],
}

const USBDEVFS: u32 = b'U' as u32;
pub(crate) const USBDEVFS_CONTROL: libc::Ioctl = libc::_IOWR::<ControlTransfer>(USBDEVFS, 0);
pub(crate) const USBDEVFS_RESETEP: libc::Ioctl = libc::_IOR::<libc::c_uint>(USBDEVFS, 3);
pub(crate) const USBDEVFS_GETDRIVER: libc::Ioctl = libc::_IOW::<GetDriver>(USBDEVFS, 8);
pub(crate) const USBDEVFS_CLAIMINTERFACE: libc::Ioctl = libc::_IOR::<libc::c_uint>(USBDEVFS, 15);
pub(crate) const USBDEVFS_IOCTL: libc::Ioctl = libc::_IOWR::<InterfaceIoctl>(USBDEVFS, 18);
pub(crate) const USBDEVFS_RESET: libc::Ioctl = libc::_IO(USBDEVFS, 20);
pub(crate) const USBDEVFS_DISCONNECT: libc::Ioctl = libc::_IO(USBDEVFS, 22);
pub(crate) const USBDEVFS_CONNECT: libc::Ioctl = libc::_IO(USBDEVFS, 23);
pub(crate) const USBDEVFS_DISCONNECT_CLAIM: libc::Ioctl = libc::_IOR::<DisconnectClaim>(USBDEVFS, 27);
pub(crate) const USBDEVFS_DROP_PRIVILEGES: libc::Ioctl = libc::_IOW::<u32>(USBDEVFS, 30);
pub(crate) const USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER: libc::c_uint = 0x02;

/// How the kernel names the driver of an interface that a program has claimed.
const PROGRAM: &[u8] = b"usbfs\0";
/// How long a device may take to tell its configuration, milliseconds.
const ANSWER_MS: u32 = 1000;

/// Makes a request.
///
/// # Errors
/// What the system says.
pub(super) fn ask_kernel(device: BorrowedFd<'_>, request: DeviceRequest) -> io::Result<()> {
    // SAFETY: of each request in here. It takes what its argument points to, which outlives the call: RESET nothing; RESETEP,
    // CLAIMINTERFACE and DROP_PRIVILEGES a number of 32 bits; the others a structure of the kernel. The data pointer of CONTROL has
    // room for the one byte asked for; CONNECT and DISCONNECT take no data.
    unsafe {
        match request {
            DeviceRequest::Reset => ioctl(device, USBDEVFS_RESET, &mut ()),
            DeviceRequest::ResetEndpoint(endpoint) => {
                ioctl(device, USBDEVFS_RESETEP, &mut libc::c_uint::from(endpoint))
            }
            DeviceRequest::GetConfiguration => {
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
                ioctl(device, USBDEVFS_CONTROL, &mut transfer)
            }
            DeviceRequest::AttachDriver(interface) => {
                ioctl(device, USBDEVFS_IOCTL, &mut driver_request(interface, USBDEVFS_CONNECT))
            }
            DeviceRequest::TakeInterface(interface) => {
                let mut claim = DisconnectClaim {
                    interface: interface.into(),
                    flags: USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER,
                    driver: [0; NAME],
                };
                claim.driver.iter_mut().zip(PROGRAM).for_each(|(to, from)| *to = *from);
                ioctl(device, USBDEVFS_DISCONNECT_CLAIM, &mut claim)
            }
            DeviceRequest::DetachDriver(interface) => {
                let mut driver = GetDriver { interface: interface.into(), driver: [0; NAME] };
                ioctl(device, USBDEVFS_GETDRIVER, &mut driver)?;
                if driver.driver.starts_with(PROGRAM) {
                    return Err(io::Error::from_raw_os_error(libc::EBUSY));
                }
                ioctl(device, USBDEVFS_IOCTL, &mut driver_request(interface, USBDEVFS_DISCONNECT))
            }
            DeviceRequest::ClaimInterface(interface) => {
                ioctl(device, USBDEVFS_CLAIMINTERFACE, &mut libc::c_uint::from(interface))
            }
            DeviceRequest::Strip(interface) => {
                let mut mask = 1_u32.checked_shl(interface.into()).unwrap_or_default();
                ioctl(device, USBDEVFS_DROP_PRIVILEGES, &mut mask)
            }
        }
    }
}

fn driver_request(interface: u8, request: libc::Ioctl) -> InterfaceIoctl {
    let code = libc::c_int::try_from(request).unwrap_or_default();
    InterfaceIoctl { interface: interface.into(), code, data: ptr::null_mut() }
}

/// # Safety
/// The request takes nothing, or an argument of this type.
unsafe fn ioctl<T>(device: BorrowedFd<'_>, request: libc::Ioctl, argument: &mut T) -> io::Result<()> {
    // SAFETY: the caller's promise; the argument outlives the call.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), request, ptr::from_mut(argument)) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
