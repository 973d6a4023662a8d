"""Whatever a file holds, its good rows are read, and the others are named by their lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.labels.check import Checker, Known
from streamer.labels.rows import Broken, Passed, Row, read_rows
from streamer.records import Label
from tests.examples import examples

EXPORTS = Path(__file__).parent / "exports"
HEADER = "video_id,task,value,rater"


def rows(content: str | bytes) -> list[Row | Broken | Passed]:
    return list(read_rows(content.encode() if isinstance(content, str) else content)[1])


def good(content: str | bytes) -> list[tuple[int, dict[str, Any]]]:
    return [(row.line, dict(row.fields)) for row in rows(content) if isinstance(row, Row)]


def broken(content: str | bytes) -> list[int]:
    return [row.line for row in rows(content) if isinstance(row, Broken)]


def answer(video_id: str, value: object = 1) -> dict[str, Any]:
    return {"video_id": video_id, "task": "adult", "value": value, "rater": "r1"}


def test_a_table_is_read_whatever_separates_its_cells_and_however_it_was_saved() -> None:
    expected = [(2, {**answer("v1", "1")}), (4, {**answer("v2", "no")})]
    text = "Video_ID, task ,value,rater\nv1,adult, 1 ,r1\n\nv2,adult,no,r1\n"
    for delimiter in ",;\t":
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            assert good(text.replace(",", delimiter).encode(encoding)) == expected
    assert good(text.replace("\n", "\r\n")) == expected


def test_a_table_with_a_column_for_each_task_has_an_answer_for_each_cell() -> None:
    found = good("video_id,clickbait,adult,relevance,rater\nv1,1,,3,r\nv2,,0,,r\n")
    assert [(line, row["video_id"], row["task"], row["value"]) for line, row in found] == [
        (2, "v1", "clickbait", "1"),
        (2, "v1", "relevance", "3"),
        (3, "v2", "adult", "0"),
    ]


def test_cells_may_span_lines_and_a_forgotten_quote_costs_one_line() -> None:
    whole, forgotten = 'v1,adult,1,r1,"two\nlines, ""quoted""\u2028"', 'v2,"adult,1,r1,t'
    text = f'{HEADER},title\n{whole}\n{forgotten}\nv3,adult,1,r1,t\nv4,adult,0,r1,"t"\n'
    assert [(line, row["video_id"]) for line, row in good(text)] == [(2, "v1"), (5, "v3"), (6, "v4")]
    assert broken(text) == [4]


def test_a_table_without_the_needed_header_says_so_once() -> None:
    (only,) = rows("name,verdict\na,1\nb,0\n")
    assert isinstance(only, Broken)
    assert only.line == 1
    assert "expected a header line with video_id" in only.reason


def test_json_lines_are_read_one_by_one() -> None:
    text = "\n".join([json.dumps(answer("v1")), "{broken", "", "[1]", json.dumps(answer("v2"))])
    assert [(line, row["video_id"]) for line, row in good(text)] == [(1, "v1"), (5, "v2")]
    assert broken(text) == [2, 4]


def test_a_json_document_that_breaks_off_keeps_what_came_before() -> None:
    whole = json.dumps([answer(f"v{number}") for number in range(4)], indent=1)
    assert len(good(whole)) == 4
    cut = whole[: whole.index("v3")]
    assert [row["video_id"] for _, row in good(cut)] == ["v0", "v1", "v2"]
    assert broken(cut) == [cut.count("\n", 0, cut.rindex("{")) + 1]
    assert broken(whole.rstrip("]")) == [whole.count("\n") + 1]


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("label-studio.json", "label-studio", 4),
        ("label-studio-min.json", "label-studio-min", 4),
        ("label-studio.csv", "csv", 4),
    ],
)
def test_exports_of_label_studio_1_23_are_read(name: str, kind: str, count: int) -> None:
    found, read = read_rows((EXPORTS / name).read_bytes())
    checker = Checker(Known(), applied_at="2026-11-27T15:00:00+00:00", source="file")
    labels = [checker.label(row) for row in read if isinstance(row, Row)]
    assert (found, len(labels)) == (kind, count)
    assert {(label.video_id, label.task, label.value) for label in labels} == {
        ("v0", "adult", 1),
        ("v0", "adult", 0),
        ("v1", "relevance", 3),
        ("v2", "clickbait", 1),
    }
    assert {label.query for label in labels if label.task == "relevance"} == {"a red <b>bell"}
    assert all(label.request_id and label.labelled_at for label in labels)


def test_a_skipped_annotation_is_no_answer_and_ground_truth_decides() -> None:
    read = rows((EXPORTS / "label-studio.json").read_bytes())
    assert sum(isinstance(row, Passed) for row in read) == 1
    assert [row.fields["adjudicated"] for row in read if isinstance(row, Row)] == [False, True, False, False]


@pytest.mark.parametrize("indent", [None, 2])
def test_what_label_studio_s_api_answers_is_read_too(indent: int | None) -> None:
    tasks = json.loads((EXPORTS / "label-studio.json").read_bytes())
    answer = json.dumps({"total_annotations": 5, "total": 3, "tasks": tasks}, indent=indent)
    assert [row["value"] for _, row in good(answer)] == ["yes", "no", "fully", "yes"]
    assert broken(answer) == []


def test_a_person_of_label_studio_is_a_number_not_an_address() -> None:
    task = json.loads((EXPORTS / "label-studio.json").read_bytes())[0]
    task["annotations"][0]["completed_by"] = {"id": 7, "email": "jane@example.com", "first_name": "Jane"}
    (_, row), *_ = good(json.dumps([task]))
    assert row["rater"] == "label-studio:7"
    task["annotations"][0]["completed_by"] = {"email": "jane@example.com"}
    (_, row), *_ = good(json.dumps([task]))
    assert row["rater"] is None


GOOD_LINES = st.integers(0, 999).map(lambda number: json.dumps(answer(f"v{number}")))
CUT_LINES = st.builds(lambda line, at: line[:at], GOOD_LINES, st.integers(1, 40))


@given(st.lists(GOOD_LINES.map(lambda line: (True, line)) | CUT_LINES.map(lambda line: (False, line)), min_size=1))
def test_whatever_share_of_the_lines_is_cut_the_others_count(lines: list[tuple[bool, str]]) -> None:
    text = "\n".join(['{"video_id": "first", "task": "adult", "value": 0, "rater": "r"}', *(line for _, line in lines)])
    expected = [number for number, (whole, _) in enumerate(lines, start=2) if whole]
    assert [line for line, _ in good(text)] == [1, *expected]
    assert sorted([*broken(text), *[line for line, _ in good(text)]]) == list(range(1, len(lines) + 2))


CELLS = st.text(alphabet='ab1,;"\t \n\r', max_size=12)


@given(st.lists(CELLS, max_size=6), st.lists(st.integers(0, 99), min_size=1, max_size=6))
def test_rows_behind_any_rubbish_in_a_table_are_read(rubbish: list[str], numbers: list[int]) -> None:
    """Rubbish may run into a good row by a quote of its own that the row closes; here no row has one."""
    tail = [f"v{number},adult,1,r" for number in numbers]
    lines = [line.replace('"', "'") for line in rubbish]
    found = [row["video_id"] for _, row in good("\n".join([HEADER, *lines, *tail]))]
    assert found[-len(tail) :] == [f"v{number}" for number in numbers]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=4), SCALARS, max_size=2)
NAMES = st.sampled_from(
    ["video_id", "task", "value", "rater", "labelled_at", "request_id", "query", "adjudicated", "x"]
)
OTHERS = st.sampled_from(["data", "annotations", "annotator", "annotation_id", "answer", "result", "completed_by"])
FIELDS = st.dictionaries(NAMES, JSON, max_size=3).map(lambda changes: answer("v1") | changes)
TASKS = st.builds(
    lambda data, result, who: {"data": data, "annotations": [{"result": result, "completed_by": who}]},
    FIELDS,
    JSON | st.lists(st.dictionaries(st.sampled_from(["from_name", "value"]), JSON, max_size=2), max_size=2),
    JSON,
)
ITEMS = st.lists(FIELDS | TASKS | st.dictionaries(NAMES | OTHERS, JSON, max_size=3), max_size=3)
FILES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: f"{HEADER}\n{text}".encode()),
    st.text(max_size=100).map(lambda text: f"[{text}".encode()),
    ITEMS.map(lambda items: json.dumps(items).encode()),
    ITEMS.map(lambda items: "\n".join(map(json.dumps, items)).encode()),
)


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow])
@given(FILES)
def test_any_bytes_are_labels_or_reasons(content: bytes) -> None:
    checker = Checker(Known(), applied_at="2026-11-27T15:00:00+00:00", source="file")
    for row in read_rows(content)[1]:
        if isinstance(row, Row):
            try:
                label = checker.label(row)
            except ValueError as error:
                assert str(error)
                continue
            assert msgspec.json.decode(msgspec.json.encode(label), type=Label) == label


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"a":' * 200_000, b"[" + b"9" * 10_000 + b"]", b"", b"\xff\xfe\x00"]
)
def test_files_made_to_hurt_are_only_broken(content: bytes) -> None:
    assert all(isinstance(row, Broken) for row in rows(content))
