"""`earshot ab send`: a table of outcomes to their topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engines.cli.common import JsonOption, print_json
from engines.cli.common import errors_told as file_errors_told
from streamer.cli.common import BrokersOption, ConfigOption, errors_told, progress, settings_from

if TYPE_CHECKING:
    from engines.data.rows import Bad, Good
    from streamer.kafka.options import KafkaOptions
    from streamer.records import Outcome

#: Records that are sent and waited for at once.
_TOGETHER = 50_000

#: What an outcome has beside its values; `unit`, `arm` and `at` may be called otherwise.
_OWN_COLUMNS = ("outcome_id", "experiment", "tenant")


def send(
    log: Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet: a row for each unit and stretch of time.")],
    unit: Annotated[str, typer.Option(help="Column of what was assigned: a viewer, a video.")] = "unit",
    arm: Annotated[str, typer.Option(help="Column of the arm; may be missing where verdicts know it.")] = "arm",
    at: Annotated[str, typer.Option(help="Column of the time when the row was complete.")] = "at",
    value: Annotated[
        list[str] | None, typer.Option(help="Column of a count or sum; may be repeated. None: all other columns.")
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="What the outcomes are of, unless a column says it.")] = None,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write outcomes to their topic, from which `ab --from-topic` judges.

    A row becomes one record. Its id is made of experiment, unit and time, or is the column outcome_id: the same file
    again, or a mended one, replaces its records. Broken rows are listed in LOG.rejected.jsonl; the others go on. Exits
    1 when no row is good.

    Example: earshot ab send views-2026-05-04.csv --experiment new-verdicts --brokers broker:9092
    """
    from engines.data.rows import Bad, read_rows, write_rejected
    from streamer.kafka.topics import require_topics

    with file_errors_told(), errors_told():
        options = settings_from(config, kafka__bootstrap_servers=brokers).kafka
        topic = options.topics.outcome_observed
        require_topics(options, [topic])
        reading = Reading(unit, arm, at, tuple(value or ()), experiment)
        found = [row if isinstance(row, Bad) else reading.outcome(row) for row in read_rows(log)]
        broken = [item for item in found if isinstance(item, Bad)]
        beside = write_rejected(broken, log.with_name(f"{log.name}.rejected.jsonl"))
        sent = _sent(options, topic, [item for item in found if not isinstance(item, Bad)])
    if as_json:
        rejected_file = None if beside is None else str(beside)
        print_json({"topic": topic, "sent": sent, "rejected": len(broken), "rejected_file": rejected_file})
    else:
        typer.echo(f"sent {sent:,} outcomes to {topic}")
    if broken:
        typer.echo(f"earshot: {len(broken):,} rows refused; see {beside}; first: {broken[0].problem}", err=True)
    if not sent:
        raise typer.Exit(1)


@dataclass
class Reading:
    """How rows become outcomes."""

    unit: str
    arm: str
    at: str
    values: Sequence[str]
    experiment: str | None
    seen: Counter[tuple[str | None, str, str]] = field(default_factory=Counter)

    def outcome(self, row: Good) -> Outcome | Bad:
        """The outcome of a row, or what is wrong with it."""
        import msgspec

        from engines.data.rows import Bad

        try:
            return self._outcome(row.cells)
        except (ValueError, msgspec.ValidationError) as error:
            return Bad(row.place, str(error), row.cells)

    def _outcome(self, cells: Mapping[str, Any]) -> Outcome:
        import msgspec

        from engines.outcomes.cells import text
        from streamer.records import Outcome
        from streamer.wire import outcome_id

        unit, came_at = text(cells.get(self.unit)), cells.get(self.at)
        if not unit:
            raise ValueError(f"{self.unit}: came nothing, expected the unit of assignment")
        if came_at in (None, ""):
            raise ValueError(f"{self.at}: came nothing, expected when the row was complete: it tells rows apart")
        observed_at = _moment(self.at, came_at)
        experiment = text(cells.get("experiment")) or self.experiment
        place = (experiment, unit, observed_at)
        self.seen[place] += 1
        fields = {
            "outcome_id": text(cells.get("outcome_id")) or outcome_id(*place, self.seen[place] - 1),
            "unit": unit,
            "values": self._values(cells),
            "observed_at": observed_at,
            "arm": text(cells.get(self.arm)) or None,
            "experiment": experiment,
            "tenant": text(cells.get("tenant")) or None,
        }
        return msgspec.convert(fields, Outcome)

    def _values(self, cells: Mapping[str, Any]) -> dict[str, float]:
        from engines.outcomes.cells import number

        own = {self.unit, self.arm, self.at, *_OWN_COLUMNS}
        names = self.values or [name for name in cells if name not in own]
        came = {name: cells.get(name) for name in names}
        try:
            found = {name: number(name, value) for name, value in came.items() if value not in (None, "")}
        except ValueError as error:
            raise ValueError(f"{error}; name the columns to send with --value") from error
        if not found:
            raise ValueError(f"came no number in {', '.join(names) or 'any column'}, expected counts or sums")
        return found


def _moment(name: str, value: Any) -> str:
    """RFC 3339. Raises `ValueError` naming the column."""
    from engines.outcomes.cells import seconds

    try:
        return datetime.fromtimestamp(seconds(name, value), UTC).isoformat()
    except (OverflowError, OSError) as error:
        raise ValueError(f"{name}: came {str(value)[:60]!r}, expected a time of this era") from error


def _sent(options: KafkaOptions, topic: str, outcomes: Sequence[Outcome]) -> int:
    """How many were acknowledged: all. Raises `BrokerError` when any is not."""
    from streamer.kafka.sender import send as send_records
    from streamer.wire import outcome_message

    waiting: Iterator[Outcome] = iter(outcomes)
    with progress("outcomes", len(outcomes)) as advance:
        while some := list(islice(waiting, _TOGETHER)):
            advance(send_records(options, (outcome_message(item, topic) for item in some)))
    return len(outcomes)
