"""A bundle loads only when it is whole and for this version; every refusal names both sides."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.bundle import SHIPPED, Bundle, BundleError, shipped
from engines.manifest import MANIFEST, TOKENIZER
from engines.spec import GRAPHS, TASKS

Edit = Callable[..., None]


def test_shipped_bundle_is_small_and_whole(world_bundle: Bundle) -> None:
    assert world_bundle.size_bytes <= 2_000_000
    assert world_bundle.name == "world"
    assert set(world_bundle.thresholds) == set(TASKS)
    assert world_bundle.licence == "Apache-2.0"
    assert world_bundle.training["seed"] is not None
    assert "world" in shipped()


def test_loads_by_name_and_by_folder(world_bundle: Bundle) -> None:
    assert Bundle.load(SHIPPED / "world").id == world_bundle.id
    assert Bundle.load(str(SHIPPED / "world")).id == world_bundle.id


def test_a_copy_has_the_same_id(world_bundle: Bundle, broken_bundle: Path) -> None:
    copy = Bundle.load(broken_bundle)
    assert copy.id == world_bundle.id
    assert copy.path == broken_bundle


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(BundleError, match=r"'wrold'.*shipped are \[.*'world'"):
        Bundle.load("wrold")


@pytest.mark.parametrize("name", [f"{graph}.onnx" for graph in GRAPHS] + [TOKENIZER])
def test_changed_file_is_refused(broken_bundle: Path, name: str) -> None:
    content = bytearray((broken_bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (broken_bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} has sha256 [0-9a-f]{{64}}, {MANIFEST} says [0-9a-f]{{64}}"):
        Bundle.load(broken_bundle)


@pytest.mark.parametrize("name", [f"{graph}.onnx" for graph in GRAPHS] + [TOKENIZER])
def test_missing_file_is_refused(broken_bundle: Path, name: str) -> None:
    (broken_bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing, expected a file with sha256"):
        Bundle.load(broken_bundle)


def set_schema(document: dict[str, Any]) -> None:
    document["schema"] = 99


def set_scheme(document: dict[str, Any]) -> None:
    document["preprocessing"]["scheme"] = "centre-crop/7"


def set_pixels(document: dict[str, Any]) -> None:
    document["preprocessing"]["frame_pixels"] = 224


def set_window(document: dict[str, Any]) -> None:
    document["preprocessing"]["window_samples"] = 8_000


def set_no_frames(document: dict[str, Any]) -> None:
    document["preprocessing"]["max_frames"] = 0


def set_embedding(document: dict[str, Any]) -> None:
    document["embedding_size"] = 65


def set_tasks(document: dict[str, Any]) -> None:
    document["tasks"] = ["clickbait", "adult"]


def drop_threshold(document: dict[str, Any]) -> None:
    del document["thresholds"]["adult"]


def set_temperature(document: dict[str, Any]) -> None:
    document["calibration"]["tasks"]["adult"]["temperature"] = 0.0


def drop_calibration(document: dict[str, Any]) -> None:
    del document["calibration"]["tasks"]["relevance"]


def add_file(document: dict[str, Any]) -> None:
    document["files"]["../../passwd"] = "0" * 64


def add_field(document: dict[str, Any]) -> None:
    document["surprise"] = 1


def text_for_number(document: dict[str, Any]) -> None:
    document["preprocessing"]["sample_rate_hz"] = "16 kHz"


REFUSALS: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (set_schema, "came schema 99, this Earshot reads 1"),
    (set_scheme, "came scheme 'centre-crop/7', this Earshot prepares media as"),
    (set_pixels, r"frames_FCHW uint8\('F', 3, 64, 64\), expected uint8\('F', 3, 224, 224\)"),
    (set_window, r"windows_FS float32\('F', 15360\), expected float32\('F', 8000\)"),
    (set_no_frames, "preprocessing.max_frames: came 0, expected 1 or more"),
    (set_embedding, r"tokens_FPD float32\(.*64\), expected float32\('F', 'P', 65\)"),
    (set_tasks, r"judges \['clickbait', 'adult'\], this Earshot needs"),
    (drop_threshold, r"thresholds of \['clickbait', 'relevance'\], expected"),
    (set_temperature, "calibration of adult: came .*expected temperature > 0"),
    (drop_calibration, r"calibration: came tasks \['adult', 'clickbait'\], expected"),
    (add_file, r"lists files .*passwd.*, expected"),
    (add_field, "unknown field `surprise`"),
    (text_for_number, "Expected `int`, got `str` - at `.*sample_rate_hz`"),
]


@pytest.mark.parametrize(("change", "message"), REFUSALS, ids=[change.__name__ for change, _ in REFUSALS])
def test_manifest_that_does_not_fit_is_refused(
    broken_bundle: Path, edit_manifest: Edit, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit_manifest(change)
    with pytest.raises(BundleError, match=message):
        Bundle.load(broken_bundle)


def test_edited_manifest_contradicts_its_id(broken_bundle: Path, edit_manifest: Edit) -> None:
    def soften(document: dict[str, Any]) -> None:
        document["thresholds"]["adult"] = 0.99

    edit_manifest(soften, restate_id=False)
    with pytest.raises(BundleError, match=r"states id [0-9a-f]{64}, its content has [0-9a-f]{64}"):
        Bundle.load(broken_bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_manifest_that_is_no_json_object_is_refused(broken_bundle: Path, content: bytes) -> None:
    (broken_bundle / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=re.escape(MANIFEST)):
        Bundle.load(broken_bundle)


def test_graphs_of_another_kind_are_refused(broken_bundle: Path, edit_manifest: Edit) -> None:
    import hashlib

    for name in ("vision.onnx", "audio.onnx"):
        content = (broken_bundle / "text.onnx").read_bytes()
        (broken_bundle / name).write_bytes(content)

    def restate(document: dict[str, Any]) -> None:
        for name in document["files"]:
            document["files"][name] = hashlib.sha256((broken_bundle / name).read_bytes()).hexdigest()

    edit_manifest(restate)
    with pytest.raises(BundleError, match=r"vision has inputs \['ids_NL'.*\], expected \['frames_FCHW'\]"):
        Bundle.load(broken_bundle)


def test_bytes_that_are_no_graph_are_refused(broken_bundle: Path, edit_manifest: Edit) -> None:
    import hashlib

    (broken_bundle / "fusion.onnx").write_bytes(b"not a graph")

    def restate(document: dict[str, Any]) -> None:
        document["files"]["fusion.onnx"] = hashlib.sha256(b"not a graph").hexdigest()

    edit_manifest(restate)
    with pytest.raises(BundleError, match=r"fusion\.onnx: ONNX Runtime .* cannot load it"):
        Bundle.load(broken_bundle)


def test_fingerprints_follow_what_decides_the_tokens(
    world_bundle: Bundle, broken_bundle: Path, edit_manifest: Edit
) -> None:
    def more_frames(document: dict[str, Any]) -> None:
        document["preprocessing"]["max_frames"] += 1

    def other_threshold(document: dict[str, Any]) -> None:
        document["thresholds"]["adult"] = 0.123

    assert len({world_bundle.fingerprint(graph) for graph in GRAPHS}) == len(GRAPHS)
    edit_manifest(other_threshold)
    softened = Bundle.load(broken_bundle)
    assert softened.id != world_bundle.id
    assert all(softened.fingerprint(graph) == world_bundle.fingerprint(graph) for graph in GRAPHS)
    edit_manifest(more_frames)
    changed = Bundle.load(broken_bundle)
    assert all(changed.fingerprint(graph) != world_bundle.fingerprint(graph) for graph in GRAPHS)
