"""Stage 1: dozens of labelled videos, judged as they are; what that says, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from engines.data.rows import write_rejected
from engines.pilot.few_shot import FEWEST, Costs
from engines.pilot.finding import Evidence, Finding, find
from engines.pilot.labels import Label, Labels, read_labels
from streamer.assemble import Parts, open_parts
from streamer.cli.at_hand import find_videos
from streamer.cli.pilot.judging import Judged, Judging, Progress, events_of
from streamer.cli.pilot.worth import MOST_MORE, Terms, sheet_of
from streamer.errors import EarshotError
from streamer.records import TASKS, Action, Clip, Float64, Modality, Task, Verdict
from streamer.report.assumptions import Sheet
from streamer.report.shown import Shown, Truth
from streamer.settings import Settings

#: What stage 1 leaves in its folder.
STORE, RESULT, REPORT, REJECTED = "judged.jsonl", "result.json", "report.html", "rejected.jsonl"
#: The videos with their labels, for the commands that take a pool.
POOL = "pool.jsonl"
_CARDS, _CARDS_OF_A_KIND = 8, 2
_LOOK_SECONDS = 60.0
#: Unlabelled videos that are named, and labels of a kind that are asked for where there are too few.
_NEXT, _ENOUGH = 10, 20


class Answer(msgspec.Struct, frozen=True):
    """Of one task: go, no-go or label more; why; and which unlabelled videos to begin with."""

    task: str
    answer: str
    reason: str
    label_next: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """All that the page and the terminal tell."""

    judged: Sequence[Judged]
    labels: Labels
    findings: Sequence[Finding]
    answers: Sequence[Answer]
    sheets: Mapping[str, Sheet]
    shown: Sequence[Shown]
    bundle: str
    bundle_id: str
    bundle_path: str
    cpu_seconds: float
    wall_seconds: float


def run(videos: Path, labels_file: Path, out: Path, terms: Terms, settings: Settings, progress: Progress) -> Stage:
    """Judge what is not judged yet, and find. Raises `ValueError` when no label or no video can be used."""
    with open_parts(settings) as parts:
        judged, labels = judge_labelled(videos, labels_file, out, parts, settings, progress)
        findings = [found for task in TASKS if (found := _found(task, judged, labels, terms)) is not None]
        cpu_seconds = _mean_cpu_seconds(judged)
        sheets = {found.task: sheet_of(found, terms, cpu_seconds) for found in findings if 0 < found.bad < found.videos}
        answers = [answer_of(found, sheets.get(found.task), judged, labels) for found in findings]
        return Stage(
            judged,
            labels,
            findings,
            answers,
            sheets,
            _shown(videos, judged, labels, findings, parts),
            f"{parts.bundle.name} {parts.bundle.id[:12]}",
            parts.bundle.id,
            settings.engine.bundle,
            cpu_seconds,
            sum(item.wall_seconds for item in judged),
        )


def judge_labelled(
    videos: Path, labels_file: Path, out: Path, parts: Parts, settings: Settings, progress: Progress
) -> tuple[list[Judged], Labels]:
    """Read labels and judge what is not judged yet; `out` keeps both what was judged and which rows are broken."""
    files = find_videos(videos)
    labels = read_labels(labels_file, files)
    write_rejected(labels.rejected, out / REJECTED)
    events = events_of(videos, {file: label.words for file, label in labels.by_file.items()}, files)
    with progress("judging", len(events)) as advance:
        return Judging(parts, settings, out / STORE).all(videos, events, advance), labels


def _mean_cpu_seconds(judged: Sequence[Judged]) -> float:
    spent = [item.cpu_seconds for item in judged if item.embedding]
    if not spent:
        raise ValueError(f"came no video that can be decoded, expected one or more; {STORE} has the reasons")
    return float(np.mean(spent))


def answer_of(found: Finding, sheet: Sheet | None, judged: Sequence[Judged], labels: Labels) -> Answer:
    """The rule: go when even the worst end saves, no-go when even the best does not; else the labels that tell."""
    for kind, came in (("bad", found.bad), ("good", found.videos - found.bad)):
        if came < FEWEST:
            reason = f"{came} {kind} videos have a label; {FEWEST} are the fewest that say anything"
            more = f"label {_ENOUGH - came} more {kind} ones"
            return Answer(found.task, more, reason, _next(found, kind, judged, labels))
    assert sheet is not None, "there are labels of both kinds"
    values = sheet.numbers()
    saving, low, high = (values[name] for name in ("saving", "saving_low", "saving_high"))
    cheaper = "when all pass" if values["nobody"] < values["people"] else "when people look at all"
    reason = f"1,000 videos cost {_less(saving)} than {cheaper}; at worst {_less(low)}, at best {_less(high)}"
    if values["answer"] > 0:
        return Answer(found.task, "go", reason)
    if values["answer"] < 0:
        return Answer(found.task, "no-go", reason if high < 0 else f"{reason}; {MOST_MORE} more labels would not tell")
    kind = "bad" if values["from_bad"] else "good"
    more = f"label {values['more']:.0f} more {kind} ones"
    return Answer(found.task, more, reason, _next(found, kind, judged, labels))


def _less(saving: float) -> str:
    return f"{abs(saving):,.0f} {'less' if saving > 0 else 'more'}"


def _next(found: Finding, kind: str, judged: Sequence[Judged], labels: Labels) -> tuple[str, ...]:
    """Unlabelled videos that are likely of a kind: by score, the likely bad ones first or last."""
    open_ones = [
        (item.file, badness(found.task, score))
        for item in judged
        if found.task not in (labels.by_file[item.file].answers if item.file in labels.by_file else {})
        and (verdict := item.verdict(found.task)) is not None
        and (score := verdict.score) is not None
    ]
    return tuple(file for file, _ in sorted(open_ones, key=lambda one: one[1], reverse=kind == "bad")[:_NEXT])


def badness(task: str, score: float) -> float:
    """Relevance is bad when it is low."""
    return 1 - score if task == Task.RELEVANCE else score


def evidence_of(task: Task, judged: Sequence[Judged], labels: Labels) -> Evidence | None:
    """A task on the videos that have a label and could be judged; None when there is none."""
    rows = [
        (item, verdict, labels.by_file[item.file].answers[task])
        for item in judged
        if item.file in labels.by_file
        and task in labels.by_file[item.file].answers
        and (verdict := item.verdict(task)) is not None
    ]
    if not rows:
        return None
    return Evidence(
        files=[item.file for item, _, _ in rows],
        bad_N=np.array([answer != (task is Task.RELEVANCE) for _, _, answer in rows]),
        called_N=np.array([verdict.action is not Action.ALLOW for _, verdict, _ in rows]),
        scores_N=np.array([badness(task, verdict.score or 0.0) for _, verdict, _ in rows]),
        without_called_N=np.array([_called_without_sound(verdict) for _, verdict, _ in rows]),
        without_N=np.array([badness(task, _without_sound(verdict)) for _, verdict, _ in rows]),
        embeddings_ND=np.array([item.embedding for item, _, _ in rows], np.float64),
        views=_views([item for item, _, _ in rows]),
    )


def _views(judged: Sequence[Judged]) -> dict[str, Float64]:
    """Of each sense that any of them has; zeros where one lacks it."""
    nothing = (0.0,) * len(judged[0].embedding)
    found = {sense.value: np.array([item.views.get(sense, nothing) for item in judged]) for sense in Modality}
    return {sense: rows_NV for sense, rows_NV in found.items() if rows_NV.any()}


def _found(task: Task, judged: Sequence[Judged], labels: Labels, terms: Terms) -> Finding | None:
    evidence = evidence_of(task, judged, labels)
    if evidence is None:
        return None
    return find(task, evidence, _costs(terms, float(evidence.bad_N.mean())), np.random.default_rng(0))


def _costs(terms: Terms, sampled: float) -> Costs:
    """What a threshold trades, as if bad videos were as frequent as they are said to be."""
    base = sampled if terms.base_rate is None else terms.base_rate
    miss, alarm = terms.miss - terms.label, terms.label + terms.false_alarm
    if not 0 < sampled < 1:
        return Costs(miss, alarm)
    return Costs(miss * base / sampled, alarm * (1 - base) / (1 - sampled))


def _without_sound(verdict: Verdict) -> float:
    """The score with the sound left out; that itself where there is none or nothing else."""
    return verdict.categories.get("seen", verdict.score or 0.0)


def _called_without_sound(verdict: Verdict) -> bool:
    if "seen" not in verdict.categories:
        return verdict.action is not Action.ALLOW
    over = verdict.categories["seen"] >= verdict.threshold
    return not over if verdict.task is Task.RELEVANCE else over


def _shown(
    folder: Path, judged: Sequence[Judged], labels: Labels, findings: Sequence[Finding], parts: Parts
) -> list[Shown]:
    """Cards of some videos of each kind, what was missed first."""
    why: dict[str, list[str]] = {}
    for found in findings:
        by_sound = found.audio.caught_by_sound if found.audio else ()
        kinds = (("missed", found.missed), ("false alarm", found.false_alarms), ("caught by sound alone", by_sound))
        for kind, files in (*kinds, ("caught", found.caught)):
            for file in files[:_CARDS_OF_A_KIND]:
                why.setdefault(file, []).append(f"{found.task}: {kind}")
    by_file = {item.file: item for item in judged}
    chosen = sorted(why, key=lambda file: "missed" not in " ".join(why[file]))[:_CARDS]
    return [_card(folder, by_file[file], labels.by_file[file], "; ".join(why[file]), parts) for file in chosen]


def _card(folder: Path, item: Judged, label: Label, why: str, parts: Parts) -> Shown:
    answers = {Task(task): answer for task, answer in label.answers.items()}
    return Shown(item.file, item.event, item.verdicts, _clip(folder, item, parts), Truth(why, answers))


def _clip(folder: Path, item: Judged, parts: Parts) -> Clip | None:
    """The clip that the verdicts rest on, looked at again: the same content is always looked at in the same places."""
    content_sha256 = item.verdicts[0].lineage.content_sha256
    if content_sha256 is None:
        return None
    try:
        return parts.sandbox.decode(str(folder / item.file), parts.pipeline.seed(content_sha256), _LOOK_SECONDS)
    except EarshotError:
        return None
