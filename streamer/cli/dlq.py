"""`earshot dlq`: dead letters, and the way back for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    from streamer.kafka.options import KafkaOptions
    from streamer.records import Message, Outgoing, Position

app = typer.Typer(no_args_is_help=True, help="List, show and replay the events that could not be judged.")

ReasonOption = Annotated[str | None, typer.Option(help="Only letters with this reason, such as missing_object.")]
LetterArgument = Annotated[str, typer.Argument(help="partition:offset of the letter, as `dlq list` prints it.")]


@app.command("list")
def list_letters(
    config: ConfigOption = None, reason: ReasonOption = None, since: SinceOption = None, as_json: JsonOption = False
) -> None:
    """List dead letters: where, why, and where the event stood.

    Example: earshot dlq list --reason missing_object --since 12h
    """
    with errors_told():
        for letter in _letters(settings_from(config).kafka, reason, since):
            summary = _summary(letter)
            if as_json:
                print_json(summary)
            else:
                typer.echo(f"{summary['letter']:>10}  {summary['reason']:18} {summary['event']:44} {summary['error']}")


@app.command()
def show(letter: LetterArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one dead letter whole: headers and the event as it came."""
    with errors_told():
        (found,) = _found(settings_from(config).kafka, [letter])
        headers = {name: value.decode(errors="replace") for name, value in found.headers}
        value = (found.value or b"").decode(errors="replace")
        if as_json:
            print_json(_summary(found) | {"headers": headers, "value": value})
            return
        for name, text in headers.items():
            typer.echo(f"{name}: {text}")
        typer.echo(f"\n{value}")


@app.command()
def replay(
    letters: Annotated[
        list[str] | None, typer.Argument(help="Letters as partition:offset; none: all that --reason and --since leave.")
    ] = None,
    config: ConfigOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to the event topic, as new events. The letters themselves stay where they are.

    Example, after a store was away: earshot dlq replay --reason retries_exhausted --since 2h
    """
    from streamer.kafka.sender import send

    with errors_told():
        options = settings_from(config).kafka
        found = _found(options, letters) if letters else list(_letters(options, reason, since))
        outputs, refused = _replayable(found)
        if outputs and not yes and not as_json:
            typer.confirm(f"replay {len(outputs)} events to {options.topics.uploaded}?", abort=True, err=True)
        count = send(options, outputs)
    if as_json:
        print_json({"replayed": count, "refused": refused})
    else:
        typer.echo(f"replayed {count} events to {options.topics.uploaded}")
    if refused:
        raise typer.Exit(1)


def _replayable(letters: list[Message]) -> tuple[list[Outgoing], int]:
    """The events of the letters, and how many letters hold none; why is said on stderr."""
    from streamer import wire

    outputs: list[Outgoing] = []
    for letter in letters:
        try:
            outputs.append(wire.replay_message(letter))
        except ValueError as error:
            typer.echo(f"earshot: {_name(letter)}: {error}", err=True)
    return outputs, len(letters) - len(outputs)


def _letters(options: KafkaOptions, reason: str | None, since: str | None) -> Iterator[Message]:
    from streamer.kafka.reader import read_topics

    for message in read_topics(options, [options.dead_letter_topic], since_ms=since_ms_of(since)):
        if reason is None or message.header("dlq.reason") == reason:
            yield message


def _found(options: KafkaOptions, letters: Sequence[str]) -> list[Message]:
    """The letters of these names, each once. Raises `SettingsError` for a name that none has."""
    from streamer.errors import SettingsError
    from streamer.kafka.reader import read_positions

    named = {letter: _position(options, letter) for letter in letters}
    found = {message.position: message for message in read_positions(options, [*filter(None, named.values())])}
    for letter, position in named.items():
        if position not in found:
            raise SettingsError(f"no letter {letter!r} in {options.dead_letter_topic}; `earshot dlq list` names them")
    return list(found.values())


def _position(options: KafkaOptions, letter: str) -> Position | None:
    from streamer.records import Position

    match = re.fullmatch(r"(\d{1,9}):(\d{1,18})", letter, re.ASCII)
    return Position(options.dead_letter_topic, int(match[1]), int(match[2])) if match else None


def _name(message: Message) -> str:
    return f"{message.position.partition}:{message.position.offset}"


def _summary(message: Message) -> dict[str, str | None]:
    from streamer import wire

    position = wire.letter_position(message)
    return {
        "letter": _name(message),
        "reason": message.header("dlq.reason"),
        "event": str(position) if position else "unknown",
        "attempt": message.header("dlq.attempt"),
        "error": message.header("dlq.error"),
    }
