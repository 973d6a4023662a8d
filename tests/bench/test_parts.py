"""What the benchmarks are made of: clips, counts, tables."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from streamer.bench.clips import copies, event_of, renew
from streamer.bench.plan import Plan
from streamer.bench.registry import BENCHES
from streamer.bench.result import BenchResult
from streamer.bench.show import machine, markdown
from streamer.bench.usage import usage_of
from streamer.decode.clip import decode
from streamer.decode.formats import DecodeOptions
from streamer.sample import ClipShape


def test_copies_have_hashes_of_their_own_and_show_the_same(tmp_path: Path) -> None:
    with copies(Plan(folder=tmp_path, quick=True), 3) as paths:
        first = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
        renew(paths)
        second = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
        assert len(first) == len(second) == 3
        assert not first & second
        looks = [_look(path) for path in paths]
        assert looks[0] == looks[1] == looks[2]
    assert not paths[0].exists()


def test_events_of_one_file_are_different_events(tmp_path: Path) -> None:
    one, other = (event_of(tmp_path / "a.mp4", quick=True) for _ in range(2))
    assert one.uri == other.uri
    assert one.event_id != other.event_id
    assert one.query


def test_a_plan_keeps_off_what_is_not_its_own(tmp_path: Path) -> None:
    settings = Plan(folder=tmp_path).settings(flow__decode_threads=3)
    assert settings.admin.port is None
    assert settings.cache.url is None
    assert settings.fetch.file_roots == (tmp_path,)
    assert settings.flow.decode_threads == 3


def test_usage_counts_descendants() -> None:
    idle = "import sys; sys.stdin.read()"
    started = f"child = subprocess.Popen([sys.executable, '-c', {idle!r}])"
    parent = f"import subprocess, sys; {started}; print(flush=True); child.wait()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        usage = usage_of(process.pid)
        assert usage.processes == usage.threads == 2
        assert usage.rss_bytes > 4 * 2**20
        assert usage.descriptors >= 6


def test_usage_sees_a_thread_and_a_descriptor_more(tmp_path: Path) -> None:
    before, end = usage_of(os.getpid()), threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    with (tmp_path / "file").open("w"):
        after = usage_of(os.getpid())
    end.set()
    thread.join()
    assert (after.threads, after.descriptors) == (before.threads + 1, before.descriptors + 1)


def test_a_result_is_the_median_between_the_extremes() -> None:
    result = BenchResult.from_ratios("cache", [3.0, 1.0, 2.0], {"tier": "memory"})
    assert (result.ratio, result.low, result.high, result.runs) == (2.0, 1.0, 3.0, 3)


def test_the_document_names_the_machine_and_every_result() -> None:
    results = [BenchResult.from_ratios(name, [2.0], {"clips": 8.0, "tier": "redis"}) for name in BENCHES]
    text = markdown(results)
    assert text.startswith(machine())
    assert "cores" in text.splitlines()[0]
    assert "onnxruntime" in text.splitlines()[0]
    for name, bench in BENCHES.items():
        assert f"| {name} | 2.00 | 2.00 | 2.00 | 1 | {bench.goal} | {bench.meaning} |" in text
        assert f"- `{name}`: clips 8, tier redis." in text


def _look(path: Path) -> tuple[bytes, list[float]]:
    with path.open("rb") as file:
        clip = decode(file.fileno(), bytes(16), ClipShape(), DecodeOptions(), "test")
    assert clip.frames_TCHW is not None
    return clip.frames_TCHW.tobytes(), clip.frame_seconds_T.tolist()
