//! Every number and structure that crosses to C or to the kernel, in one table: `tests/pure/crossings.rs` compares each size, offset
//! and constant with what the target's C compiler makes of the target's headers, and fails if something that is used in
//! `sys` is not here.
//!
//! To add a constant, put its name into the list of its header in `constants`; to add a structure, put it with the fields
//! that are used into `structures`. Nothing of this is in the program.
#![allow(unsafe_code)]

use std::mem::{align_of, offset_of, size_of};

use super::call_filter::calls;
use super::usb::kernel;
use super::{call_filter, time64};

/// One value that both languages must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The name in `src/sys`, without its module: `sockaddr_in`.
    pub name: &'static str,
    /// The headers that C has it from, separated by blanks.
    pub headers: &'static str,
    /// It as an expression of C.
    pub c: &'static str,
    /// What it is in Rust.
    pub value: i128,
}

/// All of them, as they are on the target of this build.
#[must_use]
pub fn all() -> Vec<Crossing> {
    [
        constants(),
        calls(),
        filters(),
        requests(),
        functions(),
        types(),
        structures(),
        terminals(),
        libusb(),
        times(),
    ]
    .concat()
}

/// Constants of a module that have the same name in C.
macro_rules! constants {
    ($($headers:literal: $module:path { $($name:ident)* })*) => {
        vec![$($({
            use $module as module;
            Crossing {
                name: stringify!($name),
                headers: $headers,
                c: stringify!($name),
                value: module::$name as i128,
            }
        }),*),*]
    };
}

/// A structure: its size and alignment, and of each field the offset and the size. A field that has another name in C
/// is written `ours = theirs`.
macro_rules! structures {
    ($($headers:literal: $ours:ty as $theirs:literal { $($field:ident $(= $other:ident)?)* })*) => {
        vec![$(
            structures!(@row $headers, $ours, concat!("sizeof(", $theirs, ")"), size_of::<$ours>()),
            structures!(@row $headers, $ours, concat!("_Alignof(", $theirs, ")"), align_of::<$ours>()),
            $(
                structures!(@row $headers, $ours,
                    concat!("offsetof(", $theirs, ", ", structures!(@name $field $($other)?), ")"),
                    offset_of!($ours, $field)),
                structures!(@row $headers, $ours,
                    concat!("sizeof(((", $theirs, " *)0)->", structures!(@name $field $($other)?), ")"),
                    size_of_target(|it: *const $ours| {
                        // SAFETY: never called, only its type is used.
                        unsafe { &raw const (*it).$field }
                    })),
            )*
        )*]
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $other:ident) => { stringify!($other) };
    (@row $headers:literal, $ours:ty, $c:expr, $value:expr) => {
        Crossing { name: stringify!($ours), headers: $headers, c: $c, value: $value as i128 }
    };
}

/// Expressions: a name, how C writes it, and what it is here.
macro_rules! expressions {
    ($($headers:literal: { $($name:ident $c:literal = $value:expr;)* })*) => {
        vec![$($(Crossing { name: stringify!($name), headers: $headers, c: $c, value: $value as i128 }),*),*]
    };
}

fn size_of_target<T, F>(_: impl Fn(*const T) -> *const F) -> usize {
    size_of::<F>()
}

/// Numbers of system calls, all of which have this name in headers of any age, and of any C library: on 32 bits musl has other ones
/// for two that set the clock.
fn calls() -> Vec<Crossing> {
    const OTHERS: [&str; 5] =
        ["fchmodat2", "process_mrelease", "quotactl_fd", "clock_settime", "settimeofday"];
    let known = [calls::SOCKET, calls::CLONE3, calls::TKILL, calls::TGKILL];
    let all = calls::NEVER.iter().chain(calls::BY_NAME).chain(&known);
    let number = |call: &calls::Call| Some((call.name, call.number(call_filter::OWN?)?));
    let numbers = all.filter_map(number).filter(|(name, _)| !OTHERS.contains(name));
    let crossing = |(name, number)| Crossing {
        name,
        headers: "sys/syscall.h",
        c: Box::leak(format!("SYS_{name}").into_boxed_str()),
        value: i128::from(number),
    };
    numbers.map(crossing).collect()
}

