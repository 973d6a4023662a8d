"""How the process ends: told by signals, or by itself when it hangs.

Some calls of the Kafka client ignore their timeout: known of `send_offsets_to_transaction` with its coordinator gone
(librdkafka issues 5456 and 5511). Python cannot reach into them, and ending the process loses nothing: what was not
committed comes again, and an open transaction is aborted by whoever takes the place.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()

_LOOK_SECONDS = 0.5

#: Exit status of a process that was ended here: EX_SOFTWARE of sysexits.h.
EXIT_STATUS = 70


@contextmanager
def watchdog(why_leave: Callable[[], str | None]) -> Iterator[None]:
    """While the block runs, ask about twice a second; end the process as soon as there is a reason to."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            reason = why_leave()
            if reason is not None:
                log.critical("leaving_at_once", reason=reason)
                os._exit(EXIT_STATUS)

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
