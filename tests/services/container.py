"""Apache Kafka in a container, where a Docker daemon answers and can get the image."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import subprocess
from collections.abc import Mapping

from tests.services.install import run, say

IMAGE = "apache/kafka:4.4.0"
_ASK_SECONDS = 10.0
_PULL_SECONDS = 600.0


@functools.cache
def image_ready() -> bool:
    """Whether containers of Kafka can be made here: a client is not enough, the daemon has to answer."""
    docker = shutil.which("docker")
    if docker is None or run([docker, "info"], timeout_seconds=_ASK_SECONDS) is not None:
        return False
    if run([docker, "image", "inspect", IMAGE], timeout_seconds=_ASK_SECONDS) is None:
        return True
    say(f"pulling {IMAGE} (once)")
    failure = run([docker, "pull", "-q", IMAGE], timeout_seconds=_PULL_SECONDS)
    if failure:
        say(f"Docker answers but has no {IMAGE}: {failure}; using Java instead")
    return failure is None


class Container:
    """One container that keeps its data until `remove`."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        atexit.register(self.remove)

    def start(self) -> None:
        """Starts it, or starts it again on the same data."""
        _docker("start", self._identity)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL ten seconds later. A frozen container is thawed first."""
        if self._state()["Paused"]:
            self.resume()
        _docker("stop", "-t", "10", self._identity)

    def kill(self) -> None:
        """SIGKILL."""
        _docker("kill", self._identity)

    def pause(self) -> None:
        """Freezes it."""
        _docker("pause", self._identity)

    def resume(self) -> None:
        """Thaws it."""
        _docker("unpause", self._identity)

    def remove(self) -> None:
        """Ends it and forgets its data."""
        _docker("rm", "-f", "-v", self._identity)

    def _state(self) -> dict[str, object]:
        state: dict[str, object] = json.loads(_docker("inspect", "-f", "{{json .State}}", self._identity))
        return state


def create_kafka(port: int, settings: Mapping[str, str]) -> Container:
    """A container, not yet started, whose broker will be at 127.0.0.1:port."""
    node = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    environment: list[str] = []
    for key, value in {**node, **settings}.items():
        # The image's own rule: a dot becomes one underscore.
        environment += ["-e", f"KAFKA_{key.replace('.', '_').upper()}={value}"]
    return Container(_docker("create", "-p", f"127.0.0.1:{port}:{port}", *environment, IMAGE).strip())


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=_PULL_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
