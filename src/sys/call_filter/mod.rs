//! The system calls that a process which reads foreign bytes never needs: they fail with EPERM from then on (seccomp(2)).
//!
//! A list of what is refused, and not of what is allowed: C libraries change what they call, and a guard must not end, or fail,
//! for that (docs/reference/privsep.md §6).
#![allow(unsafe_code)]

pub mod calls;

use std::io;

use calls::{BY_NAME, CLONE3, Call, NEVER, SOCKET, SOCKETCALL, System, TGKILL, TKILL};

/// This program's own system; `None`: not known here, and nothing is refused.
pub const OWN: Option<System> =
    System::find(std::env::consts::ARCH.as_bytes(), cfg!(target_endian = "little"));

/// Instructions of a filter (`linux/filter.h`): load a word of the call, compare and jump, end with a value.
pub(super) const LOAD: u16 = 0x20;
pub(super) const JUMP_IF_EQUAL: u16 = 0x15;
pub(super) const JUMP_IF_AT_LEAST: u16 = 0x35;
pub(super) const END: u16 = 0x06;

/// Where the number and the architecture are in what a filter looks at (`struct seccomp_data`).
pub(super) const NUMBER_AT: u32 = 0;
pub(super) const ARCHITECTURE_AT: u32 = 4;

/// What a filter ends with (`linux/seccomp.h`).
pub(super) const ALLOW: u32 = 0x7fff_0000;
pub(super) const REFUSE: u32 = 0x0005_0000 | libc::EPERM as u32;
/// As from a kernel that does not know the call.
pub(super) const MISSING: u32 = 0x0005_0000 | libc::ENOSYS as u32;

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) value: u32,
}

const fn instruction(code: u16, value: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code, if_true, if_false, value }
}

/// What a filter depends on.
#[derive(Clone, Copy, Debug)]
struct Plan {
    system: System,
    /// The process that it is for.
    pid: u32,
    /// Files by a name are not refused.
    opens: bool,
    /// The kernel knows each call of sockets by a number of its own.
    has_socket_calls: bool,
}

impl Plan {
    /// The filter: calls of another system are refused, and so are those of the lists.
    fn filter(self) -> Vec<Instruction> {
        let mut filter = vec![
            instruction(LOAD, ARCHITECTURE_AT, 0, 0),
            instruction(JUMP_IF_EQUAL, self.system.audit, 1, 0),
            instruction(END, REFUSE, 0, 0),
            instruction(LOAD, NUMBER_AT, 0, 0),
        ];
        if let Some(others) = self.system.others_from {
            filter.extend([instruction(JUMP_IF_AT_LEAST, others, 0, 1), instruction(END, REFUSE, 0, 0)]);
        }
        for number in self.refused() {
            filter.extend([instruction(JUMP_IF_EQUAL, number, 0, 1), instruction(END, REFUSE, 0, 0)]);
        }
        // C libraries then take `clone`, or say that they have no thread.
        if let Some(number) = CLONE3.number(self.system) {
            filter.extend([instruction(JUMP_IF_EQUAL, number, 0, 1), instruction(END, MISSING, 0, 0)]);
        }
        // To itself: so a program ends itself that has found a fault.
        for call in [TKILL, TGKILL] {
            filter.extend(self.only_to_itself(call));
        }
        // For the internet, and for the kernel's hot-plug messages.
        if let Some(number) = SOCKET.number(self.system) {
            let family = [libc::AF_INET, libc::AF_INET6].map(|number| number as u32);
            filter.extend([
                instruction(JUMP_IF_EQUAL, number, 0, 7),
                instruction(LOAD, self.system.argument_at(0), 0, 0),
                instruction(JUMP_IF_EQUAL, family[0], 5, 0),
                instruction(JUMP_IF_EQUAL, family[1], 4, 0),
                instruction(JUMP_IF_EQUAL, libc::AF_NETLINK as u32, 0, 2),
                instruction(LOAD, self.system.argument_at(2), 0, 0),
                instruction(JUMP_IF_EQUAL, libc::NETLINK_KOBJECT_UEVENT as u32, 1, 0),
                instruction(END, REFUSE, 0, 0),
            ]);
        }
        filter.push(instruction(END, ALLOW, 0, 0));
        filter
    }

    /// The calls that are refused whatever their arguments are.
    fn refused(self) -> impl Iterator<Item = u32> {
        let files = if self.opens { &[] } else { BY_NAME };
        let old = self.has_socket_calls.then_some(SOCKETCALL);
        NEVER.iter().chain(files).copied().chain(old).filter_map(move |call| call.number(self.system))
    }

    /// This call is refused unless its first argument is the process itself.
    fn only_to_itself(self, call: Call) -> impl Iterator<Item = Instruction> {
        let filter = |number| {
            [
                instruction(JUMP_IF_EQUAL, number, 0, 4),
                instruction(LOAD, self.system.argument_at(0), 0, 0),
                instruction(JUMP_IF_EQUAL, self.pid, 1, 0),
                instruction(END, REFUSE, 0, 0),
                instruction(END, ALLOW, 0, 0),
            ]
        };
        call.number(self.system).map(filter).into_iter().flatten()
    }
}

/// Has them refused, for this process and its children, for ever. It must not be able to get new rights before. `opens`:
/// files by a name are not refused.
///
/// # Errors
/// `EINVAL` from a kernel that filters no calls; [`io::ErrorKind::Unsupported`] on a system that is not known here.
pub fn install(opens: bool) -> io::Result<()> {
    let system = OWN.ok_or(io::ErrorKind::Unsupported)?;
    let plan = Plan { system, pid: std::process::id(), opens, has_socket_calls: has_socket_calls() };
    let filter = plan.filter();
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(0),
        filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    set_filter(Some(&program))
}

/// Whether the kernel refuses calls for a process that asks for it (seccomp(2)).
#[must_use]
pub fn is_possible() -> bool {
    // Where there are filters, it is the address that is wrong: there is none, and nothing is installed.
    OWN.is_some() && set_filter(None).is_err_and(|error| error.raw_os_error() == Some(libc::EFAULT))
}

fn set_filter(program: Option<&libc::sock_fprog>) -> io::Result<()> {
    // SAFETY: the program, which is null or made in `install`, has the number of instructions that its pointer leads to, each laid out as
    // the kernel's, and both outlive the call, which only reads them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the kernel knows `socket` by a number of its own: on x86 from 4.3 on.
fn has_socket_calls() -> bool {
    // SAFETY: a socket of no family is asked for, and none is made.
    let result = unsafe { libc::syscall(libc::SYS_socket, -1, 0, 0) };
    result != -1 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

#[cfg(test)]
mod tests;
