"""Poison at every stage: the event ends as the contract says, and its neighbours are judged as if it were not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from engines.runner import RunnerError
from streamer import wire
from streamer.assemble import Parts, open_parts
from streamer.records import TASKS, Message, State
from tests.stream.faulty import failing
from tests.stream.shop import Shop, event, garbage, message, settings

MOST_BYTES = 2**20
LONG_TITLE = " ".join(["red star"] * 20)


@pytest.fixture(scope="module")
def parts(clips: list[Path]) -> Iterator[Parts]:
    folder = clips[0].parent
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "large.mp4").write_bytes(b"\0" * (MOST_BYTES + 1))
    whole = clips[0].read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    with open_parts(settings(fetch__file_roots=[str(folder)], fetch__max_bytes=MOST_BYTES)) as parts:
        yield parts


def judged_beside(parts: Parts, clips: list[Path], poison: Message, **overrides: Any) -> Shop:
    """The poison between two sound events; checks that these are decided and that the partition went on."""
    before, after = (message(event(n, clips[n].as_uri()), n) for n in (0, 2))
    shop = Shop(parts.pipeline, [before, poison, after], **overrides)
    shop.run_all()
    decided = {key for key, verdict in shop.verdicts().items() if verdict.state == State.DECIDED}
    assert {(f"e{n}", task) for n in (0, 2) for task in TASKS[:2]} <= decided
    assert shop.stream.offsets == {(poison.position.topic, 0): 3}
    return shop


@pytest.mark.parametrize(
    "value", [b"", b"\xff\xfe", b"{", b"null", b"[" * 10_000, b'{"video_id": NaN}', b'{"video_id": "v"}']
)
def test_bytes_that_are_no_event_are_a_dead_letter(parts: Parts, clips: list[Path], value: bytes) -> None:
    shop = judged_beside(parts, clips, garbage(value, 1))
    (letter,) = shop.letters()
    assert letter.header("dlq.reason") == "malformed_event"
    assert (letter.value, letter.key, letter.header("dlq.offset")) == (value, b"k", "1")


@pytest.mark.parametrize(
    ("uri", "changes", "reason"),
    [
        ("file:///etc/passwd", {}, "forbidden_uri"),
        ("gopher://host/x", {}, "forbidden_uri"),
        ("http://169.254.169.254/latest", {}, "forbidden_uri"),
        ("{folder}/nothing.mp4", {}, "missing_object"),
        ("{folder}/large.mp4", {}, "too_large"),
        ("{folder}/5-00000.mp4", {"sha256": "0" * 64}, "content_mismatch"),
        ("{folder}/5-00000.mp4", {"size_bytes": 1}, "content_mismatch"),
    ],
)
def test_what_cannot_be_fetched_is_a_dead_letter(
    parts: Parts, clips: list[Path], uri: str, changes: dict[str, Any], reason: str
) -> None:
    poison = message(event(1, uri.format(folder=clips[0].parent.as_uri()), **changes), 1)
    shop = judged_beside(parts, clips, poison)
    (letter,) = shop.letters()
    assert letter.header("dlq.reason") == reason
    assert (letter.key, letter.value) == (poison.key, poison.value)


@pytest.mark.parametrize("name", ["text.mp4", "empty.mp4", "truncated.mp4"])
def test_media_that_do_not_decode_are_a_verdict_that_says_so(parts: Parts, clips: list[Path], name: str) -> None:
    shop = judged_beside(parts, clips, message(event(1, (clips[0].parent / name).as_uri()), 1))
    assert shop.letters() == []
    found = [verdict for (event_id, _), verdict in shop.verdicts().items() if event_id == "e1"]
    assert [verdict.task for verdict in found] == list(TASKS[:2])
    for verdict in found:
        assert verdict.state == State.UNDECODABLE
        assert verdict.reason
        assert verdict.lineage.content_sha256


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RunnerError("out of memory"), "engine_failed"), (ZeroDivisionError("a bug"), "internal_error")],
)
def test_of_a_batch_only_the_case_that_an_engine_fails_on_is_tried_again_and_given_up(
    parts: Parts, clips: list[Path], error: Exception, reason: str
) -> None:
    together = {"batch__max_wait_seconds": 5.0, "batch__max_cases": 3, "retry__max_attempts": 2}
    poison = message(event(1, clips[1].as_uri(), title=LONG_TITLE), 1)
    with ExitStack() as stack:
        options = settings(fetch__file_roots=[str(clips[0].parent)])
        particular = failing(parts, stack, options, error, lambda inputs: inputs["ids_NL"].shape[1] > 20)
        shop = judged_beside(particular, clips, poison, **together)
        (retry,) = shop.retries()
        assert retry.header("retry.reason") == reason
        again = Shop(particular.pipeline, [retry], retry__max_attempts=2)
        again.unix.advance(10_000)
        again.run_all()
    (letter,) = again.letters()
    assert letter.header("dlq.reason") == "retries_exhausted"
    assert reason in (letter.header("dlq.error") or "")
    assert wire.letter_position(letter) == poison.position
