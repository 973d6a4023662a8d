"""`earshot select` between pool and topic: options that do not fit, and requests that do not arrive."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamer.cli import app
from streamer.errors import BrokerError

# Packages of commands name the functions, not their modules.
command = import_module("streamer.cli.select")
request = import_module("streamer.cli.label.request")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"video_id": f"v{n}", "embedding": [1.0, n], "scores": {"adult": n / 10}, "bundle": "b", "title": f"bell {n}"}
        for n in range(10)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def select(*arguments: str, exits: int = 0) -> Result:
    result = CliRunner().invoke(app, ["select", *arguments, "--task", "adult", "--batch", "3", "--out", "r.jsonl"])
    assert result.exit_code == exits, (result.stdout, result.stderr, result.exception)
    return result


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "expected a POOL, or --live"),
        (["pool.jsonl", "--since", "1h"], "came --since without --live"),
        (["pool.jsonl", "--labels", "l.jsonl", "--send"], "came --labels without --live"),
        (["pool.jsonl", "--no-views"], "came --no-views without --live"),
        (["pool.jsonl", "--brokers", "b:1"], "came --brokers without --live or --send"),
        (["--live"], "select --live: came no Redis, expected the stream's cache: --redis URL"),
        (["pool.csv", "--live", "--redis", "redis://localhost:1/0"], "came a file .csv, expected .jsonl or .parquet"),
    ],
)
def test_options_that_do_not_fit_are_refused_and_nothing_is_written(
    folder: Path, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_SECRET", "0123456789abcdef")
    assert says in select(*arguments, exits=2).stderr
    assert [path.name for path in folder.iterdir()] == ["pool.jsonl"]


def test_requests_of_a_pool_at_hand_are_sent_with_what_it_knows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(command, "_require_topic", lambda settings: None)
    monkeypatch.setattr(request, "publish", lambda options, asked: sent.extend(asked) or len(asked))
    assert "sent 3 requests" in select("pool.jsonl", "--send").stdout
    assert [item.title for item in sent] == [f"bell {item.video_id[1:]}" for item in sent]


def test_requests_that_do_not_arrive_are_kept_and_the_way_to_send_them_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(options: object, asked: object) -> int:
        raise BrokerError("not all records reached b:1")

    monkeypatch.setattr(command, "_require_topic", lambda settings: None)
    monkeypatch.setattr(request, "publish", lost)
    told = select("pool.jsonl", "--send", exits=1).stderr
    assert "not all records reached b:1; r.jsonl is written and counts as asked" in told
    assert "earshot label request r.jsonl --pool pool.jsonl" in told
    assert len((folder / "r.jsonl").read_text().splitlines()) == 3
