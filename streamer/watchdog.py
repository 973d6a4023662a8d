"""Ends the process when it hangs where Python cannot reach: some calls of the Kafka client ignore their timeout.

Known of `send_offsets_to_transaction` with its coordinator gone (librdkafka issues 5456 and 5511). Nothing is lost by
it: what was not committed comes again, and an open transaction is aborted by whoever takes the place.
"""

from __future__ import annotations

import os
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
