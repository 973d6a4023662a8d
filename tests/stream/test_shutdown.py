"""How the process ends, when it is told to and when it hangs. In processes of their own: this one has to live on."""

from __future__ import annotations

import signal
import subprocess
import sys

from streamer.shutdown import EXIT_STATUS

#: A main thread that waits inside one call, as a client does whose broker is gone: no Python runs in it.
_BLOCKED = "import ctypes; ctypes.CDLL(None).sleep(300)"

_STOPPED = f"""
import os
from streamer.shutdown import stopped_by_signals
stops = []
def stop():
    stops.append(1)
    print("stop", flush=True)
    if len(stops) == 2:
        os._exit(3)
with stopped_by_signals(stop):
    print("ready", flush=True)
    while True:
        {_BLOCKED}
"""


def run(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def test_a_process_that_has_a_reason_to_leave_does_so_from_within_a_call_that_does_not_return() -> None:
    with run(f"from streamer.shutdown import watchdog\nwith watchdog(lambda: 'stuck'):\n    {_BLOCKED}") as process:
        assert process.wait(60) == EXIT_STATUS


def test_a_watchdog_leaves_with_its_block() -> None:
    script = "from streamer.shutdown import watchdog\nwith watchdog(lambda: None): pass\nprint('over')"
    with run(script) as process:
        assert process.wait(60) == 0


def test_signals_are_heard_while_the_main_thread_waits_inside_a_call() -> None:
    with run(_STOPPED) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
            assert process.stdout.readline() == "stop\n"
        assert process.wait(60) == 3
