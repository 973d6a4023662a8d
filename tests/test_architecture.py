"""What may import what, and how large a file may grow: the shape of the code, kept by a test."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.imports import ROOT, Module, cycles, modules, within

STREAMER, ENGINES = modules("streamer"), modules("engines")
ALL = {**STREAMER, **ENGINES}

#: What the stream may know of the engines; all else is for training and needs torch.
INFERENCE = (
    "engines.spec",
    "engines.bundle",
    "engines.calibration",
    "engines.known",
    "engines.manifest",
    "engines.taught",
    "engines.runner",
    "engines.ort",
    "engines.trt",
    "engines.engine_set",
    "engines.opening",
)
BEYOND_INFERENCE = {
    "streamer.cli": ("engines.cli",),  # one command mounts both
    # clips of known truth
    "streamer.cli.demo": ("engines.data.world", "engines.data.samples", "engines.data.public.manifest"),
    "streamer.cli.ab": ("engines.outcomes", "engines.data.rows"),
    "streamer.cli.pilot": ("engines.pilot", "engines.teaching", "engines.data.rows"),
    "streamer.bench": ("engines.data.world",),
    "streamer.cli.bench": ("engines.gpu.machine",),
    "streamer.bench.gpu": ("engines.build", "engines.gpu", "engines.measure", "engines.data"),
}

#: Stands for somebody else's program: what the stream is measured against.
PEER = "streamer.bench.peer_consumer"

#: Systems of others, and the only modules that may import them.
HOMES = {
    "av": ("streamer.decode", "engines.data", PEER),
    "confluent_kafka": ("streamer.kafka", PEER),
    "redis": ("streamer.cache.redis",),
    "obstore": ("streamer.fetch",),
    "httpcore2": ("streamer.fetch",),
    "prometheus_client": ("streamer.metrics", "streamer.admin"),
    "onnxruntime": ("engines.ort", "engines.activations", "engines.precision", "engines.testing", PEER),
    "tensorrt": ("engines.gpu.trt_library",),
    "tensorrt_bindings": ("engines.gpu.trt_library",),
    "cuda": ("engines.gpu.cuda",),
    "tokenizers": ("engines.tokenizer",),
    "faiss": ("engines.active.hnsw",),
    "torch": (
        "engines.models",
        "engines.training",
        "engines.active",
        "engines.privacy",
        "engines.export",
        "engines.reference",
        "engines.measure",
    ),
    "onnx": (
        "engines.precision",
        "engines.export",
        "engines.quantise",
        "engines.activations",
        "engines.training.integers",
        "engines.training.bundle_words",
        "engines.verify",
        "engines.learn.stored",
        "engines.build",
        "engines.measure",
        "engines.models.pretrained",
    ),
    # settings reads, schemas writes
    "yaml": ("streamer.settings", "streamer.wire.schemas"),
}

#: Their wheels break beside the pinned torch, or they run code that a file brings along.
FORBIDDEN = ("torchvision", "torchaudio", "torchcodec", "timm", "open_clip", "pickle", "cPickle", "dill", "cloudpickle")

MOST_FILE_LINES = 300
MOST_FUNCTION_LINES = 45


@pytest.mark.parametrize("package", ["streamer", "engines"])
def test_no_module_imports_itself_by_a_detour(package: str) -> None:
    assert cycles({name: module.at_start for name, module in modules(package).items()}) == []


def test_a_cycle_would_be_found() -> None:
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"}), "d": frozenset({"a"})}
    assert cycles(graph) == [["a", "b", "c"]]


def test_engines_know_nothing_of_the_stream() -> None:
    assert {name: found for name, one in ENGINES.items() if (found := _imports(one, ("streamer",)))} == {}


def test_the_stream_knows_of_engines_only_how_to_run_them() -> None:
    def strange(module: Module) -> list[str]:
        more = [one for place, some in BEYOND_INFERENCE.items() if within(module.name, (place,)) for one in some]
        return [name for name in _imports(module, ("engines",)) if not within(name, (*INFERENCE, *more))]

    assert {name: found for name, one in STREAMER.items() if (found := strange(one))} == {}


@pytest.mark.parametrize("system", HOMES)
def test_each_system_of_others_has_one_home(system: str) -> None:
    guests = [name for name, one in ALL.items() if _imports(one, (system,)) and not within(name, HOMES[system])]
    assert guests == [], f"{system} may be imported by {HOMES[system]} only"


def test_nothing_forbidden_is_imported() -> None:
    assert {name: found for name, one in ALL.items() if (found := _imports(one, FORBIDDEN))} == {}


def test_only_settings_reads_the_environment() -> None:
    ways = {"environ", "environb", "getenv", "getenvb"}
    readers = {
        name
        for name, one in ALL.items()
        for node in ast.walk(one.tree)
        if isinstance(node, ast.Attribute) and node.attr in ways
    }
    assert readers <= {"streamer.settings"}


def test_files_stay_small() -> None:
    lines = {name: len(one.path.read_text().splitlines()) for name, one in ALL.items()}
    assert {name: count for name, count in lines.items() if count > MOST_FILE_LINES} == {}


def test_functions_stay_small() -> None:
    long = {
        f"{name}.{node.name}": lines
        for name, one in ALL.items()
        for node in ast.walk(one.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := _lines(node)) > MOST_FUNCTION_LINES
    }
    assert long == {}


def _imports(module: Module, packages: tuple[str, ...]) -> list[str]:
    return [name for name in module.anywhere if within(name, packages)]


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Physical lines without the docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


IMPORT_WITHOUT = """
import importlib, sys

class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not installed with the runtime")

FORBIDDEN = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Forbid())
for name in sys.argv[2:]:
    importlib.import_module(name)
    print(name, flush=True)
"""


def test_the_stream_starts_without_what_training_needs() -> None:
    training_only = "torch,torchvision,onnx,onnxscript,matplotlib,transformers,tensorrt"
    wanted = [name for name in STREAMER if not name.endswith("__main__")]
    command = [sys.executable, "-c", IMPORT_WITHOUT, training_only, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"after {done.stdout.split()[-1:]}: {done.stderr}"


def test_plans_are_built_and_run_without_what_training_needs() -> None:
    training_only = "torch,torchvision,onnxscript,matplotlib,transformers,scipy,sklearn"
    wanted = ["engines.trt", "engines.build", "engines.answers", "engines.data.feeds"]
    command = [sys.executable, "-c", IMPORT_WITHOUT, training_only, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"after {done.stdout.split()[-1:]}: {done.stderr}"


def test_the_command_line_loads_nothing_heavy_before_a_command_runs() -> None:
    heavy = "torch,av,onnxruntime,confluent_kafka,redis,faiss,sklearn"
    command = [sys.executable, "-c", IMPORT_WITHOUT, heavy, "streamer.cli"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