/// What a filter of system calls is made of, and what it looks at.
fn filters() -> Vec<Crossing> {
    let Some(own) = call_filter::OWN else { return Vec::new() };
    let mut all = expressions! { "linux/filter.h linux/seccomp.h linux/audit.h errno.h": {
        LOAD "BPF_LD | BPF_W | BPF_ABS" = call_filter::LOAD;
        JUMP_IF_EQUAL "BPF_JMP | BPF_JEQ | BPF_K" = call_filter::JUMP_IF_EQUAL;
        JUMP_IF_AT_LEAST "BPF_JMP | BPF_JGE | BPF_K" = call_filter::JUMP_IF_AT_LEAST;
        END "BPF_RET | BPF_K" = call_filter::END;
        ALLOW "SECCOMP_RET_ALLOW" = call_filter::ALLOW;
        REFUSE "SECCOMP_RET_ERRNO | EPERM" = call_filter::REFUSE;
        MISSING "SECCOMP_RET_ERRNO | ENOSYS" = call_filter::MISSING;
        NUMBER_AT "offsetof(struct seccomp_data, nr)" = call_filter::NUMBER_AT;
        ARCHITECTURE_AT "offsetof(struct seccomp_data, arch)" = call_filter::ARCHITECTURE_AT;
        // The first byte of the number, or that in the middle: the lower half is where the lowest byte is.
        argument_at "offsetof(struct seccomp_data, args[0]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) * 4"
            = own.argument_at(0);
        argument_at "offsetof(struct seccomp_data, args[2]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) * 4"
            = own.argument_at(2);
    } };
    let name = match (std::env::consts::ARCH, own.is_little_endian()) {
        ("x86_64", _) => "AUDIT_ARCH_X86_64",
        ("x86", _) => "AUDIT_ARCH_I386",
        ("arm", true) => "AUDIT_ARCH_ARM",
        ("arm", false) => "AUDIT_ARCH_ARMEB",
        ("aarch64", _) => "AUDIT_ARCH_AARCH64",
        ("riscv64", _) => "AUDIT_ARCH_RISCV64",
        ("loongarch64", _) => "AUDIT_ARCH_LOONGARCH64",
        ("mips", true) => "AUDIT_ARCH_MIPSEL",
        ("mips", false) => "AUDIT_ARCH_MIPS",
        ("powerpc64", true) => "AUDIT_ARCH_PPC64LE",
        _ => "AUDIT_ARCH_PPC64",
    };
    all.push(Crossing { name: "audit", headers: "linux/audit.h", c: name, value: own.audit.into() });
    all
}

