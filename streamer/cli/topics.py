"""`earshot topics`: what the group needs on the cluster, and creating it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, settings_from

if TYPE_CHECKING:
    from streamer.kafka.topics import TopicPlan

app = typer.Typer(no_args_is_help=True, help="Plan and create the topics that a group needs.")


@app.command()
def plan(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every topic of the group, of labels and of outcomes, and whether the cluster has it. Changes nothing."""
    from streamer.kafka.topics import plan_topics

    with errors_told():
        options = settings_from(config).kafka
        _show(plan_topics(options, options.all_topics + options.further_topics), as_json)


@app.command()
def apply(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Create the topics that are missing; those that exist are left as they are."""
    from streamer.kafka.topics import apply_topics

    with errors_told():
        options = settings_from(config).kafka
        _show(apply_topics(options, options.all_topics + options.further_topics), as_json)


def _show(plans: list[TopicPlan], as_json: bool) -> None:
    for item in plans:
        if as_json:
            print_json(item)
        else:
            typer.echo(f"{'exists' if item.exists else 'MISSING':8} {item.partitions:4} partitions  {item.topic}")
