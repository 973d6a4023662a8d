"""The store of plans: what fits is found, what does not is refused with both sides named."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engines.gpu.plans import Fit, PlanError, PlanHeader, PlanStore, StoredPlan, read_header, read_plan, stored

FIT = Fit(
    content="a" * 64,
    rewrite=1,
    graph="vision",
    precision="fp16",
    library="tensorrt-10.6.0",
    device="NVIDIA T4 sm_75",
)
MAGIC_BYTES, LENGTH_BYTES = 16, 4


def plan(
    fit: Fit = FIT, body: bytes = b"plan" * 100, buckets: tuple[tuple[int, ...], ...] = ((8,), (64,))
) -> StoredPlan:
    return stored(fit, body, buckets=buckets, fixed={"P": 4}, layers={"fp16": 20, "fp32": 3}, seconds=1.23456)


@pytest.fixture
def store(tmp_path: Path) -> PlanStore:
    return PlanStore(tmp_path / "plans")


def test_a_plan_comes_back_as_it_was_saved(store: PlanStore) -> None:
    path = store.save(plan())
    assert path.is_relative_to(store.folder)
    assert read_plan(path) == plan()
    assert read_header(path) == plan().header
    assert store.find(FIT) == plan()
    assert store.seek(FIT) == plan().header
    assert plan().header.seconds == 1.235
    assert plan().header.size_bytes == 400


def test_an_empty_store_says_what_it_looked_for(store: PlanStore) -> None:
    expected = "no plan of vision in fp16 for NVIDIA T4 sm_75 and tensorrt-10.6.0: nothing is there"
    with pytest.raises(PlanError, match=expected):
        store.find(FIT)
    assert store.seek(FIT) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("precision", "fp32"), ("library", "tensorrt-10.13.0"), ("device", "NVIDIA H100 sm_90")],
)
def test_a_foreign_plan_is_refused_with_both_sides(store: PlanStore, name: str, value: str) -> None:
    path = store.save(plan(msgspec.structs.replace(FIT, **{name: value})))
    with pytest.raises(PlanError, match=re.escape(f"{path.name} has {name} {value} (expected {getattr(FIT, name)})")):
        store.find(FIT)
    assert store.seek(FIT) is None


def test_all_that_differs_is_named(store: PlanStore) -> None:
    store.save(plan(msgspec.structs.replace(FIT, precision="bf16", device="another")))
    with pytest.raises(
        PlanError, match=r"precision bf16 \(expected fp16\), device another \(expected NVIDIA T4 sm_75\)"
    ):
        store.find(FIT)


def test_a_plan_of_other_content_in_the_same_folder_is_refused(store: PlanStore) -> None:
    """Folders have twelve digits of a fingerprint; a file may have been put there by hand."""
    other = msgspec.structs.replace(FIT, content="a" * 12 + "b" * 52)
    store.save(plan(other))
    with pytest.raises(PlanError, match=rf"content {other.content} \(expected {FIT.content}\)"):
        store.find(FIT)


def test_graphs_of_another_name_are_not_looked_at(store: PlanStore) -> None:
    store.save(plan(msgspec.structs.replace(FIT, graph="audio")))
    with pytest.raises(PlanError, match="nothing is there"):
        store.find(FIT)


@pytest.mark.parametrize("left", [0.3, 0.9])
def test_a_truncated_plan_is_refused(store: PlanStore, left: float) -> None:
    path = store.save(plan())
    whole = path.read_bytes()
    start = len(whole) - plan().header.size_bytes
    body = whole[start : start + int(left * plan().header.size_bytes)]
    path.write_bytes(whole[:start] + body)
    expected = f"{path}: came {len(body)} bytes, its header says 400: build it again"
    with pytest.raises(PlanError, match=re.escape(expected)):
        store.find(FIT)
    assert store.seek(FIT) is None


def test_a_longer_plan_is_refused(store: PlanStore) -> None:
    path = store.save(plan())
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(PlanError, match="came 404 bytes, its header says 400"):
        store.find(FIT)


def test_a_changed_body_is_refused(store: PlanStore) -> None:
    path = store.save(plan())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    expected = rf"{re.escape(str(path))}: came sha256 [0-9a-f]{{64}}, its header says {plan().header.sha256}: build"
    with pytest.raises(PlanError, match=expected):
        store.find(FIT)


def cut_in_the_header(content: bytes) -> bytes:
    return content[: MAGIC_BYTES + LENGTH_BYTES + 10]


def cut_in_the_length(content: bytes) -> bytes:
    return content[: MAGIC_BYTES + 2]


def endless_header(content: bytes) -> bytes:
    return content[:MAGIC_BYTES] + b"\xff" * LENGTH_BYTES + content[MAGIC_BYTES + LENGTH_BYTES :]


def unknown_field(content: bytes) -> bytes:
    return content.replace(b'{"fit"', b'{"gif"', 1)


def garbage(content: bytes) -> bytes:
    return os.urandom(len(content))


def nothing(content: bytes) -> bytes:
    return b""


def later_version(content: bytes) -> bytes:
    return content.replace(b"earshot plan  1", b"earshot plan  2", 1)


UNREADABLE = [
    (cut_in_the_header, "its header cannot be read"),
    (cut_in_the_length, "its header cannot be read"),
    (endless_header, "its header cannot be read"),
    (unknown_field, "its header cannot be read"),
    (garbage, "a plan starts with b'earshot plan  1"),
    (nothing, "came b'', a plan starts with b'earshot plan  1"),
    (later_version, r"came b'earshot plan  2\\n', a plan starts with b'earshot plan  1"),
]


@pytest.mark.parametrize(("broken", "fault"), UNREADABLE)
def test_what_is_no_plan_is_refused(store: PlanStore, broken: Callable[[bytes], bytes], fault: str) -> None:
    path = store.save(plan())
    path.write_bytes(broken(path.read_bytes()))
    for read in (read_plan, read_header):
        with pytest.raises(PlanError, match=f"^{re.escape(str(path))}: .*{fault}"):
            read(path)
    with pytest.raises(PlanError, match=f"no plan of vision .*{re.escape(str(path))}: .*{fault}"):
        store.find(FIT)
    assert store.seek(FIT) is None


def test_what_cannot_be_read_is_no_reason_to_refuse_what_fits(store: PlanStore) -> None:
    good = store.save(plan())
    good.with_name("vision-later.plan").write_bytes(b"garbage")
    assert store.find(FIT) == plan()


def aged(path: Path, seconds: int) -> Path:
    """The same file, last written in that second of its own time."""
    os.utime(path, (seconds, seconds))
    return path


def test_the_newest_that_fits_wins(store: PlanStore) -> None:
    older, newer = plan(buckets=((8,),), body=b"older"), plan(buckets=((16,),), body=b"newer")
    aged(store.save(newer), 2_000)
    aged(store.save(older), 1_000)
    assert store.find(FIT) == newer
    foreign = plan(msgspec.structs.replace(FIT, device="another"))
    aged(store.save(foreign), 3_000)
    assert store.find(FIT) == newer


def test_the_same_buckets_take_the_place_of_those_before(store: PlanStore) -> None:
    assert store.save(plan(body=b"before")) == store.save(plan(body=b"after"))
    assert store.find(FIT).body == b"after"


def test_what_fits_elsewhere_lies_beside(store: PlanStore) -> None:
    places = {
        store.save(plan(msgspec.structs.replace(FIT, **change)))
        for change in ({}, {"precision": "fp32"}, {"library": "b"}, {"device": "c"}, {"content": "b" * 64})
    }
    assert len(places | {store.save(plan(buckets=((1,),)))}) == 6


def test_a_failed_write_leaves_nothing(store: PlanStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        store.save(plan())
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_a_half_written_file_is_never_seen(store: PlanStore) -> None:
    """Somebody looks again and again while the same plan is written again and again, in two sizes."""
    bodies = {b"s" * 1000, b"l" * 1_000_000}
    store.save(plan(body=b"s" * 1000))
    done = threading.Event()

    def write() -> None:
        for _ in range(25):
            for body in bodies:
                store.save(plan(body=body))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not done.is_set():
        seen.append(store.find(FIT).body)
    writer.join()
    assert set(seen) <= bodies


def test_what_is_being_built_is_not_looked_at(store: PlanStore) -> None:
    folder = store.save(plan()).parent
    (folder / ".building-abc").write_bytes(b"half")
    assert store.find(FIT) == plan()


@pytest.mark.parametrize("content", ["a" * 63, "A" * 64, "a" * 64 + "\n", "g" * 64])
def test_a_fingerprint_is_hex(store: PlanStore, content: str) -> None:
    """It names a folder, so that nothing else may stand there."""
    path = store.save(plan())
    strange = path.read_bytes().replace(b"a" * 64, msgspec.json.encode(content)[1:-1])
    header = msgspec.json.encode(plan().header)
    length = len(header) + len(msgspec.json.encode(content)) - 66
    path.write_bytes(strange[:MAGIC_BYTES] + length.to_bytes(LENGTH_BYTES, "little") + strange[20:])
    with pytest.raises(PlanError, match=r"header cannot be read \(Expected `str` matching regex"):
        read_header(path)


def test_unlike_names_only_what_differs() -> None:
    assert FIT.unlike(FIT) == []
    assert FIT.unlike(msgspec.structs.replace(FIT, graph="audio")) == ["graph vision (expected audio)"]


def test_a_header_is_json_that_people_can_read(store: PlanStore) -> None:
    content = store.save(plan()).read_bytes()
    length = int.from_bytes(content[MAGIC_BYTES : MAGIC_BYTES + LENGTH_BYTES], "little")
    header = content[MAGIC_BYTES + LENGTH_BYTES :][:length]
    assert msgspec.json.decode(header, type=PlanHeader) == plan().header


def test_a_plan_of_older_rules_is_stale(tmp_path: Path) -> None:
    store = PlanStore(tmp_path)
    store.save(plan(msgspec.structs.replace(FIT, rewrite=0)))
    with pytest.raises(PlanError, match=r"rewrite 0 \(expected 1\)"):
        store.find(FIT)


def test_who_builds_need_not_be_who_serves(tmp_path: Path) -> None:
    assert PlanStore(tmp_path).save(plan(FIT)).stat().st_mode & 0o777 == 0o644