fn constants() -> Vec<Crossing> {
    #[allow(unused_mut, reason = "some platforms have more")]
    let mut all = constants! {
        "errno.h": libc {
            EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EBUSY EEXIST EFAULT EFBIG EINTR EINVAL EIO EISDIR ELOOP EMFILE
            ENAMETOOLONG ENFILE ENOBUFS ENODATA ENODEV ENOENT ENOMEM ENOSPC ENOSYS ENOTTY EPERM ETIMEDOUT
        }
        "fcntl.h unistd.h": libc {
            AT_EACCESS AT_FDCWD F_DUPFD F_GETLK F_SETFL F_SETLK F_UNLCK F_WRLCK O_CLOEXEC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH
            O_RDONLY O_RDWR SEEK_SET W_OK
        }
        "sys/auxv.h": libc { AT_PHDR AT_PHENT AT_PHNUM }
        "sys/file.h": libc { LOCK_EX LOCK_NB LOCK_UN }
        "limits.h": libc { PATH_MAX }
        "poll.h": libc { POLLIN POLLOUT }
        "signal.h": libc { SIGCHLD SIGHUP SIGINT SIGKILL SIGPIPE SIGTERM SIGXFSZ SIG_BLOCK SIG_SETMASK }
        "signal.h": signal_hook::consts { SIGCHLD SIGHUP SIGINT SIGTERM }
        "signal.h sys/wait.h": libc { P_PID WEXITED WNOHANG WNOWAIT }
        "sys/mman.h": libc { MADV_DONTNEED MCL_CURRENT MCL_FUTURE MCL_ONFAULT }
        "sys/prctl.h": libc { PR_SET_NAME PR_SET_SECCOMP }
        "linux/seccomp.h": libc { SECCOMP_MODE_FILTER }
        "linux/netlink.h": libc { NETLINK_KOBJECT_UEVENT }
        "sched.h": libc {
            CLONE_NEWUSER CLONE_NEWNS CLONE_NEWPID CLONE_NEWNET CLONE_NEWIPC CLONE_NEWUTS CLONE_NEWCGROUP
        }
        "sys/reboot.h": libc { RB_POWER_OFF }
        "sys/resource.h": libc { RLIMIT_NOFILE }
        "linux/close_range.h": libc { CLOSE_RANGE_CLOEXEC }
        "sys/syscall.h": libc { SYS_close_range }
        "sys/socket.h": libc {
            AF_INET AF_INET6 AF_NETLINK AF_UNIX MSG_CMSG_CLOEXEC MSG_DONTWAIT MSG_NOSIGNAL SCM_RIGHTS SHUT_WR SOCK_CLOEXEC
            SOCK_DGRAM SOCK_NONBLOCK SOCK_RAW SOCK_SEQPACKET SOCK_STREAM SOL_SOCKET SO_PEERCRED SO_PEERGROUPS SO_RCVBUF SO_REUSEADDR SO_SNDBUF
        }
        "netinet/in.h": libc { IPPROTO_IPV6 IPPROTO_TCP IPV6_V6ONLY }
        "netinet/tcp.h": libc { TCP_NODELAY TCP_NOTSENT_LOWAT TCP_QUICKACK TCP_USER_TIMEOUT }
        "linux/netlink.h": libc { NETLINK_KOBJECT_UEVENT }
        "sys/timerfd.h": libc { TFD_CLOEXEC TFD_NONBLOCK TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET }
        "time.h": libc { CLOCK_BOOTTIME CLOCK_MONOTONIC CLOCK_REALTIME }
        "termios.h": libc { CLOCAL CREAD CS8 ECHO ICANON IGNPAR TCIFLUSH TCIOFLUSH TCSANOW VMIN VTIME }
        "sys/ioctl.h": libc {
            TIOCM_CD TIOCM_CTS TIOCM_DSR TIOCM_DTR TIOCM_RNG TIOCM_RTS TIOCM_SR TIOCM_ST
        }
        // What mio registers and signal-hook installs for us.
        "sys/epoll.h": libc {
            EPOLLERR EPOLLHUP EPOLLIN EPOLLOUT EPOLLPRI EPOLLRDHUP EPOLL_CLOEXEC EPOLL_CTL_ADD EPOLL_CTL_DEL
            EPOLL_CTL_MOD
        }
        "signal.h": libc { SA_RESTART SA_SIGINFO }
    };
    // Since 2.42, the headers of glibc have the number of bits a second here; `tty` gives that to `cfsetspeed`.
    #[cfg(not(target_env = "gnu"))]
    all.extend(constants! { "termios.h": libc { B2400 } });
    #[cfg(target_pointer_width = "32")]
    all.extend(expressions! { "sys/syscall.h": {
        SYS_CLOCK_GETTIME64 "SYS_clock_gettime64" = time64::SYS_CLOCK_GETTIME64;
        SYS_TIMERFD_SETTIME64 "SYS_timerfd_settime64" = time64::SYS_TIMERFD_SETTIME64;
    } });
    all
}

