"""One video's time line: frames looked at, sound listened to, and what each score rests on, over one axis.

Horizontal positions are percentages, so the drawing follows the width of the page and its text keeps its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

import numpy as np

from streamer.records import TASKS, Clip, Coverage, Evidence, Modality, Verdict
from streamer.report import words
from streamer.report.png import data_uri, png_from_indices, png_from_rgb, shrink
from streamer.report.shown import Shown, TrueSpan
from streamer.report.spectrogram import palette, spectrogram
from streamer.report.tag import tag

_THUMBNAIL_PIXELS = 160
#: Share of the width kept free on both sides, so that marks at the very ends stay inside.
_INSET = 1.5
_TICK_STEPS_SECONDS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_MOST_TICKS = 7
#: Above this number of frames a narrow screen scrolls the time line sideways.
_FRAMES_WITHOUT_SCROLLING = 10
_SOUND_HEIGHT, _LANE_HEIGHT = 56, 44
#: Spans below this share of the video are drawn as instants, of a width that can be seen.
_INSTANT_SHARE = 0.008


@dataclass(frozen=True, slots=True)
class Axis:
    """Seconds to percentages of the width."""

    duration_seconds: float

    def at(self, moment_seconds: float) -> str:
        """Where a moment stands, held inside the axis."""
        share = min(max(moment_seconds / self.duration_seconds, 0.0), 1.0)
        return f"{_INSET + (100 - 2 * _INSET) * share:.3f}%"

    def width(self, start_seconds: float, end_seconds: float) -> str:
        """How wide a span is, as far as it lies inside the axis."""
        start, end = (float(self.at(moment)[:-1]) for moment in (start_seconds, end_seconds))
        return f"{max(end - start, 0.0):.3f}%"


def drawn(shown: Shown) -> Shown:
    """The same with its drawing in the place of the clip, which takes ten times the memory."""
    return replace(shown, clip=None, drawing=timeline(shown))


def timeline(shown: Shown) -> Element | None:
    """The drawing; None when nothing is known of the video's length."""
    if shown.drawing is not None:
        return shown.drawing
    coverage = shown.verdicts[0].coverage if shown.verdicts else None
    coverage = shown.clip.coverage if shown.clip is not None else coverage
    if coverage is None:
        return None
    axis = Axis(max(coverage.duration_seconds, coverage.audio_duration_seconds, 0.001))
    frames = 0 if shown.clip is None else len(shown.clip.frame_seconds_T)
    scrolls = frames > _FRAMES_WITHOUT_SCROLLING
    name = words.clean(shown.file)
    return tag(
        "div",
        tag(
            "div",
            *([] if shown.clip is None else _film(shown.clip, axis, name)),
            _ruler(shown.clip, coverage, axis),
            *([] if shown.clip is None else [_sound(shown.clip, axis, coverage)]),
            *(
                _lane(verdict, shown.truth.spans.get(task, ()) if shown.truth else (), axis)
                for task in TASKS
                if (verdict := shown.verdict(task)) is not None
            ),
            class_="timeline",
        ),
        class_="scroller",
        tabindex=0 if scrolls else None,
        role="region" if scrolls else None,
        aria_label=f"Time line of {name}" if scrolls else None,
    )


def _film(clip: Clip, axis: Axis, name: str) -> list[Element]:
    """Thumbnails side by side, and threads from each to its moment on the axis."""
    if clip.frames_TCHW is None:
        return [tag("p", "No picture: there is nothing to look at.", class_="absent")]
    moments = [float(moment) for moment in clip.frame_seconds_T]
    thumbnails, threads = [], []
    for index, (pixels_CHW, moment) in enumerate(zip(clip.frames_TCHW, moments, strict=True)):
        png = png_from_rgb(shrink(pixels_CHW, _THUMBNAIL_PIXELS))
        label = words.seconds(moment)
        picture = tag("img", src=data_uri(png), alt=f"Frame of {name} at {label}", width=64, height=64)
        thumbnails.append(tag("li", picture, tag("span", label.removesuffix(" s"), class_="moment")))
        above = f"{100 * (index + 0.5) / len(moments):.3f}%"
        threads.append(tag("line", x1=above, x2=axis.at(moment), y1=0, y2=18))
    return [
        tag("ol", *thumbnails, class_="film"),
        tag("svg", *threads, class_="threads", height=18, aria_hidden="true"),
    ]


def _ruler(clip: Clip | None, coverage: Coverage, axis: Axis) -> Element:
    """Seconds, the moments looked at, and the largest stretch without a look."""
    marks = [tag("line", x1=axis.at(0), x2=axis.at(axis.duration_seconds), y1=6, y2=6, class_="rule")]
    gap = None if clip is None else _largest_gap(clip, coverage)
    if gap is not None:
        start, end = gap
        hint = tag("title", f"Largest stretch without a look: {words.seconds(coverage.largest_gap_seconds)}")
        marks.append(tag("rect", hint, x=axis.at(start), width=axis.width(start, end), y=3, height=6, class_="gap"))
    looks = [] if clip is None else [axis.at(moment) for moment in clip.frame_seconds_T]
    marks += [tag("line", x1=look, x2=look, y1=0, y2=12, class_="look") for look in looks]
    for moment in _ticks(axis.duration_seconds):
        anchor = "start" if moment == 0 else "middle"
        label = words.seconds(moment).replace(".0 s", " s")
        marks.append(tag("text", label, x=axis.at(moment), y=25, text_anchor=anchor))
    return tag("svg", *marks, class_="ruler", height=30, role="img", aria_label=words.covered(coverage))


