"""A real Apache Kafka broker: one KRaft node that tests may stop, kill, freeze and start on the same data.

The first of: the address in `EARSHOT_TEST_KAFKA` (a broker that tests may kill is always their own), a
container where a Docker daemon answers, a JVM with jars from Maven Central.
"""

from __future__ import annotations

import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.services import container
from tests.services.child import Child, free_port
from tests.services.install import ServiceMissingError
from tests.services.kafka_files import START_SECONDS, kafka_files, write_properties

#: One node, quick group changes, quick recovery after SIGKILL, and topics only when somebody asks for them.
SETTINGS: Mapping[str, str] = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    # A killed broker is let back in only after its old session has run out: 9 s by default.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "200",
    "group.consumer.min.session.timeout.ms": "500",
    "group.consumer.session.timeout.ms": "1000",
    # Transactions past their time are looked for every 10 s by default.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
    # 170 MB resident instead of 300.
    "log.cleaner.dedupe.buffer.size": "1048577",
}


class Broker(ABC):
    """A broker and what tests may do to it. `bootstrap` is its address, the same over every restart."""

    bootstrap: str

    @abstractmethod
    def start(self) -> None:
        """Starts it on its data directory and returns when it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it in good order."""

    @abstractmethod
    def kill(self) -> None:
        """Ends it by SIGKILL."""

    @abstractmethod
    def pause(self) -> None:
        """Freezes it by SIGSTOP."""

    @abstractmethod
    def resume(self) -> None:
        """Lets it go on after `pause`."""

    def restart(self) -> None:
        """Ends it in good order if it runs, and starts it on the same data."""
        self.stop()
        self.start()

    def create_topics(self, *names: str, partitions: int = 3, config: Mapping[str, str] | None = None) -> None:
        """Creates topics of one replica and returns when they can be used. Existing ones are an error."""
        topics = [NewTopic(name, partitions, 1, config=dict(config or {})) for name in names]
        admin = self.admin()  # a client that is let go of takes its requests along
        for future in admin.create_topics(topics, operation_timeout=START_SECONDS).values():
            future.result()

    def admin(self) -> AdminClient:
        """A client that asks this broker."""
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def wait_until_ready(self) -> None:
        """Returns when the broker answers a request for its topics.

        Raises:
            RuntimeError: it did not within a minute.
        """
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.admin().list_topics(timeout=5)
                return
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"Kafka at {self.bootstrap} does not answer: {error}") from error


class JvmBroker(Broker):
    """A broker of our own: a child process on a data directory below `directory`."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self._files = kafka_files()
        self._directory = directory
        self._ports = (free_port(), free_port())
        self._child: Child | None = None
        self.bootstrap = f"127.0.0.1:{self._ports[0]}"
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self._files.data, directory / "data")
        write_properties(
            directory / "server.properties",
            data=directory / "data",
            ports=self._ports,
            settings={**SETTINGS, **(settings or {})},
        )

    @property
    def pid(self) -> int:
        """Process id of the JVM."""
        return self._running().pid

    def start(self) -> None:
        """Starts the JVM; 0.9 s on two idle cores."""
        if self._child is not None and self._child.running:
            return
        log = self._directory / "broker.log"
        command = self._files.command(log, "kafka.Kafka", str(self._directory / "server.properties"))
        self._child = Child(command, log=self._directory / "console.log", cwd=self._directory)
        try:
            self._child.wait_for_port(self._ports[0], timeout_seconds=START_SECONDS)
            self.wait_until_ready()
        except BaseException:
            self._child.kill()
            raise

    def stop(self) -> None:
        """SIGTERM; 0.3 s."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """SIGKILL to the JVM."""
        self._running().kill()

    def pause(self) -> None:
        """SIGSTOP to the JVM."""
        self._running().pause()

    def resume(self) -> None:
        """SIGCONT to the JVM."""
        self._running().resume()

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("the broker was never started: call start() first")
        return self._child


class ContainerBroker(Broker):
    """A broker of our own in a container of Apache Kafka's official image."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        self._container = container.create_kafka(port, {**SETTINGS, **(settings or {})})

    def start(self) -> None:
        """Starts the container."""
        self._container.start()
        self.wait_until_ready()

    def stop(self) -> None:
        """SIGTERM; data stay."""
        self._container.stop()

    def kill(self) -> None:
        """SIGKILL; data stay."""
        self._container.kill()

    def pause(self) -> None:
        """Freezes every process of the container."""
        self._container.pause()

    def resume(self) -> None:
        """Thaws the container."""
        self._container.resume()


class GivenBroker(Broker):
    """A broker that somebody else runs. It can be asked, not harmed."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def start(self) -> None:
        """Checks that it answers.

        Raises:
            ServiceMissingError: nobody is there.
        """
        try:
            self.wait_until_ready()
        except RuntimeError as error:
            raise ServiceMissingError(f"EARSHOT_TEST_KAFKA={self.bootstrap}: {error}") from error

    def stop(self) -> None:
        """Leaves it as it is."""

    def kill(self) -> None:
        """Refuses."""
        self._refuse()

    def pause(self) -> None:
        """Refuses."""
        self._refuse()

    def resume(self) -> None:
        """Refuses."""
        self._refuse()

    def _refuse(self) -> None:
        raise RuntimeError("the broker of EARSHOT_TEST_KAFKA is not ours to harm: use the fixture own_broker")


def private_broker(directory: Path, settings: Mapping[str, str] | None = None) -> Broker:
    """A broker that nobody else uses, not yet started."""
    return ContainerBroker(settings) if container.image_ready() else JvmBroker(directory, settings)


def shared_broker(directory: Path) -> Broker:
    """The broker for all tests that only talk to it, not yet started."""
    given = os.environ.get("EARSHOT_TEST_KAFKA")
    return GivenBroker(given) if given else private_broker(directory)
