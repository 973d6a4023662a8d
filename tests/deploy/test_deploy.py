"""The container files as far as they can be tried without a container engine, and the wheel that goes into them."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.core import TyperGroup

from engines.build import Recipe
from engines.bundle import Bundle
from engines.gpu.buckets import choose
from engines.gpu.lanes import LANES
from engines.gpu.traffic import longest, tokens_of_one, typical
from engines.opening import GPU_THREADS
from streamer.assemble import event_bytes
from streamer.cli import app
from streamer.settings import load_settings
from tests.deploy.files import ROOT, SERVICES, STAGES, VOLUMES, default_profiles, stage_of, started

OURS = ("earshot", "topics", "earshot-gpu", "plans")
WORKERS = ("earshot", "earshot-gpu")
IMAGES = ("cpu", "gpu")


def environment(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    for name, value in SERVICES[service]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?.*\}", "0123456789abcdef0123456789abcdef", value))
    for name, value in stage_of(service).variables.items():
        if name.startswith("EARSHOT_"):
            monkeypatch.setenv(name, value)


def test_what_the_images_copy_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:] for line in (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for name in ("build", "build-gpu"):
        copied = {source for sources, _ in STAGES[name].copied for source in sources}
        assert copied == allowed
    assert [source for source in allowed if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_nobody_in_particular_and_says_how_it_is(image: str) -> None:
    said = STAGES[image]
    user, group = said.the("USER").split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert "/healthz" in said.the("HEALTHCHECK")
    assert json.loads(said.the("ENTRYPOINT")) == ["earshot"]
    for folder in said.the("VOLUME").split():
        assert any(f"install -d -o {user} -g {group} -m 0700" in run and folder in run for run in said.arguments("RUN"))


def test_bases_are_named_with_their_versions_and_the_last_image_is_for_the_cpu() -> None:
    assert [stage.base for stage in STAGES.values() if ":" not in stage.base and stage.base not in STAGES] == []
    assert list(STAGES)[-1] == "cpu"
    assert STAGES["gpu"].base == STAGES["build-gpu"].base == "tensorrt"
    assert re.fullmatch(r"nvcr\.io/nvidia/tensorrt:\d\d\.\d\d-py3", STAGES["tensorrt"].base)


def test_images_differ_in_what_a_gpu_needs_and_in_nothing_else() -> None:
    cpu, gpu = STAGES["cpu"], STAGES["gpu"]
    for instruction in ("USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"):
        assert cpu.the(instruction) == gpu.the(instruction)
    assert gpu.variables == cpu.variables | {
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "EARSHOT_ENGINE__KIND": "trt",
        "EARSHOT_ENGINE__PLANS": "/plans",
        "EARSHOT_ENGINE__BUILD": "false",
    }


def test_plans_are_written_by_one_service_and_only_read_by_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, "earshot-gpu")
    engine = load_settings().engine
    assert (engine.kind, engine.plans, engine.build) == ("trt", Path("/plans"), False)
    (writer,), (*_, reader) = SERVICES["plans"]["volumes"], SERVICES["earshot-gpu"]["volumes"]
    assert (writer, reader) == (f"plans:{engine.plans}", f"plans:{engine.plans}:ro")
    assert "plans" in VOLUMES
    monkeypatch.delenv("EARSHOT_ENGINE__BUNDLE")
    assert SERVICES["plans"]["command"] == ["build", load_settings().engine.bundle, "--plans", str(engine.plans)]
    assert SERVICES["plans"]["network_mode"] == "none"


@pytest.mark.parametrize("service", ["plans", "earshot-gpu"])
def test_a_service_of_the_gpu_image_is_given_one(service: str) -> None:
    assert SERVICES[service]["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]


def test_one_worker_is_started_whichever_profile_is_named() -> None:
    around = {"kafka", "redis", "topics"}
    assert started(default_profiles()) == started({"cpu"}) == around | {"earshot"}
    assert started({"gpu"}) == around | {"plans", "earshot-gpu"}


@pytest.mark.parametrize("service", [name for name in OURS if "command" in SERVICES[name]])
def test_what_a_container_runs_is_a_command_of_earshot(service: str) -> None:
    words = list(SERVICES[service]["command"])
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    command.make_context(service, words)  # raises where it does not take these


@pytest.mark.parametrize("service", OURS)
def test_the_settings_of_a_container_are_settings_of_earshot(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, service)
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.kafka.topics.replication_factor == 1
    assert settings.cache.url is not None
    assert settings.cache.url.get_secret_value() == "redis://redis:6379/0"
    assert settings.fetch.file_roots == (Path("/media"),)
    assert settings.fetch.spool_dir == Path("/spool")
    assert (settings.admin.host, settings.admin.port) == ("0.0.0.0", 8080)


@pytest.mark.parametrize("service", [*OURS, "redis"])
def test_containers_are_read_only_and_without_privileges(service: str) -> None:
    found = SERVICES[service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in found["security_opt"]
    assert found["tmpfs"]


def test_everything_waits_for_what_it_needs() -> None:
    waits = {
        name: {on: how["condition"] for on, how in found.get("depends_on", {}).items()}
        for name, found in SERVICES.items()
    }
    assert waits["topics"] == {"kafka": "service_healthy"}
    assert waits["earshot"] == {"topics": "service_completed_successfully", "redis": "service_healthy"}
    assert waits["earshot-gpu"] == waits["earshot"] | {"plans": "service_completed_successfully"}
    for waiting in waits.values():
        for name, condition in waiting.items():
            assert condition != "service_healthy" or "test" in SERVICES[name]["healthcheck"]


@pytest.mark.parametrize("service", WORKERS)
def test_the_grace_of_a_stop_is_longer_than_the_drain(service: str) -> None:
    grace_seconds = float(SERVICES[service]["stop_grace_period"].removesuffix("s"))
    assert grace_seconds > load_settings().worker.drain_seconds


@pytest.mark.parametrize("service", WORKERS)
def test_the_spool_of_a_container_holds_the_largest_video(service: str) -> None:
    spool = next(mount for mount in SERVICES[service]["tmpfs"] if mount.startswith("/spool"))
    assert "size=1g" in spool
    assert load_settings().fetch.max_bytes <= 1 << 30


def test_the_memory_of_a_container_holds_what_is_known_to_be_held() -> None:
    """As docs/operations.md adds it up, with 16 cores that decode 4K on a GPU and 11 on the CPU."""
    bundle, settings = Bundle.load("starter"), load_settings()
    worker = settings.worker
    events_mib = min(worker.max_in_flight_events * event_bytes(bundle), worker.max_in_flight_bytes) / 2**20
    mounts_mib, worker_mib, engines_mib, child_mib = 1024 + 256, 211, 277, 151
    cpu_mib = mounts_mib + events_mib + settings.cache.memory_bytes / 2**20 + worker_mib
    gpu_mib = cpu_mib + GPU_THREADS * page_locked_bytes(bundle) / 2**20
    limits_mib = {service: 1024 * int(SERVICES[service]["mem_limit"].removesuffix("g")) for service in WORKERS}
    assert page_locked_bytes(bundle) == pytest.approx(248.3 * 2**20, rel=0.01)
    assert cpu_mib + engines_mib + 11 * child_mib <= limits_mib["earshot"]
    assert 2.8 * 1024 <= limits_mib["earshot-gpu"] - gpu_mib - 16 * child_mib < 2.9 * 1024


def page_locked_bytes(bundle: Bundle) -> int:
    """Of one set of engines on a GPU, with the buckets that plans get without traffic of one's own."""
    traffic, most, tokens = typical(bundle), longest(bundle), tokens_of_one(bundle)
    found = 0
    for graph, spec in bundle.graphs.items():
        for shape in choose(traffic[graph], Recipe().most_buckets, most[graph]):
            sizes = {"P": tokens.get(graph, 0), **dict(zip(spec.ranges, shape, strict=True))}
            found += sum(
                math.prod(tensor.shape(sizes)) * np.dtype(tensor.dtype).itemsize
                for tensor in (*spec.inputs, *spec.outputs)
            )
    return LANES * found


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for found in SERVICES.values() for port in found.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_broker_of_the_tests_is_the_broker_of_the_compose_file() -> None:
    pom = (ROOT / "tests" / "services" / "pom.xml").read_text()
    version = SERVICES["kafka"]["image"].partition(":")[2]
    assert f"<version>{version}</version>" in pom


@pytest.mark.slow
def test_the_wheel_installs_and_has_all_that_is_no_code(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    source = tmp_path / "source"  # setuptools packs what an earlier build left beside the sources
    for name in ("streamer", "engines"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(source)], capture_output=True)
    assert build.returncode == 0, build.stderr.decode()
    (wheel,) = tmp_path.glob("earshot-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for package in ("streamer", "engines")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wanted if name not in packed} == set()
    assert "engines/bundles/world/bundle.json" in packed
    assert not [name for name in packed if name.startswith("tests/")]
    target = tmp_path / "installed"
    assert subprocess.run([*pip, "install", "-q", "--no-deps", "--target", str(target), str(wheel)]).returncode == 0
    code = "import streamer, pathlib; print(pathlib.Path(streamer.__file__).parents[1])"
    found = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert Path(found.stdout.strip()) == target
