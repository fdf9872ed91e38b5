"""Become a command that the kernel denies a call, as the sandbox of a container does.

usage: deny.py CALL=ERROR COMMAND [ARGUMENT...]    CALL: memfd_create or fallocate
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# The numbers of AUDIT_ARCH_*, and of the calls.
MACHINES = {
    "x86_64": (0xC000003E, {"memfd_create": 319, "fallocate": 285}),
    "aarch64": (0xC00000B7, {"memfd_create": 279, "fallocate": 47}),
}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000


class Program(ctypes.Structure):
    """sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


architecture, numbers = MACHINES[platform.machine()]
call, error = sys.argv[1].split("=")
instructions = [
    (LOAD, 0, 0, 4),
    (JUMP_IF_EQUAL, 0, 3, architecture),
    (LOAD, 0, 0, 0),
    (JUMP_IF_EQUAL, 0, 1, numbers[call]),
    (RETURN, 0, 0, FAIL | getattr(errno, error)),
    (RETURN, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in instructions))
program = Program(len(instructions), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
for option in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)):
    if libc.prctl(*option):
        sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
