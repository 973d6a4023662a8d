"""`earshot audit`: nothing lost, nothing doubled, proved from the topics."""

from __future__ import annotations

import typer

from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, settings_from


def audit(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Balance the books of a group: every consumed event has its verdicts or one dead letter.

    Reads the event, verdict, retry and dead-letter topics and the group's offsets; changes nothing. Exits 1 when
    anything is lost or duplicated.
    """
    from streamer.kafka.books import audit_group
    from streamer.report.words import audited

    with errors_told():
        report = audit_group(settings_from(config).kafka)
    if as_json:
        print_json(report)
    else:
        typer.echo(audited(report))
    if report.lost or report.duplicated:
        raise typer.Exit(1)
