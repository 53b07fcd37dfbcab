//! The system calls that a process which reads foreign bytes never needs: they fail with EPERM from then on (seccomp(2)).
//!
//! A list of what is refused, and not of what is allowed: C libraries change what they call, and a guard must not end, or fail,
//! for that (docs/reference/privsep.md §6).
#![allow(unsafe_code)]

use std::io;

/// Never needed: signals to others, other programs, other processes' memory, the kernel's own parts, mounts and name spaces, the clock, users.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_kill,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_personality,
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
];

/// Files by a name, which a disk can hold up.
const REFUSED_FILES: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_utimensat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_sync,
    libc::SYS_syncfs,
];

/// Files by the names that only these systems have.
#[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm"))]
const REFUSED_OLD: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mknod,
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm")))]
const REFUSED_OLD: &[libc::c_long] = &[];

/// The same by the names that only these systems have.
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
const REFUSED_32: &[libc::c_long] = &[
    libc::SYS_setuid32,
    libc::SYS_setgid32,
    libc::SYS_setresuid32,
    libc::SYS_setresgid32,
    libc::SYS_setgroups32,
];
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
const REFUSED_32: &[libc::c_long] = &[];

/// Instructions of a filter (`linux/filter.h`): load a word of the call, compare and jump, end with a value.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
#[cfg(target_arch = "x86_64")]
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_ANY: u16 = 0x45;
const END: u16 = 0x06;

/// Where the number and the architecture are in what a filter looks at (`struct seccomp_data`).
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

/// What a filter ends with (`linux/seccomp.h`).
const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000 | libc::EPERM as u32;
/// As from a kernel that does not know the call.
const MISSING: u32 = 0x0005_0000 | libc::ENOSYS as u32;

/// What asks `clone` for name spaces.
const NAME_SPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

/// The kernel's name of this program's own architecture (`linux/audit.h`); `None`: not known here, and nothing is refused.
const ARCHITECTURE: Option<u32> = architecture();

const fn architecture() -> Option<u32> {
    const BITS_64: u32 = 0x8000_0000;
    const LITTLE_ENDIAN: u32 = 0x4000_0000;
    let little = if cfg!(target_endian = "little") { LITTLE_ENDIAN } else { 0 };
    // The rest is the machine in the header of an ELF file.
    if cfg!(target_arch = "x86_64") {
        Some(BITS_64 | little | 62)
    } else if cfg!(target_arch = "x86") {
        Some(little | 3)
    } else if cfg!(target_arch = "aarch64") {
        Some(BITS_64 | little | 183)
    } else if cfg!(target_arch = "arm") {
        Some(little | 40)
    } else if cfg!(target_arch = "mips") {
        Some(little | 8)
    } else if cfg!(target_arch = "riscv64") {
        Some(BITS_64 | little | 243)
    } else if cfg!(target_arch = "powerpc64") {
        Some(BITS_64 | little | 21)
    } else {
        None
    }
}

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

/// The filter for a program of this architecture: calls of another one are refused, and so are these.
#[must_use]
pub fn filter(architecture: u32, refused: &[u32]) -> Vec<Instruction> {
    let mut filter = vec![
        instruction(LOAD, ARCHITECTURE_AT, 0, 0),
        instruction(JUMP_IF_EQUAL, architecture, 1, 0),
        instruction(END, REFUSE, 0, 0),
        instruction(LOAD, NUMBER_AT, 0, 0),
    ];
    // The calls of x32 have this bit (arch/x86/include/uapi/asm/unistd.h).
    #[cfg(target_arch = "x86_64")]
    filter.extend([instruction(JUMP_IF_AT_LEAST, 0x4000_0000, 0, 1), instruction(END, REFUSE, 0, 0)]);
    for number in refused {
        filter.extend([instruction(JUMP_IF_EQUAL, *number, 0, 1), instruction(END, REFUSE, 0, 0)]);
    }
    filter.extend(by_arguments());
    filter.push(instruction(END, ALLOW, 0, 0));
    filter
}

/// Calls that are refused by their arguments: sockets for anything but the internet and the kernel's hot-plug messages, and
/// processes in name spaces of their own, where a process has rights again. `clone3`, whose arguments a filter cannot see, is not
/// there: C libraries then take `clone`.
fn by_arguments() -> Vec<Instruction> {
    const INET: u32 = libc::AF_INET as u32;
    const INET6: u32 = libc::AF_INET6 as u32;
    const NETLINK: u32 = libc::AF_NETLINK as u32;
    const UEVENT: u32 = libc::NETLINK_KOBJECT_UEVENT as u32;
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    vec![
        instruction(JUMP_IF_EQUAL, number(libc::SYS_clone3), 0, 1),
        instruction(END, MISSING, 0, 0),
        instruction(JUMP_IF_EQUAL, number(libc::SYS_clone), 0, 4),
        instruction(LOAD, argument_at(0), 0, 0),
        instruction(JUMP_IF_ANY, NAME_SPACES, 0, 1),
        instruction(END, REFUSE, 0, 0),
        instruction(END, ALLOW, 0, 0),
        instruction(JUMP_IF_EQUAL, number(libc::SYS_socket), 0, 7),
        instruction(LOAD, argument_at(0), 0, 0),
        instruction(JUMP_IF_EQUAL, INET, 5, 0),
        instruction(JUMP_IF_EQUAL, INET6, 4, 0),
        instruction(JUMP_IF_EQUAL, NETLINK, 0, 2),
        instruction(LOAD, argument_at(2), 0, 0),
        instruction(JUMP_IF_EQUAL, UEVENT, 1, 0),
        instruction(END, REFUSE, 0, 0),
    ]
}

