"""`earshot run`: one worker of the group, until it is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from streamer.cli.common import BundleOption, ConfigOption, errors_told, settings_from


def run(
    config: ConfigOption = None,
    bundle: BundleOption = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of /healthz, /readyz, /metrics; 0: any.")] = None,
) -> None:
    """Consume events and publish verdicts: one worker of the group; start more for more load.

    SIGTERM or Ctrl-C: finish what is in flight within worker.drain_seconds, commit, leave the group. A second one:
    leave at once; what was not finished comes again to another worker, and nothing is lost.
    """
    import structlog

    from streamer.assemble import open_parts, open_worker

    with errors_told():
        settings = settings_from(config, engine__bundle=bundle, admin__port=admin_port)
        if "secret" not in settings.model_fields_set:
            structlog.get_logger().warning(
                "secret_not_set", why="uploaders can work out which frames are looked at", mend="set EARSHOT_SECRET"
            )
        with (
            open_parts(settings) as parts,
            open_worker(settings, parts) as worker,
            stopped_by_signals(worker.stop),
        ):
            worker.run()


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` for each SIGTERM and SIGINT, from a thread of its own.

    Python runs signal handlers in the main thread between two of its own instructions: not while a call to Kafka
    waits for a broker that is gone, which is when somebody sends the second signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    inbox, outbox = socket.socketpair()
    outbox.setblocking(False)

    def listen() -> None:
        while inbox.recv(1):
            stop()

    kept = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    woken = signal.set_wakeup_fd(outbox.fileno())
    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in kept.items():
            signal.signal(number, handler)
        outbox.close()
        thread.join()
        inbox.close()
