"""What a confined process can still do: probes run after `confine` in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from streamer.sandbox.confine import Confinement
from streamer.sandbox.seccomp import filter_program
from tests.imports import ROOT

PROBES = r"""
import ctypes, json, os, socket, sys
from streamer.sandbox.confine import Limits, confine, leave_namespaces
import msgspec

media = os.open(sys.argv[1], os.O_RDONLY)
out = os.dup(1)
parent = os.getppid()
namespaces = leave_namespaces() if sys.argv[2] == "all" else False
limits = Limits(memory_bytes=128 << 20, cpu_seconds=5)
told = confine(limits, namespaces=namespaces)

def probe(work):
    try:
        work()
        return "allowed"
    except (OSError, MemoryError) as error:
        return type(error).__name__

def connect(kind, family=socket.AF_INET, address=("127.0.0.1", 9)):
    with socket.socket(family, kind) as client:
        client.settimeout(1)
        client.connect(address)
        client.send(b"x")

libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

found = {
    "read_passwd": probe(lambda: open("/etc/passwd").read()),
    "read_environ": probe(lambda: open("/proc/self/environ").read()),
    "list_root": probe(lambda: os.listdir("/")),
    "write": probe(lambda: open("/tmp/earshot-probe", "w")),
    "tcp": probe(lambda: connect(socket.SOCK_STREAM)),
    "udp": probe(lambda: connect(socket.SOCK_DGRAM)),
    "unix": probe(lambda: connect(socket.SOCK_STREAM, socket.AF_UNIX, "\0any")),
    "exec": probe(lambda: os.execv("/bin/true", ["true"])),
    "fork": probe(os.fork),
    "kill_parent": probe(lambda: os.kill(parent, 0)),
    "peek": probe(lambda: call(310, parent, 0, 0, 0, 0, 0)),
    "io_uring": probe(lambda: call(425, 1, 0)),
    "memory": probe(lambda: bytearray(256 << 20)),
    "media": probe(lambda: os.pread(media, 16, 0)),
}
os.write(out, json.dumps({"told": json.loads(msgspec.json.encode(told)), "found": found}).encode())
os._exit(0)
"""
NATIVE = filter_program(os.uname().machine) is not None


def probed(tmp_path: Path, layers: str) -> tuple[Confinement, dict[str, str]]:
    media = tmp_path / "media"
    media.write_bytes(bytes(64))
    command = [sys.executable, "-c", PROBES, str(media), layers]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    answer = msgspec.json.decode(done.stdout)
    return msgspec.convert(answer["told"], Confinement), answer["found"]


def test_a_child_can_read_its_media_and_nothing_else(tmp_path: Path) -> None:
    told, found = probed(tmp_path, "all")
    assert told.no_new_privileges
    if told.missing:
        pytest.fail(f"this machine does not grant {told.missing}; run the tests where it does, or the proof is empty")
    assert found.pop("media") == "allowed"
    assert {name for name, answer in found.items() if answer == "allowed"} == set()


def test_the_filter_alone_denies_the_network_and_new_processes(tmp_path: Path) -> None:
    """As in a container without user namespaces."""
    told, found = probed(tmp_path, "without namespaces")
    assert told.missing == ("namespaces",)
    for name in ("tcp", "udp", "unix", "exec", "fork", "read_passwd"):
        assert found[name] != "allowed", name


def test_without_confinement_the_probes_succeed(tmp_path: Path) -> None:
    """So that a denial above means something."""
    media = tmp_path / "media"
    media.write_bytes(bytes(64))
    script = PROBES.replace("told = confine(limits, namespaces=namespaces)", "told = None")
    script = script.replace('probe(lambda: os.execv("/bin/true", ["true"]))', "'allowed'").replace(
        "probe(os.fork)", "'allowed'"
    )
    done = subprocess.run([sys.executable, "-c", script, str(media), "none"], capture_output=True, cwd=ROOT, timeout=60)
    found = msgspec.json.decode(done.stdout)["found"]
    for name in ("read_passwd", "read_environ", "list_root", "udp", "kill_parent", "memory", "media"):
        assert found[name] == "allowed", name
    Path("/tmp/earshot-probe").unlink(missing_ok=True)


def test_a_machine_without_a_table_is_told_so() -> None:
    assert filter_program("vax") is None
    assert filter_program("aarch64") is not None


def test_missing_layers_are_named() -> None:
    nothing = Confinement(no_new_privileges=False, landlock_abi=0, seccomp=False, namespaces=False)
    assert nothing.missing == ("no_new_privileges", "landlock", "seccomp", "namespaces")
