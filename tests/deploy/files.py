"""What the container files say: stages and instructions of the Dockerfile, services of the compose file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Stage:
    """One `FROM` and what follows. said: instruction and argument, continuation lines joined."""

    name: str
    base: str
    said: tuple[tuple[str, str], ...]

    def arguments(self, instruction: str) -> list[str]:
        return [argument for name, argument in self.said if name == instruction]

    def the(self, instruction: str) -> str:
        (argument,) = self.arguments(instruction)
        return argument

    @property
    def variables(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+)=(\S*)", " ".join(self.arguments("ENV"))))

    @property
    def copied(self) -> list[tuple[list[str], str]]:
        """Sources from the repository, and where each instruction puts them."""
        words = [argument.split() for argument in self.arguments("COPY") if "--from" not in argument]
        return [(sources, target) for *sources, target in words]


def stages() -> dict[str, Stage]:
    """Stages by name, in the order of the file; the last is what is built where no target is named."""
    text = (DEPLOY / "Dockerfile").read_text()
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    found: list[tuple[str, str, list[tuple[str, str]]]] = []
    for line in filter(str.strip, text.splitlines()):
        instruction, argument = line.split(None, 1)
        if instruction == "FROM":
            base, _, name = argument.partition(" AS ")
            found.append((name, base, []))
        else:
            found[-1][2].append((instruction, " ".join(argument.split())))
    return {name: Stage(name, base, tuple(said)) for name, base, said in found}


STAGES = stages()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
VOLUMES: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"]


def stage_of(service: str) -> Stage:
    """The stage that the service's image is built from."""
    return STAGES[SERVICES[service]["build"]["target"]]


def started(profiles: set[str]) -> set[str]:
    """The services that `docker compose up` starts: those of a profile, and those that name none."""
    return {name for name, found in SERVICES.items() if not (own := set(found.get("profiles", ()))) or own & profiles}


def default_profiles() -> set[str]:
    """What Compose takes where no --profile is given: it reads `.env` beside the file."""
    lines = (DEPLOY / ".env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return set(values["COMPOSE_PROFILES"].split(","))
