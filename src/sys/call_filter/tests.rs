//! The filter, run by a small interpreter for each system that is known, and by the kernel for this one.

use super::*;

/// Calls that a main process needs, which must go on everywhere, with their numbers as in [`calls`].
#[rustfmt::skip]
const NEEDED: &[(&str, [u16; 6])] = &[
    ("accept4", [288, 364, 366, 242, 4334, 344]),
    ("brk", [12, 45, 45, 214, 4045, 45]),
    ("clock_nanosleep", [230, 267, 265, 115, 4265, 248]),
    ("close", [3, 6, 6, 57, 4006, 6]),
    ("close_range", [436, 436, 436, 436, 4436, 436]),
    ("connect", [42, 362, 283, 203, 4170, 328]),
    ("epoll_ctl", [233, 255, 251, 21, 4249, 237]),
    ("epoll_wait", [232, 256, 252, 0, 4250, 238]),
    ("epoll_pwait", [281, 319, 346, 22, 4313, 303]),
    ("epoll_pwait2", [441, 441, 441, 441, 4441, 441]),
    ("exit", [60, 1, 1, 93, 4001, 1]),
    ("exit_group", [231, 252, 248, 94, 4246, 234]),
    ("fcntl", [72, 55, 55, 25, 4055, 55]),
    ("fcntl64", [0, 221, 221, 0, 4220, 0]),
    ("fstat", [5, 108, 108, 80, 4108, 108]),
    ("futex", [202, 240, 240, 98, 4238, 221]),
    ("getpeername", [52, 368, 287, 205, 4171, 332]),
    ("getpid", [39, 20, 20, 172, 4020, 20]),
    ("getrandom", [318, 355, 384, 278, 4353, 359]),
    ("getsockname", [51, 367, 286, 204, 4172, 331]),
    ("getsockopt", [55, 365, 295, 209, 4173, 340]),
    ("gettid", [186, 224, 224, 178, 4222, 207]),
    ("ioctl", [16, 54, 54, 29, 4054, 54]),
    ("madvise", [28, 219, 220, 233, 4218, 205]),
    ("mmap", [9, 90, 0, 222, 4090, 90]),
    ("mmap2", [0, 192, 192, 0, 4210, 0]),
    ("mprotect", [10, 125, 125, 226, 4125, 125]),
    ("mremap", [25, 163, 163, 216, 4167, 163]),
    ("munmap", [11, 91, 91, 215, 4091, 91]),
    ("nanosleep", [35, 162, 162, 101, 4166, 162]),
    ("poll", [7, 168, 168, 0, 4188, 167]),
    ("ppoll", [271, 309, 336, 73, 4302, 281]),
    ("prctl", [157, 172, 172, 167, 4192, 171]),
    ("prlimit64", [302, 340, 369, 261, 4338, 325]),
    ("read", [0, 3, 3, 63, 4003, 3]),
    ("readv", [19, 145, 145, 65, 4145, 145]),
    ("recv", [0, 0, 291, 0, 4175, 336]),
    ("recvfrom", [45, 371, 292, 207, 4176, 337]),
    ("recvmsg", [47, 372, 297, 212, 4177, 342]),
    ("restart_syscall", [219, 0, 0, 128, 4253, 0]),
    ("rt_sigaction", [13, 174, 174, 134, 4194, 173]),
    ("rt_sigprocmask", [14, 175, 175, 135, 4195, 174]),
    ("rt_sigreturn", [15, 173, 173, 139, 4193, 172]),
    ("sigreturn", [0, 119, 119, 0, 4119, 119]),
    ("send", [0, 0, 289, 0, 4178, 334]),
    ("sendto", [44, 369, 290, 206, 4180, 335]),
    ("setsockopt", [54, 366, 294, 208, 4181, 339]),
    ("shutdown", [48, 373, 293, 210, 4182, 338]),
    ("sigaltstack", [131, 186, 186, 132, 4206, 185]),
    ("timerfd_settime", [286, 325, 353, 86, 4323, 311]),
    ("clock_gettime", [228, 265, 263, 113, 4263, 246]),
    ("gettimeofday", [96, 78, 78, 169, 4078, 78]),
    ("write", [1, 4, 4, 64, 4004, 4]),
    ("writev", [20, 146, 146, 66, 4146, 146]),
    ("setsid", [112, 66, 66, 157, 4066, 66]),
    ("sched_yield", [24, 158, 158, 124, 4162, 158]),
    ("statx", [332, 383, 397, 291, 4366, 383]),
    ("newfstatat", [262, 0, 0, 79, 0, 291]),
    ("fstatat64", [0, 300, 327, 0, 4293, 0]),
    ("_llseek", [0, 140, 140, 0, 4140, 140]),
    ("lseek", [8, 19, 19, 62, 4019, 19]),
    ("epoll_create1", [291, 329, 357, 20, 4326, 315]),
    ("pipe2", [293, 331, 359, 59, 4328, 317]),
    ("signalfd4", [289, 327, 355, 74, 4324, 313]),
    ("eventfd2", [290, 328, 356, 19, 4325, 314]),
    ("dup", [32, 41, 41, 23, 4041, 41]),
    ("dup2", [33, 63, 63, 0, 4063, 63]),
    ("dup3", [292, 330, 358, 24, 4327, 316]),
    ("clock_gettime64", [0, 403, 403, 0, 4403, 0]),
    ("clock_nanosleep_time64", [0, 407, 407, 0, 4407, 0]),
    ("timerfd_settime64", [0, 411, 411, 0, 4411, 0]),
    ("ppoll_time64", [0, 414, 414, 0, 4414, 0]),
    ("futex_time64", [0, 422, 422, 0, 4422, 0]),
];

