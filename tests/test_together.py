"""What is said to belong together is there, and goes to one process."""

from __future__ import annotations

from tests.imports import ROOT
from tests.together import SHARED, TogetherScheduling


def test_every_file_is_there() -> None:
    assert [path for path in SHARED if not (ROOT / path).is_file()] == []


def test_tests_that_share_are_of_one_scope_and_others_of_their_own() -> None:
    scheduling = TogetherScheduling.__new__(TogetherScheduling)
    scopes = {
        scheduling._split_scope(f"tests/{path}")
        for path in ("marks/test_bundle.py::a[x::y]", "marks/test_quantise.py::b", "marks/test_activations.py::c")
    }
    assert scopes == {"the marked bundle", "tests/marks/test_activations.py::c"}
