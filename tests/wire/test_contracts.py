"""The contract for people names everything that the contract for machines has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from streamer import errors
from streamer.records import Action, State, Task
from streamer.wire.schemas import asyncapi

TEXT = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text()
NAMED = set(re.findall(r"`([^`\s]+)`", TEXT))
SCHEMAS: dict[str, dict[str, Any]] = asyncapi()["components"]["schemas"]


@pytest.mark.parametrize("record", sorted(name for name, schema in SCHEMAS.items() if "properties" in schema))
def test_every_field_is_explained(record: str) -> None:
    assert sorted(set(SCHEMAS[record]["properties"]) - NAMED - {"ce_specversion", "content-type"}) == []


@pytest.mark.parametrize("values", [Task, Action, State])
def test_every_value_is_explained(values: type[Task] | type[Action] | type[State]) -> None:
    assert sorted({value.value for value in values} - NAMED) == []


def test_every_reason_of_a_dead_letter_is_listed() -> None:
    poison = {kind.reason for kind in subclasses(errors.PoisonError)} - {"undecodable"}
    assert sorted(poison - NAMED) == []


def subclasses(kind: type[errors.EarshotError]) -> set[type[errors.EarshotError]]:
    return {below for direct in kind.__subclasses__() for below in {direct, *subclasses(direct)}}
