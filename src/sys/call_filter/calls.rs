//! The numbers of system calls on each system that a filter is known for.

/// A system whose system calls are known: how the kernel calls it, and where its numbers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// As in `linux/audit.h`: the machine of an ELF file's header, with bits for 64 bits and little-endian.
    pub audit: u32,
    /// Its column in the rows of this file.
    pub column: usize,
    /// The calls of a second, like system come from here on: x32 beside `x86_64`.
    pub others_from: Option<u32>,
}

impl System {
    const BITS_64: u32 = 0x8000_0000;
    const LITTLE_ENDIAN: u32 = 0x4000_0000;

    /// The one with this name of its architecture, as the compiler has it; `None`: not known here.
    #[must_use]
    pub const fn find(arch: &[u8], is_little_endian: bool) -> Option<Self> {
        let endian = if is_little_endian { Self::LITTLE_ENDIAN } else { 0 };
        let (audit, column) = match arch {
            b"x86_64" => (Self::BITS_64 | 62, 0),
            b"x86" => (3, 1),
            b"arm" => (40, 2),
            b"aarch64" => (Self::BITS_64 | 183, 3),
            b"riscv64" => (Self::BITS_64 | 243, 3),
            b"loongarch64" => (Self::BITS_64 | 258, 3),
            b"mips" => (8, 4),
            b"powerpc64" => (Self::BITS_64 | 21, 5),
            _ => return None,
        };
        let others_from = if column == 0 { Some(0x4000_0000) } else { None };
        Some(Self { audit: audit | endian, column, others_from })
    }

    /// Whether its words are stored with the lowest byte first.
    #[must_use]
    pub const fn is_little_endian(self) -> bool {
        self.audit & Self::LITTLE_ENDIAN != 0
    }

    /// Where the lower half of an argument is in what a filter looks at (`struct seccomp_data`).
    #[must_use]
    pub const fn argument_at(self, index: u32) -> u32 {
        16 + 8 * index + if self.is_little_endian() { 0 } else { 4 }
    }
}

/// A call: its name, and its number on x86_64, x86, arm, the systems with the kernel's common numbers (aarch64, riscv64,
/// loongarch64), mips (o32) and powerpc64. 0: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// As in the manual.
    pub name: &'static str,
    numbers: [u16; 6],
}

impl Call {
    /// Its number on this system; `None`: there is no such call.
    #[must_use]
    pub fn number(self, system: System) -> Option<u32> {
        self.numbers.get(system.column).copied().filter(|number| *number != 0).map(u32::from)
    }
}

const fn call(name: &'static str, numbers: [u16; 6]) -> Call {
    Call { name, numbers }
}

