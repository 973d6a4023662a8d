"""Stage 3: what a department would need, from the time that a few of its videos take and the thresholds agreed on."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from engines.data.rows import write_whole
from streamer.assemble import open_parts
from streamer.cli.at_hand import find_videos
from streamer.cli.pilot.judging import Judged, Progress, events_of, judge_once
from streamer.cli.pilot.start import REPORT, RESULT
from streamer.records import Action
from streamer.report.assumptions import Assumption, Result, Sheet
from streamer.report.shell import masthead, notes, shell
from streamer.report.tag import tag
from streamer.settings import Settings


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Of the videos that were timed, one after the other. Means of a video, but for fastest and slowest.

    resident_bytes: the most memory of this process, without its decoding children. called: share that is called, by
    what `called_from` says.
    """

    videos: int
    failed: tuple[str, ...]
    cpu_seconds: float
    fastest: float
    slowest: float
    wall_seconds: float
    duration_seconds: float
    resident_bytes: int
    called: float
    called_from: str


@dataclass(frozen=True, slots=True)
class Load:
    """What the department expects, and what it pays."""

    videos_a_day: float
    look_seconds: float
    cost_per_label: float
    core_hour: float


def measure(
    videos: Path,
    sample: int,
    settings: Settings,
    agreed: tuple[float, str] | None,
    rng: np.random.Generator,
    progress: Progress,
) -> Measured:
    """Time videos drawn from a folder. `agreed`: share that is called, and by what; else shipped thresholds say it.

    Raises `ValueError` when none can be judged.
    """
    files = find_videos(videos)
    chosen: list[str] = sorted(rng.choice(files, min(sample, len(files)), replace=False).tolist())
    events = events_of(videos, {}, chosen)
    timed: dict[str, Judged] = {}  # the first one warms up: its second time replaces its first
    with open_parts(settings) as parts, progress("timing", len(chosen) + 1) as advance:
        for file in [chosen[0], *chosen]:
            item = judge_once(parts.pipeline, file, "", events[file], settings.worker.deadline_seconds)
            if item.embedding:
                timed[file] = item
            advance()
    if not timed:
        raise ValueError(f"{videos}: came no video that can be judged among {len(chosen)}, expected one or more")
    failed = tuple(file for file in chosen if file not in timed)
    return _summed(list(timed.values()), failed, agreed)


def agreed_share(pilot: Path, task: str | None) -> tuple[float, str]:
    """The share called by the way that stage 1 recommends for a task; None: for the one that calls most.

    Raises `ValueError` when the folder has no such result.
    """
    path = pilot / RESULT
    if not path.is_file():
        raise ValueError(f"{path}: came no result of stage 1, expected one; run `earshot pilot start` first")
    findings = msgspec.json.decode(path.read_bytes())["findings"]
    shares = {found["task"]: len(found["ways"][found["best"]]["called"]) / found["videos"] for found in findings}
    if not shares or (task is not None and task not in shares):
        raise ValueError(f"{path}: came findings of {', '.join(shares) or 'no task'}, expected {task or 'some'}")
    task = task or max(shares, key=lambda name: shares[name])
    return shares[task], f"by the way that stage 1 recommends for {task}, on its labelled videos"


def _summed(timed: Sequence[Judged], failed: tuple[str, ...], agreed: tuple[float, str] | None) -> Measured:
    cpu_N = np.array([one.cpu_seconds for one in timed])
    lengths = [one.verdicts[0].coverage.duration_seconds for one in timed if one.verdicts[0].coverage]
    hit = float(np.mean([any(verdict.action is not Action.ALLOW for verdict in one.verdicts) for one in timed]))
    called, called_from = agreed or (hit, f"by the shipped thresholds, on the {len(timed)} videos that were timed")
    return Measured(
        videos=len(timed),
        failed=failed,
        cpu_seconds=float(cpu_N.mean()),
        fastest=float(cpu_N.min()),
        slowest=float(cpu_N.max()),
        wall_seconds=float(np.mean([one.wall_seconds for one in timed])),
        duration_seconds=float(np.mean(lengths)) if lengths else 0.0,
        resident_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        called=called,
        called_from=called_from,
    )


