"""Findings as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engines.evaluation.arms import CONDITION_NAMES, NAMES, in_order, name_of
from engines.evaluation.findings import HEADLINE, ArmFound, Findings, SliceFound
from engines.evaluation.goals import shown, signed
from engines.evaluation.measures import AP, RECALL_AT_PRECISION, SPEARMAN
from engines.evaluation.study import Estimate, Subject
from engines.spec import TASKS

#: Columns of the first table.
SHORT = (
    ("adult", AP),
    ("adult", RECALL_AT_PRECISION),
    ("clickbait", AP),
    ("clickbait", RECALL_AT_PRECISION),
    ("relevance", SPEARMAN),
)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all columns but the first are set right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def goals(findings: Findings) -> str:
    """Every bar and whether it is reached."""
    rows = [(one.goal, one.bar, one.came, f"**{one.verdict}**") for one in findings.goals]
    return markdown(("goal", "bar", "came [95 % interval]", "verdict"), rows)


def headline(findings: Findings) -> str:
    """The arms as they are, few columns."""
    plain_arms = [arm for arm in findings.arms if not arm.condition]
    return markdown(("arm", *_columns(SHORT), "seeds"), [_arm_row(arm, SHORT) for arm in plain_arms])


def gains(findings: Findings, prefix: str = "over ") -> str:
    """Differences whose name starts so, a row for each and a column for each metric."""
    names = list(dict.fromkeys(gain.name for gain in findings.gains if gain.name.startswith(prefix)))
    rows = []
    for name in names:
        cells = [_gain_cell(findings, name, task, metric) for task, metric in SHORT]
        rows.append((_gain_name(name), *cells))
    return markdown(("VLMAE", *_columns(SHORT)), rows)


def controls(findings: Findings) -> str:
    """What is left over VL when the sound is another clip's, or missing."""
    rows = []
    for condition in ("audio_shuffled", "audio_missing"):
        name = f"{condition} over vl"
        if any(gain.name == name for gain in findings.gains):
            cells = [_gain_cell(findings, name, task, metric) for task, metric in SHORT]
            rows.append((f"{CONDITION_NAMES[condition]}, over VL", *cells))
    return markdown(("VLMAE with", *_columns(SHORT)), rows) if rows else "No conditions were measured.\n"


def all_arms(findings: Findings) -> str:
    """Every metric that has an interval."""
    plain_arms = [arm for arm in findings.arms if not arm.condition]
    return markdown(("arm", *_columns(HEADLINE), "seeds"), [_arm_row(arm, HEADLINE) for arm in plain_arms])


def calibration(findings: Findings) -> str:
    """Expected calibration error and Brier score by task."""
    head = ["arm", *(f"{shown(task)} {name}" for task in TASKS for name in ("ECE", "Brier"))]
    rows = []
    for arm in findings.arms:
        if not arm.condition:
            numbers = [number for task in TASKS for number in (arm.calibration_error[task], arm.brier[task])]
            rows.append((NAMES.get(arm.arm, arm.arm), *(_number(number) for number in numbers)))
    return markdown(head, rows)


def conditions(findings: Findings) -> str:
    """Arms that hear, with their sound made worse."""
    heard = {arm.arm for arm in findings.arms if arm.condition}
    rows = [_arm_row(arm, SHORT) for arm in findings.arms if arm.arm in heard]
    return markdown(("arm, test clips", *_columns(SHORT), "seeds"), rows)


def costs(findings: Findings) -> str:
    """Trained parameters and time a clip."""
    rows = [
        (
            NAMES.get(arm.arm, arm.arm),
            "-" if arm.parameters is None else f"{arm.parameters:,}",
            "-" if arm.ms_per_clip is None else f"{arm.ms_per_clip:.2f}",
        )
        for arm in findings.arms
        if not arm.condition
    ]
    return markdown(("arm", "trained parameters", "ms a clip"), rows)


def slices(findings: Findings, kind: str) -> str:
    """Parts of the clips of one kind: an arm a column, and what VLMAE gains over VL."""
    parts = [part for part in findings.slices if part.kind == kind]
    if not parts:
        return "The data set has no such clips.\n"
    arms = in_order({arm for part in parts for arm in part.by_arm})
    head = ("task", "clips", "metric", "positives / negatives", "fewest sources", *arms, "VLMAE - VL [95 % interval]")
    return markdown(head, [_slice_row(part, arms) for part in parts])


def _slice_row(part: SliceFound, arms: Sequence[str]) -> tuple[str, ...]:
    numbers = [_number(part.by_arm[arm]) for arm in arms]
    gain = "-" if part.gain is None else signed(part.gain)
    clips = f"{part.positives} / {part.negatives}"
    return (shown(part.task), part.name, part.metric, clips, part.fewest_sources or "-", *numbers, gain)


def _arm_row(arm: ArmFound, columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    cells = {(one.task, one.metric): _with_reach(one.estimate) for one in arm.measured}
    return (name_of(Subject(arm.arm, arm.condition)), *(cells[column] for column in columns), str(arm.seeds))


def _gain_cell(findings: Findings, name: str, task: str, metric: str) -> str:
    for gain in findings.gains:
        if (gain.name, gain.measured.task, gain.measured.metric) == (name, task, metric):
            which = f" ({gain.second.arm})" if name.endswith("late fusion") else ""
            return f"{signed(gain.measured.estimate)}{which}"
    return "-"


def _gain_name(name: str) -> str:
    arm = name.removeprefix("over ")
    return f"over {NAMES.get(arm, arm)}"


def _columns(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{shown(task)} {metric}" for task, metric in pairs]


def _with_reach(estimate: Estimate) -> str:
    reach = (estimate.high - estimate.low) / 2
    return _number(estimate.value) if reach != reach else f"{_number(estimate.value)} ± {_number(reach)}"


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
