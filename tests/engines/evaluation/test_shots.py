"""Shots in quiet tracks: what is counted from verdicts, and how the pairs are made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines.data.public.manifest import Labels, Row, Span, write_dataset
from engines.evaluation.shots import measure
from engines.evaluation.verdicts import Evidence, Line
from streamer.cli import app

SHOT = Span("audio", "gunshot", 5.0, 6.0)


def row(pair: int, *, shot: bool) -> Row:
    name = f"pair-{pair:03d}-{'shot' if shot else 'everyday'}"
    spans = (SHOT,) if shot else ()
    return Row(clip_id=name, file=f"clips/{name}.mp4", split="test", labels=Labels(adult=int(shot)), spans=spans)


def line(pair: int, logit: float, *, shot: bool, evidence: tuple[Evidence, ...] = ()) -> Line:
    file = f"/elsewhere/pair-{pair:03d}-{'shot' if shot else 'everyday'}.mp4"
    return Line(file=file, task="adult", state="decided", action="allow", logit=logit, evidence=evidence)


def heard(start_ms: int, end_ms: int, weight: float = 0.9) -> Evidence:
    return Evidence(modality="audio", weight=weight, start_ms=start_ms, end_ms=end_ms)


ROWS = [row(pair, shot=shot) for pair in range(3) for shot in (True, False)]
LINES = [
    line(0, 2.0, shot=True, evidence=(heard(4900, 5900), Evidence(modality="vision", weight=0.1))),
    line(0, -1.0, shot=False),
    line(1, 0.0, shot=True, evidence=(heard(8000, 9000, 0.4), Evidence(modality="vision", weight=0.6))),
    line(1, 0.0, shot=False),
    line(2, -3.0, shot=True, evidence=(heard(6900, 7900),)),
    line(2, 1.0, shot=False),
]


def test_a_shot_counts_against_every_sound_and_against_its_own_pair() -> None:
    found = measure(ROWS, LINES)
    assert found.pairs == 3
    assert found.auc.value == pytest.approx((3 + 1.5 + 0) / 9)
    assert found.paired.value == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.auc.low <= found.auc.value <= found.auc.high
    assert (found.sound_first, found.span_right) == (2, 2)


def test_a_clip_without_a_verdict_is_told() -> None:
    with pytest.raises(ValueError, match="came none on `adult` of 1 clips, such as clips/pair-002-everyday"):
        measure(ROWS, LINES[:-1])


def test_the_command_reads_what_judge_prints(tmp_path: Path) -> None:
    write_dataset(tmp_path, ROWS, made_with={"kind": "shots"}, licences={})
    values = [
        {"file": one.file, "task": one.task, "state": one.state, "action": one.action, "logit": one.logit, "more": 1}
        for one in LINES
    ]
    (tmp_path / "verdicts.jsonl").write_text("\n".join(map(json.dumps, values)))
    told = CliRunner().invoke(app, ["evaluate", "shots", str(tmp_path), str(tmp_path / "verdicts.jsonl")])
    assert told.exit_code == 0, told.output
    assert "3 pairs" in told.stdout and "0.500" in told.stdout and "0 of 3" in told.stdout
