"""What a choice of --audio-privacy costs the verdicts: found where it costs something, nothing where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.data.public.manifest import Dataset, read_rows
from engines.privacy import AudioPrivacy
from engines.privacy.kept import COMPARED, compare
from tests.engines.evaluation.synthetic import ARMS, make_dataset, make_runs


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    folder = tmp_path_factory.mktemp("dataset")
    return folder, make_dataset(folder)


def test_what_is_lost_is_told_seed_by_seed(dataset: tuple[Path, Dataset], tmp_path: Path) -> None:
    folder, made = dataset
    for name, arm in (("all", "vlmae"), ("deaf", "vl")):
        make_runs(tmp_path / name, made, read_rows(folder), {"vlmae": ARMS[arm]}, seeds=2)
    choices = {AudioPrivacy.SUMMARY: tmp_path / "deaf", AudioPrivacy.ANONYMISE: tmp_path / "all"}
    found = compare(tmp_path / "all", choices, folder, arm="vlmae", replicates=50)
    assert [(one.task, one.metric) for one in found] == [*COMPARED, *COMPARED]
    deaf = {one.task: one.difference for one in found if one.audio_privacy == "summary" and one.metric == "AP"}
    assert deaf["adult"].high < 0
    assert all(one.difference.value == 0 for one in found if one.audio_privacy == "anonymise")
    assert {one.difference.seeds for one in found} == {2}


def test_an_arm_that_was_not_trained_is_named(dataset: tuple[Path, Dataset], tmp_path: Path) -> None:
    folder, made = dataset
    make_runs(tmp_path, made, read_rows(folder), {"vl": ARMS["vl"]}, seeds=1)
    with pytest.raises(ValueError, match=r"came runs of \['vl'\], expected vlmae"):
        compare(tmp_path, {AudioPrivacy.SUMMARY: tmp_path}, folder, arm="vlmae", replicates=10)
