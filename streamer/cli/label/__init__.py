"""`earshot label`: ask people what the network does not know, and take in what they say."""

from __future__ import annotations

import typer

from streamer.cli.label.merge import adjudicate, conflicts, merge
from streamer.cli.label.pool import pool
from streamer.cli.label.request import request
from streamer.cli.label.sheet import export, sheet
from streamer.cli.label.show import show
from streamer.cli.label.take import take

app = typer.Typer(
    no_args_is_help=True,
    help="Ask people about videos and take in what they say. A round: pool, select, request, sheet or export, import, "
    "conflicts, adjudicate, merge.",
)

app.command()(pool)
app.command()(request)
app.command()(sheet)
app.command()(export)
app.command("import")(take)
app.command()(conflicts)
app.command()(adjudicate)
app.command()(merge)
app.command()(show)
