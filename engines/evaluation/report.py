"""Writes what was found about arms: pages of tables, plots, and all numbers as `results.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from engines.evaluation import tables
from engines.evaluation.findings import Findings
from engines.evaluation.goals import MET, MET_LOOSELY
from engines.evaluation.lineage import Lineage
from engines.evaluation.plots import write_plots
from engines.evaluation.study import Study

RESULTS_FILE = "results.json"
#: Seeds from which on the spread between trainings is known well enough to go without a warning.
SEEDS_ENOUGH = 4
ADJECTIVES = {"clickbait": "clickbait", "adult": "restricted", "relevance": "relevant"}


class Results(msgspec.Struct, frozen=True):
    """The content of `results.json`."""

    lineage: Lineage
    findings: Findings


def write_report(study: Study, results: Results, folder: Path) -> list[Path]:
    """Write all of it into the folder, over what is there; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    findings = results.findings
    pages = {
        "README.md": _front_page(results),
        "arms.md": _arms_page(findings),
        "slices.md": _slices_page(findings),
    }
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    encoded = msgspec.json.format(msgspec.json.encode(msgspec.to_builtins(_rounded(results))), indent=1)
    (folder / RESULTS_FILE).write_bytes(encoded + b"\n")
    return [*(folder / name for name in pages), folder / RESULTS_FILE, *write_plots(study, findings, folder)]


def _front_page(results: Results) -> str:
    return "\n".join(
        [
            _introduction(results),
            _goals_section(results.findings),
            _arms_section(results.findings),
            _gains_section(results.findings),
            _intervals_section(results.lineage),
            f"## Lineage\n\n{_lineage(results.lineage)}",
        ]
    )


def _introduction(results: Results) -> str:
    findings = results.findings
    positives = ", ".join(f"{count} are {ADJECTIVES[task]}" for task, count in findings.positives.items())
    return f"""# What listening buys

This page is generated: `{results.lineage.command}`.

The benchmark is **composed**: real photos, real sounds and real titles put together, not filmed. How often sound
matters was chosen by design, so these numbers show that a system can use sound, not how much sound matters in real
traffic. "Restricted" stands in for adult content; none is used. The photos are of kinds that the vision tower's
training data (ImageNet) has, the sounds of kinds that the audio tower's (AudioSet) has.

{findings.clips} test clips, of which {positives}.{_few_seeds(results.lineage)}
Values are means over training seeds; ± and brackets are 95 % intervals over seeds and over the sources that clips are
made from (see below).
"""


def _few_seeds(lineage: Lineage) -> str:
    """A warning where so few seeds say little about the spread between trainings."""
    fewest = min(map(len, lineage.seeds.values()), default=0)
    if fewest >= SEEDS_ENOUGH:
        return ""
    return f" **Some arms have only {fewest} seeds**: the spread between trainings is hardly known."


def _goals_section(findings: Findings) -> str:
    met = sum(goal.verdict in (MET, MET_LOOSELY) for goal in findings.goals)
    return f"""## Goals

{met} of {len(findings.goals)} are met.

{tables.goals(findings)}"""


def _arms_section(findings: Findings) -> str:
    return f"""## Arms

{tables.headline(findings)}
R@P80: recall at 80 % precision. AP: average precision. More metrics, calibration, noise and cost are in
[arms.md](arms.md); what each sense contributes, and harder comparisons, in [slices.md](slices.md).

![Precision over recall, by task and arm](precision_recall.svg)

The horizontal lines are 80 % precision, and chance.
"""


def _gains_section(findings: Findings) -> str:
    return f"""## Gains of VLMAE

{tables.gains(findings)}
The best late fusion is chosen on validation clips, for each column.

![Gain over vision and text](gain_over_vl.svg)

### Controls

{tables.controls(findings)}
With the sound of another clip, whatever is gained by listening has to go; without any sound, nothing but that may.
"""


def _intervals_section(lineage: Lineage) -> str:
    return f"""## How to read the intervals

Arms are compared on the same clips and the same seeds. Clips that share a photo, a sound or a title err together, so
the standard error is that of a bootstrap over such sources ({lineage.replicates} replicates), joined with the spread
over seeds; `engines/evaluation/resampling.py` says how, and a test simulates that 95 % intervals hold the truth about
as often as they say.
"""


