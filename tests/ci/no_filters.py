#!/usr/bin/python3
"""no_filters.py PROGRAM ARGUMENT...: runs a program as on a kernel that filters no system calls.

A filter of its own has PR_SET_SECCOMP answered with EINVAL and seccomp(2) with ENOSYS (x86_64; seccomp(2), linux/filter.h)."""

import ctypes
import errno
import os
import struct
import sys

PRCTL, SECCOMP = 157, 317
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
LOAD, EQUAL, END = 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000

# code, jump if true, jump if false, value; the number is at 0, the first argument at 16.
program = [
    (LOAD, 0, 0, 0),
    (EQUAL, 4, 0, SECCOMP),
    (EQUAL, 0, 4, PRCTL),
    (LOAD, 0, 0, 16),
    (EQUAL, 0, 2, PR_SET_SECCOMP),
    (END, 0, 0, ERROR | errno.EINVAL),
    (END, 0, 0, ERROR | errno.ENOSYS),
    (END, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(Program(len(program), ctypes.addressof(code)))) == -1:
    # Without rights of root this comes first.
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(Program(len(program), ctypes.addressof(code)))) == -1:
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