/// Never needed: signals to others, other processes, their memory and messages, descriptors to others, ports to be asked at, the kernel's
/// own parts, mounts and name spaces, the clock, users.
#[rustfmt::skip]
pub const NEVER: &[Call] = &[
    call("kill", [62, 37, 37, 129, 4037, 37]),
    call("rt_sigqueueinfo", [129, 178, 178, 138, 4198, 177]),
    call("rt_tgsigqueueinfo", [297, 335, 363, 240, 4332, 322]),
    call("pidfd_open", [434, 434, 434, 434, 4434, 434]),
    call("pidfd_getfd", [438, 438, 438, 438, 4438, 438]),
    call("pidfd_send_signal", [424, 424, 424, 424, 4424, 424]),
    call("fork", [57, 2, 2, 0, 4002, 2]),
    call("vfork", [58, 190, 190, 0, 0, 189]),
    call("clone", [56, 120, 120, 220, 4120, 120]),
    call("execve", [59, 11, 11, 221, 4011, 11]),
    call("execveat", [322, 358, 387, 281, 4356, 362]),
    call("ptrace", [101, 26, 26, 117, 4026, 26]),
    call("process_vm_readv", [310, 347, 376, 270, 4345, 351]),
    call("process_vm_writev", [311, 348, 377, 271, 4346, 352]),
    call("process_madvise", [440, 440, 440, 440, 4440, 440]),
    call("process_mrelease", [448, 448, 448, 448, 4448, 448]),
    call("kcmp", [312, 349, 378, 272, 4347, 354]),
    call("bind", [49, 361, 282, 200, 4169, 327]),
    call("listen", [50, 363, 284, 201, 4174, 329]),
    call("socketpair", [53, 360, 288, 199, 4184, 333]),
    call("sendmsg", [46, 370, 296, 211, 4179, 341]),
    call("sendmmsg", [307, 345, 374, 269, 4343, 349]),
    call("ipc", [0, 117, 0, 0, 4117, 117]),
    call("shmget", [29, 395, 307, 194, 4395, 395]),
    call("shmat", [30, 397, 305, 196, 4397, 397]),
    call("msgget", [68, 399, 303, 186, 4399, 399]),
    call("semget", [64, 393, 299, 190, 4393, 393]),
    call("mq_open", [240, 277, 274, 180, 4271, 262]),
    call("mount", [165, 21, 21, 40, 4021, 21]),
    call("umount", [0, 22, 0, 0, 4022, 22]),
    call("umount2", [166, 52, 52, 39, 4052, 52]),
    call("pivot_root", [155, 217, 218, 41, 4216, 203]),
    call("chroot", [161, 61, 61, 51, 4061, 61]),
    call("move_mount", [429, 429, 429, 429, 4429, 429]),
    call("open_tree", [428, 428, 428, 428, 4428, 428]),
    call("fsopen", [430, 430, 430, 430, 4430, 430]),
    call("fsconfig", [431, 431, 431, 431, 4431, 431]),
    call("fsmount", [432, 432, 432, 432, 4432, 432]),
    call("fspick", [433, 433, 433, 433, 4433, 433]),
    call("mount_setattr", [442, 442, 442, 442, 4442, 442]),
    call("unshare", [272, 310, 337, 97, 4303, 282]),
    call("setns", [308, 346, 375, 268, 4344, 350]),
    call("kexec_load", [246, 283, 347, 104, 4311, 268]),
    call("kexec_file_load", [320, 0, 401, 294, 0, 382]),
    call("init_module", [175, 128, 128, 105, 4128, 128]),
    call("finit_module", [313, 350, 379, 273, 4348, 353]),
    call("delete_module", [176, 129, 129, 106, 4129, 129]),
    call("bpf", [321, 357, 386, 280, 4355, 361]),
    call("perf_event_open", [298, 336, 364, 241, 4333, 319]),
    call("userfaultfd", [323, 374, 388, 282, 4357, 364]),
    call("io_uring_setup", [425, 425, 425, 425, 4425, 425]),
    call("io_uring_enter", [426, 426, 426, 426, 4426, 426]),
    call("io_uring_register", [427, 427, 427, 427, 4427, 427]),
    call("add_key", [248, 286, 309, 217, 4280, 269]),
    call("request_key", [249, 287, 310, 218, 4281, 270]),
    call("keyctl", [250, 288, 311, 219, 4282, 271]),
    call("reboot", [169, 88, 88, 142, 4088, 88]),
    call("swapon", [167, 87, 87, 224, 4087, 87]),
    call("swapoff", [168, 115, 115, 225, 4115, 115]),
    call("acct", [163, 51, 51, 89, 4051, 51]),
    call("quotactl", [179, 131, 131, 60, 4131, 131]),
    call("quotactl_fd", [443, 443, 443, 443, 4443, 443]),
    call("syslog", [103, 103, 103, 116, 4103, 103]),
    call("vhangup", [153, 111, 111, 58, 4111, 111]),
    call("sethostname", [170, 74, 74, 161, 4074, 74]),
    call("setdomainname", [171, 121, 121, 162, 4121, 121]),
    call("personality", [135, 136, 136, 92, 4136, 136]),
    call("iopl", [172, 110, 0, 0, 4110, 110]),
    call("ioperm", [173, 101, 0, 0, 4101, 101]),
    call("modify_ldt", [154, 123, 0, 0, 4123, 123]),
    call("uselib", [134, 86, 86, 0, 4086, 86]),
    call("adjtimex", [159, 124, 124, 171, 4124, 124]),
    call("clock_adjtime", [305, 343, 372, 266, 4341, 347]),
    call("clock_adjtime64", [0, 405, 405, 0, 4405, 0]),
    call("clock_settime", [227, 264, 262, 112, 4262, 245]),
    call("clock_settime64", [0, 404, 404, 0, 4404, 0]),
    call("settimeofday", [164, 79, 79, 170, 4079, 79]),
    call("stime", [0, 25, 0, 0, 4025, 25]),
    call("setuid", [105, 23, 23, 146, 4023, 23]),
    call("setgid", [106, 46, 46, 144, 4046, 46]),
    call("setreuid", [113, 70, 70, 145, 4070, 70]),
    call("setregid", [114, 71, 71, 143, 4071, 71]),
    call("setresuid", [117, 164, 164, 147, 4185, 164]),
    call("setresgid", [119, 170, 170, 149, 4190, 169]),
    call("setfsuid", [122, 138, 138, 151, 4138, 138]),
    call("setfsgid", [123, 139, 139, 152, 4139, 139]),
    call("setgroups", [116, 81, 81, 159, 4081, 81]),
    call("setuid32", [0, 213, 213, 0, 0, 0]),
    call("setgid32", [0, 214, 214, 0, 0, 0]),
    call("setreuid32", [0, 203, 203, 0, 0, 0]),
    call("setregid32", [0, 204, 204, 0, 0, 0]),
    call("setresuid32", [0, 208, 208, 0, 0, 0]),
    call("setresgid32", [0, 210, 210, 0, 0, 0]),
    call("setfsuid32", [0, 215, 215, 0, 0, 0]),
    call("setfsgid32", [0, 216, 216, 0, 0, 0]),
    call("setgroups32", [0, 206, 206, 0, 0, 0]),
];