/// All systems, with the byte orders that they are built for here.
fn systems() -> Vec<System> {
    let little = ["x86_64", "x86", "arm", "aarch64", "riscv64", "loongarch64", "mips", "powerpc64"]
        .map(|arch| (arch, true));
    let systems = little.into_iter().chain([("mips", false), ("powerpc64", false)]);
    systems.map(|(arch, little)| System::find(arch.as_bytes(), little).unwrap()).collect()
}

const PID: u32 = 4711;

fn plan(system: System) -> Plan {
    Plan { system, pid: PID, opens: false, has_socket_calls: true }
}

/// What the kernel would make of a call with these arguments.
fn run(filter: &[Instruction], system: System, number: u32, arguments: [u32; 6]) -> u32 {
    let mut word = 0;
    let mut at = 0;
    loop {
        let Instruction { code, if_true, if_false, value } = filter[at];
        at += 1;
        let mut jump = |yes: bool| at += usize::from(if yes { if_true } else { if_false });
        match code {
            LOAD if value == NUMBER_AT => word = number,
            LOAD if value == ARCHITECTURE_AT => word = system.audit,
            // The lower half of a word of 64 bits, which is the second one where the highest byte comes first.
            LOAD => {
                let (index, rest) = ((value - 16) / 8, (value - 16) % 8);
                assert_eq!(rest == 0, system.is_little_endian(), "{system:?}");
                word = arguments[usize::try_from(index).unwrap()];
            }
            JUMP_IF_EQUAL => jump(word == value),
            JUMP_IF_AT_LEAST => jump(word >= value),
            END => return value,
            other => panic!("{other:#x}"),
        }
    }
}

#[test]
fn what_is_on_the_lists_is_refused_on_each_system_and_what_main_needs_is_not() {
    for system in systems() {
        let filter = plan(system).filter();
        for call in NEVER.iter().chain(BY_NAME) {
            if let Some(number) = call.number(system) {
                assert_eq!(run(&filter, system, number, [0; 6]), REFUSE, "{} {system:?}", call.name);
            }
        }
        for (name, numbers) in NEEDED {
            let number = u32::from(numbers[system.column]);
            // `read` is 0 on x86_64 alone.
            if number != 0 || (*name == "read" && system.column == 0) {
                assert_eq!(run(&filter, system, number, [0; 6]), ALLOW, "{name} {system:?}");
            }
        }
        let clone3 = CLONE3.number(system).unwrap();
        assert_eq!(run(&filter, system, clone3, [0; 6]), MISSING, "{system:?}");
        assert!(filter.len() < 4096, "the kernel takes no more (BPF_MAXINSNS)");
    }
}

#[test]
fn each_list_has_what_each_system_is_known_to_have() {
    for system in systems() {
        for name in ["kill", "execve", "clone", "sendmsg", "openat", "unlinkat", "setuid", "mount", "ptrace"]
        {
            let call = NEVER.iter().chain(BY_NAME).find(|call| call.name == name).unwrap();
            assert!(call.number(system).is_some(), "{name} {system:?}");
        }
        let mut numbers: Vec<u32> = plan(system).refused().collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "a number stands twice: {system:?}");
    }
}

#[test]
fn files_by_a_name_are_refused_only_to_a_process_that_opens_none() {
    for system in systems() {
        let filter = Plan { opens: true, ..plan(system) }.filter();
        for call in BY_NAME.iter().filter_map(|call| call.number(system)) {
            assert_eq!(run(&filter, system, call, [0; 6]), ALLOW);
        }
    }
}

