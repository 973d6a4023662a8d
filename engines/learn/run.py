"""`earshot learn`, step by step: rows, training, export, parity, gate, candidate. Every step is kept.

    runs/<key>/view/      features with the rows that are learnt from     train/    checkpoint, or how far it is
    runs/<key>/bundle/    what was exported                               parity.json

The key is the hash of all that decides what is trained, so a command that was interrupted goes on, one that is
repeated trains nothing twice, and one with other labels begins anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engines.bundle import Bundle, read_manifest, save_manifest
from engines.export import export_bundle
from engines.known import TooFewClipsError
from engines.learn.compare import compare
from engines.learn.gate import Gate, places_of, read_gate
from engines.learn.guessing import guesser
from engines.learn.labels import Taken, take
from engines.learn.page import write_report
from engines.learn.pseudo import PseudoOptions
from engines.learn.registry import BUNDLE, Registry
from engines.learn.remember import remember
from engines.learn.report import Fidelity, GateName, Learnt, Report
from engines.learn.rows import Chosen, choose
from engines.learn.stored import batches, judge_stored
from engines.learn.view import write_view
from engines.manifest import TOKENIZER
from engines.parity import Parity
from engines.taught import untaught
from engines.training.features import TRAIN, VAL, FeatureSet, write_json
from engines.training.recipes import STARTER, StarterRecipe
from engines.training.starter import CHECKPOINT, WORDS, open_features, train_starter
from engines.verify import LOGIT_TOLERANCE, is_faithful, verify_bundle

RUNS, PARITY = "runs", "parity.json"
KEY_LETTERS = 12

#: A name and how many pieces there are -> a bar to call once per piece.
Progress = Callable[[str, int], AbstractContextManager[Callable[..., None]]]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is learnt from what.

    features: folder with a row for each clip. labels: what `earshot label merge` wrote; None: the rows' own alone.
    start: checkpoint to go on from. baseline: what a new registry has as its first current bundle.
    """

    features: Path
    words: Path
    gate: Path
    registry: Path
    recipe: StarterRecipe
    labels: Path | None = None
    start: Path | None = None
    without: tuple[str, ...] = ()
    leave_out: bool = False
    pseudo: PseudoOptions | None = None
    baseline: str = "starter"
    parity_batches: int = 20


@dataclass(frozen=True)
class Candidate:
    """Its folder in the registry, and what is known of it."""

    folder: Path
    report: Report


def learn(order: Order, at: str, progress: Progress) -> Candidate:
    """Make a candidate. `at`: now, UTC, ISO 8601. Raises `ValueError` saying what is wrong with files or labels."""
    registry, gate = Registry(order.registry), read_gate(order.gate)
    if not registry.history():
        registry.adopt(order.baseline, at)
    features, _ = open_features(order.features, order.words, order.without)
    current = Bundle.load(registry.current)
    content = b"" if order.labels is None else order.labels.read_bytes()
    taken = take(content, features.rows)
    guessing = None if order.pseudo is None else guesser(current, features, order.pseudo, progress)
    chosen = choose(features, gate, taken, leave_out=order.leave_out, guessing=guessing)
    lineage = _lineage(order, features, gate, content, current)
    run = order.registry / RUNS / _digest(lineage)[:KEY_LETTERS]
    write_view(order.features, run / "view", chosen.rows, made_with={"kind": "learn", **lineage})
    checkpoint = _trained(order, run, lineage, progress)
    bundle = _exported(run, checkpoint, current)
    parity = _parity(run, bundle, checkpoint, order.parity_batches)
    folder = registry.keep(bundle, checkpoint)
    report = Report(
        candidate=Bundle.load(bundle).id,
        current=current.id,
        made_at=at,
        gate=GateName(name=gate.name, sha256=gate.sha256, clips=len(gate.rows)),
        parity=parity,
        lines=tuple(_compared(order, features, gate, current, folder, progress)),
        learnt=_learnt(taken, chosen, lineage),
        refused=chosen.refused,
        left_out=chosen.left_out,
    )
    write_report(folder, report)
    return Candidate(folder, report)


def _lineage(order: Order, features: FeatureSet, gate: Gate, labels: bytes, current: Bundle) -> dict[str, Any]:
    return {
        "features": features.header.dataset,
        "towers": features.header.towers,
        "words": _digest_of(order.words / WORDS, order.words / TOKENIZER),
        "labels": hashlib.sha256(labels).hexdigest(),
        "gate": gate.sha256,
        "start": None if order.start is None else _digest_of(order.start),
        "without": list(order.without),
        "recipe": msgspec.to_builtins(order.recipe),
        "leave_out": order.leave_out,
        "pseudo": None if order.pseudo is None else {**msgspec.to_builtins(order.pseudo), "by": current.id},
    }


def _trained(order: Order, run: Path, lineage: dict[str, Any], progress: Progress) -> Path:
    checkpoint = run / "train" / CHECKPOINT
    if not checkpoint.exists():
        with progress("train", order.recipe.tune.epochs) as advance:
            train_starter(
                order.recipe,
                run / "view",
                order.words,
                run / "train",
                start=order.start,
                without=order.without,
                provenance={"recipe": STARTER.name, "learn": lineage},
                on_epoch=lambda epoch: advance(note=f"loss {epoch.loss:.3f}, validation {epoch.quality:.3f}"),
            )
    return checkpoint


def _exported(run: Path, checkpoint: Path, current: Bundle) -> Path:
    """The bundle; what towers judge by themselves is calibrated as in the current one, whose towers they are.

    What people taught that one rests on its own views, which training has changed.
    """
    out = run / BUNDLE
    if not out.exists():
        part = run / f"{BUNDLE}.part"
        export_bundle(checkpoint, part)
        manifest, categories = read_manifest(part), untaught(current.calibration.categories)
        if manifest.priors == current.priors:
            calibration = msgspec.structs.replace(manifest.calibration, categories=categories)
            save_manifest(part, msgspec.structs.replace(manifest, calibration=calibration), Bundle.load(part).classes)
        with suppress(TooFewClipsError):  # verdicts of such a bundle say nothing of novelty
            remember(part, run / "view", part)
        part.replace(out)
    return out


def _parity(run: Path, bundle: Path, checkpoint: Path, count: int) -> Fidelity:
    path = run / PARITY
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Fidelity)
    graphs: dict[str, Parity] = verify_bundle(Bundle.load(bundle), checkpoint, batches=count, seed=0)
    found = Fidelity(is_kept=is_faithful(graphs), tolerance=LOGIT_TOLERANCE, graphs=graphs)
    write_json(path, found)
    return found


def _compared(
    order: Order, features: FeatureSet, gate: Gate, current: Bundle, folder: Path, progress: Progress
) -> list[Any]:
    places = places_of(gate, features.rows, features.folder)
    with progress("gate", 2 * batches(len(places))) as advance:
        said = [
            judge_stored(bundle, order.features, places, advance).logits_NK
            for bundle in (current, Bundle.load(folder / BUNDLE))
        ]
    return list(compare(gate, said[0], said[1]))


def _learnt(taken: Taken, chosen: Chosen, lineage: dict[str, Any]) -> Learnt:
    return Learnt(
        labels=taken.counts,
        clips={split: chosen.clips(split) for split in (TRAIN, VAL)},
        pseudo=chosen.pseudo,
        lineage=lineage,
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def _digest_of(*paths: Path) -> str:
    """Of the files' content, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