/// Requests of `ioctl`: 32 bits by definition; some C libraries give the number a sign.
fn requests() -> Vec<Crossing> {
    macro_rules! requests {
        ($($headers:literal: $module:path { $($name:ident)* })*) => {
            vec![$($({
                use $module as module;
                Crossing {
                    name: stringify!($name),
                    headers: $headers,
                    c: concat!("(unsigned)", stringify!($name)),
                    value: i128::from(module::$name as u32),
                }
            }),*),*]
        };
    }
    requests! {
        "sys/ioctl.h": libc {
            TIOCCBRK TIOCEXCL TIOCGEXCL TIOCGWINSZ TIOCMBIC TIOCMBIS TIOCMGET TIOCNXCL TIOCSBRK
        }
        "sys/ioctl.h linux/usbdevice_fs.h": kernel {
            USBDEVFS_CLAIMINTERFACE USBDEVFS_CONNECT USBDEVFS_CONTROL USBDEVFS_DISCONNECT USBDEVFS_DISCONNECT_CLAIM
            USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER USBDEVFS_DROP_PRIVILEGES USBDEVFS_GETDRIVER USBDEVFS_IOCTL USBDEVFS_RESET
            USBDEVFS_RESETEP
        }
    }
}

/// What C has as macros, and the libc crate as functions or with another sign.
fn functions() -> Vec<Crossing> {
    // SAFETY: these only count.
    let (length, space) = unsafe { (libc::CMSG_LEN(4), libc::CMSG_SPACE(4)) };
    expressions! {
        "sys/socket.h": {
            CMSG_LEN "CMSG_LEN(4)" = length;
            CMSG_SPACE "CMSG_SPACE(4)" = space;
            // Where the data of the first control message begin, and that there is one as soon as its header fits.
            CMSG_DATA "CMSG_LEN(0)" = size_of::<libc::cmsghdr>();
            CMSG_FIRSTHDR "sizeof(struct cmsghdr)" = size_of::<libc::cmsghdr>();
        }
        "sys/wait.h": {
            WIFEXITED "!!WIFEXITED(0x2a00)" = libc::WIFEXITED(0x2a00);
            WIFEXITED "!!WIFEXITED(0x000f)" = libc::WIFEXITED(0x000f);
            WEXITSTATUS "WEXITSTATUS(0x2a00)" = libc::WEXITSTATUS(0x2a00);
            WIFSIGNALED "!!WIFSIGNALED(0x008b)" = libc::WIFSIGNALED(0x008b);
            WIFSIGNALED "!!WIFSIGNALED(0x2a00)" = libc::WIFSIGNALED(0x2a00);
            WTERMSIG "WTERMSIG(0x008b)" = libc::WTERMSIG(0x008b);
        }
        "signal.h": {
            // A function in C too, which returns this.
            SIGRTMAX "_NSIG - 1" = libc::SIGRTMAX();
            SIG_DFL "(long)SIG_DFL" = libc::SIG_DFL;
            SIG_IGN "(long)SIG_IGN" = libc::SIG_IGN;
        }
        "sys/epoll.h": {
            EPOLLET "(int)EPOLLET" = libc::EPOLLET;
        }
        "sys/ioctl.h": {
            _IO "(unsigned)_IO(0x55, 20)" = libc::_IO(0x55, 20) as u32;
            _IOR "(unsigned)_IOR(0x55, 3, int)" = libc::_IOR::<libc::c_int>(0x55, 3) as u32;
            _IOW "(unsigned)_IOW(0x55, 30, int)" = libc::_IOW::<libc::c_int>(0x55, 30) as u32;
            _IOWR "(unsigned)_IOWR(0x55, 18, int)" = libc::_IOWR::<libc::c_int>(0x55, 18) as u32;
        }
    }
}

