"""How often harmless media hit: counted from verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines.cli.evaluate import app
from engines.evaluation.harmless import shares
from engines.evaluation.verdicts import read_verdicts


def line(
    file: str, score: float | None, *, task: str = "adult", state: str = "decided", name: str | None = None
) -> bytes:
    evidence = [{"modality": "vision", "weight": 0.5, "name": name}, {"modality": "text", "weight": 0.1}]
    action = "allow" if state == "decided" and score is not None and score < 0.3 else "review"
    verdict = {"file": file, "task": task, "state": state, "action": action, "threshold": 0.3, "more": 1}
    return json.dumps(verdict | {"score": score, "evidence": evidence}).encode()


VERDICTS = b"\n".join(
    [
        line("a.mp4", 0.1),
        line("b.mp4", 0.3, name="revolver"),
        line("c.mp4", 0.95, name="gunshot"),
        line("d.mp4", None, state="undecodable"),
        line("a.mp4", 0.2, task="clickbait"),
        line("a.mp4", 0.99, task="relevance"),
    ]
)


def test_files_at_each_level_are_counted_and_the_highest_named() -> None:
    adult, clickbait = shares(read_verdicts(VERDICTS, name="verdicts"), highest=2)
    assert (adult.task, adult.judged, adult.unjudged) == ("adult", 3, 1)
    assert adult.at_least == {"threshold": 2, "0.5": 1, "0.9": 1}
    assert adult.actions == {"allow": 1, "review": 3}
    assert [(hit.file, hit.score, hit.names) for hit in adult.highest] == [
        ("c.mp4", 0.95, ("gunshot",)),
        ("b.mp4", 0.3, ("revolver",)),
    ]
    assert clickbait.at_least == {"threshold": 0, "0.5": 0, "0.9": 0}


def test_what_is_no_verdict_is_told() -> None:
    with pytest.raises(ValueError, match="verdicts, line 2: not a verdict"):
        read_verdicts(line("a", 0.1) + b'\n{"file": "b"}', name="verdicts")
    with pytest.raises(ValueError, match="came no verdict"):
        read_verdicts(b"", name="verdicts")


def test_the_command_reads_a_file_or_stdin(tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").write_bytes(VERDICTS)
    told = CliRunner().invoke(app, ["harmless", str(tmp_path / "verdicts.jsonl")])
    assert told.exit_code == 0
    assert "adult: 3 judged, 1 not" in told.stdout
    assert "gunshot" in told.stdout
    piped = CliRunner().invoke(app, ["harmless", "-", "--json", "--highest", "0"], input=VERDICTS)
    assert [json.loads(row)["task"] for row in piped.stdout.splitlines()] == ["adult", "clickbait"]
    assert CliRunner().invoke(app, ["harmless", str(tmp_path / "none.jsonl")]).exit_code == 1
