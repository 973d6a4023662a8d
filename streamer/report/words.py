"""Numbers and spans as people read them; the page and the terminal say the same things in the same words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from streamer.audit import AuditReport
from streamer.records import Action, Coverage, Evidence, Modality, Verdict
from streamer.report.shown import Reupload, Shown

#: Marks that need no colour: an action is told apart by its sign and its name.
SIGNS = {Action.ALLOW: "✓", Action.REVIEW: "?", Action.RESTRICT: "!", Action.BLOCK: "✕"}

#: What each modality does; also the categories that every verdict with picture and sound has.
PERCEIVED = {Modality.VISION: "seen", Modality.AUDIO: "heard", Modality.TEXT: "read"}

#: Unicode categories that can move a cursor, reverse a line or break an encoder: titles come from strangers.
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

#: Joiners that emoji and several scripts are written with.
_JOINERS = {"\u200c", "\u200d"}


def clean(text: str) -> str:
    """One line of printable text: control, bidi and unpaired code points become U+FFFD, line breaks a space."""

    def safe(character: str) -> str:
        if character in "\t\n\r":
            return " "
        unsafe = unicodedata.category(character) in _UNSAFE and character not in _JOINERS
        return "\N{REPLACEMENT CHARACTER}" if unsafe else character

    return text if text.isprintable() else "".join(map(safe, text))


def seconds(value: float) -> str:
    """A moment or a length: "3.2 s", from a minute on "1:04"."""
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}:{rest:02d}"


def milliseconds(value: float) -> str:
    """ "0.42 ms", "7.3 ms", "212 ms", "1,204 ms"."""
    digits = 0 if value >= 10 else 1 if value >= 1 else 2
    return f"{value:,.{digits}f} ms"


def times(ratio: float) -> str:
    """A ratio: "52x", "3.4x"."""
    return f"{ratio:,.0f}x" if ratio >= 10 else f"{ratio:.1f}x"


def percent(share: float) -> str:
    """A share in [0, 1]: "81 %"."""
    return f"{100 * share:.0f} %"


def count(number: int, thing: str) -> str:
    """ "1 frame", "8 frames"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def span(evidence: Evidence) -> str:
    """Where the evidence stands: "2.0–3.1 s", "at 4.5 s", or nothing for text."""
    if evidence.start_ms is None:
        return ""
    start = evidence.start_ms / 1000
    end = start if evidence.end_ms is None else evidence.end_ms / 1000
    if end - start < 0.05:
        return f"at {seconds(start)}"
    return f"{seconds(start).removesuffix(' s')}–{seconds(end)}"


def named(evidence: Evidence) -> str:
    """What was perceived, where a tower knows its name: "heard Siren"; else by which modality: "audio"."""
    return f"{PERCEIVED[evidence.modality]} {clean(evidence.name)}" if evidence.name else evidence.modality.value


def what(evidence: Evidence) -> str:
    """What and when: "heard Siren 2.0–3.1 s", "audio 2.0–3.1 s"."""
    return f"{named(evidence)} {span(evidence)}".strip()


def also(verdict: Verdict) -> str:
    """What else of the evidence has a name, beside the strongest: "also seen revolver at 4.5 s"."""
    best = strongest(verdict)
    others = [what(evidence) for evidence in verdict.evidence if evidence.name and evidence is not best]
    return f"also {', '.join(others)}" if others else ""


def judged_parts(verdict: Verdict) -> str:
    """The parts of a score that towers judge by themselves: "sexual 0.02, violent 0.91"."""
    parts = {name: score for name, score in verdict.categories.items() if name not in PERCEIVED.values()}
    return ", ".join(f"{clean(name)} {score:.2f}" for name, score in parts.items())


def state(verdict: Verdict) -> str:
    """How the verdict came about: "decided", "missing modality"."""
    return verdict.state.value.replace("_", " ")


def strongest(verdict: Verdict) -> Evidence | None:
    """The evidence with the greatest weight."""
    return max(verdict.evidence, key=lambda evidence: evidence.weight, default=None)


def why(verdict: Verdict) -> str:
    """The strongest piece of evidence, or the reason why there is none."""
    best = strongest(verdict)
    return clean(verdict.reason or "nothing stands out") if best is None else f"{what(best)} ({percent(best.weight)})"


def gravest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict to explain first: the severest action, then the score furthest from its threshold."""
    severity = list(Action).index

    def weight(verdict: Verdict) -> tuple[int, float]:
        distance = 0.0 if verdict.score is None else abs(verdict.score - verdict.threshold)
        return severity(verdict.action), distance

    return max(verdicts, key=weight, default=None)


def covered(coverage: Coverage) -> str:
    """What was looked at and listened to, in one line."""
    looked = f"{count(coverage.frames, 'frame')}, largest gap {seconds(coverage.largest_gap_seconds)}"
    heard = f"{coverage.audio_seconds:.1f} of {seconds(coverage.audio_duration_seconds)} heard"
    damaged = (count(coverage.damaged_packets, "damaged packet"),) if coverage.damaged_packets else ()
    return " · ".join(
        (
            seconds(coverage.duration_seconds),
            looked if coverage.frames else "no picture",
            heard if coverage.audio_duration_seconds else "no sound track",
            *damaged,
            *map(clean, coverage.notes),
        )
    )


def missing(verdicts: Iterable[Verdict]) -> tuple[Modality, ...]:
    """Modalities that no verdict of the video could rest on."""
    absent = {modality for verdict in verdicts for modality in verdict.missing_modalities}
    return tuple(modality for modality in Modality if modality in absent)


def served(reupload: Reupload) -> str:
    """One line on the re-upload: where it came from and what it saved."""
    ratio = times(reupload.cold_ms / max(reupload.cached_ms, 1e-6))
    scores = "same scores" if reupload.same_scores else "scores DIFFER"
    return (
        f"{clean(reupload.file)} again: {milliseconds(reupload.cached_ms)} from the {reupload.cache_tier} cache, "
        f"{milliseconds(reupload.cold_ms)} the first time ({ratio}), {scores}"
    )


def agreement(shown: Iterable[Shown]) -> tuple[int, int]:
    """Verdicts that say what is true, of those that were scored and whose truth is known."""
    right = [
        (verdict.score >= verdict.threshold) == item.truth.labels[verdict.task]
        for item in shown
        if item.truth is not None
        for verdict in item.verdicts
        if verdict.score is not None and verdict.task in item.truth.labels
    ]
    return sum(right), len(right)


def balanced(audit: AuditReport) -> bool:
    """Whether nothing was lost and nothing came out twice."""
    return audit.lost == 0 and audit.duplicated == 0


def audited(audit: AuditReport) -> str:
    """The audit's figures in one line."""
    ended = f"{audit.verdict_events:,} with verdicts + {count(audit.dead_letters, 'dead letter')}"
    balance = f"{audit.lost:,} lost · {audit.duplicated:,} duplicated · {audit.in_flight:,} in flight"
    return f"{count(audit.consumed, 'event')} consumed = {ended} · {balance}"
