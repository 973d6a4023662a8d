"""`earshot label conflicts | adjudicate | merge`: several raters, one value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import BrokersOption, ConfigOption, JsonOption, errors_told, print_json
from streamer.cli.label.common import LabelsArgument, now
from streamer.cli.label.take import AnswersArgument, finish

if TYPE_CHECKING:
    from streamer.labels.agreement import Agreement
    from streamer.labels.merge import Merged
    from streamer.records import Label

#: What nobody has decided yet, and what was decided by numbers alone.
_DISPUTED = ("open", "majority")


def conflicts(
    labels: LabelsArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Write them as requests, for a sheet or an export.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the videos on which raters differ, and how far raters agree beyond chance (Cohen's kappa).

    --out writes what is to be decided as requests that do not say who said what:
    earshot label conflicts labels.jsonl --out disputed.jsonl && earshot label sheet disputed.jsonl --out disputed.html
    """
    from streamer.labels.agreement import agreements
    from streamer.labels.merge import merge as merged

    with errors_told():
        found = _some(labels)
        disputed = [item for item in merged(found) if item.how in _DISPUTED]
        rows = agreements(found)
        if out is not None:
            _write_requests(out, disputed)
    if as_json:
        print_json({"conflicts": disputed, "agreement": rows})
        return
    for item in disputed:
        votes = ", ".join(f"{rater} says {value}" for rater, value in item.votes.items())
        typer.echo(f"{item.video_id:24} {item.task:10} {item.how:9} {votes}")
    for row in rows:
        typer.echo(_agreement(row))
    typer.echo(f"{len(disputed)} conflicts" + (f" in {out}" if out is not None else ""))


def adjudicate(
    labels: LabelsArgument,
    answers: AnswersArgument,
    rater: Annotated[str | None, typer.Option("--rater", help="Who decides, where the rows do not say.")] = None,
    brokers: BrokersOption = None,
    publish: Annotated[bool, typer.Option("--publish", help="Also to the topic; implied by --brokers.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in answers that decide, over whatever was said before; only on videos that have labels.

    Example: earshot label adjudicate labels.jsonl decided.csv --rater lead-1
    """
    from streamer.labels.check import Checker, Facts, Known

    with errors_told():
        videos = {label.video_id: Facts(query=label.query, tenant=label.tenant) for label in _some(labels)}
        checker = Checker(
            Known(str(labels), videos), applied_at=now(), source="adjudication", rater=rater, adjudicated=True
        )
        finish(answers, labels, checker, brokers, publish, config, as_json)


def merge(
    labels: LabelsArgument,
    out: Annotated[Path, typer.Option("--out", help="One line for each video and task that has a value.")],
    as_json: JsonOption = False,
) -> None:
    """Write one value for each video and task: decided, agreed or of more than half; with who said what."""
    import msgspec

    from streamer.labels.files import write_lines
    from streamer.labels.merge import merge as merged

    with errors_told():
        values = merged(_some(labels))
        certain = [item for item in values if item.value is not None]
        write_lines(out, (msgspec.json.encode(item) for item in certain))
    counts = {how: sum(item.how == how for item in values) for how in ("agreed", "majority", "adjudicated", "open")}
    if as_json:
        print_json({"out": str(out), **counts})
        return
    told = ", ".join(f"{count} {how}" for how, count in counts.items())
    typer.echo(f"{len(certain)} values in {out}: {told} (open ones are left out)")


def _some(path: Path) -> list[Label]:
    """The labels of a file. Raises `SettingsError` when there is none."""
    from streamer.errors import SettingsError
    from streamer.labels.files import read_labels

    labels = read_labels(path)
    if not labels:
        raise SettingsError(f"{path}: came no labels, expected some; take answers in with: earshot label import")
    return labels


def _write_requests(out: Path, disputed: list[Merged]) -> None:
    import msgspec

    from streamer.labels.files import Pick, write_lines

    picks = (
        Pick(
            video_id=item.video_id,
            task=item.task,
            strategy="adjudication",
            reason=f"{len(item.votes)} people saw it and do not agree",
            query=item.query,
            tenant=item.tenant,
        )
        for item in disputed
    )
    write_lines(out, (msgspec.json.encode(pick) for pick in picks))


def _agreement(row: Agreement) -> str:
    kappa = "undefined: both said one thing only" if row.kappa is None else f"{row.kappa:.2f}"
    one, other = row.raters
    return f"{row.task:10} {one} and {other}: {row.same} of {row.questions} alike, kappa {kappa}"
