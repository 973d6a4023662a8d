"""`earshot distil`: the word vectors of the starter model, from MiniLM and titles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress


def distil(
    data: Annotated[Path, typer.Option(help="Folder of the raw data; only its titles are read.")],
    out: Annotated[Path, typer.Option(help="Folder for words.safetensors, tokenizer.json and words.json.")],
    seed: Annotated[int, typer.Option(help="Of the split of titles and of tuning.")] = 1,
    json: JsonOption = False,
) -> None:
    """Make word vectors whose means are as similar as MiniLM finds titles; MiniLM's own answers are kept in --out."""
    need_training_packages()
    from engines.training.distil import DistilOptions
    from engines.training.word_run import chunks, distil_words, read_corpus, taught

    options = DistilOptions(seed=seed)
    with errors_told():
        out.mkdir(parents=True, exist_ok=True)
        corpus = read_corpus(data, seed)
        with progress("ask MiniLM", chunks(corpus)) as advance:
            teacher = taught(corpus, out, advance)
        with progress("tune", options.epochs) as advance:
            report = distil_words(corpus, teacher, out, options, advance)
    if json:
        print_json(report)
    else:
        typer.echo(f"{out}: {report['bytes']} bytes; Spearman against MiniLM on titles held out: {report['spearman']}")
