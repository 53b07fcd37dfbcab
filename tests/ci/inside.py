#!/usr/bin/python3
"""inside.py PID CALL...: has a process make system calls, and prints what each returned.

CALL is NUMBER or NUMBER:ARGUMENT:... (arguments that are left out are 0). The process must be waiting in a system call: the instruction
that has made it makes these too (ptrace(2); x86_64, and x86 on a 64-bit kernel). It goes on afterwards as if a signal had woken it."""

import ctypes
import os
import sys

ATTACH, DETACH, SINGLESTEP, GETREGS, SETREGS = 16, 17, 9, 12, 13
# struct user_regs_struct of x86_64, in which a program for x86 is shown too.
NAMES = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs".split()
CODE_OF_X86 = 0x23


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace {request}: {os.strerror(ctypes.get_errno())}")


def registers(pid):
    found = Registers()
    ptrace(GETREGS, pid, ctypes.byref(found))
    return found


def wait(pid):
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        sys.exit(f"process {pid} has ended: {status:#x}")


def call(pid, before, number, arguments):
    made = Registers.from_buffer_copy(before)
    is_x86 = before.cs == CODE_OF_X86
    order = ["rbx", "rcx", "rdx", "rsi", "rdi", "rbp"] if is_x86 else ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
    for name, value in zip(order, arguments + [0] * 6):
        setattr(made, name, value)
    made.rax = number
    # No call is to be begun again.
    made.orig_rax = 2**64 - 1
    # `syscall`, `sysenter` and `int 0x80` are two bytes long.
    made.rip = before.rip - 2
    ptrace(SETREGS, pid, ctypes.byref(made))
    ptrace(SINGLESTEP, pid)
    wait(pid)
    result = registers(pid).rax
    bits = 32 if is_x86 else 64
    result &= 2**bits - 1
    return result - 2**bits if result >= 2 ** (bits - 1) else result


def main():
    pid = int(sys.argv[1])
    ptrace(ATTACH, pid)
    wait(pid)
    before = registers(pid)
    for text in sys.argv[2:]:
        number, *arguments = [int(part) for part in text.split(":")]
        print(text, call(pid, before, number, arguments), flush=True)
    ptrace(SETREGS, pid, ctypes.byref(before))
    ptrace(DETACH, pid)


main()
