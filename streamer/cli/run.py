"""`earshot run`: one worker of the group, until it is told to stop."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.cli.common import BundleOption, ConfigOption, EngineOption, errors_told, settings_from


def run(
    config: ConfigOption = None,
    bundle: BundleOption = None,
    engine: EngineOption = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of /healthz, /readyz, /metrics; 0: any.")] = None,
) -> None:
    """Consume events and publish verdicts: one worker of the group; start more for more load.

    SIGTERM or Ctrl-C: finish what is in flight within worker.drain_seconds, commit, leave the group. A second one:
    leave at once; what was not finished comes again to another worker, and nothing is lost.
    """
    import structlog

    from streamer.assemble import open_parts, open_worker
    from streamer.shutdown import stopped_by_signals

    with errors_told():
        settings = settings_from(config, engine__bundle=bundle, engine__kind=engine, admin__port=admin_port)
        if settings.secret is None:
            structlog.get_logger().warning(
                "secret_not_set", why="uploaders can work out which frames are looked at", mend="set EARSHOT_SECRET"
            )
        with open_parts(settings) as parts:
            structlog.get_logger().info("engine_chosen", engine=parts.lineage.engine, why=parts.engine_why)
            with open_worker(settings, parts) as worker, stopped_by_signals(worker.stop):
                worker.run()
