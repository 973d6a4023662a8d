"""Takes from this process, for ever, all that a decoder has no need of: files, network, new processes, memory, CPU.

Each layer stands alone, so a kernel that lacks one leaves the others; `Confinement` tells which are in force.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from pathlib import Path

import msgspec

from streamer.sandbox.seccomp import filter_program

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same numbers on every architecture
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one child may use. `memory_bytes` is address space on top of what it starts with."""

    memory_bytes: int
    cpu_seconds: int
    open_files: int = 32


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """The layers in force. `landlock_abi` is 0 where the kernel has no Landlock."""

    no_new_privileges: bool
    landlock_abi: int
    seccomp: bool
    namespaces: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the layers that this kernel or container does not grant."""
        layers = {
            "no_new_privileges": self.no_new_privileges,
            "landlock": self.landlock_abi > 0,
            "seccomp": self.seccomp,
            "namespaces": self.namespaces,
        }
        return tuple(name for name, active in layers.items() if not active)


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def leave_namespaces() -> bool:
    """Moves a single-threaded process to user, network and IPC namespaces of its own, without any device or address."""
    return bool(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0)


def confine(limits: Limits, *, namespaces: bool) -> Confinement:
    """Confines this process. Everything it still needs must be imported and opened before."""
    _limit_resources(limits)
    no_new_privileges = _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    return Confinement(
        no_new_privileges=no_new_privileges,
        landlock_abi=_deny_files(),
        seccomp=_filter_calls(),
        namespaces=namespaces,
    )


def _limit_resources(limits: Limits) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    address_space = pages * os.sysconf("SC_PAGE_SIZE") + limits.memory_bytes
    for kind, value in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (value, value))


def _deny_files() -> int:
    """Landlock with all rights handled and none granted: no path can be opened. The ABI in force, 0 for none."""
    abi = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1))
    if abi < 1:
        return 0
    file_rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)  # rights known to each ABI, linux/landlock.h
    network_rights = 2 if abi >= 4 else 0
    scopes = 2 if abi >= 6 else 0
    words = [(1 << file_rights) - 1, (1 << network_rights) - 1, (1 << scopes) - 1]
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = struct.pack("=3Q", *words)[:size]
    ruleset = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
    if ruleset < 0:
        return 0
    try:
        return abi if _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter_calls() -> bool:
    code = filter_program(os.uname().machine)
    if code is None:
        return False
    program = _Program(len(code) // 8, code)
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)
