"""A folder of bundles: candidates, the one that is current, and how it came to be.

    candidates/<id>/bundle/   a bundle, and beside it report.json, report.md, report.html and its checkpoint
    history/<step>/bundle     a link to the bundle that was current from that step on; entry.json says why
    current                   a link to history/<last step>/bundle

Setting `current` is one rename, and it alone decides: a step that was written and not yet pointed at never happened,
and the next one takes its place. So a command that dies anywhere leaves either the old bundle or the new one in
force, and the history is the same as what was in force.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from engines.bundle import Bundle, find, read_manifest
from engines.learn.report import Report
from engines.training.features import write_json

CANDIDATES, HISTORY, CURRENT = "candidates", "history", "current"
BUNDLE, ENTRY, REPORT = "bundle", "entry.json", "report.json"
#: Of a bundle's id: enough to tell apart all bundles that anybody will ever have.
ID_LETTERS = 12

Action = Literal["adopt", "promote", "rollback"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step: since `at` (UTC, ISO 8601) `bundle` is current.

    before: the step that a rollback from here goes to; None: there is none. because: what the person said.
    overridden: why the promotion would have been refused, had nobody said so.
    """

    step: int
    action: Action
    bundle: str
    at: str
    before: int | None = None
    because: str | None = None
    overridden: tuple[str, ...] = ()


class Registry:
    """Opened, not created: reading changes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def current(self) -> Path:
        """What workers are pointed at; a bundle once one was adopted."""
        return self.folder / CURRENT

    def history(self) -> list[Entry]:
        """The steps that happened, oldest first. Raises `ValueError` when the folder is not as this file writes it."""
        last = self._step()
        return [self.entry(step) for step in range(1, last + 1)]

    def now(self) -> Entry:
        """The last step. Raises `ValueError` where no bundle was ever current."""
        if not (step := self._step()):
            raise ValueError(f"{self.folder}: no bundle is current here; `earshot learn` adopts one to begin with")
        return self.entry(step)

    def entry(self, step: int) -> Entry:
        """One step. Raises `ValueError` when it cannot be read."""
        path = self._at(step) / ENTRY
        try:
            return msgspec.json.decode(path.read_bytes(), type=Entry)
        except (OSError, msgspec.MsgspecError) as error:
            raise ValueError(f"{path}: not a step of a registry: {error}") from error

    def candidates(self) -> list[str]:
        """Ids, sorted."""
        return sorted(path.parent.name for path in (self.folder / CANDIDATES).glob(f"*/{BUNDLE}"))

    def candidate(self, prefix: str) -> Path:
        """The folder of the candidate whose id begins so. Raises `ValueError` when there is none, or more than one."""
        known = self.candidates()
        found = [name for name in known if name.startswith(prefix[:ID_LETTERS])] if prefix else []
        if len(found) != 1:
            raise ValueError(f"candidate {prefix!r}: came one that fits {found or 'none'}, expected one of {known}")
        return self.folder / CANDIDATES / found[0]

    def report(self, candidate: Path) -> Report:
        """Raises `ValueError` when the candidate has none, as bundles that were adopted."""
        try:
            return msgspec.json.decode((candidate / REPORT).read_bytes(), type=Report)
        except (OSError, msgspec.MsgspecError) as error:
            raise ValueError(f"{candidate}: no report of a candidate here: {error}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time; another one waits. The lock goes with the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def adopt(self, bundle: str | Path, at: str, because: str | None = None) -> Entry:
        """Copy a bundle in and make it the current one, though nothing was measured of it here.

        Raises `ValueError` when there is a current one already, unless a person says `because`.
        """
        source = Bundle.load(bundle)
        with self.locked():
            before = self._step() or None
            if before is not None and self.now().bundle == source.id:
                raise ValueError(f"{self.folder}: {source.id[:ID_LETTERS]} is current already")
            if before is not None and not (because or "").strip():
                raise ValueError(
                    f"{self.folder}: has a current bundle already, and of this one no gate was measured; promote a "
                    "candidate instead, or say --because TEXT"
                )
            step = 1 + (before or 0)
            entry = Entry(step=step, action="adopt", bundle=source.id, at=at, before=before, because=because)
            home = self._keep(source)
            Bundle.load(home / BUNDLE)  # it may have been there before, and have come to harm
            return self._point(home, entry)

    def promote(self, candidate: Path, at: str, because: str | None, overridden: tuple[str, ...]) -> Entry:
        """Make a candidate current; whether it may be is decided elsewhere. Call it inside `locked`."""
        now, bundle = self.now(), Bundle.load(candidate / BUNDLE)
        return self._point(
            candidate,
            Entry(
                step=now.step + 1,
                action="promote",
                bundle=bundle.id,
                at=at,
                before=now.step,
                because=because,
                overridden=overridden,
            ),
        )

    def rollback(self, at: str, because: str | None) -> Entry:
        """Put the bundle back that was current before; again: the one before that.

        Raises `ValueError` when there is none before or it is no longer whole; then nothing changes.
        """
        with self.locked():
            now = self.now()
            if now.before is None:
                raise ValueError(
                    f"{self.folder}: nothing was current before {now.bundle[:ID_LETTERS]}; promote another"
                )
            target = self.entry(now.before)
            folder = self._home(target.bundle)
            Bundle.load(folder / BUNDLE)
            step = now.step + 1
            entry = Entry(
                step=step, action="rollback", bundle=target.bundle, at=at, before=target.before, because=because
            )
            return self._point(folder, entry)

    def keep(self, bundle: Path, checkpoint: Path) -> Path:
        """Take a trained bundle in as a candidate; one that is there stays. Returns its folder."""
        with self.locked():
            return self._keep(Bundle.load(bundle), checkpoint)

    def _keep(self, bundle: Bundle, checkpoint: Path | None = None) -> Path:
        home = self._home(bundle.id)
        if not (home / BUNDLE).exists():
            part = home.with_name(f".{home.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            names = ["bundle.json", *read_manifest(bundle.path).file_names]
            (part / BUNDLE).mkdir(parents=True)
            for name in names:
                shutil.copyfile(find(bundle.path) / name, part / BUNDLE / name)
            if checkpoint is not None:
                shutil.copyfile(checkpoint, part / checkpoint.name)
            part.replace(home)
        return home

    def _home(self, bundle_id: str) -> Path:
        return self.folder / CANDIDATES / bundle_id[:ID_LETTERS]

    def _at(self, step: int) -> Path:
        return self.folder / HISTORY / f"{step:06d}"

    def _step(self) -> int:
        """The number of the last step; 0 before the first."""
        if not self.current.is_symlink():
            return 0
        target = self.current.readlink()
        name = target.parent.name
        if not name.isdigit() or not self.current.exists():
            raise ValueError(f"{self.current}: points at {target}, expected a step of the history that is there")
        return int(name)

    def _point(self, candidate: Path, entry: Entry) -> Entry:
        """Write the step, then set `current` to it: the rename is the moment in which it happens."""
        place = self._at(entry.step)
        shutil.rmtree(place, ignore_errors=True)  # of a command that died before its rename
        place.mkdir(parents=True)
        write_json(place / ENTRY, entry)
        (place / BUNDLE).symlink_to(Path("..", "..", CANDIDATES, candidate.name, BUNDLE))
        part = self.folder / f".{CURRENT}.part"
        part.unlink(missing_ok=True)
        part.symlink_to(Path(HISTORY, place.name, BUNDLE))
        part.replace(self.current)
        return entry