/// Types without fields of ours: how many bytes, and how aligned.
fn types() -> Vec<Crossing> {
    structures! {
        "stddef.h": libc::c_char as "char" {}
        "stddef.h": libc::c_short as "short" {}
        "stddef.h": libc::c_int as "int" {}
        "stddef.h": libc::c_uint as "unsigned" {}
        "stddef.h": libc::c_long as "long" {}
        "stddef.h": usize as "size_t" {}
        "stddef.h": *mut libc::c_void as "void *" {}
        "sys/types.h": libc::clockid_t as "clockid_t" {}
        "sys/types.h": libc::pid_t as "pid_t" {}
        "sys/socket.h": libc::sa_family_t as "sa_family_t" {}
        "sys/socket.h": libc::socklen_t as "socklen_t" {}
        "signal.h": libc::siginfo_t as "siginfo_t" { si_signo si_errno si_code }
        "signal.h": libc::sigset_t as "sigset_t" {}
        "termios.h": libc::speed_t as "speed_t" {}
    }
}

fn structures() -> Vec<Crossing> {
    structures! {
        "fcntl.h": libc::flock as "struct flock" { l_type l_whence l_start l_len l_pid }
        "poll.h": libc::pollfd as "struct pollfd" { fd events revents }
        "linux/filter.h": libc::sock_fprog as "struct sock_fprog" { len filter }
        "linux/filter.h": libc::sock_filter as "struct sock_filter" { code jt jf k }
        "linux/filter.h": call_filter::Instruction as "struct sock_filter" {
            code if_true = jt if_false = jf value = k
        }
        "elf.h": libc::Elf32_Phdr as "Elf32_Phdr" { p_type p_vaddr p_memsz }
        "elf.h": libc::Elf64_Phdr as "Elf64_Phdr" { p_type p_vaddr p_memsz }
        "sys/resource.h": libc::rlimit as "struct rlimit" { rlim_cur rlim_max }
        "sys/ioctl.h": libc::winsize as "struct winsize" { ws_row ws_col }
        "termios.h": libc::termios as "struct termios" { c_iflag c_oflag c_cflag c_lflag c_cc }
        "sys/uio.h": libc::iovec as "struct iovec" { iov_base iov_len }
        "sys/socket.h": libc::msghdr as "struct msghdr" {
            msg_name msg_namelen msg_iov msg_control msg_flags
        }
        "sys/socket.h": libc::ucred as "struct ucred" { pid uid gid }
        "sys/socket.h": libc::cmsghdr as "struct cmsghdr" { cmsg_level cmsg_type }
        "netinet/in.h": libc::sockaddr_in as "struct sockaddr_in" { sin_family sin_port sin_addr }
        "netinet/in.h": libc::sockaddr_in6 as "struct sockaddr_in6" { sin6_family sin6_port sin6_addr sin6_scope_id }
        "linux/netlink.h": libc::sockaddr_nl as "struct sockaddr_nl" { nl_family nl_pid nl_groups }
        "time.h": libc::tm as "struct tm" {
            tm_sec tm_min tm_hour tm_mday tm_mon tm_year tm_wday tm_yday tm_isdst tm_gmtoff tm_zone
        }
        "linux/usbdevice_fs.h": kernel::ControlTransfer as "struct usbdevfs_ctrltransfer" {
            request_type = bRequestType request = bRequest value = wValue index = wIndex length = wLength timeout data
        }
        "linux/usbdevice_fs.h": kernel::InterfaceIoctl as "struct usbdevfs_ioctl" {
            interface = ifno code = ioctl_code data
        }
        "linux/usbdevice_fs.h": kernel::GetDriver as "struct usbdevfs_getdriver" { interface driver }
        "linux/usbdevice_fs.h": kernel::DisconnectClaim as "struct usbdevfs_disconnect_claim" { interface flags driver }
        // What mio, signal-hook, rustix, socket2 and the standard library exchange with C for us (as some rows above, too).
        "sys/epoll.h": libc::epoll_event as "struct epoll_event" { events u64 = data }
        "signal.h": libc::sigaction as "struct sigaction" { sa_sigaction sa_mask sa_flags }
        "sys/socket.h": libc::sockaddr_storage as "struct sockaddr_storage" { ss_family }
        "sys/un.h": libc::sockaddr_un as "struct sockaddr_un" { sun_family sun_path }
        "netdb.h": libc::addrinfo as "struct addrinfo" {
            ai_flags ai_family ai_socktype ai_protocol ai_addrlen ai_addr ai_canonname ai_next
        }
    }
}