#[test]
fn calls_of_another_system_are_refused() {
    for system in systems() {
        let filter = plan(system).filter();
        for audit in [0, system.audit ^ 0x8000_0000, system.audit ^ 0x4000_0000, system.audit + 1] {
            let other = System { audit, ..system };
            assert_eq!(run(&filter, other, 3, [0; 6]), REFUSE, "{system:?}");
        }
        if let Some(others) = system.others_from {
            assert_eq!(run(&filter, system, others, [0; 6]), REFUSE);
        }
    }
}

#[test]
fn a_signal_goes_to_the_process_itself_only() {
    for system in systems() {
        let filter = plan(system).filter();
        for call in [TKILL, TGKILL] {
            let number = call.number(system).unwrap();
            assert_eq!(run(&filter, system, number, [PID, 0, 0, 0, 0, 0]), ALLOW);
            for other in [0, 1, PID + 1, u32::MAX] {
                assert_eq!(run(&filter, system, number, [other, PID, PID, 0, 0, 0]), REFUSE);
            }
        }
    }
}

#[test]
fn sockets_are_for_the_internet_and_hot_plug_messages() {
    let sockets = [
        (libc::AF_INET, 0, ALLOW),
        (libc::AF_INET6, 0, ALLOW),
        (libc::AF_NETLINK, libc::NETLINK_KOBJECT_UEVENT, ALLOW),
        (libc::AF_NETLINK, libc::NETLINK_ROUTE, REFUSE),
        (libc::AF_UNIX, 0, REFUSE),
        (libc::AF_PACKET, 0, REFUSE),
    ];
    for system in systems() {
        let filter = plan(system).filter();
        let number = SOCKET.number(system).unwrap();
        for (family, protocol, end) in sockets {
            let [family, protocol] = [family, protocol].map(|number| number as u32);
            let arguments = [family, 1, protocol, 0, 0, 0];
            assert_eq!(run(&filter, system, number, arguments), end, "{family} {protocol} {system:?}");
        }
        if let Some(number) = SOCKETCALL.number(system) {
            assert_eq!(run(&filter, system, number, [0; 6]), REFUSE);
            let old = Plan { has_socket_calls: false, ..plan(system) }.filter();
            assert_eq!(run(&old, system, number, [0; 6]), ALLOW, "an old kernel has nothing else");
        }
    }
}

/// As the C library writes it: with 32 bits or 64.
#[allow(clippy::unnecessary_fallible_conversions, reason = "with 32 bits it can fail")]
fn as_c(number: u32) -> libc::c_long {
    number.try_into().unwrap()
}

/// The numbers of this system are those that the C library has.
#[test]
fn numbers_are_those_of_the_c_library() {
    let Some(own) = OWN else { return };
    let known = [
        ("kill", libc::SYS_kill),
        ("clone", libc::SYS_clone),
        ("execve", libc::SYS_execve),
        ("ptrace", libc::SYS_ptrace),
        ("sendmsg", libc::SYS_sendmsg),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("mount", libc::SYS_mount),
        ("unshare", libc::SYS_unshare),
        ("setns", libc::SYS_setns),
        ("bpf", libc::SYS_bpf),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("keyctl", libc::SYS_keyctl),
        ("reboot", libc::SYS_reboot),
        ("clock_settime", libc::SYS_clock_settime),
        ("setresuid", libc::SYS_setresuid),
        ("setgroups", libc::SYS_setgroups),
        ("openat", libc::SYS_openat),
        ("openat2", libc::SYS_openat2),
        ("unlinkat", libc::SYS_unlinkat),
        ("renameat2", libc::SYS_renameat2),
        ("fchownat", libc::SYS_fchownat),
        ("faccessat2", libc::SYS_faccessat2),
        ("sync", libc::SYS_sync),
        ("getxattr", libc::SYS_getxattr),
    ];
    for (name, number) in known {
        let call = NEVER.iter().chain(BY_NAME).find(|call| call.name == name).unwrap();
        assert_eq!(call.number(own).map(as_c), Some(number), "{name}");
    }
    for (call, number) in [
        (SOCKET, libc::SYS_socket),
        (CLONE3, libc::SYS_clone3),
        (TKILL, libc::SYS_tkill),
        (TGKILL, libc::SYS_tgkill),
    ] {
        assert_eq!(call.number(own).map(as_c), Some(number), "{call:?}");
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
        let call = |number: u32| {
            // SAFETY: the filter refuses the call, whatever its arguments are; zeros lead nowhere.
            let result = unsafe { libc::syscall(as_c(number), 0, 0, 0, 0, 0, 0) };
            (number, result, io::Error::last_os_error().raw_os_error())
        };
        plan(OWN.unwrap()).refused().map(call).collect()
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
