"""Heads that people taught: kept in a file to the bit that matters, silent about what they cannot know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from engines.active.kernel import KernelHead
from engines.calibration import TaskCalibration
from engines.taught import TAUGHT, Head, Taught, apart, untaught

D = 6


def head(*senses: str, L: int = 5, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    means = {sense: 0.1 * rng.standard_normal(D).astype(np.float32) for sense in senses}
    rows = {sense: apart(rng.standard_normal((L, D)), means[sense]).astype(np.float16) for sense in senses}
    weight_L = rng.standard_normal(L).astype(np.float32)
    return Head(means, {sense: row.astype(np.float32) for sense, row in rows.items()}, weight_L, -0.25)


def views(*senses: str, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {sense: rng.standard_normal(D).astype(np.float16) for sense in senses}


def test_log_odds_are_those_of_a_kernel_head_on_what_differs_from_the_mean() -> None:
    taught, video = head("vision", "audio"), views("vision", "audio", "text")
    features = [apart(video[sense][None], taught.mean_D[sense]) for sense in ("vision", "audio")]
    rows = np.concatenate([taught.row_LD["vision"], taught.row_LD["audio"]], axis=1)
    kernel = KernelHead((D, D), label_LF=rows, weight_L=taught.weight_L, bias=-0.25)
    assert taught.logits([video])[0] == pytest.approx(kernel.logits(np.concatenate(features, axis=1))[0], abs=1e-6)
    assert taught.senses == ("vision", "audio")


def test_length_of_a_view_does_not_matter() -> None:
    taught, video = head("audio"), views("audio")
    longer = {"audio": (3 * video["audio"]).astype(np.float32)}
    np.testing.assert_allclose(taught.logits([video, longer]), taught.logits([video])[0], atol=1e-3)


def test_a_sense_that_is_missing_is_like_nothing_and_without_any_nothing_is_known() -> None:
    taught = head("vision", "audio")
    both, seen, neither = taught.logits([views("vision", "audio"), views("vision"), views("text")])
    assert np.isnan(neither) and np.isfinite([both, seen]).all() and both != seen
    rows = taught.row_LD["vision"] / np.linalg.norm(taught.row_LD["vision"], axis=1, keepdims=True)
    cosine_L = apart(views("vision")["vision"][None], taught.mean_D["vision"]) @ rows.T
    by_hand = ((cosine_L + cosine_L**2) / 4) @ taught.weight_L - 0.25
    assert seen == pytest.approx(by_hand[0], abs=1e-6)


def test_heads_come_back_from_their_file(tmp_path: Path) -> None:
    heads = {"vaping": head("vision"), "scam-calls": head("audio", "text", L=9, seed=3)}
    Taught(heads).save(tmp_path / "taught.safetensors")
    found = Taught.load(tmp_path / "taught.safetensors", {name: one.senses for name, one in heads.items()}, D)
    video = [views("vision", "audio", "text", seed=seed) for seed in range(4)]
    for name, one in heads.items():
        np.testing.assert_array_equal(found.heads[name].logits(video), one.logits(video))


@pytest.mark.parametrize(
    ("senses", "width", "said"),
    [
        ({"vaping": ("audio",)}, D, "expected"),
        ({"vaping": ("vision",), "more": ("vision",)}, D, "expected"),
        ({"vaping": ("vision",)}, D + 1, "expected 7 wide"),
    ],
)
def test_a_file_that_does_not_fit_its_manifest_is_refused(
    tmp_path: Path, senses: dict[str, tuple[str, ...]], width: int, said: str
) -> None:
    Taught({"vaping": head("vision")}).save(tmp_path / "taught.safetensors")
    with pytest.raises(ValueError, match=said):
        Taught.load(tmp_path / "taught.safetensors", senses, width)


@pytest.mark.parametrize("content", [b"", b"no tensors at all"])
def test_what_is_no_file_of_heads_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "taught.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="taught"):
        Taught.load(tmp_path / "taught.safetensors", {}, D)


def test_rows_that_do_not_fit_their_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "taught.safetensors"
    Taught({"vaping": head("vision")}).save(path)
    arrays = load_file(path)
    arrays["vaping/weights"] = arrays["vaping/weights"][:2]
    save_file(arrays, path, {"schema": "earshot-taught/1"})
    with pytest.raises(ValueError, match="for 2 weights"):
        Taught.load(path, {"vaping": ("vision",)}, D)


def test_a_bundle_with_other_tokens_forgets_what_was_taught() -> None:
    by_tower, by_people = {"vision": TaskCalibration()}, {TAUGHT: TaskCalibration(bias=1)}
    categories = {"adult": {"violent": by_tower, "vaping": by_people}, "clickbait": {"scam": by_people}}
    assert untaught(categories) == {"adult": {"violent": by_tower}, "clickbait": {}}


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("vaping/bias", np.zeros(0, np.float32), "bias of shape"),
        ("vaping/weights", np.array(1, np.float32), "for 1 weights"),
        ("vaping/weights", np.ones((5, 1), np.float32), "expected a row"),
        ("vaping/vision/mean", np.ones((D, D), np.float32), "expected a row"),
        ("vaping/weights", np.full(5, np.nan, np.float32), "not finite"),
        ("vaping/vision/mean", np.full(D, np.inf, np.float32), "not finite"),
    ],
)
def test_heads_that_are_broken_are_refused(tmp_path: Path, name: str, array: np.ndarray, said: str) -> None:
    path = tmp_path / "taught.safetensors"
    Taught({"vaping": head("vision")}).save(path)
    save_file(load_file(path) | {name: array}, path, {"schema": "earshot-taught/1"})
    with pytest.raises(ValueError, match=said):
        Taught.load(path, {"vaping": ("vision",)}, D)
