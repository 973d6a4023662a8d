"""Where the zoo is, and which refusals its manifest explains."""

from __future__ import annotations

from streamer.decode.formats import Code
from tests.shared_data import find

ZOO = find("zoo")

#: Rows whose notes do not say it, though the file's name or figures do.
_BY_NAME = {
    "large_stbl_truncated_after_moov.m4b": Code.DAMAGED,  # no media data at all
    "sample_80KHz_mono_20_repeating_1_samples.wav": Code.DAMAGED,  # a quarter of a millisecond
}


def expected_codes(row: dict[str, str]) -> set[Code]:
    """The codes that a row explains; empty where the file has to decode."""
    notes, codes = row["notes"], set()
    for name, code in _BY_NAME.items():
        if row["path"].endswith(name):
            codes.add(code)
    if "cannot open" in notes:
        codes |= {Code.DAMAGED, Code.UNSUPPORTED_CONTAINER}
    if "garbage-prefix" in row["path"]:
        codes.add(Code.UNSUPPORTED_CONTAINER)  # nothing but the file's name says MP3, and names are not believed
    if not row["video_codec"] and not row["audio_codec"]:
        codes.add(Code.NO_MEDIA)
    if row["frames_decoded"] == "0" and "errors" in notes:
        codes |= {Code.DAMAGED, Code.UNSUPPORTED_CODEC}
    return codes
