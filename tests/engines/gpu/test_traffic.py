"""Traffic: which shapes come to each graph."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from engines.bundle import Bundle, read_manifest
from engines.gpu.buckets import choose, cover
from engines.gpu.traffic import (
    SECONDS_PER_LOOK,
    TYPICAL_CASES,
    TYPICAL_SECONDS,
    longest,
    read_traffic,
    tokens_of_one,
    typical,
    write_traffic,
)
from engines.spec import GRAPHS, MARKING
from tests.engines.gpu.doubles import inputs_of, ort_of


@pytest.mark.parametrize("graph", MARKING)
def test_tokens_of_one_are_those_that_come_out(world_bundle: Bundle, graph: str) -> None:
    with ort_of(world_bundle, graph) as runner:
        (rows, tokens, _) = runner(inputs_of(world_bundle, graph, (2,)))["tokens_FPD"].shape
    assert (rows, tokens) == (2, tokens_of_one(world_bundle)[graph])


def test_a_free_number_of_tokens_is_refused(broken_bundle: Path, world_bundle: Bundle) -> None:
    free = ("F", "P", world_bundle.embedding_size)
    one, other = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, free) for name in ("x", "tokens_FPD")
    )
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["tokens_FPD"])], "free", [one], [other])
    opset = onnx.helper.make_opsetid("", 20)
    onnx.save(
        onnx.helper.make_model(graph, ir_version=9, opset_imports=[opset]),
        broken_bundle / world_bundle.graph_path("audio").name,
    )
    broken = Bundle(broken_bundle, read_manifest(broken_bundle))
    with pytest.raises(ValueError, match="audio: came a free number P of tokens for each item, plans need a fixed one"):
        tokens_of_one(broken)


def test_the_longest_is_what_sampling_can_bring(world_bundle: Bundle) -> None:
    sizes, tokens, most = world_bundle.preprocessing, tokens_of_one(world_bundle), longest(world_bundle)
    assert most.keys() == set(GRAPHS)
    assert most["vision"] == (world_bundle.graphs["vision"].ranges["F"].maximum,)
    assert most["text"] == (world_bundle.graphs["text"].ranges["N"].maximum, sizes.max_text_tokens)
    assert most["fusion"][1:] == (
        sizes.most_frames * tokens["vision"],
        sizes.max_windows * tokens["audio"],
        sizes.max_text_tokens,
    )


def test_typical_batches_are_within_the_longest(world_bundle: Bundle) -> None:
    most = longest(world_bundle)
    for graph, counts in typical(world_bundle).items():
        for _, *tokens in counts:
            assert all(size <= limit for size, limit in zip(tokens, most[graph][1:], strict=True))


def test_typical_batches_have_all_clips_of_all_lengths(world_bundle: Bundle) -> None:
    counts, frames = typical(world_bundle), world_bundle.preprocessing.max_frames
    assert counts["vision"] == {(cases * frames,): len(TYPICAL_SECONDS) for cases in TYPICAL_CASES}
    longest_seconds, P = max(TYPICAL_SECONDS), tokens_of_one(world_bundle)["vision"]
    assert max(V for _, V, *_ in counts["fusion"]) == P * longest_seconds / SECONDS_PER_LOOK > P * frames
    assert sum(counts["audio"].values()) == len(TYPICAL_CASES) * len(TYPICAL_SECONDS)
    assert {rows for rows, *_ in counts["fusion"]} == set(TYPICAL_CASES)
    without_a_modality = [shape for shape in counts["fusion"] if 1 in shape[1:]]
    assert 0 < sum(counts["fusion"][shape] for shape in without_a_modality) < sum(counts["fusion"].values())


@pytest.mark.parametrize("graph", GRAPHS)
def test_buckets_for_typical_batches_take_them_all(world_bundle: Bundle, graph: str) -> None:
    counts = typical(world_bundle)[graph]
    buckets = choose(counts, 4, longest(world_bundle)[graph])
    for rows, *tokens in counts:
        assert sum(run[0] for run in cover(rows, tuple(tokens), buckets)) >= rows


def test_counts_come_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = {
        graph: {tuple(map(int, rng.integers(1, 99, axes))): int(rng.integers(1, 9)) for _ in range(20)}
        for graph, axes in (("vision", 1), ("text", 2), ("fusion", 4))
    }
    write_traffic(tmp_path / "traffic.json", counts)
    assert read_traffic(tmp_path / "traffic.json") == counts


def test_the_same_counts_are_the_same_file(tmp_path: Path) -> None:
    write_traffic(tmp_path / "one", {"vision": {(8,): 1, (64,): 2}})
    write_traffic(tmp_path / "other", {"vision": {(64,): 2, (8,): 1}})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "expected counts of shapes by graph"),
        (b'{"vision": [[[8], 1]', "expected counts of shapes by graph"),
        (b'{"vision": {"8": 1}}', "expected counts of shapes by graph"),
        (b'{"vision": [[["8"], 1]]}', "expected counts of shapes by graph"),
        (b'{"smell": [[[8], 1]]}', r"came counts of \['smell'\], expected graphs among \['vision'"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "traffic.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path)) + ": .*" + fault):
        read_traffic(path)
