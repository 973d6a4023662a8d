"""The sandbox: whatever becomes of a child, its parent lives, learns why, and keeps nothing of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from streamer.decode.formats import Code, DecodeOptions
from streamer.errors import SandboxFailedError, SettingsError, UndecodableError
from streamer.sample import ClipShape
from streamer.sandbox.host import Sandbox, SandboxOptions
from tests.imports import ROOT
from tests.media.conftest import SEED
from tests.media.rendering import picture, render_sound, render_video, sine


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_video(tmp_path_factory.mktemp("media") / "clip.mp4", audio_hz=440.0)


@pytest.fixture(scope="module")
def slow_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One long way: 120 frames from a single keyframe."""
    pictures = [picture(index, 960, 720) for index in range(8)]
    path = tmp_path_factory.mktemp("media") / "slow.mp4"
    options = {"preset": "veryfast"}
    return render_video(path, width=960, height=720, count=120, gop=250, frames=pictures * 15, options=options)


def zygote_of(process: psutil.Process | None = None) -> psutil.Process:
    (zygote,) = [
        child
        for child in (process or psutil.Process()).children()
        if "streamer.sandbox.zygote" in " ".join(child.cmdline())
    ]
    return zygote


def wait_for(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def kill_first_child(zygote: psutil.Process, number: int) -> None:
    wait_for(zygote.children)
    zygote.children()[0].send_signal(number)


def test_a_clip_comes_through_whole(clip_path: Path) -> None:
    from streamer.decode.clip import decode

    shape, options = ClipShape(), DecodeOptions()
    with Sandbox(SandboxOptions(), options, shape) as sandbox:
        clip = sandbox.decode(str(clip_path), SEED, 30.0)
        assert sandbox.ffmpeg_version
    with clip_path.open("rb") as media:
        direct = decode(media.fileno(), SEED, shape, options, sandbox.plan_id)
    assert clip.coverage == direct.coverage
    assert clip.media == direct.media
    assert clip.decode_cpu_ms > 0
    assert clip.frames_TCHW is not None and direct.frames_TCHW is not None
    assert clip.windows_TS is not None and direct.windows_TS is not None
    np.testing.assert_array_equal(clip.frames_TCHW, direct.frames_TCHW)
    np.testing.assert_array_equal(clip.windows_TS, direct.windows_TS)
    np.testing.assert_array_equal(clip.frame_seconds_T, direct.frame_seconds_T)
    np.testing.assert_array_equal(clip.window_seconds_T, direct.window_seconds_T)


def test_many_threads_decode_at_once(clip_path: Path, sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(6) as pool:
        clips = list(pool.map(lambda _: sandbox.decode(str(clip_path), SEED, 30.0), range(24)))
    assert len({clip.frames_TCHW.tobytes() for clip in clips if clip.frames_TCHW is not None}) == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGSEGV, Code.CRASHED), (signal.SIGKILL, Code.OUT_OF_MEMORY), (signal.SIGXCPU, Code.OUT_OF_CPU)],
)
def test_a_dying_child_costs_its_video_only(
    slow_path: Path, clip_path: Path, sandbox: Sandbox, number: int, code: Code
) -> None:
    killer = threading.Thread(target=kill_first_child, args=(zygote_of(), number))
    killer.start()
    with pytest.raises(UndecodableError) as caught:
        sandbox.decode(str(slow_path), SEED, 30.0)
    killer.join()
    assert caught.value.code == code
    assert sandbox.decode(str(clip_path), SEED, 30.0).frames_TCHW is not None


def test_a_hanging_child_is_killed_at_the_deadline(slow_path: Path, clip_path: Path, sandbox: Sandbox) -> None:
    stopper = threading.Thread(target=kill_first_child, args=(zygote_of(), signal.SIGSTOP))
    stopper.start()
    with pytest.raises(UndecodableError) as caught:
        sandbox.decode(str(slow_path), SEED, 0.5)
    stopper.join()
    assert caught.value.code == Code.TIMED_OUT
    wait_for(lambda: not zygote_of().children())
    assert sandbox.decode(str(clip_path), SEED, 30.0).frames_TCHW is not None


def test_a_dead_zygote_is_replaced_and_the_video_decoded(slow_path: Path) -> None:
    others = psutil.Process().children()
    with Sandbox(SandboxOptions(), DecodeOptions(), ClipShape()) as sandbox:
        (mine,) = [child for child in psutil.Process().children() if child not in others]
        killer = threading.Thread(target=lambda: (wait_for(mine.children), mine.kill()))
        killer.start()
        assert sandbox.decode(str(slow_path), SEED, 60.0).frames_TCHW is not None
        killer.join()


