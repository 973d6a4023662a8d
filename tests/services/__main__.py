"""Gets every server ready and says so, line by line. Exit status 1 when one can't be had."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from tests.services import container
from tests.services.chromium import chromium_program
from tests.services.install import ServiceMissingError, say
from tests.services.kafka import GivenBroker
from tests.services.kafka_files import kafka_files
from tests.services.redis import given_url, redis_program


def main() -> int:
    """Prepares all, even when one fails, so that one run tells everything that is missing."""
    services = {"Kafka": _kafka, "Redis": _redis, "Chromium": chromium_program}
    return max(_ready(name, prepare) for name, prepare in services.items())


def _ready(name: str, prepare: Callable[[], str]) -> int:
    started = time.monotonic()
    try:
        where = prepare()
    except ServiceMissingError as error:
        say(f"{name}: MISSING: {error}")
        return 1
    say(f"{name}: {where} ({time.monotonic() - started:.1f} s)")
    return 0


def _kafka() -> str:
    given = os.environ.get("EARSHOT_TEST_KAFKA")
    if given:
        GivenBroker(given).start()
        return given
    if container.image_ready():
        return f"container of {container.IMAGE}"
    files = kafka_files()
    return f"{files.jars} with {files.java}"


def _redis() -> str:
    return given_url() or redis_program()


if __name__ == "__main__":
    sys.exit(main())
