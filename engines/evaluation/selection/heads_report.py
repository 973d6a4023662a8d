"""From folders of features and words to the page on the real head."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from engines.data.public.manifest import read_dataset, read_rows
from engines.evaluation.compare import Progress
from engines.evaluation.selection.heads import BATCHES, HUNTS, RATE, TASK, Clips, Ground, grounds, tasks
from engines.evaluation.selection.heads_found import MEASURES, Difference, HeadFound, differences, heads_found
from engines.evaluation.selection.setup import KNOWN, REPORTS, START, START_POSITIVES
from engines.evaluation.selection.study import STEADY, run_all
from engines.evaluation.tables import markdown
from engines.training.beforehand import EPOCHS
from engines.training.tuning.lineage import code_version
from engines.training.tuning.refine import RefineOptions

PAGE, RESULTS = "fusion_head.md", "fusion_head.json"
RUNS, NETWORK = "fusion_runs.jsonl", "fusion_start.safetensors"
PACKAGES = ("numpy", "scikit-learn", "scipy", "torch")


class HeadResults(msgspec.Struct, frozen=True):
    """All that the page shows. lineage: command, data, clips, options, packages."""

    lineage: dict[str, Any]
    found: list[HeadFound]
    differences: list[Difference]


def study_heads(
    features: Path, words: Path, runs: Path, out: Path, *, seeds: Sequence[int], command: str, progress: Progress
) -> tuple[HeadResults, list[Path]]:
    """Make the runs that `runs` lacks, and write the page into `out`; returns the results and the files.

    Raises `ValueError` when a folder is not whole.
    """
    started, options = time.process_time(), RefineOptions()
    dataset = read_dataset(features)
    with progress("learn beforehand", EPOCHS) as advance:
        found = grounds(features, words, runs / NETWORK, options, lambda _: advance(None))
    wanted = tasks(found, seeds)
    with progress("select", len(wanted)) as advance:
        outcomes = run_all(wanted, runs / RUNS, advance)
    lineage = {
        "command": command,
        "data": dataset.sha256,
        "seeds": [min(seeds), max(seeds)],
        "options": msgspec.to_builtins(options),
        "clips": {"beforehand": len(Clips.of(read_rows(features)).before.train), **_sizes(found)},
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "cpu_seconds": round(time.process_time() - started, 1),
    }
    results = HeadResults(lineage, heads_found(outcomes), differences(outcomes))
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULTS).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (out / PAGE).write_text(page(results), encoding="utf-8")
    return results, [out / PAGE, out / RESULTS]


def _sizes(found: dict[str, Ground]) -> dict[str, int]:
    arena = next(iter(found.values())).arena
    kinds = {f"pool, {kind.name}": int(kind.pool_N.sum()) for kind in arena.kinds}
    return {
        "pool": len(arena.label_N),
        "pool, positives": int(arena.label_N.sum()),
        "test": len(arena.label_T),
        "test, positives": int(arena.label_T.sum()),
        **kinds,
        **{f"test, {kind.name}": int(kind.test_T.sum()) for kind in arena.kinds},
    }


def page(results: HeadResults) -> str:
    """Markdown."""
    regimes = list(dict.fromkeys(one.regime for one in results.found))
    questions = list(dict.fromkeys(one.question for one in results.differences))
    seeds = max(one.seeds for one in results.found)
    parts = [
        "# Choosing videos with the real head\n",
        f"This page is generated: `{results.lineage['command']}`.\n",
        INTRODUCTION.format(seeds=seeds, **results.lineage["options"], **results.lineage["clips"]),
        *(f"## {_title(regime)}\n\n{_means(results.found, regime)}" for regime in regimes),
        "## Differences\n\nOf the same seeds. Bold: zero lies outside both intervals.\n",
        *(f"### {question}\n\n{_differences(results.differences, question)}" for question in questions),
    ]
    return "\n".join(parts)


def _title(regime: str) -> str:
    if regime == STEADY:
        rounds = ", ".join(str(START + sum(BATCHES[: n + 1])) for n in range(len(BATCHES)))
        return f"A steady stream, {TASK}, {RATE:.1%}: {START} labels, {START_POSITIVES} of them positive, then {rounds}"
    return f"A new kind, {regime}: {KNOWN} labels without it, {REPORTS} reports, then {sum(HUNTS)} labels"


def _means(found: Sequence[HeadFound], regime: str) -> str:
    names = list(MEASURES[regime == STEADY])
    rows = [
        (
            one.head,
            one.strategy,
            *(f"{one.means[name]:.3f}" if name in one.means else "-" for name in names),
            str(one.seeds),
        )
        for one in found
        if one.regime == regime
    ]
    return markdown(("head", "strategy", *names, "seeds"), rows)


def _differences(found: Sequence[Difference], question: str) -> str:
    rows = []
    for one in found:
        if one.question == question:
            clear = min(one.low, one.t_low) > 0 or max(one.high, one.t_high) < 0
            value = f"{one.value:+.3f}"
            rows.append(
                (
                    one.regime,
                    f"{', '.join(one.first)} - {', '.join(one.second)}",
                    one.measure,
                    f"**{value}**" if clear else value,
                    f"{one.low:+.3f} to {one.high:+.3f}",
                    f"{one.t_low:+.3f} to {one.t_high:+.3f}",
                )
            )
    return markdown(("regime", "difference", "measure", "mean", "95 %, bootstrap", "95 %, Student"), rows)


INTRODUCTION = """In every round the fusion network (the graph `fusion` of a bundle) is tuned on all labels so far, from
the same weights each time: {steps} steps of {batch_size} clips, rate {learning_rate:g}. Its scores and its embedding
are new then. What turns features into tokens stays as it was: cached embeddings of videos would stay valid.

What it has seen before: {beforehand} clips of the train split that are in no pool, with their labels of clickbait and
relevance, and names of what is seen and heard in them. No label of the task, of any clip; and no clip at all that shows
or holds a kind that is hunted. Other restricted things are in those clips, by name and without a label. Half of these
clips were given without sound, so that it can begin hearing and deaf.

- *logistic*: a regression on pooled features of the towers, fitted anew each round; LSB sees the same features.
- *VLMAE*: the fusion network; LSB sees its embedding, anew each round.
- *VLMAE, LSB sees towers*: the same head; LSB sees pooled features of the towers, put side by side.
- *VL*: the fusion network with all sound masked; LSB has no view of sound.

A hunt is one batch, chosen after one fit; the fusion network is not tuned and judged once more after it. LSB cannot
learn from the answers within a single batch, as it does in the [study with many rounds](README.md).

`lsb` sees single senses beside the fused space, `lsb_fused_only` does not. All have the same pool of {pool} clips, the
same {test} test clips, and for each of the {seeds} seeds the same first labels.
"""
