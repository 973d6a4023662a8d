"""`earshot verdicts`: read what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, settings_from

if TYPE_CHECKING:
    from streamer.records import Evidence, Verdict


def verdicts(
    config: ConfigOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with verdicts as they come.")] = False,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be given more than once.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the verdicts in the topics, oldest first of each partition; with --follow, new ones too.

    --json prints each verdict as it is on the wire, one a line.
    """
    from streamer import wire
    from streamer.errors import SettingsError
    from streamer.kafka.reader import follow_topics, read_topics
    from streamer.records import TASKS, Task

    with errors_told():
        unknown = sorted(set(task or ()) - set(TASKS))
        if unknown:
            raise SettingsError(f"--task {', '.join(unknown)}: expected one of {', '.join(TASKS)}")
        options = settings_from(config).kafka
        topics = [options.verdict_topic(Task(name)) for name in task or TASKS]
        messages = follow_topics(options, topics, from_beginning=True) if follow else read_topics(options, topics)
        try:
            for message in messages:
                verdict = wire.parse_verdict(message) if message is not None else None
                if verdict is not None:
                    print_json(verdict) if as_json else typer.echo(_line(verdict))
        except KeyboardInterrupt:
            return


def _line(verdict: Verdict) -> str:
    score = "  -  " if verdict.score is None else f"{verdict.score:.3f}"
    why = verdict.reason or ", ".join(_span(item) for item in verdict.evidence[:2])
    return f"{verdict.action:8} {verdict.task:10} {score}  {verdict.video_id:24} {verdict.state:12} {why}"


def _span(item: Evidence) -> str:
    if item.start_ms is None or item.end_ms is None:
        return item.modality
    return f"{item.modality} {item.start_ms / 1000:.1f}-{item.end_ms / 1000:.1f} s"
