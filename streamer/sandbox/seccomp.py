"""The system calls that a decoding child may make, as a seccomp filter; every other call fails with EPERM.

Failing, and not killing, because a C library may try a call and do without it.
"""

from __future__ import annotations

import errno
import struct

_LOAD_WORD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # linux/seccomp.h
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENT_1 = 0, 4, 24  # struct seccomp_data
_FCNTL_COMMANDS = (1, 2, 3, 1030)  # F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: not F_SETOWN, which sends signals

# AUDIT_ARCH_* value, number of fcntl, numbers of the calls that are allowed with any argument.
_TABLES: dict[str, tuple[int, int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        72,
        {
            "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10,
            "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
            "pread64": 17, "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "nanosleep": 35,
            "getpid": 39, "exit": 60, "gettimeofday": 96, "getrusage": 98, "sigaltstack": 131, "gettid":
            186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228,
            "clock_nanosleep": 230, "exit_group": 231, "newfstatat": 262, "getrandom": 318,
        },
    ),
    "aarch64": (
        0xC00000B7,
        25,
        {
            "dup": 23, "close": 57, "lseek": 62, "read": 63, "write": 64, "pread64": 67, "newfstatat": 79,
            "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "nanosleep": 101, "clock_gettime":
            113, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall":
            128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
            "getrusage": 165, "gettimeofday": 169, "getpid": 172, "gettid": 178, "brk": 214, "munmap":
            215, "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278,
        },
    ),
}  # fmt: skip


def filter_program(machine: str) -> bytes | None:
    """Classic BPF instructions, eight bytes each; None for a machine without a table.

    Args:
        machine: as `os.uname().machine` names it.
    """
    table = _TABLES.get(machine)
    if table is None:
        return None
    architecture, fcntl, calls = table
    deny = _instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allow = _instruction(_RETURN, 0, 0, _ALLOW)
    program = [
        _instruction(_LOAD_WORD, 0, 0, _OFFSET_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, 1, 0, architecture),
        deny,
        _instruction(_LOAD_WORD, 0, 0, _OFFSET_NUMBER),
    ]
    for number in sorted(calls.values()):
        program += [_instruction(_JUMP_EQUAL, 0, 1, number), allow]
    program += [_instruction(_JUMP_EQUAL, 1, 0, fcntl), deny, _instruction(_LOAD_WORD, 0, 0, _OFFSET_ARGUMENT_1)]
    for command in _FCNTL_COMMANDS:
        program += [_instruction(_JUMP_EQUAL, 0, 1, command), allow]
    return b"".join([*program, deny])


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