/// What `rustix` and `serialport` exchange with the kernel for us: not the C library's structure. The headers of both cannot be
/// included together.
#[cfg(not(any(target_arch = "powerpc", target_arch = "powerpc64")))]
fn terminals() -> Vec<Crossing> {
    let mut all = structures! {
        "asm/termbits.h": libc::termios2 as "struct termios2" {
            c_iflag c_oflag c_cflag c_lflag c_line c_cc c_ispeed c_ospeed
        }
    };
    all.extend(expressions! { "asm/termbits.h asm/ioctls.h": {
        TCGETS2 "(unsigned)TCGETS2" = libc::TCGETS2 as u32;
        TCSETS2 "(unsigned)TCSETS2" = libc::TCSETS2 as u32;
        BOTHER "BOTHER" = libc::BOTHER;
        CBAUD "CBAUD" = libc::CBAUD;
    } });
    all
}

/// Its kernel has one structure for both.
#[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
const fn terminals() -> Vec<Crossing> {
    Vec::new()
}

/// What the C compiler makes of libusb's header.
fn libusb() -> Vec<Crossing> {
    let mut all = constants! {
        "libusb.h": libusb1_sys::constants {
            LIBUSB_CONTROL_SETUP_SIZE LIBUSB_ERROR_ACCESS LIBUSB_ERROR_BUSY LIBUSB_ERROR_INTERRUPTED LIBUSB_ERROR_NO_DEVICE
            LIBUSB_ERROR_NO_MEM LIBUSB_OPTION_NO_DEVICE_DISCOVERY LIBUSB_TRANSFER_COMPLETED LIBUSB_TRANSFER_NO_DEVICE
            LIBUSB_TRANSFER_OVERFLOW LIBUSB_TRANSFER_STALL LIBUSB_TRANSFER_TIMED_OUT LIBUSB_TRANSFER_TYPE_CONTROL
        }
    };
    all.extend(structures! {
        "libusb.h": libusb1_sys::libusb_pollfd as "struct libusb_pollfd" { fd events }
        "libusb.h": libusb1_sys::libusb_transfer as "struct libusb_transfer" {
            dev_handle flags endpoint transfer_type = type timeout status length actual_length callback user_data buffer
            num_iso_packets
        }
    });
    all
}

/// Times: see [`time64`].
fn times() -> Vec<Crossing> {
    let mut all = structures! {
        "linux/time_types.h": time64::Timespec as "struct __kernel_timespec" { seconds = tv_sec nanos = tv_nsec }
        "linux/time_types.h": time64::Itimerspec as "struct __kernel_itimerspec" {
            interval = it_interval value = it_value
        }
    };
    all.extend(expressions! {
        "sys/time.h": {
            Timeval "sizeof(struct timeval) == 8 || sizeof(struct timeval) == 16" = 1;
            Timeval "sizeof(((struct timeval *)0)->tv_sec) * 2 == sizeof(struct timeval)" = 1;
            Timeval "sizeof(((struct timeval *)0)->tv_usec) * 2 == sizeof(struct timeval)" = 1;
            Timeval "offsetof(struct timeval, tv_usec) * 2 == sizeof(struct timeval)" = 1;
        }
        "time.h": {
            localtime_r "sizeof(time_t)" = time64::LOCALTIME_BYTES;
        }
    });
    all
}
