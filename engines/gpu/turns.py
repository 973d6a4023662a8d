"""Who may use a device when: many threads at once, or one that takes the context down and makes another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Of one device. What lies in page-locked memory is gone with the context, while others may be reading it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._users = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Beside others, when nobody is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For one that is in `shared`: when all others have left it, or wait to be alone themselves."""
        with self._changed:
            self._users -= 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._users and not self._alone)
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._users += 1
                self._changed.notify_all()
