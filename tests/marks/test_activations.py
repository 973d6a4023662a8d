"""Activations in 8 bits: what integers change, what is left alone, and that without them it is the same graph again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import msgspec  # noqa: E402
import onnx  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from engines.activations import compute_in_integers, with_float_weights, without_integers  # noqa: E402
from engines.bundle import Bundle, read_manifest  # noqa: E402
from engines.data.world import render_world  # noqa: E402
from engines.export import exported  # noqa: E402
from engines.models.rounding import round_weights  # noqa: E402
from engines.ort import OrtOptions, OrtRunner  # noqa: E402
from engines.quantise import store_small  # noqa: E402
from engines.reference import TorchRunner  # noqa: E402
from engines.spec import GraphSpec, Range, TensorSpec  # noqa: E402
from streamer.cli import app  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow]


class Eye(nn.Module):
    """A residual block as towers have them, and a product that is not to be touched."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.each = nn.Conv2d(32, 32, 3, padding=1, groups=32)  # 288 weights: too few to be stored in 8 bits
        self.product = nn.Linear(32, 64)

    def forward(self, frames_FCHW: Tensor) -> Tensor:
        """uint8 (F, 3, 16, 16) -> float32 (F, 64)."""
        x_FCHW = self.first(frames_FCHW.to(torch.float32) / 255).clamp(0, 6)
        x_FCHW = (x_FCHW + self.second(x_FCHW)).relu()
        out_FD: Tensor = self.product(self.each(x_FCHW).mean((2, 3)))
        return out_FD


SPEC = GraphSpec(
    "vision",
    (TensorSpec("frames_FCHW", "uint8", ("F", 3, 16, 16)),),
    (TensorSpec("tokens_FD", "float32", ("F", 64)),),
    {"F": Range(1, 8, 64)},
)


def pictures(seed: int) -> dict[str, np.ndarray]:
    return {"frames_FCHW": np.random.default_rng(seed).integers(0, 256, (8, 3, 16, 16), np.uint8)}


@pytest.fixture(scope="module")
def eye() -> nn.Module:
    torch.manual_seed(0)
    return Eye().eval()


@pytest.fixture(scope="module")
def small(eye: nn.Module) -> onnx.ModelProto:
    return store_small(exported(eye, SPEC))


@pytest.fixture(scope="module")
def integer(small: onnx.ModelProto) -> onnx.ModelProto:
    return compute_in_integers(small, [pictures(seed) for seed in range(8)])


def ran(model: onnx.ModelProto, path: Path, *, integers: bool = False) -> np.ndarray:
    onnx.save(model, path)
    with OrtRunner(path, SPEC, OrtOptions(integers=integers)) as runner:
        return runner(pictures(99))["tokens_FD"]


def test_integers_say_nearly_the_same_and_not_the_same(
    small: onnx.ModelProto, integer: onnx.ModelProto, tmp_path: Path
) -> None:
    exact, near = ran(small, tmp_path / "a.onnx"), ran(integer, tmp_path / "b.onnx", integers=True)
    assert 0 < np.abs(exact - near).max() <= 0.1 * np.abs(exact).max()


def test_convolutions_are_computed_in_integers_and_products_are_not(integer: onnx.ModelProto) -> None:
    producers = {node.output[0]: node.op_type for node in integer.graph.node}
    sources = {node.op_type: [producers.get(name) for name in node.input[:2]] for node in integer.graph.node}
    assert sources["Conv"] == ["DequantizeLinear", "DequantizeLinear"]
    assert sources["Gemm"][0] != "DequantizeLinear" and sources["Gemm"][1] == "DequantizeLinear"


def test_without_integers_it_is_the_network_with_rounded_weights(
    eye: nn.Module, integer: onnx.ModelProto, tmp_path: Path
) -> None:
    plain = without_integers(integer)
    assert not any(node.op_type == "QuantizeLinear" for node in plain.graph.node)
    network = Eye().eval()
    network.load_state_dict(eye.state_dict())
    round_weights(network, convolutions=True)
    wanted = TorchRunner(network, SPEC)(pictures(99))["tokens_FD"]
    assert np.abs(ran(plain, tmp_path / "plain.onnx") - wanted).max() <= 1e-5


def test_float_weights_have_the_stored_values(small: onnx.ModelProto, tmp_path: Path) -> None:
    plain = with_float_weights(small)
    assert Counter(node.op_type for node in plain.graph.node)["DequantizeLinear"] == 0
    assert np.array_equal(ran(plain, tmp_path / "a.onnx"), ran(small, tmp_path / "b.onnx"))


def test_what_cannot_be_measured_or_has_no_convolution_is_refused(small: onnx.ModelProto) -> None:
    with pytest.raises(ValueError, match="came no clips"):
        compute_in_integers(small, [])
    product = exported(
        nn.Sequential(nn.Linear(4, 4)).eval(),
        GraphSpec(
            "text",
            (TensorSpec("x_FD", "float32", ("F", 4)),),
            (TensorSpec("y_FD", "float32", ("F", 4)),),
            {"F": Range(1, 2, 4)},
        ),
    )
    with pytest.raises(ValueError, match="without convolutions"):
        compute_in_integers(product, [{"x_FD": np.zeros((2, 4), np.float32)}])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of eight clips of the world, half of them for tests."""
    folder = tmp_path_factory.mktemp("clips")
    truths = render_world(folder, clips=8, seed=5)
    rows = [f"{folder / truth.file},{'test' if n % 2 else 'train'}" for n, truth in enumerate(truths)]
    (folder / "labels.csv").write_text("uri,split\n" + "\n".join(rows) + "\n")
    made = CliRunner().invoke(app, ["dataset", "check", str(folder / "labels.csv"), "--out", str(folder / "data")])
    assert made.exit_code == 0, made.output
    return folder / "data"


def test_a_bundle_in_integers_is_another_bundle_that_decides_alike(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    done = CliRunner().invoke(
        app, ["quantise", "world", "--data", str(clips), "--out", str(out), "--graph", "vision", "--json"]
    )
    assert done.exit_code == 0, done.output
    told, bundle, world = json.loads(done.stdout), Bundle.load(out), Bundle.load("world")
    assert told["id"] == bundle.id != world.id
    assert bundle.integers == {"vision"} and bundle.training["integers"]["clips"] == 4
    assert bundle.fingerprint("vision") != world.fingerprint("vision")
    assert bundle.fingerprint("audio") == world.fingerprint("audio")

    verify = ["verify", str(out), "--against", "world", "--data", str(clips), "--batches", "40", "--json"]
    compared = CliRunner().invoke(app, verify)
    result = json.loads(compared.stdout)
    assert [task["verdicts"] for task in result["tasks"]] == [4, 4, 4]
    assert all(0 < task["worst"] < 0.5 for task in result["tasks"])
    assert result["ok"] == (sum(task["flips"] for task in result["tasks"]) == 0) == (compared.exit_code == 0)

    again = CliRunner().invoke(
        app, ["quantise", str(out), "--data", str(clips), "--out", str(out), "--graph", "vision"]
    )
    assert again.exit_code == 1 and "in integers already" in again.stderr


def test_a_manifest_knows_which_graphs_there_are() -> None:
    manifest = read_manifest(Bundle.load("world").path)
    with pytest.raises(ValueError, match="integers"):
        msgspec.convert({**msgspec.to_builtins(manifest), "integers": ["smell"]}, type(manifest))
