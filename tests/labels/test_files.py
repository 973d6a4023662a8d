"""Files are written whole or not at all, and two processes that add labels lose none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from streamer.errors import SettingsError
from streamer.labels.at_hand import file_of, files_at_hand
from streamer.labels.files import add_labels, read_labels, write_lines
from streamer.labels.pool_file import read_facts
from tests.imports import ROOT
from tests.labels.test_merge import said
from tests.wire.samples import REQUEST

ADD_MANY = """
import sys
from pathlib import Path
from streamer.labels.files import add_labels
from tests.labels.test_merge import said
for number in range(20):
    add_labels(Path(sys.argv[1]), [said(sys.argv[2], 1, video=f"v{number}")])
"""


def test_processes_that_add_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    command = [sys.executable, "-c", ADD_MANY, str(path)]
    running = [subprocess.Popen([*command, rater], cwd=ROOT) for rater in "ab"]
    assert [process.wait() for process in running] == [0, 0]
    assert len(read_labels(path)) == 40


def test_a_label_is_added_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "labels.jsonl"
    first, second = said("a", 1), said("b", 1)
    assert add_labels(path, [first, first]).known == 1
    added = add_labels(path, [first, second])
    assert (added.new, added.known) == ((second,), 1)
    assert read_labels(path) == [first, second]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_lines(path, [b"old"])

    def broken() -> object:
        yield b"new"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_lines(path, broken())  # type: ignore[arg-type]
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SettingsError, match="cannot write"):
        write_lines(path / "below", [b""])


def test_only_files_below_the_named_folders_are_at_hand(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    for path in (inside / "deep" / "v-1.mp4", inside / "other.mp4", outside / "secret.mp4"):
        path.write_bytes(b"")
    (inside / "link.mp4").symlink_to(outside / "secret.mp4")
    files = files_at_hand([inside])
    assert set(files) == {"v-1.mp4", "v-1", "other.mp4", "other"}
    assert file_of(REQUEST, files) == (inside / "deep" / "v-1.mp4").resolve()
    for uri, expected in (
        ("s3://m/a/other.mp4", "other.mp4"),
        ("file:///etc/passwd", None),
        ("s3://m/..%2Fout%2Fsecret", None),
    ):
        found = file_of(msgspec.structs.replace(REQUEST, video_id="nobody", uri=uri), files)
        assert (found.name if found else None) == expected


def test_a_broken_line_of_a_pool_costs_what_is_known_of_its_video_only(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text('{"video_id": "v1", "title": "one"}\n{"video_id": "v2", "embedding": [NaN]}\n{"video_id": "v3"}\n')
    facts, broken = read_facts(path)
    assert list(facts) == ["v1", "v3"] and facts["v1"].title == "one"
    assert [item.line for item in broken] == [2]