/// Files by a name, which a disk can hold up.
#[rustfmt::skip]
pub const BY_NAME: &[Call] = &[
    call("open", [2, 5, 5, 0, 4005, 5]),
    call("openat", [257, 295, 322, 56, 4288, 286]),
    call("openat2", [437, 437, 437, 437, 4437, 437]),
    call("creat", [85, 8, 8, 0, 4008, 8]),
    call("open_by_handle_at", [304, 342, 371, 265, 4340, 346]),
    call("name_to_handle_at", [303, 341, 370, 264, 4339, 345]),
    call("mkdir", [83, 39, 39, 0, 4039, 39]),
    call("mkdirat", [258, 296, 323, 34, 4289, 287]),
    call("mknod", [133, 14, 14, 0, 4014, 14]),
    call("mknodat", [259, 297, 324, 33, 4290, 288]),
    call("rmdir", [84, 40, 40, 0, 4040, 40]),
    call("unlink", [87, 10, 10, 0, 4010, 10]),
    call("unlinkat", [263, 301, 328, 35, 4294, 292]),
    call("rename", [82, 38, 38, 0, 4038, 38]),
    call("renameat", [264, 302, 329, 0, 4295, 293]),
    call("renameat2", [316, 353, 382, 276, 4351, 357]),
    call("link", [86, 9, 9, 0, 4009, 9]),
    call("linkat", [265, 303, 330, 37, 4296, 294]),
    call("symlink", [88, 83, 83, 0, 4083, 83]),
    call("symlinkat", [266, 304, 331, 36, 4297, 295]),
    call("readlink", [89, 85, 85, 0, 4085, 85]),
    call("readlinkat", [267, 305, 332, 78, 4298, 296]),
    call("chmod", [90, 15, 15, 0, 4015, 15]),
    call("fchmodat", [268, 306, 333, 53, 4299, 297]),
    call("fchmodat2", [452, 452, 452, 452, 4452, 452]),
    call("chown", [92, 182, 182, 0, 4202, 181]),
    call("lchown", [94, 16, 16, 0, 4016, 16]),
    call("chown32", [0, 212, 212, 0, 0, 0]),
    call("lchown32", [0, 198, 198, 0, 0, 0]),
    call("fchownat", [260, 298, 325, 54, 4291, 289]),
    call("truncate", [76, 92, 92, 45, 4092, 92]),
    call("truncate64", [0, 193, 193, 0, 4211, 0]),
    call("utime", [132, 30, 0, 0, 4030, 30]),
    call("utimes", [235, 271, 269, 0, 4267, 251]),
    call("futimesat", [261, 299, 326, 0, 4292, 290]),
    call("utimensat", [280, 320, 348, 88, 4316, 304]),
    call("utimensat_time64", [0, 412, 412, 0, 4412, 0]),
    call("access", [21, 33, 33, 0, 4033, 33]),
    call("faccessat", [269, 307, 334, 48, 4300, 298]),
    call("faccessat2", [439, 439, 439, 439, 4439, 439]),
    call("stat", [4, 106, 106, 0, 4106, 106]),
    call("lstat", [6, 107, 107, 0, 4107, 107]),
    call("stat64", [0, 195, 195, 0, 4213, 0]),
    call("lstat64", [0, 196, 196, 0, 4214, 0]),
    call("statfs", [137, 99, 99, 43, 4099, 99]),
    call("statfs64", [0, 268, 266, 0, 4255, 252]),
    call("chdir", [80, 12, 12, 49, 4012, 12]),
    call("fchdir", [81, 133, 133, 50, 4133, 133]),
    call("sync", [162, 36, 36, 81, 4036, 36]),
    call("syncfs", [306, 344, 373, 267, 4342, 348]),
    call("inotify_add_watch", [254, 292, 317, 27, 4285, 276]),
    call("fanotify_init", [300, 338, 367, 262, 4336, 323]),
    call("setxattr", [188, 226, 226, 5, 4224, 209]),
    call("lsetxattr", [189, 227, 227, 6, 4225, 210]),
    call("getxattr", [191, 229, 229, 8, 4227, 212]),
    call("lgetxattr", [192, 230, 230, 9, 4228, 213]),
    call("listxattr", [194, 232, 232, 11, 4230, 215]),
    call("llistxattr", [195, 233, 233, 12, 4231, 216]),
    call("removexattr", [197, 235, 235, 14, 4233, 218]),
    call("lremovexattr", [198, 236, 236, 15, 4234, 219]),
];

/// Refused by its arguments.
pub const SOCKET: Call = call("socket", [41, 359, 281, 198, 4183, 326]);
/// One number for all calls of sockets, from kernels before 4.3: its arguments cannot be seen.
pub const SOCKETCALL: Call = call("socketcall", [0, 102, 0, 0, 4102, 102]);
/// Its arguments cannot be seen.
pub const CLONE3: Call = call("clone3", [435, 435, 435, 435, 4435, 435]);
/// To the process itself only.
pub const TKILL: Call = call("tkill", [200, 238, 238, 130, 4236, 208]);
/// To the process itself only.
pub const TGKILL: Call = call("tgkill", [234, 270, 268, 131, 4266, 250]);
