"""`earshot pilot`: whether Earshot is worth going on with, on videos of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import (
    BundleOption,
    ConfigOption,
    JsonOption,
    errors_told,
    print_json,
    settings_from,
    usage_error,
)

if TYPE_CHECKING:
    from streamer.settings import Settings

#: What clouds ask for a virtual core for an hour, about; an assumption that readers may change.
_CORE_HOUR = 0.04

app = typer.Typer(
    no_args_is_help=True,
    help="Is it worth going on? Stage 1: start; 2: rounds; 3: size. Everything stays on this machine.",
)


@app.command()
def start(
    videos: Annotated[Path, typer.Argument(help="Folder of videos; those without a label are judged too.")],
    labels: Annotated[Path, typer.Option(help="CSV, JSONL or Parquet: file, and 0, 1 or nothing for each task.")],
    cost_per_label: Annotated[float, typer.Option(min=0, help="Of one look by a person.")] = 0.4,
    cost_per_miss: Annotated[float, typer.Option(min=0, help="Of a bad video that nobody catches.")] = 50.0,
    cost_per_false_alarm: Annotated[
        float, typer.Option(min=0, help="Beside the look: of holding up a good one.")
    ] = 0.0,
    videos_a_day: Annotated[float, typer.Option(min=0, help="What the department would get.")] = 10_000,
    base_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of bad ones there. [default: that of the labels]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.html, result.json and what was judged.")] = Path("pilot"),
    bundle: BundleOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a folder with the starter bundle, compare with labels, and say go, no-go or label more.

    Stopped, it goes on where it was. Example: earshot pilot start videos/ --labels labels.csv --cost-per-miss 50
    """
    from engines.cli.common import errors_told as data_errors_told
    from engines.cli.common import need_packages, progress

    need_packages("pilot", "sklearn", "scipy")
    from streamer.cli.pilot.show import document, show, write
    from streamer.cli.pilot.start import run
    from streamer.cli.pilot.worth import Terms

    terms = Terms(cost_per_label, cost_per_miss, cost_per_false_alarm, videos_a_day, _CORE_HOUR, base_rate)
    with errors_told(), data_errors_told():
        settings = _settings(videos, bundle, config)
        stage = run(videos, labels, out, terms, settings, progress)
        write(stage, out)
    if as_json:
        print_json(document(stage, out))
    else:
        show(stage, out)


@app.command()
def rounds(
    videos: Annotated[Path, typer.Argument(help="Folder of videos.")],
    labels: Annotated[Path, typer.Option(help="As of stage 1, of hundreds of them; they are hidden and asked for.")],
    task: Annotated[str, typer.Option(help="clickbait, adult or relevance.")] = "adult",
    start: Annotated[int, typer.Option(min=5, help="Labels to begin with, drawn by chance.")] = 40,
    batch: Annotated[int, typer.Option(min=1, help="Labels of each round.")] = 20,
    count: Annotated[int, typer.Option("--rounds", min=1, help="Rounds.")] = 8,
    plays: Annotated[int, typer.Option(min=2, help="How often all of it is played.")] = 10,
    cost_per_label: Annotated[float, typer.Option(min=0, help="Of one look by a person.")] = 0.4,
    pilot: Annotated[Path, typer.Option(help="Folder of stage 1; the page goes to rounds/ in it.")] = Path("pilot"),
    bundle: BundleOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """How many labels choosing saves against labelling by chance, on videos and labels of one's own.

    Example: earshot pilot rounds videos/ --labels labels.csv --task adult
    """
    from engines.cli.common import errors_told as data_errors_told
    from engines.cli.common import need_packages, progress

    need_packages("pilot", "sklearn", "scipy")
    from engines.pilot.rounds import Plan
    from streamer.cli.pilot.rounds import run, sheet_of, told, write
    from streamer.records import TASKS

    known = {one.value: one for one in TASKS}
    if task not in known:
        raise usage_error(f"--task: came {task!r}, expected one of {', '.join(known)}")
    with errors_told(), data_errors_told():
        plan, settings = Plan(start, batch, count, plays), _settings(videos, bundle, config)
        played = run(videos, labels, pilot, known[task], plan, settings, progress)
        written = write(played, sheet_of(played, cost_per_label), pilot / "rounds")
    if as_json:
        print_json(written)
    else:
        typer.echo(f"{told(played)}\npage   {pilot / 'rounds' / 'report.html'}")


@app.command()
def size(
    videos: Annotated[Path, typer.Argument(help="Folder of videos like those to come.")],
    videos_a_day: Annotated[float, typer.Option(min=1, help="What the department would get.")] = 100_000,
    pilot: Annotated[
        Path | None, typer.Option(help="Folder of stage 1: its thresholds say how much is called.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Whose calls count. [default: of the task that calls most]")] = None,
    sample: Annotated[int, typer.Option(min=1, help="How many videos are timed.")] = 12,
    look_seconds: Annotated[float, typer.Option(min=0, help="Time of one look by a person.")] = 60.0,
    cost_per_label: Annotated[float, typer.Option(min=0, help="Of one look by a person.")] = 0.4,
    out: Annotated[Path, typer.Option(help="Folder for report.html and result.json.")] = Path("pilot/size"),
    bundle: BundleOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time some videos, and say how many cores and people a load like theirs needs.

    Example: earshot pilot size videos/ --videos-a-day 100000 --pilot pilot
    """
    import numpy as np

    from engines.cli.common import errors_told as data_errors_told
    from engines.cli.common import need_packages, progress

    need_packages("pilot", "sklearn", "scipy")
    from streamer.cli.pilot.size import Load, agreed_share, measure, sheet_of, write

    with errors_told(), data_errors_told():
        settings = _settings(videos, bundle, config)
        agreed = None if pilot is None else agreed_share(pilot, task)
        measured = measure(videos, sample, settings, agreed, np.random.default_rng(0), progress)
        sheet = sheet_of(measured, Load(videos_a_day, look_seconds, cost_per_label, _CORE_HOUR))
        told = write(measured, sheet, out)
    if as_json:
        print_json(told)
        return
    for result in sheet.results:
        typer.echo(f"{result.label:<48} {sheet.told(result.name):>12}")
    typer.echo(f"page   {out / 'report.html'}")


def _settings(videos: Path, bundle: str | None, config: Path | None) -> Settings:
    """Settings under which the folder may be read. Nothing is remembered: every time is that of all the work."""
    from streamer.cache.redis import CacheOptions

    settings = settings_from(config, engine__bundle=bundle, log__level="error", flow__engine_threads=1)
    fetch = settings.fetch.model_copy(update={"file_roots": (*settings.fetch.file_roots, videos.resolve())})
    return settings.model_copy(update={"fetch": fetch, "cache": CacheOptions(memory_bytes=0)})
