"""Media that an enemy wrote: refused or limited for the right reason, within seconds, with nothing else read."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.decode.formats import Code, DecodeOptions
from streamer.errors import UndecodableError
from streamer.sample import ClipShape
from streamer.sandbox.host import Sandbox, SandboxOptions
from tests.media.conftest import SEED
from tests.media.rendering import picture, render_sound, render_video, sine


def refused(sandbox: Sandbox, path: Path, seconds: float = 20.0) -> str:
    with pytest.raises(UndecodableError) as caught:
        sandbox.decode(str(path), SEED, seconds)
    return caught.value.code


@pytest.mark.parametrize("name", ["list.mp4", "list.ffconcat", "list.m3u8", "list"])
def test_playlists_of_local_files_are_refused(tmp_path: Path, sandbox: Sandbox, name: str) -> None:
    render_video(tmp_path / "secret.ts", count=5)
    path = tmp_path / name
    for text in (
        "ffconcat version 1.0\nfile secret.ts\n",
        f"ffconcat version 1.0\nfile {tmp_path}/secret.ts\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.ts\n#EXT-X-ENDLIST\n",
    ):
        path.write_text(text)
        assert refused(sandbox, path) == Code.UNSUPPORTED_CONTAINER


def test_nothing_is_fetched(tmp_path: Path, sandbox: Sandbox) -> None:
    """A canary on loopback, for TCP and for UDP: no playlist or session description makes it sing."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.setblocking(False)
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        url = f"http://127.0.0.1:{tcp.getsockname()[1]}/a.ts"
        port = udp.getsockname()[1]
        texts = {
            "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
            "a.mp4": f"ffconcat version 1.0\nfile {url}\n",
            "a.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
            "a=rtpmap:96 H264/90000\n",
            "a.mpd": f'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
        }
        for name, text in texts.items():
            path = tmp_path / name
            path.write_text(text)
            assert refused(sandbox, path) == Code.UNSUPPORTED_CONTAINER
        with pytest.raises(BlockingIOError):
            tcp.accept()
        with pytest.raises(BlockingIOError):
            udp.recv(1)


def test_text_and_nothing_are_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("This is a text file that calls itself a video.\n" * 50)
    assert refused(sandbox, text) == Code.UNSUPPORTED_CONTAINER
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert refused(sandbox, empty) == Code.EMPTY


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_truncated_files_are_damaged(tmp_path: Path, sandbox: Sandbox, part: float) -> None:
    """The index of a plain MP4 stands at its end."""
    content = render_video(tmp_path / "whole.mp4", count=25).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: int(part * len(content))])
    assert refused(sandbox, path) == Code.DAMAGED


def test_a_cut_file_whose_index_comes_first_is_judged_by_what_is_there(tmp_path: Path, sandbox: Sandbox) -> None:
    whole = render_video(tmp_path / "whole.mp4", container_options={"movflags": "faststart"}, audio_hz=440.0)
    content = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: int(0.7 * len(content))])
    clip = sandbox.decode(str(path), SEED, 20.0)
    assert clip.frames_TCHW is not None
    assert clip.frame_seconds_T[-1] < 1.9


@pytest.mark.parametrize("side", [8192, 15_900])
def test_bombs_are_refused_by_size(tmp_path: Path, sandbox: Sandbox, side: int) -> None:
    path = tmp_path / "bomb.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = side
        stream.pix_fmt = "gray"
        frame = av.VideoFrame(side, side, "gray")
        memoryview(frame.planes[0])[:] = bytes(frame.planes[0].buffer_size)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert path.stat().st_size < 1 << 20
    assert refused(sandbox, path) == Code.TOO_MANY_PIXELS


def test_a_header_that_lies_about_its_pictures(tmp_path: Path, sandbox: Sandbox) -> None:
    """The container says 320x240, the coded picture is over the limit: FFmpeg believes the picture."""
    path = render_video(tmp_path / "liar.mp4", width=640, height=480, count=3)
    content = path.read_bytes()
    at = content.index(b"avc1", content.index(b"stsd"))
    content = content[: at + 28] + struct.pack(">HH", 32, 24) + content[at + 32 :]
    path.write_bytes(content)
    small = DecodeOptions(max_pixels=320 * 240)
    with Sandbox(SandboxOptions(), small, ClipShape()) as strict:
        assert refused(strict, path) == Code.TOO_MANY_PIXELS
    clip = sandbox.decode(str(path), SEED, 20.0)
    assert (clip.media.width, clip.media.height) == (640, 480)


def test_a_thousand_streams(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(120)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.full((1, 800), 1000, np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
    try:
        clip = sandbox.decode(str(path), SEED, 20.0)
    except UndecodableError as error:
        assert error.code in set(Code)
    else:
        assert clip.coverage.audio_seconds < 1.0


def test_a_still_of_ten_hours_is_too_long(tmp_path: Path, sandbox: Sandbox) -> None:
    frames = [picture(0, 64, 64)] * 2
    path = render_video(tmp_path / "still.mp4", width=64, height=64, rate=1, pts=[0, 36_000], frames=frames)
    assert refused(sandbox, path) == Code.TOO_LONG


def test_a_duration_that_lies_sizes_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    path = render_sound(tmp_path / "long.wav", sine(440, 1.0, 16_000))
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 200_000_000)
    path.write_bytes(content)
    clip = sandbox.decode(str(path), SEED, 20.0)
    assert clip.coverage.audio_seconds == pytest.approx(1.0, abs=0.01)


def test_ten_thousand_frames_a_second(tmp_path: Path, sandbox: Sandbox) -> None:
    frames = [picture(index, 64, 64) for index in range(8)] * 250
    path = render_video(tmp_path / "fast.mp4", width=64, height=64, rate=10_000, count=2000, gop=250, frames=frames)
    clip = sandbox.decode(str(path), SEED, 20.0)
    assert 0 < clip.coverage.frames <= 8


def test_sound_of_not_a_number(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "nan.wav"
    samples_S = np.full(16_000, np.nan, np.float32)
    samples_S[::2] = np.inf
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples_S[None], format="flt", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = sandbox.decode(str(path), SEED, 20.0)
    assert clip.windows_TS is not None
    assert (np.abs(clip.windows_TS) <= 1.0).all()
