"""The codec zoo: real files of many makers. Each decodes, or its manifest row explains the refusal."""

from __future__ import annotations

import csv

import pytest

from streamer.decode.formats import Code
from streamer.errors import UndecodableError
from streamer.records import Clip
from streamer.sandbox.host import Sandbox
from tests.imports import ROOT
from tests.media.conftest import SEED
from tests.media.zoo import ZOO, expected_codes

pytestmark = pytest.mark.slow
assert ZOO is not None, "not collected without the zoo"
with (ZOO / "manifest.csv").open(newline="") as _manifest:
    ROWS = {row["path"]: row for row in csv.DictReader(_manifest)}


@pytest.fixture(scope="module")
def outcomes(sandbox: Sandbox) -> dict[str, Clip | UndecodableError]:
    found: dict[str, Clip | UndecodableError] = {}
    for path in ROWS:
        try:
            found[path] = sandbox.decode(str(ZOO / path), SEED, 60.0)
        except UndecodableError as error:
            found[path] = error
    write_report(found)
    return found


def write_report(found: dict[str, Clip | UndecodableError]) -> None:
    """What differs from the manifest, for people: `out/zoo.md`."""
    lines = ["# The zoo: what was refused, and what was noted", "", "| file | outcome | manifest |", "|---|---|---|"]
    for path, outcome in found.items():
        told = f"{outcome.code}: {outcome}" if isinstance(outcome, UndecodableError) else ""
        if isinstance(outcome, Clip):
            told = "; ".join(outcome.coverage.notes)
            told += f"; {outcome.coverage.damaged_packets} damaged" if outcome.coverage.damaged_packets else ""
        if told:
            lines.append(f"| {path} | {told} | {ROWS[path]['notes']} |")
    report = ROOT / "out" / "zoo.md"
    report.parent.mkdir(exist_ok=True)
    report.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("path", ROWS)
def test_a_file_decodes_or_its_row_says_why_not(path: str, outcomes: dict[str, Clip | UndecodableError]) -> None:
    outcome, row = outcomes[path], ROWS[path]
    allowed = expected_codes(row)
    if isinstance(outcome, UndecodableError):
        assert outcome.code in allowed, f"refused as {outcome.code}: {outcome}; the row says {row['notes']!r}"
    else:
        check_clip(outcome, row)


def check_clip(clip: Clip, row: dict[str, str]) -> None:
    """Modalities, size and duration as in the manifest."""
    gives_frames = row["frames_decoded"] not in ("", "0")
    assert (clip.frames_TCHW is not None) == gives_frames or "cannot open" in row["notes"]
    if row["audio_codec"] not in ("", "?"):
        assert clip.windows_TS is not None
    if clip.frames_TCHW is None:
        return
    assert (clip.media.width, clip.media.height) == (int(row["w"]), int(row["h"]))
    rotations = [part for part in row["notes"].split("; ") if part.startswith("rotation")]
    assert clip.media.rotation_degrees == (int(rotations[0].split()[1]) if rotations else 0)
    assert clip.frame_seconds_T[0] <= 1.0  # an edit list shifts one by a whole second
    if row["duration"] and row["fps"]:
        assert clip.frame_seconds_T[-1] >= float(row["frames_decoded"]) / max(float(row["fps"]), 400.0) - 1.5


def test_hardly_any_file_is_refused(outcomes: dict[str, Clip | UndecodableError]) -> None:
    refused = [path for path, outcome in outcomes.items() if isinstance(outcome, UndecodableError)]
    assert len(refused) <= 15, refused
    assert all(error.code in set(Code) for error in outcomes.values() if isinstance(error, UndecodableError))