def _largest_gap(clip: Clip, coverage: Coverage) -> tuple[float, float] | None:
    if not len(clip.frame_seconds_T):
        return None
    bounds = np.concatenate(([0.0], clip.frame_seconds_T, [coverage.duration_seconds]))
    index = int(np.diff(bounds).argmax())
    return float(bounds[index]), float(bounds[index + 1])


def _ticks(duration_seconds: float) -> list[float]:
    fitting = (step for step in _TICK_STEPS_SECONDS if duration_seconds / step <= _MOST_TICKS)
    step = next(fitting, duration_seconds / _MOST_TICKS)
    # A tick nearer to the end than this would have its label cut off on a narrow screen.
    return [float(tick) for tick in np.arange(0, 0.97 * duration_seconds, step)]


def _sound(clip: Clip, axis: Axis, coverage: Coverage) -> Element:
    """Spectrograms where sound was listened to; hatching where it wasn't."""
    if clip.windows_TS is None:
        return tag("p", "No sound track: there is nothing to hear.", class_="absent")
    rate_hz = clip.windows_TS.shape[1] / clip.window_span_seconds
    colours = palette()
    start, end = axis.at(0), axis.width(0, coverage.audio_duration_seconds)
    parts = [tag("rect", x=start, width=end, y=0, height=_SOUND_HEIGHT, class_="unheard")]
    for samples_S, moment in zip(clip.windows_TS, clip.window_seconds_T, strict=True):
        stop = moment + clip.window_span_seconds
        parts.append(
            tag(
                "image",
                tag("title", f"Listened to {moment:.1f}–{words.seconds(stop)}"),
                href=data_uri(png_from_indices(spectrogram(samples_S, rate_hz), colours)),
                x=axis.at(moment),
                width=axis.width(moment, stop),
                y=0,
                height=_SOUND_HEIGHT,
                preserveAspectRatio="none",
            )
        )
    label = (
        f"Spectrogram of {len(clip.windows_TS)} windows, {coverage.audio_seconds:.1f} of "
        f"{words.seconds(coverage.audio_duration_seconds)} listened to"
    )
    return tag("svg", *parts, class_="sound", height=_SOUND_HEIGHT, role="img", aria_label=label)


def _lane(verdict: Verdict, true_spans: Sequence[TrueSpan], axis: Axis) -> Element:
    """What one task's score rests on: seen above the line, heard below it, read beside the name; truth as frames."""
    timed = [evidence for evidence in verdict.evidence if evidence.start_ms is not None]
    read = sum(evidence.weight for evidence in verdict.evidence if evidence.start_ms is None)
    most = max((evidence.weight for evidence in verdict.evidence), default=1.0)
    middle = _LANE_HEIGHT // 2
    line = tag("line", x1=axis.at(0), x2=axis.at(axis.duration_seconds), y1=middle, y2=middle, class_="rule")
    listed = "; ".join(f"{words.what(item)} {words.percent(item.weight)}" for item in verdict.evidence)
    also = words.also(verdict)
    heading = tag(
        "p",
        tag("span", verdict.task.value, class_="task"),
        tag("span", f"text {words.percent(read)}", class_="read") if read else None,
        tag("span", words.why(verdict), tag("span", also, class_="also") if also else None, class_="why"),
        class_="lane-name",
    )
    drawing = tag(
        "svg",
        *(_true(span, axis, middle) for span in true_spans),
        line,
        *(_mark(evidence, axis, middle, evidence.weight / max(most, 1e-6)) for evidence in timed),
        class_="lane",
        height=_LANE_HEIGHT,
        role="img",
        aria_label=f"Evidence for {verdict.task.value}: {listed or 'none'}",
    )
    return tag("div", heading, drawing)


def _true(span: TrueSpan, axis: Axis, middle: int) -> Element:
    hint = tag("title", f"True: {span.what}, {span.start_seconds:.1f}–{words.seconds(span.end_seconds)}")
    top = 1 if span.modality == Modality.VISION else middle
    x, width = axis.at(span.start_seconds), axis.width(span.start_seconds, span.end_seconds)
    return tag("rect", hint, x=x, width=width, y=top, height=middle - 1, class_="true")


def _mark(evidence: Evidence, axis: Axis, middle: int, share: float) -> Element:
    assert evidence.start_ms is not None
    start = evidence.start_ms / 1000
    end = start if evidence.end_ms is None else evidence.end_ms / 1000
    height = 3 + (middle - 5) * share
    top = middle - 1 - height if evidence.modality == Modality.VISION else middle + 1
    bottom = top + height
    hint = tag("title", f"{words.what(evidence)}: {words.percent(evidence.weight)} of the weight")
    shade = f"{0.45 + 0.55 * share:.2f}"
    look = f"mark {evidence.modality.value}"
    if end - start < _INSTANT_SHARE * axis.duration_seconds:
        at = axis.at((start + end) / 2)
        return tag("line", hint, x1=at, x2=at, y1=f"{top:.1f}", y2=f"{bottom:.1f}", class_=look, stroke_opacity=shade)
    x, width = axis.at(start), axis.width(start, end)
    return tag("rect", hint, x=x, width=width, y=f"{top:.1f}", height=f"{height:.1f}", class_=look, fill_opacity=shade)
