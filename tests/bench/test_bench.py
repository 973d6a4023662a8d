"""Every benchmark in its smallest form: it runs to the end and says something that can be read."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from streamer.bench.registry import BENCHES
from tests.face.command import earshot_here
from tests.services.kafka import Broker


def earshot_bench(
    *arguments: str, work: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from streamer.cli import main; main()", "bench", "--work", str(work), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, timeout=280
    )


def results_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(result: Mapping[str, object], name: str) -> None:
    assert set(result) == {"bench", "ratio", "low", "high", "runs", "detail"}
    assert result["bench"] == name
    ratio, low, high = (float(str(result[key])) for key in ("ratio", "low", "high"))
    assert all(math.isfinite(value) and value > 0 for value in (ratio, low, high))
    assert low <= ratio <= high
    assert result["detail"]


@pytest.mark.parametrize(
    "name", [name if name == "cache" else pytest.param(name, marks=pytest.mark.slow) for name in BENCHES]
)
def test_each_runs_and_gives_one_line_of_json(name: str, tmp_path: Path) -> None:
    (result,) = results_of(earshot_bench(name, "--quick", "--runs", "2", "--json", work=tmp_path))
    check(result, name)


@pytest.mark.slow
def test_memory_says_what_else_is_held(tmp_path: Path) -> None:
    (result,) = results_of(earshot_bench("memory", "--quick", "--json", work=tmp_path))
    detail = result["detail"]
    assert isinstance(detail, dict)
    assert detail["last_descriptors"] == detail["warm_descriptors"]
    assert detail["last_threads"] == detail["warm_threads"]


@pytest.mark.services
def test_on_a_broker_of_the_user_nothing_is_left_behind(kafka_broker: Broker, tmp_path: Path) -> None:
    environment = {"EARSHOT_KAFKA__BOOTSTRAP_SERVERS": kafka_broker.bootstrap}
    (result,) = results_of(
        earshot_bench("stream", "--quick", "--runs", "1", "--json", work=tmp_path, environment=environment)
    )
    check(result, "stream")
    left = AdminClient({"bootstrap.servers": kafka_broker.bootstrap}).list_topics(timeout=15).topics
    assert [topic for topic in left if topic.startswith("bench.")] == []


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    done = earshot_here("bench", "--work", tmp_path, "decoed", folder=tmp_path)
    assert done.returncode == 2
    assert "decoed" in done.stderr
    assert all(name in done.stderr for name in BENCHES)
    assert done.stdout == ""


def test_two_forms_of_output_at_once_are_refused(tmp_path: Path) -> None:
    done = earshot_here("bench", "--work", tmp_path, "cache", "--json", "--markdown", folder=tmp_path)
    assert done.returncode == 2
    assert "--json" in done.stderr


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = earshot_here("bench", "--work", tmp_path / "file" / "folder", "cache", folder=tmp_path)
    assert done.returncode == 2
    assert "--work" in done.stderr
