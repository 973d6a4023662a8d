"""May a candidate become the current bundle? A person asks; what speaks against it is said, or goes on record."""

from __future__ import annotations

from pathlib import Path

from engines.bundle import read_manifest
from engines.learn.margins import falls, read_margins
from engines.learn.registry import BUNDLE, ID_LETTERS, Entry, Registry
from engines.learn.report import Report


class RefusedError(ValueError):
    """Raised with every reason why a candidate is not promoted."""

    def __init__(self, candidate: str, reasons: list[str]) -> None:
        listed = "".join(f"\n  {reason}" for reason in reasons)
        super().__init__(f"candidate {candidate} is not promoted:{listed}\n  --because TEXT promotes it all the same")
        self.reasons = reasons


def reasons_against(registry: Registry, candidate: Path, report: Report) -> list[str]:
    """Sentences; none: nothing speaks against it. Raises `ValueError` for margins that cannot be read."""
    found, now = [], registry.now()
    if report.candidate[:ID_LETTERS] != candidate.name:
        found.append(f"its report is about {report.candidate[:ID_LETTERS]}")
    if report.current != now.bundle:
        found.append(
            f"it was compared with {report.current[:ID_LETTERS]}, current is {now.bundle[:ID_LETTERS]}; run the same "
            "`earshot learn` again, which compares anew and trains nothing twice"
        )
    if lost := sorted(_taught(registry.current) - _taught(candidate / BUNDLE)):
        found.append(
            f"it lacks {', '.join(lost)}, which people taught the current bundle: teach the candidate "
            f"({candidate / BUNDLE}) with a pool of its own, and `earshot bundle adopt` what comes of it"
        )
    if not report.parity.is_kept:
        worst = {name: one.worst for name, one in report.parity.graphs.items()}
        far = max(worst, key=lambda name: worst[name])
        flips = sum(one.flips for one in report.parity.graphs.values())
        found.append(
            f"its graphs differ from the trained network: {far} by {worst[far]:.1e}, at most "
            f"{report.parity.tolerance:.0e} may, and {flips} verdicts flip"
        )
    return found + falls(report.lines, read_margins(registry.folder))


def _taught(bundle: Path) -> set[str]:
    return set(read_manifest(bundle).taught)


def promote(registry: Registry, prefix: str, at: str, because: str | None) -> Entry:
    """Make the candidate current. Raises `RefusedError` with the reasons, unless a person says `because`.

    Raises `ValueError` for a candidate that is none, is current already, or is no longer whole: nobody overrides that.
    """
    with registry.locked():
        candidate = registry.candidate(prefix)
        report = registry.report(candidate)
        if registry.now().bundle == report.candidate:
            raise ValueError(f"candidate {candidate.name}: is current already")
        reasons = reasons_against(registry, candidate, report)
        if reasons and not (because or "").strip():
            raise RefusedError(candidate.name, reasons)
        return registry.promote(candidate, at, because, tuple(reasons))
