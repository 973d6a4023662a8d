"""`earshot verdicts`: read what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import (
    ConfigOption,
    JsonOption,
    SinceOption,
    errors_told,
    print_json,
    settings_from,
    since_ms_of,
)

if TYPE_CHECKING:
    from streamer.records import Evidence, Message, Verdict


def verdicts(
    config: ConfigOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with verdicts as they come.")] = False,
    since: SinceOption = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be given more than once.")] = None,
    action: Annotated[list[str] | None, typer.Option(help="Only this action; may be given more than once.")] = None,
    video: Annotated[
        list[str] | None, typer.Option(metavar="VIDEO_ID", help="Only this video; may be given more than once.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the verdicts in the topics, oldest first of each partition; with --follow, new ones too.

    --json prints each verdict as it is on the wire, one a line.

    Example, what was held up last night: earshot verdicts --since 12h --action block --action restrict
    """
    from streamer.kafka.reader import follow_topics, read_topics
    from streamer.records import TASKS, Action, Task

    with errors_told():
        _known("--task", task, TASKS)
        _known("--action", action, tuple(Action))
        options = settings_from(config).kafka
        topics = [options.verdict_topic(Task(name)) for name in task or TASKS]
        messages = (follow_topics if follow else read_topics)(options, topics, since_ms=since_ms_of(since))
        try:
            for verdict in _verdicts(messages):
                if (not action or verdict.action in action) and (not video or verdict.video_id in video):
                    print_json(verdict) if as_json else typer.echo(_line(verdict))
        except KeyboardInterrupt:
            return


def _known(option: str, came: Sequence[str] | None, expected: Sequence[str]) -> None:
    """Raises `SettingsError` (fatal) for a name that is none of those expected."""
    from streamer.errors import SettingsError

    if unknown := sorted(set(came or ()) - set(expected)):
        raise SettingsError(f"{option} {', '.join(unknown)}: expected one of {', '.join(expected)}")


def _verdicts(messages: Iterable[Message | None]) -> Iterator[Verdict]:
    from streamer import wire

    for message in messages:
        verdict = None if message is None else wire.parse_verdict(message)
        if verdict is not None:
            yield verdict


def _line(verdict: Verdict) -> str:
    score = "  -  " if verdict.score is None else f"{verdict.score:.3f}"
    why = verdict.reason or ", ".join(_span(item) for item in verdict.evidence[:2])
    return f"{verdict.action:8} {verdict.task:10} {score}  {verdict.video_id:24} {verdict.state:12} {why}"


def _span(item: Evidence) -> str:
    if item.start_ms is None or item.end_ms is None:
        return item.modality
    return f"{item.modality} {item.start_ms / 1000:.1f}-{item.end_ms / 1000:.1f} s"
