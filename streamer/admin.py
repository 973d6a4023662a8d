"""`/healthz /readyz /metrics /version` on one port, for orchestrators and Prometheus.

Healthy means that the poll loop turns; it never asks Kafka or Redis, so an outage of theirs restarts nothing. Ready
means that engines are loaded and do not only fail, that the group has given this worker its share, and that it is not
draining.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from pydantic import Field

from streamer.metrics import Metrics
from streamer.options import Options

log = structlog.get_logger()


class AdminOptions(Options):
    """Where the admin port listens; `port` 0 takes a free one and None leaves it closed."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=8080, ge=0, le=65535)
    stalled_after_seconds: float = Field(default=30.0, gt=0)


@dataclass(slots=True)
class Health:
    """What the worker tells of itself. Written by the worker's thread, read by the admin port's."""

    clock: Callable[[], float]
    version: Mapping[str, str] = field(default_factory=dict)
    last_turn_seconds: float | None = None
    assigned: bool = False
    draining: bool = False
    engines_work: bool = True

    def stalled(self, after_seconds: float) -> bool:
        """Whether the poll loop has not turned for that long."""
        return self.last_turn_seconds is not None and self.clock() - self.last_turn_seconds > after_seconds

    def readiness(self) -> str | None:
        """Why no work is taken, or None."""
        if self.last_turn_seconds is None:
            return "starting"
        if self.draining:
            return "draining"
        if not self.engines_work:
            return "engines only fail"
        return None if self.assigned else "waiting for the group"


@contextmanager
def admin_server(options: AdminOptions, health: Health, metrics: Metrics) -> Iterator[int | None]:
    """Serve until the block ends; the port that was taken."""
    if options.port is None:
        yield None
        return
    server = ThreadingHTTPServer((options.host, options.port), _handler(options, health, metrics))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="admin", daemon=True)
    thread.start()
    port = server.server_address[1]
    log.info("admin_port", host=options.host, port=port)
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(options: AdminOptions, health: Health, metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    def answer(path: str) -> tuple[int, str, bytes]:
        if path == "/healthz":
            stalled = health.stalled(options.stalled_after_seconds)
            return (503, "text/plain", b"stalled\n") if stalled else (200, "text/plain", b"ok\n")
        if path == "/readyz":
            why_not = health.readiness()
            return (503, "text/plain", f"{why_not}\n".encode()) if why_not else (200, "text/plain", b"ready\n")
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", metrics.exposition()
        if path == "/version":
            return 200, "application/json", json.dumps(dict(health.version)).encode()
        return 404, "text/plain", b"try /healthz, /readyz, /metrics or /version\n"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content_type, body = answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
            """Probes come every few seconds; they are not news."""

    return Handler
