"""Decodes untrusted media in confined children, one per video: a crash, hang or bomb costs that video only.

    parent --socket--> zygote --fork--> child: confine, decode, leave the clip in shared memory, exit

Thread-safe: as many children run at once as threads call `decode`. Start it before any client that owns threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec
import structlog
from pydantic import Field

from streamer.decode.formats import Code, DecodeOptions
from streamer.errors import SandboxFailedError, SettingsError, UndecodableError
from streamer.options import Options
from streamer.records import Clip
from streamer.sample import PLAN_VERSION, ClipShape
from streamer.sandbox.confine import Confinement, Limits
from streamer.sandbox.handover import Layout, create, read_clip
from streamer.sandbox.zygote import MESSAGE_BYTES, Exit, Orders, Ready

_log = structlog.get_logger()
_MODULE = "streamer.sandbox.zygote"
_PLAYLIST = b"ffconcat version 1.0\nfile other.ts\n"


class SandboxOptions(Options):
    """What one child may use, and whether Earshot may run where the kernel cannot confine it."""

    memory_bytes: int = Field(default=1 << 30, ge=64 << 20)
    cpu_seconds: int = Field(default=30, ge=1)
    start_seconds: float = Field(default=30.0, gt=0)
    strict: bool = False


class Sandbox:
    """A context manager around a zygote process; see the module."""

    def __init__(self, options: SandboxOptions, decode: DecodeOptions, shape: ClipShape) -> None:
        self._options = options
        self._layout = Layout(shape)
        self._orders = _orders(options, decode, shape)
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._ready: Ready | None = None

    @property
    def plan_id(self) -> str:
        """Names everything that decides which frames and windows are looked at, and how; part of cache keys."""
        return self._orders.plan_id

    @property
    def confinement(self) -> Confinement:
        """What confines the children on this machine; known once started."""
        return self._told().confinement

    @property
    def ffmpeg_version(self) -> str:
        """The version of the FFmpeg libraries that decode, for lineage; known once started."""
        return self._told().ffmpeg_version

    def _told(self) -> Ready:
        if self._ready is None:
            raise SandboxFailedError("the sandbox is not started; use it as a context manager")
        return self._ready

    def __enter__(self) -> Sandbox:
        """Starts the zygote and tries it on a playlist, which must be refused. Raises SettingsError (fatal)."""
        self._zygote = zygote = _Zygote(self._orders, self._options.start_seconds)
        self._ready = zygote.ready
        missing = ", ".join(zygote.ready.confinement.missing)
        if missing and self._options.strict:
            self.close()
            raise SettingsError(
                f"sandbox: this machine does not grant {missing}, and sandbox.strict asks for every layer; "
                "run on a kernel with Landlock, seccomp and user namespaces, or set sandbox.strict to false"
            )
        if missing:
            _log.warning("sandbox_layers_missing", missing=missing)
        self._refuse_playlist()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the zygote and every child."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None

    def decode(self, path: str, seed: bytes, timeout_seconds: float) -> Clip:
        """The clip of a regular file.

        Raises UndecodableError (poison) for whatever the media did, SandboxFailedError (retryable) for what it did not.
        """
        media_fd = _open_regular(path)
        try:
            return self._decode_open(media_fd, seed, timeout_seconds)
        finally:
            os.close(media_fd)

    def _decode_open(self, media_fd: int, seed: bytes, timeout_seconds: float) -> Clip:
        """Tries again, once, when the zygote dies: that is no fault of this video."""
        zygote = None
        for _ in range(2):
            zygote = self._zygote_other_than(zygote)
            # Opened anew: the offset of a descriptor is shared with all its copies, a dying child's among them.
            fresh_fd = os.open(f"/proc/self/fd/{media_fd}", os.O_RDONLY | os.O_CLOEXEC)
            result_fd = create(self._layout)
            try:
                ended = zygote.run(fresh_fd, result_fd, seed, timeout_seconds)
                if ended is None:
                    continue
                self._check_end(ended)
                return read_clip(result_fd, self._layout, ended.cpu_ms)
            finally:
                os.close(result_fd)
                os.close(fresh_fd)
        raise SandboxFailedError("the sandbox's zygote died twice while a video was decoded; see the kernel log")

    def _zygote_other_than(self, dead: _Zygote | None) -> _Zygote:
        with self._lock:
            if self._zygote is None:
                raise SandboxFailedError("the sandbox is not started; use it as a context manager")
            if self._zygote is dead or not self._zygote.is_alive():
                _log.warning("sandbox_zygote_restarted")
                self._zygote.close()
                self._zygote = _Zygote(self._orders, self._options.start_seconds)
            return self._zygote

    def _check_end(self, ended: Exit) -> None:
        if not os.WIFSIGNALED(ended.wait_status):
            return
        number = os.WTERMSIG(ended.wait_status)
        if number == signal.SIGXCPU or ended.cpu_ms >= 1e3 * self._options.cpu_seconds:
            raise UndecodableError(
                Code.OUT_OF_CPU, f"decoding took more than {self._options.cpu_seconds} s of CPU time"
            )
        if number == signal.SIGKILL:
            raise UndecodableError(Code.OUT_OF_MEMORY, "the decoder was killed from outside, as for want of memory")
        raise UndecodableError(Code.CRASHED, f"the decoder crashed ({signal.Signals(number).name})")

    def _refuse_playlist(self) -> None:
        """A misspelt whitelist is ignored by FFmpeg without a word, so that it works is seen and not assumed."""
        playlist_fd = os.memfd_create("earshot-playlist")
        try:
            os.write(playlist_fd, _PLAYLIST)
            self._decode_open(playlist_fd, bytes(16), self._options.start_seconds)
        except UndecodableError as error:
            if error.code == Code.UNSUPPORTED_CONTAINER:
                return
            self.close()
            raise SettingsError(f"sandbox: a playlist was not refused as a container but as {error.code}") from error
        finally:
            os.close(playlist_fd)
        self.close()
        raise SettingsError("sandbox: FFmpeg opened a playlist; install av 18.1 or later, below 19")


def _orders(options: SandboxOptions, decode: DecodeOptions, shape: ClipShape) -> Orders:
    sizes = {name: getattr(shape, name) for name in shape.__slots__}
    identity = msgspec.json.encode([PLAN_VERSION, sizes, decode.model_dump()])
    return Orders(
        decode_options=decode.model_dump_json(),
        plan_id=hashlib.sha256(identity).hexdigest()[:16],
        limits=Limits(memory_bytes=options.memory_bytes, cpu_seconds=options.cpu_seconds),
        **sizes,
    )


def _open_regular(path: str) -> int:
    try:
        # O_NONBLOCK: the open of a pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SandboxFailedError(f"cannot open the fetched file: {error.strerror}") from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise UndecodableError(Code.NOT_A_FILE, "a regular file is expected, this is a directory, pipe or device")


class _Zygote:
    """The parent's end of one zygote process. `run` may be called by many threads at once."""

    def __init__(self, orders: Orders, start_seconds: float) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        with theirs:
            self._process = _start(theirs)
        self._control.settimeout(start_seconds)
        try:
            self._control.send(msgspec.json.encode(orders))
            self.ready = msgspec.json.decode(self._control.recv(MESSAGE_BYTES), type=Ready)
        except (OSError, msgspec.MsgspecError) as error:
            self.close()
            raise SandboxFailedError(f"the sandbox's zygote did not start ({type(error).__name__})") from error

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, media_fd: int, result_fd: int, seed: bytes, timeout_seconds: float) -> Exit | None:
        """How the child ended; None when the zygote died. Raises UndecodableError when the child took too long."""
        deadline = time.monotonic() + timeout_seconds
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            try:
                with theirs:
                    socket.send_fds(self._control, [seed], [theirs.fileno(), media_fd, result_fd])
                _, descriptors, _, _ = socket.recv_fds(ours, MESSAGE_BYTES, 1)
            except OSError:
                return None
            with _closing(descriptors):
                if not descriptors:
                    return None
                if not _readable(ours, deadline - time.monotonic()):
                    signal.pidfd_send_signal(descriptors[0], signal.SIGKILL)
                    ours.recv(MESSAGE_BYTES)
                    raise UndecodableError(Code.TIMED_OUT, f"decoding took longer than {timeout_seconds:g} s")
                told = ours.recv(MESSAGE_BYTES)
        return msgspec.json.decode(told, type=Exit) if told else None


def _start(theirs: socket.socket) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(  # noqa: S603  # our own interpreter with arguments of our own
        [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        # A fresh environment: no secret of the parent is within reach of a decoder, and no library starts threads.
        env={"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C at the terminal is for the parent to handle
    )


def _readable(source: socket.socket, timeout_seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        return bool(selector.select(max(timeout_seconds, 0.0)))


@contextlib.contextmanager
def _closing(descriptors: list[int]) -> Iterator[None]:
    try:
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
