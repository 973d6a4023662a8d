"""`earshot decode`, as scripts call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.face.command import earshot_here
from tests.imports import ROOT
from tests.media.rendering import render_sound, render_video, sine


def earshot(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("earshot")), "decode", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_video(tmp_path_factory.mktemp("media") / "clip.mp4", audio_hz=440.0)


def test_one_document_per_file_in_their_order(video: Path, tmp_path: Path) -> None:
    sound = render_sound(tmp_path / "sound.wav", sine(440, 2.0, 16_000))
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    done = earshot("--json", video, text, sound)
    assert done.returncode == 1, done.stderr
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert [first["file"], second["file"], third["file"]] == [str(video), str(text), str(sound)]
    assert set(first) == {"file", "state", "reason", "video", "audio", "coverage", "cpu_ms"}
    assert (first["state"], first["reason"]) == ("decoded", None)
    assert set(first["video"]) == {"codec", "width", "height", "rotation", "duration_seconds", "frames"}
    assert 0.0 <= first["video"]["frames"][0]["t_seconds"] < 1.0
    assert first["audio"]["codec"] == "aac"
    assert first["cpu_ms"] > 0
    assert (second["state"], second["video"], second["coverage"]) == ("rejected", None, None)
    assert second["reason"].startswith("unsupported_container")
    assert third["video"] is None and third["audio"]["seconds"] == pytest.approx(2.0)


def test_clips_are_saved(video: Path, tmp_path: Path) -> None:
    sound = render_sound(tmp_path / "sound.wav", sine(440, 2.0, 16_000))
    done = earshot(video, sound, "--save", tmp_path / "clips")
    assert done.returncode == 0, done.stderr
    clip = load_file(tmp_path / "clips" / "clip.safetensors")
    assert {name: array.dtype for name, array in clip.items()} == {
        "frames_TCHW": np.uint8, "frame_seconds_T": np.float64, "windows_TS": np.float32, "window_seconds_T": np.float64
    }  # fmt: skip
    assert clip["frames_TCHW"].shape[1:] == (3, 64, 64)
    assert set(load_file(tmp_path / "clips" / "sound.safetensors")) == {"windows_TS", "window_seconds_T"}


def test_wrong_use_is_told_apart(tmp_path: Path, video: Path) -> None:
    for arguments, word in (((tmp_path / "absent.mp4",), "no such file"), ((tmp_path,), "folder"), ((), "FILE")):
        done = earshot_here("decode", *arguments, folder=ROOT)
        assert done.returncode == 2
        assert word in done.stderr
    (tmp_path / "clip.mp4").write_bytes(video.read_bytes())
    twice = earshot_here("decode", video, tmp_path / "clip.mp4", "--save", tmp_path / "clips", folder=ROOT)
    assert twice.returncode == 2
