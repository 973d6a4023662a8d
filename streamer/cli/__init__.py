"""`earshot`: one command for the stream and for the models. Importing it loads no engine, no codec and no client."""

from __future__ import annotations

import typer

from engines.cli import bundle as bundle_commands
from engines.cli import dataset as dataset_commands
from engines.cli import evaluate as evaluate_commands
from engines.cli import privacy as privacy_commands
from engines.cli import world as world_commands
from engines.cli.arms import arms
from engines.cli.build import build
from engines.cli.calibrate import calibrate
from engines.cli.distil import distil
from engines.cli.export import export
from engines.cli.hearing import hearing
from engines.cli.learn import learn
from engines.cli.quantise import quantise
from engines.cli.remember import remember
from engines.cli.teach import teach
from engines.cli.train import train
from engines.cli.verify import verify
from streamer.cli import ab as ab_commands
from streamer.cli import config as config_commands
from streamer.cli import dlq as dlq_commands
from streamer.cli import label as label_commands
from streamer.cli import topics as topics_commands
from streamer.cli.audit import audit
from streamer.cli.bench import bench
from streamer.cli.decode import decode
from streamer.cli.demo import demo
from streamer.cli.judge import judge
from streamer.cli.pilot import app as pilot_commands
from streamer.cli.run import run
from streamer.cli.select import select
from streamer.cli.submit import submit
from streamer.cli.verdicts import verdicts

app = typer.Typer(
    name="earshot",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Judge uploaded videos by what they show, say and sound like. Start with: earshot demo",
)

FIRST, STREAM, LABELS, MODELS = "First steps", "The stream", "Labels", "Models"
WORTH = "What it is worth"

app.command(rich_help_panel=FIRST)(demo)
app.command(rich_help_panel=FIRST)(judge)
app.command(rich_help_panel=FIRST)(decode)
app.command(rich_help_panel=STREAM)(run)
app.command(rich_help_panel=STREAM)(submit)
app.command(rich_help_panel=STREAM)(verdicts)
app.command(rich_help_panel=STREAM)(audit)
app.add_typer(dlq_commands.app, name="dlq", rich_help_panel=STREAM)
app.add_typer(topics_commands.app, name="topics", rich_help_panel=STREAM)
app.command(rich_help_panel=LABELS)(select)
app.add_typer(label_commands.app, name="label", rich_help_panel=LABELS)
app.command(rich_help_panel=LABELS)(teach)
app.add_typer(config_commands.app, name="config", rich_help_panel=STREAM)
app.command(rich_help_panel=STREAM)(bench)
app.add_typer(bundle_commands.app, name="bundle", rich_help_panel=MODELS)
app.add_typer(world_commands.app, name="world", rich_help_panel=MODELS)
app.add_typer(privacy_commands.app, name="privacy", rich_help_panel=MODELS)
app.add_typer(dataset_commands.app, name="dataset", rich_help_panel=MODELS)
app.command(rich_help_panel=MODELS)(distil)
app.command(rich_help_panel=MODELS)(hearing)
app.command(rich_help_panel=MODELS)(train)
app.command(rich_help_panel=MODELS)(arms)
app.add_typer(evaluate_commands.app, name="evaluate", rich_help_panel=MODELS)
app.command(rich_help_panel=MODELS)(export)
app.command(rich_help_panel=MODELS)(calibrate)
app.command(rich_help_panel=MODELS)(remember)
app.command(rich_help_panel=MODELS)(quantise)
app.command(rich_help_panel=MODELS)(build)
app.command(rich_help_panel=MODELS)(verify)
app.add_typer(pilot_commands, name="pilot", rich_help_panel=WORTH)
app.add_typer(ab_commands.app, name="ab", rich_help_panel=WORTH)
app.command(rich_help_panel=MODELS)(learn)


def main() -> None:
    """The entry point of the `earshot` script."""
    app()