def sheet_of(measured: Measured, load: Load) -> Sheet:
    """Cores, memory and people under assumptions that readers may change."""
    timed = (
        f"mean of {measured.videos} of your videos on this machine, {measured.fastest:.2f} to {measured.slowest:.2f} s"
    )
    given, guess = "said on the command line", "an assumption; put your own here"
    assumptions = (
        Assumption("videos_a_day", "Videos a day", load.videos_a_day, "", given),
        Assumption("peak", "Busiest hour against the mean", 2.5, "x", guess),
        Assumption("cpu_seconds", "CPU time of a video", measured.cpu_seconds, "s", timed),
        Assumption("busy", "How busy cores may be", 0.7, "%", "the rest is for bursts, retries and a lost machine"),
        Assumption("memory", "Memory of a worker", measured.resident_bytes / 1e9, "GB", "the most this process held"),
        Assumption("core_hour", "Cost of a core for an hour", load.core_hour, "", given),
        Assumption("called", "Videos that are called", measured.called, "%", measured.called_from),
        Assumption("look_seconds", "Time of one look by a person", load.look_seconds, "s", given),
        Assumption("hours", "Hours a day that a person looks", 5.5, "h", guess),
        Assumption("days", "Days a week that a person works", 5, "", guess),
        Assumption("label", "Cost of one look by a person", load.cost_per_label, "", given),
    )
    results = (
        Result("mean_cores", "Cores at work on average", "videos_a_day * cpu_seconds / 86400", digits=2),
        Result("cores", "Cores to have for the busiest hour", "max(1, ceil(mean_cores * peak / busy))"),
        Result("gigabytes", "Memory, one worker a core", "cores * memory", unit="GB", digits=1),
        Result("core_month", "Cost of the cores in a month", "cores * core_hour * 730"),
        Result("looks", "Looks by people a day", "videos_a_day * called"),
        Result("people", "People to employ", "ceil(looks * look_seconds / 3600 / hours * 7 / days)"),
        Result("looks_month", "Cost of their looks in a month", "looks * label * 365 / 12"),
        Result(
            "all_people",
            "People, were all videos looked at",
            "ceil(videos_a_day * look_seconds / 3600 / hours * 7 / days)",
        ),
        Result("most", "Videos a day on one core, no busier than that", "86400 * busy / cpu_seconds"),
    )
    return Sheet("size", assumptions, results)


def page(measured: Measured, sheet: Sheet) -> str:
    """The page as text, to be written as UTF-8."""
    figures = [
        ("videos timed", f"{measured.videos:,}"),
        ("CPU time of one", f"{measured.cpu_seconds:.2f} s"),
        ("length of one", f"{measured.duration_seconds:.1f} s"),
        ("cores to have", sheet.told("cores")),
        ("people to employ", sheet.told("people")),
    ]
    failed = f"{len(measured.failed)} of the videos drawn cannot be judged and are left out."
    told = {
        "CPU time": "of this process and of the decoding child. No GPU is counted.",
        "One after the other": f"a video took {measured.wall_seconds:.2f} s here, other work on the machine included.",
        "Not counted": "Kafka, Redis, storage and network; fetching costs no CPU time to speak of.",
        "Left out": failed,
    }
    return shell(
        "Earshot: size",
        masthead("What a department would need", "From the time that your own videos take here.", figures),
        tag(
            "main",
            tag(
                "section",
                tag("h2", "Load, hardware, people"),
                tag("div", sheet.element(heading="Assumptions"), class_="panel"),
            ),
            notes("How it was measured", told),
        ),
        styles=("study.css",),
        script="assumptions.js",
    )


def write(measured: Measured, sheet: Sheet, out: Path) -> dict[str, object]:
    """The page and the numbers behind it; what scripts are told."""
    told = {"measured": measured, "needs": sheet.numbers()}
    write_whole(out / RESULT, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    write_whole(out / REPORT, page(measured, sheet).encode())
    return told | {"report": str(out / REPORT)}
