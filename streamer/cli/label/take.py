"""`earshot label import`: answers from files of people and tools."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streamer.cli.common import BrokersOption, ConfigOption, JsonOption, errors_told, print_json, settings_from
from streamer.cli.label.common import PoolOption, known_of, now

if TYPE_CHECKING:
    from streamer.labels.check import Checker
    from streamer.labels.rows import Broken
    from streamer.records import Label

AnswersArgument = Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or a Label Studio export.")]
OutOption = Annotated[Path, typer.Option("--out", help="Labels are added to this file.")]
RaterOption = Annotated[
    str | None, typer.Option("--rater", help="Whose answers these are, where the rows do not say: an opaque id.")
]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file of answers. `known`: labels that were there already; `passed`: shown and not answered."""

    file: str
    format: str
    out: str
    added: int
    known: int
    passed: int
    rejected: int
    rejected_file: str | None
    reasons: dict[str, int]
    published: int


def take(
    file: AnswersArgument,
    out: OutOption = Path("labels.jsonl"),
    pool: PoolOption = None,
    requests: Annotated[Path | None, typer.Option("--requests", help="The requests that are answered.")] = None,
    rater: RaterOption = None,
    brokers: BrokersOption = None,
    publish: Annotated[bool, typer.Option("--publish", help="Also to the topic; implied by --brokers.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in answers, whatever format they are in; the same file twice adds nothing.

    The format is told by the content. A row needs video_id, task, value and rater; labelled_at and request_id may be
    there. Broken rows, and with --pool or --requests unknown videos, are listed in FILE.rejected.jsonl; the others
    count. Exits 1 when no row is good.

    Example: earshot label import answers.csv --requests requests.jsonl --out labels.jsonl
    """
    from streamer.labels.check import Checker

    with errors_told():
        checker = Checker(
            known_of(pool, requests), applied_at=now(), source=file.suffix[1:].lower() or "file", rater=rater
        )
        finish(file, out, checker, brokers, publish, config, as_json)


def finish(
    file: Path, out: Path, checker: Checker, brokers: str | None, publish: bool, config: Path | None, as_json: bool
) -> None:
    """Read, check, keep, publish, tell. Exits 1 when no row is good. Raises `SettingsError` and `BrokerError`."""
    from streamer.labels.files import add_labels, write_rejected

    kind, labels, broken, passed = checked(file, checker)
    beside = write_rejected(file, broken)
    added = add_labels(out, labels)
    published = _published(labels, brokers, config) if publish or brokers else 0
    taken = Taken(
        file=str(file),
        format=kind,
        out=str(out),
        added=len(added.new),
        known=added.known,
        passed=passed,
        rejected=len(broken),
        rejected_file=str(beside) if beside is not None else None,
        reasons=_reasons(broken),
        published=published,
    )
    print_json(taken) if as_json else _tell(taken)
    if not labels:
        raise typer.Exit(1)


def checked(file: Path, checker: Checker) -> tuple[str, list[Label], list[Broken], int]:
    """Format, labels, refused rows, and how many were passed over. Raises `SettingsError` when it cannot be read."""
    from streamer.labels.files import read_file
    from streamer.labels.rows import Broken, Passed, read_rows

    kind, rows = read_rows(read_file(file))
    labels, broken, passed = [], [], 0
    for row in rows:
        if isinstance(row, Passed):
            passed += 1
        elif isinstance(row, Broken):
            broken.append(row)
        else:
            try:
                labels.append(checker.label(row))
            except ValueError as error:
                broken.append(Broken(row.line, str(error), row.fields))
    return kind, labels, broken, passed


def _reasons(broken: list[Broken]) -> dict[str, int]:
    """The first reason of each kind, and how many there are of it: what is before the colon tells the kinds apart."""
    counts = Counter(item.reason.partition(":")[0] for item in broken)
    first = {item.reason.partition(":")[0]: item for item in reversed(broken)}
    return {f"{first[kind].reason} (line {first[kind].line})": count for kind, count in counts.most_common()}


def _published(labels: list[Label], brokers: str | None, config: Path | None) -> int:
    """All of the file's, also those that were known: an earlier try may have kept them and not reached the topic."""
    from streamer.kafka.sender import send
    from streamer.kafka.topics import require_topics
    from streamer.wire import label_message

    options = settings_from(config, kafka__bootstrap_servers=brokers).kafka
    topic = options.topics.label_applied
    require_topics(options, [topic])
    once = {label.label_id: label for label in labels}
    return send(options, (label_message(label, topic) for label in once.values()))


def _tell(taken: Taken) -> None:
    published = f", {taken.published} published" if taken.published else ""
    passed = f", {taken.passed} passed over" if taken.passed else ""
    typer.echo(
        f"{taken.file} ({taken.format}): {taken.added} added to {taken.out}, {taken.known} known{passed}{published}"
    )
    if taken.rejected:
        typer.echo(f"earshot: {taken.rejected} rows refused; see {taken.rejected_file}", err=True)
        for reason, count in taken.reasons.items():
            typer.echo(f"  {count:6}  {reason}", err=True)
