"""`earshot verify` as a person and a script call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from engines.bundle import read_manifest, save_manifest
from engines.data.public.manifest import write_dataset
from engines.data.samples import sample_clips
from streamer.cli import app
from tests.imports import ROOT
from tests.test_architecture import IMPORT_WITHOUT

QUICK = ("--inputs", "16", "--batches", "8")

WITHOUT_TRAINING = IMPORT_WITHOUT + "\nfrom streamer.cli import main\nsys.argv = ['earshot', *RUN]\nmain()\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three clips, one of them for the test."""
    folder = tmp_path_factory.mktemp("data")
    with sample_clips() as (samples, rows):
        chosen = [msgspec.structs.replace(rows[0], split="train"), *rows[1:3]]
        for row in chosen:
            row.path(folder).write_bytes(row.path(samples).read_bytes())
    write_dataset(folder, chosen, made_with={}, licences={})
    return folder


def test_an_engine_against_itself_on_samples() -> None:
    done = CliRunner().invoke(app, ["verify", "world", "--runner", "ort", "--against", "ort", *QUICK, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["ok"] and report["reasons"] == [] and report["inputs"]["count"] == 16
    assert [task["verdicts"] for task in report["tasks"]] == [16, 16, 16]
    assert report["growth"][0]["batches"] == 4
    assert "inputs 16 of 16" in done.stderr and "batches 8 of 8" in done.stderr


def test_a_bundle_against_another_on_clips(data: Path) -> None:
    done = CliRunner().invoke(app, ["verify", "world", "--against", "world", "--data", str(data), "--batches", "0"])
    assert done.exit_code == 0, done.output
    assert f"2 inputs: clips of {data}" in done.stdout and "0 of 2" in done.stdout
    assert "not watched" in done.stdout and done.stdout.rstrip().endswith("passed")


@pytest.mark.train
def test_a_bundle_that_decides_otherwise_is_exit_code_1_with_reasons(broken_bundle: Path) -> None:
    import onnx

    graph = onnx.load(broken_bundle / "fusion.onnx")
    (logits,) = [output for node in graph.graph.node for output in node.output if output == "logits_NK"]
    for node in graph.graph.node:
        node.output[:] = ["upright_NK" if output == logits else output for output in node.output]
    graph.graph.node.append(onnx.helper.make_node("Neg", ["upright_NK"], [logits]))
    onnx.save(graph, broken_bundle / "fusion.onnx")
    save_manifest(broken_bundle, read_manifest(broken_bundle))

    done = CliRunner().invoke(app, ["verify", str(broken_bundle), "--against", "world", *QUICK])
    assert done.exit_code == 1 and "\nfailed\n- " in done.stdout
    assert "verdicts flip" in done.stdout and "scores move by" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--against ENGINE or BUNDLE"),
        (("--against", "ort", "--checkpoint", str(ROOT / "README.md")), "or else --checkpoint"),
        (("--checkpoint", str(ROOT / "README.md"), "--data", "x"), "or else --checkpoint"),
        (("--against", "ort", "--runner", "abacus"), "abacus"),
    ],
)
def test_it_says_what_it_has_to_be_given(arguments: tuple[str, ...], told: str) -> None:
    wrong = CliRunner().invoke(app, ["verify", "world", *arguments])
    assert wrong.exit_code == 2 and told in " ".join(wrong.stderr.replace("│", " ").split())


@pytest.mark.parametrize("against", ["no-such-bundle", "trt"])
def test_what_is_not_there_is_one_line_and_exit_code_1(against: str) -> None:
    missing = CliRunner().invoke(app, ["verify", "world", "--against", against, "--inputs", "4"])
    assert missing.exit_code == 1 and missing.stderr.startswith("earshot: ") and missing.stderr.count("\n") == 1


def test_it_runs_where_nothing_of_training_is_installed() -> None:
    """torch, onnx and all else that only training needs cannot be imported, and the gate runs to its end."""
    forbidden = "torch,onnx,onnxscript,matplotlib,sklearn,scipy,transformers,faiss"
    command = ["verify", "world", "--against", "ort", *QUICK]
    script = f"RUN = {command!r}\n{WITHOUT_TRAINING}"
    done = subprocess.run([sys.executable, "-c", script, forbidden], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("passed")
