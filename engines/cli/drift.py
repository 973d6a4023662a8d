"""`earshot evaluate drift`: does choosing go on well when the source changes?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress, shown_path


def drift(
    features: Annotated[Path, typer.Option(help="Folder of features, made by `earshot dataset features`.")],
    words: Annotated[Path, typer.Option(help="Folder with words.safetensors and tokenizer.json.")],
    data: Annotated[Path, typer.Option(envvar="EARSHOT_DATA", help="Folder of the raw public sets, for titles.")],
    runs: Annotated[Path, typer.Option(help="Folder of runs, a line each; what is there is not made again.")],
    out: Annotated[Path, typer.Option(help="Folder for the page and results.json; older ones are replaced.")],
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each strategy, counted from `--first`.")] = 30,
    first: Annotated[int, typer.Option(min=0, help="The first seed; those below 1000 were used for tuning.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Streams whose source changes: what LSB, uncertainty and chance find since, and how soon the slots follow.

    A stopped study goes on where it was.
    """
    need_training_packages()
    from engines.evaluation.selection.drift_page import study_drift, verdict

    with errors_told():
        places = " ".join(
            f"--{name} {shown_path(path)}"
            for name, path in (("features", features), ("words", words), ("runs", runs), ("out", out))
        )
        results, files = study_drift(
            features,
            words,
            data,
            runs,
            out,
            seeds=range(first, first + seeds),
            command=f"earshot evaluate drift {places} --seeds {seeds} --first {first}",
            progress=progress,
        )
    if as_json:
        print_json(results)
        return
    for one in results.reached:
        found = f"{one.found[0]:.1f} and {one.found[1]:.1f} found"
        typer.echo(f"{one.stream:<24} {one.strategy:<12} AP {one.quality.value:.3f}  {found}")
    for two in results.noticed:
        typer.echo(f"{two.stream:<24} {two.arm:<12} {two.before:.1%} -> {two.settled:.1%}: {verdict(two)}")
    typer.echo(f"written: {', '.join(str(path) for path in files)}")
