"""The process that forks one confined child for each video. Started by `host.py` in a fresh interpreter.

It holds the imports that a decode needs and nothing else: no client, no secret, no thread. It never reads media itself.
"""

from __future__ import annotations

import mmap
import os
import selectors
import signal
import socket
import sys

import msgspec

from streamer.sandbox.confine import Confinement, Limits, confine, die_with_parent, leave_namespaces


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """First message to the zygote: what all its children do and may use."""

    decode_options: str
    frame_pixels: int
    sample_rate_hz: int
    window_samples: int
    max_frames: int
    max_windows: int
    most_frames: int
    plan_id: str
    limits: Limits


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The zygote's answer, after a child has tried the confinement."""

    confinement: Confinement
    ffmpeg_version: str


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a child ended. `wait_status` as waitpid gives it."""

    wait_status: int
    cpu_ms: float
    max_rss_bytes: int


MESSAGE_BYTES = 65_536


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    orders = msgspec.json.decode(control.recv(MESSAGE_BYTES), type=Orders)
    _Zygote(control, orders).serve()


class _Zygote:
    def __init__(self, control: socket.socket, orders: Orders) -> None:
        from streamer.decode.clip import decode, ffmpeg_version, preload
        from streamer.decode.formats import DecodeOptions
        from streamer.sample import ClipShape
        from streamer.sandbox.handover import Layout

        preload()
        self._decode = decode
        self._ffmpeg_version = ffmpeg_version()
        self._options = DecodeOptions.model_validate_json(orders.decode_options)
        self._shape = ClipShape(**{name: getattr(orders, name) for name in ClipShape.__slots__})
        self._layout = Layout(self._shape)
        self._control = control
        self._orders = orders
        # After the imports, which may need a right that root has only outside. None of them starts a thread, as the
        # environment asks for: a process with threads cannot leave its user namespace.
        self._has_namespaces = leave_namespaces()
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, tuple[int, socket.socket]] = {}  # pidfd -> pid, where to tell of its end

    def serve(self) -> None:
        """Until the parent closes the control socket, by will or by death."""
        ready = Ready(confinement=self._try_confinement(), ffmpeg_version=self._ffmpeg_version)
        self._control.send(msgspec.json.encode(ready))
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._reap(key.fd)
                elif not self._accept():
                    self._end()
                    return

    def _accept(self) -> bool:
        seed, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 3)
        if not seed or len(descriptors) != 3:
            return False
        reply_fd, media_fd, result_fd = descriptors
        pid = os.fork()
        if pid == 0:
            self._be_child(seed, reply_fd, media_fd, result_fd)
        os.close(media_fd)
        os.close(result_fd)
        reply = socket.socket(fileno=reply_fd)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (pid, reply)
        self._selector.register(pidfd, selectors.EVENT_READ)
        try:
            socket.send_fds(reply, [str(pid).encode()], [pidfd])
        except OSError:  # the one who asked has given up
            os.kill(pid, signal.SIGKILL)
        return True

    def _reap(self, pidfd: int) -> None:
        pid, reply = self._children.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        cpu_ms = 1e3 * (usage.ru_utime + usage.ru_stime)
        told = Exit(wait_status=status, cpu_ms=cpu_ms, max_rss_bytes=usage.ru_maxrss * 1024)
        with reply:
            try:
                reply.send(msgspec.json.encode(told))
            except OSError:
                return  # the one who asked has given up

    def _end(self) -> None:
        for pid, _ in self._children.values():
            os.kill(pid, signal.SIGKILL)

    def _be_child(self, seed: bytes, reply_fd: int, media_fd: int, result_fd: int) -> None:
        """Never returns."""
        try:
            die_with_parent()
            self._control.close()
            self._selector.close()
            os.close(reply_fd)
            for pidfd, (_, reply) in self._children.items():
                os.close(pidfd)
                reply.close()
            memory = mmap.mmap(result_fd, self._layout.size_bytes)
            os.close(result_fd)
            confine(self._orders.limits, namespaces=self._has_namespaces)
            self._work(seed, media_fd, memory)
        finally:
            os._exit(0)

    def _work(self, seed: bytes, media_fd: int, memory: mmap.mmap) -> None:
        from streamer.decode.formats import Code
        from streamer.errors import UndecodableError
        from streamer.sandbox.handover import write_clip, write_error

        try:
            clip = self._decode(media_fd, seed, self._shape, self._options, self._orders.plan_id)
            write_clip(memory, self._layout, clip)
        except UndecodableError as error:
            write_error(memory, Code(error.code), str(error))
        except MemoryError:
            write_error(memory, Code.OUT_OF_MEMORY, "decoding took more memory than a video may")
        except Exception as error:  # whatever media does to a decoder costs this video only
            write_error(memory, Code.DAMAGED, f"the decoder gave up ({type(error).__name__})")

    def _try_confinement(self) -> Confinement:
        """What a child would be confined by, tried in a child."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writer, msgspec.json.encode(confine(self._orders.limits, namespaces=self._has_namespaces)))
            finally:
                os._exit(0)
        os.close(writer)
        told = os.read(reader, MESSAGE_BYTES)
        os.close(reader)
        os.waitpid(pid, 0)
        return msgspec.json.decode(told, type=Confinement)


if __name__ == "__main__":
    main()
