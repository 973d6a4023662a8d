"""`earshot label` on files, as a script calls it: what is kept, what is told, how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from streamer.cli import app

REQUESTS = (
    {"video_id": "v1", "task": "adult", "strategy": "lsb", "arm": "like reports", "reason": "like v9", "score": 0.4,
     "like": [{"video_id": "v9", "similarity": 0.9, "label": 1}], "bundle": "b"},
    {"video_id": "v2", "task": "adult", "strategy": "lsb", "arm": None, "reason": "unsure", "score": None, "like": [],
     "bundle": "b", "later": 1},
    {"video_id": "v2", "task": "relevance", "strategy": "random", "arm": "random", "reason": "", "score": 0.5,
     "like": [], "bundle": "b", "query": "a bell"},
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "requests.jsonl", *REQUESTS)
    return tmp_path


def lines(path: Path, *items: object) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def label(*arguments: object, exits: int = 0) -> Result:
    result = CliRunner().invoke(app, ["label", *map(str, arguments)])
    assert result.exit_code == exits, (result.stdout, result.stderr, result.exception)
    return result


def told(*arguments: object, exits: int = 0) -> Any:
    return json.loads(label(*arguments, "--json", exits=exits).stdout)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def answers(folder: Path, *rows: str, name: str = "answers.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(["video_id,task,value,rater", *rows, ""]))
    return path


def annotation(word: str) -> dict[str, Any]:
    chosen = {"from_name": "answer", "to_name": "video", "type": "choices", "value": {"choices": [word]}}
    return {"result": [chosen], "completed_by": 3, "created_at": "2026-05-04T09:30:00Z"}


def test_a_file_with_a_third_of_broken_rows_keeps_the_others(folder: Path) -> None:
    file = answers(folder, "v1,adult,1,r1", "v2,adult,maybe,r1", "v2,adult,0,r1", "v9,adult,1,r1", "v1,adult,0,r2")
    found = told("import", file, "--requests", "requests.jsonl")
    assert (found["added"], found["rejected"], found["format"]) == (3, 2, "csv")
    assert [(row["line"], row["row"]["video_id"]) for row in read(Path(found["rejected_file"]))] == [
        (3, "v2"),
        (5, "v9"),
    ]
    kept = read(folder / "labels.jsonl")
    assert [(row["video_id"], row["value"], row["rater"]) for row in kept] == [
        ("v1", 1, "r1"),
        ("v2", 0, "r1"),
        ("v1", 0, "r2"),
    ]
    assert all(row["request_id"] for row in kept)
    warned = label("import", file, "--requests", "requests.jsonl").stderr
    assert "2 rows refused; see" in warned and "value: came 'maybe'" in warned


def test_the_same_file_twice_adds_nothing_and_a_mended_one_what_is_new(folder: Path) -> None:
    file = answers(folder, "v1,adult,1,r1", "v2,adult,?,r1")
    assert told("import", file)["added"] == 1
    before = (folder / "labels.jsonl").read_bytes()
    again = told("import", file)
    assert (again["added"], again["known"]) == (0, 1)
    assert (folder / "labels.jsonl").read_bytes() == before
    answers(folder, "v1,adult,1,r1", "v2,adult,1,r1")
    assert told("import", file)["added"] == 1
    assert not (folder / "answers.csv.rejected.jsonl").exists(), "what was refused earlier is mended"
    assert len(read(folder / "labels.jsonl")) == 2


def test_a_file_without_a_good_row_exits_1_and_leaves_the_labels_alone(folder: Path) -> None:
    told("import", answers(folder, "v1,adult,1,r1"))
    before = (folder / "labels.jsonl").read_bytes()
    assert told("import", answers(folder, "v1,adult,?,r1"), exits=1)["added"] == 0
    (folder / "empty.csv").write_bytes(b"")
    told("import", "empty.csv", exits=1)
    assert (folder / "labels.jsonl").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".part") == []


def test_what_cannot_be_read_is_said_with_exit_2(folder: Path) -> None:
    assert "cannot read nowhere.csv" in label("import", "nowhere.csv", exits=2).stderr
    (folder / "labels.jsonl").write_text("{}\n")
    refused = label("import", answers(folder, "v1,adult,1,r1"), exits=2).stderr
    assert "labels.jsonl, line 1: no label" in refused
    assert (folder / "labels.jsonl").read_text() == "{}\n"
    assert "came no request" in label("sheet", lines(folder / "none.jsonl", {}), "--out", "x.html", exits=2).stderr


def test_from_conflict_over_adjudication_to_one_value(folder: Path) -> None:
    told("import", answers(folder, "v1,adult,1,r1", "v1,adult,0,r2", "v2,adult,1,r1", "v2,adult,1,r2"))
    found = told("conflicts", "labels.jsonl", "--out", "disputed.jsonl")
    assert [(item["video_id"], item["votes"], item["how"]) for item in found["conflicts"]] == [
        ("v1", {"r1": 1, "r2": 0}, "open")
    ]
    (agreement,) = found["agreement"]
    assert (agreement["questions"], agreement["same"]) == (2, 1)
    (request,) = read(folder / "disputed.jsonl")
    assert (request["video_id"], request["strategy"]) == ("v1", "adjudication")
    assert "r1" not in json.dumps(request), "who decides is not told who said what"
    assert told("merge", "labels.jsonl", "--out", "values.jsonl") == {
        "out": "values.jsonl", "agreed": 1, "majority": 0, "adjudicated": 0, "open": 1
    }  # fmt: skip
    assert [row["video_id"] for row in read(folder / "values.jsonl")] == ["v2"]

    decided = answers(folder, "v1,adult,0,lead", "v7,adult,0,lead", name="decided.csv")
    assert told("adjudicate", "labels.jsonl", decided)["rejected"] == 1, "nobody has labelled v7"
    told("merge", "labels.jsonl", "--out", "values.jsonl")
    values = {row["video_id"]: row for row in read(folder / "values.jsonl")}
    assert (values["v1"]["value"], values["v1"]["how"], values["v1"]["adjudicator"]) == (0, "adjudicated", "lead")
    assert values["v1"]["votes"] == {"r1": 1, "r2": 0}
    assert "0 conflicts" in label("conflicts", "labels.jsonl").stdout


def test_labels_come_back_by_the_import_of_their_own_file(folder: Path) -> None:
    told("import", answers(folder, "v1,adult,1,r1"))
    told("adjudicate", "labels.jsonl", answers(folder, "v1,adult,0,lead", name="decided.csv"))
    assert told("import", "labels.jsonl", "--out", "copy.jsonl")["added"] == 2
    ours, theirs = ([row["label_id"] for row in read(folder / name)] for name in ("labels.jsonl", "copy.jsonl"))
    assert ours == theirs


def test_an_export_has_a_task_for_each_request_with_the_words_that_come_back(folder: Path) -> None:
    pool = lines(
        folder / "pool.jsonl", {"video_id": "v1", "title": "Bells", "uri": "s3://m/v1.mp4", "embedding": [1, 0]}
    )
    assert told("export", "requests.jsonl", "--out", "tasks.json", "--pool", pool)["tasks"] == 3
    tasks = json.loads((folder / "tasks.json").read_bytes())
    assert [(task["data"]["video_id"], task["data"]["title"], task["data"]["video"]) for task in tasks] == [
        ("v1", "Bells", "s3://m/v1.mp4"),
        ("v2", "(no title)", ""),
        ("v2", "(no title)", ""),
    ]
    assert len({task["data"]["request_id"] for task in tasks}) == 3
    values = {element.get("value", "") for element in ElementTree.parse(folder / "tasks.xml").iter()}
    shown = {value[1:] for value in values if value.startswith("$")}
    assert all(shown <= task["data"].keys() for task in tasks), "the interface shows what every task has"

    done = [{**task, "annotations": [annotation(task["data"]["choices"][-1]["value"])]} for task in tasks]
    (folder / "export.json").write_text(json.dumps(done))
    assert told("import", "export.json", "--requests", "requests.jsonl")["added"] == 3
    assert [(row["value"], row["query"]) for row in read(folder / "labels.jsonl")] == [
        (1, None),
        (1, None),
        (3, "a bell"),
    ]


def test_lines_that_are_no_requests_are_listed_beside(folder: Path) -> None:
    with (folder / "requests.jsonl").open("a") as file:
        file.write('{"video_id": "v3", "task": "beauty"}\nrubbish\n{"video_id": "v3", "task": "adult", "score": 7}\n')
    assert "3 lines are no requests" in label("export", "requests.jsonl", "--out", "tasks.json").stderr
    assert [row["line"] for row in read(folder / "requests.jsonl.rejected.jsonl")] == [4, 5, 6]
    assert len(json.loads((folder / "tasks.json").read_bytes())) == 3


@pytest.mark.parametrize(
    "command", [[], ["pool"], ["request"], ["sheet"], ["export"], ["import"], ["conflicts"], ["merge"]]
)
def test_every_command_teaches(command: list[str]) -> None:
    assert "Usage" in label(*command, "--help").stdout


def test_a_pool_needs_the_stream_s_cache_and_a_span_that_can_be_read() -> None:
    assert "--redis URL" in label("pool", "--out", "pool.jsonl", exits=2).stderr
    arguments = ("pool", "--out", "pool.jsonl", "--since", "yesterday", "--redis", "redis://localhost:1/0")
    result = CliRunner().invoke(app, ["label", *arguments], env={"EARSHOT_SECRET": "0123456789abcdef"})
    assert (result.exit_code, "--since yesterday: expected 30m, 12h, 7d" in result.stderr) == (2, True)
