"""Logs as they are: rows of one unit apart, arms elsewhere, and a third of the lines broken."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engines.data.rows import Bad, write_rejected
from engines.outcomes.log import Layout, read_log
from engines.outcomes.simulate import Planted, simulate, write_log

LAYOUT = Layout(("likes", "views"))


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_rows_of_a_unit_are_summed_and_ordered_by_their_last(tmp_path: Path) -> None:
    log = written(
        tmp_path,
        "unit,arm,at,likes,views\n"
        "a,control,2026-01-05T00:00:00Z,1,2\n"
        "b,treatment,2026-01-02,3,4\n"
        "c,treatment,2026-01-01,5,6\n"
        "c,treatment,2026-01-03,10,10\n",
    )
    experiment = read_log(log, LAYOUT).experiment
    assert experiment.columns["likes"].tolist() == [3, 15, 1]
    assert experiment.columns["views"].tolist() == [4, 16, 2]
    assert experiment.treated_N.tolist() == [True, True, False]


def test_broken_rows_are_kept_apart_and_the_others_go_on(tmp_path: Path) -> None:
    good = "".join(f"u{n},{'control' if n % 2 else 'treatment'},{n},10\n" for n in range(70))
    bad = ",control,1,1\nx,,1,1\ny,control,many,1\nz,control,nan,1\nw,control,1,1,1\nv,control,1\n"
    read = read_log(written(tmp_path, f"unit,arm,likes,views\n{bad}{good}"), LAYOUT)
    assert read.experiment.units == 70
    problems = [(row.place, row.problem) for row in read.rejected]
    assert problems[:3] == [
        ("line 2", "unit: came nothing, expected the unit of assignment"),
        ("line 3", "arm: came no arm of x, expected one"),
        ("line 4", "likes: came 'many', expected a number"),
    ]
    assert [place for place, _ in problems] == [f"line {n}" for n in range(2, 8)]
    path = write_rejected(read.rejected, tmp_path / "rejected.jsonl")
    assert path is not None
    listed = [msgspec.json.decode(line, type=Bad) for line in path.read_bytes().splitlines()]
    assert len(listed) == 6 and listed[2].row["unit"] == "y"


def test_a_unit_in_two_arms_counts_in_none(tmp_path: Path) -> None:
    rows = "a,control,1,1\na,treatment,1,1\nb,control,1,1\nc,treatment,1,1\nd,other,1,1\n"
    read = read_log(written(tmp_path, f"unit,arm,likes,views\n{rows}"), LAYOUT)
    assert read.experiment.units == 2 and read.other_arms == 1
    assert read.rejected == (Bad("unit a", "is in more than one arm, expected one"),)


def test_arms_come_from_the_bundle_that_verdicts_name(tmp_path: Path) -> None:
    verdicts = [
        {"video_id": video, "task": task, "lineage": {"bundle_id": bundle}}
        for video, bundle in (("v1", "old"), ("v2", "new"), ("v3", "new"))
        for task in ("adult", "clickbait")
    ] + [{"video_id": "v3", "lineage": {"bundle_id": "old"}}, {"task": "adult"}]
    arms = written(tmp_path, "\n".join(msgspec.json.encode(row).decode() for row in verdicts), "verdicts.jsonl")
    log = written(tmp_path, "video_id,likes,views\nv1,1,2\nv2,3,4\nv3,5,6\nv4,7,8\n")
    layout = Layout(("likes", "views"), unit="video_id", arm="lineage.bundle_id", control="old", treatment="new")
    read = read_log(log, layout, arms)
    assert read.experiment.columns["likes"].tolist() == [1, 3]
    assert [row.place for row in read.rejected] == ["verdicts.jsonl, line 8", "line 5", "unit v3"]


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log.parquet"])
def test_what_is_simulated_is_read_back(tmp_path: Path, name: str) -> None:
    experiment = simulate(Planted(0.05), 300, np.random.default_rng(1))
    path = tmp_path / name
    if name.endswith("parquet"):
        write_log(experiment, tmp_path / "log.jsonl")
        rows = [msgspec.json.decode(line) for line in (tmp_path / "log.jsonl").read_bytes().splitlines()]
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write_log(experiment, path)
    read = read_log(path, Layout(("quality_views", "views", "revenue")))
    assert read.rejected == () and (read.experiment.treated_N == experiment.treated_N).all()
    for column, values_N in experiment.columns.items():
        np.testing.assert_allclose(read.experiment.columns[column], values_N, atol=1e-4)


def test_a_log_of_no_known_arm_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="came no unit of control and treatment; the arms are A, B"):
        read_log(written(tmp_path, "unit,arm,likes,views\na,A,1,1\nb,B,1,1\n"), LAYOUT)
    with pytest.raises(ValueError, match="first broken row: line 2: likes: came 'x'"):
        read_log(written(tmp_path, "unit,arm,likes,views\na,A,x,1\n"), LAYOUT)
