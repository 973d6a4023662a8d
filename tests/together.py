"""Slow tests that share what is costly to make go to one process, so that it is made once.

The marker `xdist_group` would say so, too, but with pytest 9.2 xdist 3.8 does not heed it: it renames tests by an
attribute that pytest no longer reads.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: File -> the name of what its tests share.
SHARED = {
    "tests/engines/data/test_compose.py": "a composed dataset",
    "tests/engines/learn/test_learn.py": "a trained candidate",
    "tests/engines/test_shipped_world.py": "an unseen world",
    "tests/engines/training/test_extract.py": "extracted features",
    "tests/marks/test_bundle.py": "the marked bundle",
    "tests/marks/test_quantise.py": "the marked bundle",
    "tests/marks/test_starter.py": "a starter with random weights",
    "tests/marks/test_stream.py": "the marked bundle",
    "tests/media/test_zoo.py": "the decoded zoo",
}


class TogetherScheduling(LoadScopeScheduling):
    """One by one to whoever is free, but for what belongs together."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARED.get(nodeid.partition("::")[0], nodeid)