/// Where the lower half of an argument is in what a filter looks at.
const fn argument_at(index: u32) -> u32 {
    16 + 8 * index + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// The numbers of the refused calls on this system.
#[must_use]
pub fn refused() -> Vec<u32> {
    REFUSED
        .iter()
        .chain(REFUSED_OLD)
        .chain(REFUSED_32)
        .filter_map(|number| u32::try_from(*number).ok())
        .collect()
}

/// Whether this is one of the calls that take files by a name.
fn is_file_call(number: u32) -> bool {
    REFUSED_FILES.iter().chain(REFUSED_OLD).any(|call| u32::try_from(*call) == Ok(number))
}

/// Has them refused, for this process and its children, for ever. It must not be able to get new rights before. `opens`:
/// files by a name are not refused.
///
/// # Errors
/// `EINVAL` from a kernel that filters no calls; [`io::ErrorKind::Unsupported`] on an architecture that is not known here.
pub fn install(opens: bool) -> io::Result<()> {
    let architecture = ARCHITECTURE.ok_or(io::ErrorKind::Unsupported)?;
    let refused = refused();
    let refused: Vec<u32> = refused.into_iter().filter(|number| !opens || !is_file_call(*number)).collect();
    let filter = filter(architecture, &refused);
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(0),
        filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: `program` has the number of instructions that its pointer leads to, each laid out as the kernel's, and both
    // outlive the call, which only reads them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would make of a call.
    fn run(filter: &[Instruction], architecture: u32, number: u32) -> u32 {
        run_with(filter, architecture, number, [0; 6])
    }

    fn run_with(filter: &[Instruction], architecture: u32, number: u32, arguments: [u32; 6]) -> u32 {
        let mut word = 0;
        let mut at = 0;
        loop {
            let Instruction { code, if_true, if_false, value } = filter[at];
            at += 1;
            let mut jump = |yes: bool| at += usize::from(if yes { if_true } else { if_false });
            match code {
                LOAD if value == NUMBER_AT => word = number,
                LOAD if value == ARCHITECTURE_AT => word = architecture,
                LOAD => word = arguments[usize::try_from((value - 16) / 8).unwrap()],
                JUMP_IF_ANY => jump(word & value != 0),
                JUMP_IF_EQUAL => jump(word == value),
                0x35 => jump(word >= value),
                END => return value,
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn refused_calls_fail_others_do_not_and_another_architecture_has_none() {
        let own = ARCHITECTURE.expect("this architecture is known");
        let filter = filter(own, &refused());
        for number in refused() {
            assert_eq!(run(&filter, own, number), REFUSE, "{number}");
        }
        for number in
            [libc::SYS_read, libc::SYS_write, libc::SYS_close, libc::SYS_recvmsg, libc::SYS_exit_group]
        {
            assert_eq!(run(&filter, own, u32::try_from(number).unwrap()), ALLOW, "{number}");
        }
        for other in [0, own ^ 0x8000_0000, own ^ 0x4000_0000, own + 1] {
            assert_eq!(run(&filter, other, u32::try_from(libc::SYS_read).unwrap()), REFUSE);
        }
        #[cfg(target_arch = "x86_64")]
        assert_eq!(run(&filter, own, 0x4000_0000), REFUSE);
        let number = |call: libc::c_long| u32::try_from(call).unwrap();
        assert_eq!(run(&filter, own, number(libc::SYS_clone3)), MISSING);
        for (flags, end) in [(libc::SIGCHLD, ALLOW), (libc::SIGCHLD | libc::CLONE_NEWUSER, REFUSE)] {
            let arguments = [u32::try_from(flags).unwrap(), 0, 0, 0, 0, 0];
            assert_eq!(run_with(&filter, own, number(libc::SYS_clone), arguments), end);
        }
        let sockets = [
            (libc::AF_INET, 0, ALLOW),
            (libc::AF_INET6, 0, ALLOW),
            (libc::AF_NETLINK, libc::NETLINK_KOBJECT_UEVENT, ALLOW),
            (libc::AF_NETLINK, libc::NETLINK_ROUTE, REFUSE),
            (libc::AF_UNIX, 0, REFUSE),
            (libc::AF_PACKET, 0, REFUSE),
        ];
        for (family, protocol, end) in sockets {
            let [family, protocol] = [family, protocol].map(|value| u32::try_from(value).unwrap());
            let arguments = [family, 1, protocol, 0, 0, 0];
            assert_eq!(
                run_with(&filter, own, number(libc::SYS_socket), arguments),
                end,
                "{family} {protocol}"
            );
        }
    }

    /// A filter holds for the thread that installs it, and its children.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a filter holds for one thread, and the others are of other tests"
    )]
    fn the_kernel_refuses_what_the_filter_does_and_this_process_goes_on() {
        let tried = std::thread::spawn(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            if let Err(error) = install(false) {
                // A kernel without filters.
                assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}");
                return Vec::new();
            }
            let call = |number: &u32| {
                // SAFETY: the filter refuses the call, whatever its arguments are; zeros lead nowhere.
                let result = unsafe { libc::syscall(libc::c_long::from(*number), 0, 0, 0, 0, 0, 0) };
                (*number, result, io::Error::last_os_error().raw_os_error())
            };
            refused().iter().map(call).collect()
        });
        for (number, result, error) in tried.join().unwrap() {
            assert_eq!((result, error), (-1, Some(libc::EPERM)), "{number}");
        }
        assert!(std::process::Command::new("true").status().unwrap().success(), "other threads are free");
    }

    #[test]
    fn an_instruction_is_laid_out_as_the_kernels() {
        assert_eq!(size_of::<Instruction>(), size_of::<libc::sock_filter>());
        assert_eq!(std::mem::offset_of!(Instruction, value), std::mem::offset_of!(libc::sock_filter, k));
    }
}
