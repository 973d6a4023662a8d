"""Real servers on loopback that behave as badly as a test asks."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

#: Given the request as it came, what to send, piece by piece; the connection is closed afterwards.
Answer = Callable[[bytes], Iterable[bytes]]


class Server:
    """Answers every connection in a thread of its own. `requests` are what came, `connections` how many."""

    def __init__(
        self, answer: Answer, *, address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server((address, port))
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self._start(self._accept)

    def url(self, path: str = "/v.mp4", host: str = "127.0.0.1") -> str:
        """Of this server."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def wait(self, seconds: float) -> None:
        """For answers that take their time; ends early when the server is closed."""
        self._closed.wait(seconds)

    @property
    def closed(self) -> bool:
        """Whether the test is over."""
        return self._closed.is_set()

    def settle(self) -> None:
        """Returns when every connection so far has been answered and closed."""
        for thread in self._threads[1:]:
            thread.join()

    def close(self) -> None:
        """Ends all answers."""
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as stream:
                request = b""
                while b"\r\n\r\n" not in request:
                    received = stream.recv(65536)
                    if not received:
                        return
                    request += received
                self.requests.append(request)
                for piece in self._answer(request):
                    stream.sendall(piece)
        except OSError:
            connection.close()  # the client left, or did not like our certificate


def ok(body: bytes, *headers: str) -> Answer:
    """A well-behaved answer."""
    return lambda _: [response(200, body, *headers)]


def response(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """An HTTP/1.1 answer as bytes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: int = 302) -> bytes:
    """Points elsewhere."""
    return response(status, b"", f"Location: {location}")
