"""`earshot dlq`: dead letters, and the way back for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, settings_from

if TYPE_CHECKING:
    from streamer.kafka.options import KafkaOptions
    from streamer.records import Message, Outgoing

app = typer.Typer(no_args_is_help=True, help="List, show and replay the events that could not be judged.")

ReasonOption = Annotated[str | None, typer.Option(help="Only letters with this reason, such as missing_object.")]
LetterArgument = Annotated[str, typer.Argument(help="partition:offset of the letter, as `dlq list` prints it.")]


@app.command("list")
def list_letters(config: ConfigOption = None, reason: ReasonOption = None, as_json: JsonOption = False) -> None:
    """List dead letters: where, why, and where the event stood."""
    with errors_told():
        for letter in _letters(settings_from(config).kafka, reason):
            summary = _summary(letter)
            if as_json:
                print_json(summary)
            else:
                typer.echo(f"{summary['letter']:>10}  {summary['reason']:18} {summary['event']:44} {summary['error']}")


@app.command()
def show(letter: LetterArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one dead letter whole: headers and the event as it came."""
    with errors_told():
        found = _find(settings_from(config).kafka, letter)
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
    letters: Annotated[list[str] | None, typer.Argument(help="Letters as partition:offset; none: all.")] = None,
    config: ConfigOption = None,
    reason: ReasonOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to the event topic, as new events. The letters themselves stay where they are."""
    from streamer.kafka.sender import send

    with errors_told():
        options = settings_from(config).kafka
        found = [_find(options, letter) for letter in letters] if letters else list(_letters(options, reason))
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


def _letters(options: KafkaOptions, reason: str | None) -> Iterator[Message]:
    from streamer.kafka.reader import read_topics

    for message in read_topics(options, [options.dead_letter_topic]):
        if reason is None or message.header("dlq.reason") == reason:
            yield message


def _find(options: KafkaOptions, letter: str) -> Message:
    from streamer.errors import SettingsError

    for message in _letters(options, None):
        if _name(message) == letter:
            return message
    raise SettingsError(f"no letter {letter!r} in {options.dead_letter_topic}; `earshot dlq list` names them")


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
