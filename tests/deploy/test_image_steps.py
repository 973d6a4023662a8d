"""The steps that make the images' environments, run from the Dockerfile's own lines in a folder instead of the root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.files import ROOT, STAGES, Stage

EXTRA = " cuda-bindings onnx"

#: The one step that needs what only NVIDIA's image has.
NEEDS_THE_IMAGE = '/opt/earshot/bin/python -c "import tensorrt"'


def requirements(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"]] if not extras else []
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    return {re.split(r"[><=\[]", one)[0].lower() for one in asked}


def run_stage(stage: Stage, root: Path, *, leave_out: str) -> None:
    """What `docker build` does for a stage, below `root` and with the Python of the tests. Raises on a failed step."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    folder = root
    for instruction, argument in stage.said:
        if instruction == "ENV":
            environment |= {name: value.replace("/opt/", f"{root}/opt/") for name, value in stage.variables.items()}
            del environment["PIP_NO_CACHE_DIR"]  # it spares the image a copy; here what was fetched before may serve
        elif instruction == "WORKDIR":
            folder = root / argument.removeprefix("/")
            folder.mkdir(parents=True)
        elif instruction == "COPY":
            copy(argument.split(), folder)
        elif instruction == "RUN" and argument != leave_out:
            step = argument.replace("/opt/", f"{root}/opt/")
            done = subprocess.run(["sh", "-c", step], cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"


def copy(words: list[str], folder: Path) -> None:
    *sources, target = words
    for source in sources:
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, folder / target, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / source, folder / target)


def test_both_environments_are_made_by_the_same_steps() -> None:
    """So that one of them is enough to run: the GPU's has all that the CPU's has."""
    gpu = [step.replace(EXTRA, "") for step in STAGES["build-gpu"].arguments("RUN")]
    assert STAGES["build"].arguments("RUN") == gpu[:-2]
    assert gpu[-1] == NEEDS_THE_IMAGE
    assert STAGES["build"].copied == STAGES["build-gpu"].copied
    assert STAGES["build-gpu"].variables == STAGES["build"].variables | {"PIP_CONSTRAINT": ""}
    for build, image in (("build", "cpu"), ("build-gpu", "gpu")):
        assert f"--from={build} /opt/earshot /opt/earshot" in STAGES[image].arguments("COPY")


def test_the_gpu_image_installs_what_tensorrt_needs_beside_itself() -> None:
    assert set(EXTRA.split()) == requirements("tensorrt") - {"tensorrt"}


@pytest.mark.slow
def test_the_steps_make_an_environment_that_runs_and_leaves_tensorrt_to_the_image(tmp_path: Path) -> None:
    run_stage(STAGES["build-gpu"], tmp_path, leave_out=NEEDS_THE_IMAGE)
    home = tmp_path / "opt" / "earshot"
    (site,) = home.glob("lib/python3.*/site-packages")
    installed = {path.name.split("-")[0].replace("_", "-").lower() for path in site.glob("*.dist-info")}
    assert requirements() | set(EXTRA.split()) | {"earshot"} <= installed
    assert not [name for name in installed if name in ("pip", "torch") or name.startswith("tensorrt")]
    clean = {"PATH": f"{home}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}

    def earshot(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["earshot", *arguments], env=clean, cwd=tmp_path, capture_output=True, text=True)

    checked = earshot("bundle", "verify", "world")
    assert checked.returncode == 0, checked.stderr
    refused = earshot("build", "world", "--plans", str(tmp_path / "plans"))
    assert refused.returncode == 1 and "NVIDIA driver" in refused.stderr and "Traceback" not in refused.stderr
    code = "import onnx, site, sys; print(onnx.__file__, *sys.path[-1:], *site.getsitepackages(), sep='\\n')"
    found = subprocess.run([home / "bin" / "python", "-c", code], env=clean, capture_output=True, text=True, check=True)
    onnx, last, *sites = found.stdout.splitlines()
    assert Path(onnx).is_relative_to(site)
    assert sites[0] == str(site)
    assert last != str(site), "the environment does not see the packages of the image"