def test_nothing_is_left_when_the_parent_is_killed(slow_path: Path) -> None:
    script = (
        "import sys\nfrom streamer.sandbox.host import *\n"
        "with Sandbox(SandboxOptions(), DecodeOptions(), ClipShape()) as sandbox:\n"
        "    print('ready', flush=True)\n"
        "    while True:\n        sandbox.decode(sys.argv[1], bytes(16), 60.0)\n"
    )
    command = [sys.executable, "-c", script, str(slow_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        zygote = zygote_of(psutil.Process(parent.pid))
        wait_for(zygote.children)
        family = [zygote, *zygote.children()]
        parent.kill()
    wait_for(lambda: not any(member.is_running() and member.status() != "zombie" for member in family))


def test_descriptors_and_children_return_to_what_they_were(clip_path: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip_path.read_bytes()[:2000])
    sandbox.decode(str(clip_path), SEED, 30.0)
    zygote = zygote_of()
    wait_for(lambda: not zygote.children())
    before = (psutil.Process().num_fds(), zygote.num_fds(), psutil.Process().num_threads())
    for _ in range(40):
        sandbox.decode(str(clip_path), SEED, 30.0)
        with pytest.raises(UndecodableError):
            sandbox.decode(str(broken), SEED, 30.0)
        with pytest.raises(UndecodableError):
            sandbox.decode(str(clip_path), SEED, 0.0)
    wait_for(lambda: not zygote.children())
    wait_for(lambda: psutil.Process().num_fds() <= before[0])
    wait_for(lambda: zygote.num_fds() <= before[1])
    wait_for(lambda: psutil.Process().num_threads() <= before[2])


def test_the_running_child_is_confined(slow_path: Path, sandbox: Sandbox) -> None:
    seen: list[dict[str, str]] = []

    def look() -> None:
        zygote = zygote_of()
        wait_for(zygote.children)
        while not seen:
            for child in zygote.children():
                lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
                status = dict(line.split(":", 1) for line in lines)
                if status["Seccomp"].strip() == "2":
                    seen.append(status)

    watcher = threading.Thread(target=look)
    watcher.start()
    sandbox.decode(str(slow_path), SEED, 30.0)
    watcher.join()
    assert seen[0]["NoNewPrivs"].strip() == "1"
    assert seen[0]["Threads"].strip() == "1"
    assert sandbox.confinement.missing == ()


def test_memory_is_limited(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "tune": "zerolatency"}
    blank = [np.zeros((4096, 4096, 3), np.uint8)]
    path = render_video(
        tmp_path / "large.mp4", width=4096, height=4096, count=1, pix_fmt="yuv444p", options=options, frames=blank
    )
    tight = SandboxOptions(memory_bytes=64 << 20)
    with Sandbox(tight, DecodeOptions(), ClipShape()) as sandbox, pytest.raises(UndecodableError) as caught:
        sandbox.decode(str(path), SEED, 30.0)
    assert caught.value.code == Code.OUT_OF_MEMORY


def test_processor_time_is_limited_and_what_was_seen_is_kept(slow_path: Path) -> None:
    with Sandbox(SandboxOptions(), DecodeOptions(cpu_seconds=0.03), ClipShape()) as sandbox:
        clip = sandbox.decode(str(slow_path), SEED, 30.0)
    assert any("CPU time" in note for note in clip.coverage.notes)
    assert 0 < clip.coverage.frames < 8


def test_only_regular_files_are_read(tmp_path: Path, sandbox: Sandbox) -> None:
    fifo = tmp_path / "pipe.mp4"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, Path("/dev/zero")):
        with pytest.raises(UndecodableError) as caught:
            sandbox.decode(str(path), SEED, 5.0)
        assert caught.value.code == Code.NOT_A_FILE


def test_a_missing_file_is_our_own_fault(tmp_path: Path, sandbox: Sandbox) -> None:
    with pytest.raises(SandboxFailedError):
        sandbox.decode(str(tmp_path / "absent"), SEED, 5.0)


def test_an_unstarted_sandbox_says_so(clip_path: Path) -> None:
    sandbox = Sandbox(SandboxOptions(), DecodeOptions(), ClipShape())
    with pytest.raises(SandboxFailedError, match="context manager"):
        sandbox.decode(str(clip_path), SEED, 5.0)
    with pytest.raises(SandboxFailedError, match="context manager"):
        _ = sandbox.confinement


def test_strict_refuses_a_machine_without_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.sandbox.host._MODULE", "tests.media.zygote_without_namespaces")
    with pytest.raises(SettingsError, match="namespaces"):
        Sandbox(SandboxOptions(strict=True), DecodeOptions(), ClipShape()).__enter__()


def test_the_plan_is_named_by_all_that_decides_it() -> None:
    def plan_id(decode: DecodeOptions | None = None, shape: ClipShape | None = None) -> str:
        return Sandbox(SandboxOptions(), decode or DecodeOptions(), shape or ClipShape()).plan_id

    names = {
        plan_id(),
        plan_id(shape=ClipShape(max_frames=4)),
        plan_id(shape=ClipShape(frame_pixels=32)),
        plan_id(decode=DecodeOptions(max_audio_seconds=60)),
    }
    assert len(names) == 4
    assert plan_id() == plan_id()


def test_silence_is_sound(tmp_path: Path, sandbox: Sandbox) -> None:
    clip = sandbox.decode(str(render_sound(tmp_path / "silent.wav", 0 * sine(440, 3, 16_000))), SEED, 10.0)
    assert clip.frames_TCHW is None
    assert clip.windows_TS is not None and not clip.windows_TS.any()
