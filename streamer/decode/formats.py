"""What Earshot agrees to read: containers, codecs, limits, and the codes of what it refuses."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from streamer.options import Options
from streamer.sample import SampleOptions


class Code(StrEnum):
    """Why media could not be turned into a clip; the `code` of `UndecodableError`."""

    NOT_A_FILE = "not_a_file"
    EMPTY = "empty"
    UNSUPPORTED_CONTAINER = "unsupported_container"
    UNSUPPORTED_CODEC = "unsupported_codec"
    DAMAGED = "damaged"
    NO_STREAMS = "no_streams"
    NO_MEDIA = "no_media"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_LONG = "too_long"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_CPU = "out_of_cpu"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"


class DecodeOptions(Options):
    """Limits on media. What is over a limit is refused or left out, and coverage says which."""

    max_pixels: int = Field(default=7680 * 4320, ge=1)  # of one picture, as declared and as coded
    max_streams: int = Field(default=16, ge=1)
    max_duration_seconds: float = Field(default=4 * 3600.0, gt=0)
    max_audio_seconds: float = Field(default=1800.0, gt=0)
    max_scan_bytes: int = Field(default=256 << 20, ge=0)  # read through this much to find keyframes that no index names
    cpu_seconds: float = Field(default=20.0, gt=0)  # looking and listening end early after this; what is there is kept
    sample: SampleOptions = Field(default_factory=SampleOptions)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Demuxers that read one file from beginning to end. Left out on purpose: everything that opens other files or the
# network on behalf of its content (concat, hls, dash, sdp, rtsp, image2, lavfi, imf, ...), and what nobody uploads.
CONTAINERS = _names(
    "mov mp4 m4a 3gp 3g2 mj2 matroska webm avi flv live_flv kux mpegts mpeg mpegvideo m4v h264 hevc obu "
    "av1 ivf ogg wav w64 aiff caf au mp3 aac loas flac amr amrnb amrwb ac3 eac3 dts dtshd asf rm wv ape "
    "tta mxf gxf dv gif nut"
)

VIDEO_CODECS = _names(
    "h264 hevc vp8 vp9 av1 mpeg1video mpeg2video mpeg4 h263 h263i h263p flv1 msmpeg4v1 msmpeg4v2 "
    "msmpeg4v3 wmv1 wmv2 wmv3 vc1 theora mjpeg prores dnxhd dvvideo gif vp6 vp6a vp6f rv30 rv40 svq1 svq3 "
    "png rawvideo huffyuv ffvhuff ffv1 qtrle vvc"
)

AUDIO_CODECS = _names(
    "aac aac_latm mp1 mp2 mp3 opus vorbis flac alac ac3 eac3 dts amr_nb amr_wb wmav1 wmav2 wmapro "
    "wmavoice wavpack ape tta speex nellymoser cook truehd mlp adpcm_ima_wav adpcm_ima_qt adpcm_ms "
    "adpcm_swf adpcm_g722 adpcm_g726 gsm gsm_ms qdm2 pcm_alaw pcm_mulaw pcm_u8 pcm_s8 pcm_s16le pcm_s16be "
    "pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be pcm_dvd pcm_bluray "
    "pcm_u16le pcm_u16be"
)
