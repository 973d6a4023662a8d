"""`earshot run` for tests, which may kill itself where it hurts most.

python -m tests.stream.runner CONFIG.yaml [POINT N]

SIGKILL at that point of the N-th publication: `before_begin` (all work done, nothing published), `after_produce` (the
broker has the outputs, not the offsets), `after_offsets` (both, the transaction is open), `into_commit` (0 to 20 ms
into the commit), `after_flush` (without transactions: outputs acknowledged, offsets not committed).
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from streamer.kafka import publisher

POINTS = ("before_begin", "after_produce", "after_offsets", "into_commit")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # until the kernel gets round to it


def mortal(point: str, turn: int) -> type[Producer]:
    """A producer whose process does not survive `point` of publication number `turn`."""
    turns = 0

    class Mortal(Producer):
        def begin_transaction(self) -> None:
            nonlocal turns
            turns += 1
            if turns == turn and point == "before_begin":
                die()
            super().begin_transaction()

        def send_offsets_to_transaction(self, *arguments: Any) -> None:
            if turns == turn and point == "after_produce":
                self.flush()
                die()
            super().send_offsets_to_transaction(*arguments)
            if turns == turn and point == "after_offsets":
                die()

        def commit_transaction(self, *arguments: Any) -> None:
            if turns == turn and point == "into_commit":
                threading.Timer(random.uniform(0, 0.02), die).start()
            super().commit_transaction(*arguments)

        def flush(self, *arguments: Any) -> int:
            nonlocal turns
            left = super().flush(*arguments)
            if point == "after_flush":
                turns += 1
                if turns == turn:
                    die()
            return left

    return Mortal


def main() -> None:
    from streamer.assemble import open_parts, open_worker
    from streamer.logs import configure_logs
    from streamer.settings import load_settings
    from streamer.shutdown import stopped_by_signals

    if len(sys.argv) > 2:
        publisher.Producer = mortal(sys.argv[2], int(sys.argv[3]))  # type: ignore[misc]
    faulthandler.register(signal.SIGUSR1)  # for `wait_for`: where every thread is
    settings = load_settings(Path(sys.argv[1]))
    configure_logs("info", "json")
    with open_parts(settings) as parts, open_worker(settings, parts) as worker, stopped_by_signals(worker.stop):
        worker.run()


if __name__ == "__main__":
    main()
