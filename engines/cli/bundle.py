"""`earshot bundle`: what bundles there are, what is in them, whether they are whole, and which is current."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, print_json
from engines.cli.registry import adopt, history, promote, rollback

if TYPE_CHECKING:
    from engines.bundle import Bundle

app = typer.Typer(help="Model bundles: list, show, verify; promote and roll back.", no_args_is_help=True)
app.command()(promote)
app.command()(adopt)
app.command()(rollback)
app.command()(history)


@app.command("list")
def list_bundles(as_json: JsonOption = False) -> None:
    """The bundles that come with Earshot."""
    from engines.bundle import Bundle, shipped

    for name in shipped():
        with errors_told():
            loaded = Bundle.load(name)
        if as_json:
            print_json({"name": name, "id": loaded.id, "path": str(loaded.path), "size_bytes": loaded.size_bytes})
        else:
            typer.echo(f"{name:<10} {loaded.id[:12]} {loaded.size_bytes:>12,} bytes")


@app.command()
def show(bundle: BundleArgument, as_json: JsonOption = False) -> None:
    """Identity, preprocessing, calibration, what it knows by name, training lineage, and whose weights it holds."""
    from engines.bundle import Bundle

    with errors_told():
        described = describe(Bundle.load(bundle))
    if as_json:
        print_json(described)
        return
    for name, value in described.items():
        if isinstance(value, dict):
            typer.echo(name)
            for key, item in value.items():
                typer.echo(f"  {key:<18} {item}")
        elif name == "notices":
            typer.echo(name)
            for notice in value:
                typer.echo(f"  {notice['name']}: {notice['licence']}, from {notice['source']}")
        else:
            typer.echo(f"{name:<20} {value}")


@app.command()
def verify(bundle: BundleArgument, as_json: JsonOption = False) -> None:
    """Check hashes, schema and tensors, and run each graph once; exit code 1 when something is wrong."""
    import numpy as np

    from engines.bundle import Bundle
    from engines.opening import open_engines
    from engines.parity import random_inputs
    from engines.spec import GRAPHS

    with errors_told():
        loaded = Bundle.load(bundle)
        sizes = {"F": 2, "N": 2, "V": 8, "A": 4, "L": 5, "vocabulary": loaded.tokenizer.vocabulary_size, "segments": 4}
        with open_engines(loaded) as engines:
            for name in GRAPHS:
                outputs = getattr(engines, name)(random_inputs(loaded.graphs[name], sizes, np.random.default_rng(0)))
                if not all(np.isfinite(array).all() for array in outputs.values()):
                    raise ValueError(f"bundle {loaded.path}: {name} gives numbers that are not finite; export it again")
    if as_json:
        print_json({"name": loaded.name, "id": loaded.id, "ok": True})
    else:
        typer.echo(f"{loaded.name} {loaded.id}: whole, and every graph runs")


def describe(bundle: Bundle) -> dict[str, Any]:
    """What `show` prints."""
    import msgspec

    return {
        "name": bundle.name,
        "id": bundle.id,
        "path": str(bundle.path),
        "licence": bundle.licence,
        "size_bytes": bundle.size_bytes,
        "embedding_size": bundle.embedding_size,
        "preprocessing": msgspec.to_builtins(bundle.preprocessing),
        "calibration": msgspec.to_builtins(bundle.calibration.tasks),
        "thresholds": bundle.thresholds,
        "training": bundle.training,
        "classes": {modality: len(names) for modality, names in bundle.classes.items()},
        "priors": bundle.priors,
        "known": {name: len(sense.row_NV) for name, sense in (bundle.known.senses if bundle.known else {}).items()},
        "categories": msgspec.to_builtins(bundle.calibration.categories),
        "taught": msgspec.to_builtins(bundle.lessons),
        "notices": msgspec.to_builtins(bundle.notices),
    }
