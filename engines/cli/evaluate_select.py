"""`earshot evaluate select` and `select-speed`: what ways to choose videos are worth, and how long they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress, shown_path


class Choosing(StrEnum):
    """Which head is fitted each round."""

    LOGISTIC = "logistic"
    FUSION = "fusion"


def select(
    features: Annotated[Path, typer.Option(help="Folder of features, made by `earshot dataset features`.")],
    words: Annotated[Path, typer.Option(help="Folder with words.safetensors and tokenizer.json.")],
    runs: Annotated[Path, typer.Option(help="Folder of runs, a line each; what is there is not made again.")],
    out: Annotated[Path, typer.Option(help="Folder for the page and results.json; older ones are replaced.")],
    data: Annotated[
        Path | None, typer.Option(envvar="EARSHOT_DATA", help="Folder of the raw public sets, for titles.")
    ] = None,
    head: Annotated[
        Choosing, typer.Option(help="fusion: the fusion network is tuned each round; a study of its own, without data.")
    ] = Choosing.LOGISTIC,
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each strategy, counted from `--first`.")] = 30,
    first: Annotated[int, typer.Option(min=0, help="The first seed; those below 1000 were used for tuning.")] = 1000,
    strategy: Annotated[
        list[str] | None, typer.Option(help="Which, ablations of LSB too; may be repeated. None: all but those.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare ways to choose videos to label, in a steady stream and when a new kind appears.

    A stopped study goes on where it was. Runs are on one thread: OMP_NUM_THREADS=1 lets several go side by side.
    """
    need_training_packages()
    folders = {"features": features, "words": words, "runs": runs, "out": out}
    places = " ".join(f"--{name} {shown_path(folder)}" for name, folder in folders.items())
    command = f"earshot evaluate select {places} --seeds {seeds} --first {first}"
    numbers = range(first, first + seeds)
    if head is Choosing.FUSION:
        _with_fusion_head(features, words, runs, out, numbers, command, strategy=strategy, as_json=as_json)
        return
    from engines.evaluation.selection.run import study
    from engines.evaluation.selection.study import ABLATIONS, COMPARED

    known = (*COMPARED, *ABLATIONS)
    if unknown := sorted(set(strategy or ()) - set(known)):
        raise typer.BadParameter(f"came strategies {unknown}, expected some of {', '.join(known)}")
    if data is None:
        raise typer.BadParameter("came no --data and no EARSHOT_DATA, expected the folder of the raw public sets")
    chosen = strategy or COMPARED
    with errors_told():
        results, files = study(
            features, words, data, runs, out, seeds=numbers, command=command, progress=progress, strategies=chosen
        )
    if as_json:
        print_json(results)
        return
    for goal in results.goals:
        typer.echo(f"{'met' if goal.met else 'missed':<7} {goal.goal} {goal.bar}: {goal.came}")
    typer.echo(f"written: {', '.join(str(path) for path in files)}")


def _with_fusion_head(
    features: Path,
    words: Path,
    runs: Path,
    out: Path,
    seeds: range,
    command: str,
    *,
    strategy: list[str] | None,
    as_json: bool,
) -> None:
    from engines.evaluation.selection.heads_report import study_heads
    from engines.training.threads import use_threads

    if strategy:
        raise typer.BadParameter("came --strategy and --head fusion, expected one of them: its strategies are set")
    command = f"{command} --head fusion"
    use_threads(1)
    with errors_told():
        results, files = study_heads(features, words, runs, out, seeds=seeds, command=command, progress=progress)
    if as_json:
        print_json(results)
        return
    for one in results.differences:
        pair = f"{', '.join(one.first)} - {', '.join(one.second)}"
        typer.echo(f"{one.value:+.3f} ({one.t_low:+.3f} to {one.t_high:+.3f})  {one.regime}, {one.measure}: {pair}")
    typer.echo(f"written: {', '.join(str(path) for path in files)}")


def select_speed(
    videos: Annotated[int, typer.Option(min=1000, help="Size of the pool.")] = 100_000,
    size: Annotated[int, typer.Option(min=8, help="Values of an embedding.")] = 256,
    strategy: Annotated[list[str] | None, typer.Option(help="Which; may be repeated. None: all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """How long choosing a batch of 60 takes from a large pool, and what the index finds of the true neighbours.

    On procedural embeddings. Threads: as OMP_NUM_THREADS says.
    """
    import numpy as np

    from engines.active.select import STRATEGIES
    from engines.evaluation.selection.speed import batch_times, embeddings, index_quality

    if unknown := sorted(set(strategy or ()) - set(STRATEGIES)):
        raise typer.BadParameter(f"came strategies {unknown}, expected some of {', '.join(STRATEGIES)}")
    with errors_told():
        rng = np.random.default_rng(0)
        embedding_ND = embeddings(videos, size, rng)
        index = index_quality(embedding_ND, rng)
        times = batch_times(embedding_ND, strategy or STRATEGIES, rng)
    if as_json:
        print_json({"index": index, "batches": times})
        return
    typer.echo(
        f"{index.kind} of {videos}: built in {index.build_seconds:.1f} s, {1000 * index.seconds_per_query:.2f} ms a "
        f"query, recall of the 10 nearest {index.recall:.3f}, {index.bytes_per_video:.0f} bytes a video, "
        f"peak {index.peak_gb:.2f} GB"
    )
    for one in times:
        typer.echo(f"{one.name:<16} {one.seconds:>8.2f} s   peak {one.peak_gb:.2f} GB")
