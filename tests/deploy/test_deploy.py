"""The container files as far as they can be tried without a container engine, and the wheel that goes into them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.settings import load_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("earshot", "topics")


def instructions() -> list[tuple[str, str]]:
    """Instruction and argument of each line of the Dockerfile, continuation lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], " ".join(line.split(None, 1)[1].split())) for line in lines]


def environment(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    for name, value in SERVICES[service]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?.*\}", "0123456789abcdef0123456789abcdef", value))
    for instruction, argument in instructions():
        if instruction == "ENV":
            for name, value in re.findall(r"(EARSHOT_\w+)=(\S+)", argument):
                monkeypatch.setenv(name, value)


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:] for line in (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = [argument.split()[:-1] for name, argument in instructions() if name == "COPY" and "--from" not in argument]
    sources = {source for sources in copied for source in sources}
    assert sources == allowed
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is() -> None:
    said = dict(instructions())
    user, group = said["USER"].split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert "/healthz" in said["HEALTHCHECK"]
    assert json.loads(said["ENTRYPOINT"]) == ["earshot"]
    assert [argument for name, argument in instructions() if name == "FROM" and ":" not in argument] == []


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
    for waiting in waits.values():
        for name, condition in waiting.items():
            assert condition != "service_healthy" or "test" in SERVICES[name]["healthcheck"]


def test_the_grace_of_a_stop_is_longer_than_the_drain() -> None:
    grace_seconds = float(SERVICES["earshot"]["stop_grace_period"].removesuffix("s"))
    assert grace_seconds > load_settings().worker.drain_seconds


def test_the_spool_of_a_container_holds_the_largest_video() -> None:
    spool = next(mount for mount in SERVICES["earshot"]["tmpfs"] if mount.startswith("/spool"))
    assert "size=1g" in spool
    assert load_settings().fetch.max_bytes <= 1 << 30


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