def _arms_page(findings: Findings) -> str:
    return f"""# All arms

[Back](README.md). Values are means over seeds, ± 95 % intervals over seeds and sources.

{tables.all_arms(findings)}
NDCG@10: clips that were asked about the same topic are one list, best first; gain 2^grade - 1, discount
log2(place + 1); a mean over topics, ties by their mean.

## Calibration

Expected calibration error (15 bins of equal mass) and Brier score of probabilities calibrated on validation clips; "-"
where logits contradict the validation labels.

{tables.calibration(findings)}
![Reliability](reliability.svg)

## Worse sound

The same trained arms on test clips whose sound was changed.

{tables.conditions(findings)}
## Cost

Of what is trained, on stored features of the towers; the towers cost the same in every arm that uses them.

{tables.costs(findings)}"""


def _slices_page(findings: Findings) -> str:
    return f"""# Where numbers come from

[Back](README.md). Columns are arms, as in [arms.md](arms.md); values are means over seeds. "Fewest sources" is what the
clips of a row, or those of one label, all have and of which there are fewest: a number that hangs on two speakers says
little about a third, and its interval is too narrow.

## By the sense that decides

Restricted: recall at 5 % false positives of the positives that rest on that sense; the threshold is set on all
negatives. Relevance: area under the ROC curve of the positives of that sense against all negatives. Clickbait: of all
positives against the negatives whose promise that sense keeps.

{tables.slices(findings, "sense")}
## Restricted against its like

Area under the ROC curve against harmless clips of the same collections: is more learnt than which collection a file
came from?

{tables.slices(findings, "source")}
## Headlines and YouTube titles

{tables.slices(findings, "title")}
## Clips without a sound track

{tables.slices(findings, "mute")}"""


def _lineage(lineage: Lineage) -> str:
    seeds = "; ".join(f"{arm} {', '.join(map(str, seeds))}" for arm, seeds in lineage.seeds.items())
    packages = ", ".join(f"{name} {number}" for name, number in lineage.packages.items())
    trained = "" if lineage.train_seconds is None else f" training all runs {lineage.train_seconds / 60:.0f} minutes,"
    epochs = f"\n- Epochs: {', '.join(map(str, lineage.epochs))}" if lineage.epochs else ""
    return f"""- Command: `{lineage.command}`
- Data set: sha256 `{lineage.data}`{_made_with(lineage)}
- Seeds: {seeds}{epochs}{_unlike(lineage)}
- Machine: {lineage.machine}, {lineage.cores} cores; Python {lineage.python}; {packages}
- Time:{trained} evaluation {lineage.evaluate_seconds:.0f} s
"""


def _unlike(lineage: Lineage) -> str:
    lines = ""
    for setting, arms_by_value in lineage.unlike.items():
        values = "; ".join(f"`{value}` in {', '.join(arms)}" for value, arms in arms_by_value.items())
        lines += f"\n- Not the same in all arms: `{setting}`: {values}"
    return lines


def _made_with(lineage: Lineage) -> str:
    made_with = lineage.made_with
    unsettled = ", ".join(made_with.get("unsettled_sets", ()))
    told = [f"{name} {made_with[name]}" for name in ("kind", "clips", "seed") if name in made_with]
    told += [f"sets {', '.join(made_with['sets'])}"] if "sets" in made_with else []
    told += [f"of these not of settled licence, for experiments only: {unsettled}"] if unsettled else []
    return f"; {'; '.join(told)}" if told else ""


def _rounded(value: Any) -> Any:
    """Numbers of six digits; structs become objects."""
    built = msgspec.to_builtins(value)

    def walk(item: Any) -> Any:
        if isinstance(item, dict):
            return {name: walk(one) for name, one in item.items()}
        if isinstance(item, list | tuple):
            return [walk(one) for one in item]
        if isinstance(item, float):
            return None if item != item else float(f"{item:.6g}")
        return item

    return walk(built)
