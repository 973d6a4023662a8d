"""The admin port of a worker on a list, over real HTTP; and the trace context from event to verdict."""

from __future__ import annotations

import dataclasses
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streamer.admin import AdminOptions, Health, admin_server
from streamer.assemble import Parts, open_parts, open_worker
from streamer.metrics import Metrics
from streamer.testing import FakeClock, ListStream, message_of
from tests.stream.shop import Shop, event, message, settings

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def parts(clips: list[Path]) -> Iterator[Parts]:
    with open_parts(settings(fetch__file_roots=[str(clips[0].parent)])) as parts:
        yield parts


def get(port: int | None, path: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_ready_means_loaded_assigned_and_not_draining() -> None:
    health = Health(FakeClock(), {"earshot": "1", "bundle": "b"})
    with admin_server(AdminOptions(port=0), health, Metrics()) as port:
        assert get(port, "/readyz") == (503, "starting\n")
        health.last_turn_seconds = 0.0
        assert get(port, "/readyz") == (503, "waiting for the group\n")
        health.assigned = True
        assert get(port, "/readyz") == (200, "ready\n")
        health.draining = True
        assert get(port, "/readyz") == (503, "draining\n")
        assert get(port, "/healthz") == (200, "ok\n"), "a worker that drains is well"
        assert get(port, "/version") == (200, json.dumps({"earshot": "1", "bundle": "b"}))
        status, text = get(port, "/elsewhere?x=1")
        assert status == 404
        assert "/healthz" in text


def test_a_loop_that_does_not_turn_is_not_healthy() -> None:
    clock = FakeClock()
    health = Health(clock)
    with admin_server(AdminOptions(port=0, stalled_after_seconds=30), health, Metrics()) as port:
        clock.advance(100)
        assert get(port, "/healthz")[0] == 200, "loading is no stall"
        health.last_turn_seconds = clock()
        clock.advance(30)
        assert get(port, "/healthz")[0] == 200
        clock.advance(1)
        assert get(port, "/healthz") == (503, "stalled\n")


def test_a_worker_tells_of_itself_while_it_works(parts: Parts, clips: list[Path]) -> None:
    missing = clips[0].parent / "nothing.mp4"
    events = [event(0, clips[0].as_uri()), event(1, clips[0].as_uri()), event(2, missing.as_uri())]
    shop = Shop(parts.pipeline, [message(item, n) for n, item in enumerate(events)])
    seen: dict[str, tuple[int, str]] = {}
    with admin_server(AdminOptions(port=0), shop.health, shop.metrics) as port:

        def until() -> bool:
            if shop.health.last_turn_seconds is None:
                seen["before"] = get(port, "/readyz")
            over = not shop.stream.waiting and shop.worker.idle
            if over:
                seen["during"] = get(port, "/readyz")
            return over

        shop.run(until)
        seen["after"] = get(port, "/readyz")
        status, text = get(port, "/metrics")
    assert [seen[when] for when in ("before", "during", "after")] == [
        (503, "starting\n"),
        (200, "ready\n"),
        (503, "draining\n"),
    ]
    assert status == 200
    lines = set(text.splitlines())
    assert 'earshot_events_total{outcome="verdict"} 2.0' in lines
    assert 'earshot_dead_letters_total{reason="missing_object"} 1.0' in lines
    assert "earshot_published_records_total 5.0" in lines
    for stage in ("fetch", "perceive", "judge", "publish"):
        assert any(line.startswith(f'earshot_stage_seconds_count{{stage="{stage}"}}') for line in lines), stage
    for name in (
        "fetched_bytes_total",
        "clip_bytes_total",
        "listened_seconds_total",
        "queue_depth",
        "in_flight_events",
        "in_flight_bytes",
        "uncommitted_events",
        "batch_fill_ratio_count",
        "cache_lookups_total",
        "consumer_lag",
        "event_age_seconds_count",
        "verdicts_total",
        "paused",
    ):
        assert f"earshot_{name}" in text, name


def test_the_engine_that_serves_is_named_all_the_time(parts: Parts) -> None:
    why = "no plan of vision for this GPU"
    options = settings(admin__port=0, engine__kind="auto")
    for unused in (True, False):
        metrics = Metrics()
        passed_over = dataclasses.replace(parts, engine_why=why if unused else "", gpu_unused=unused)
        with capture_logs() as logs, open_worker(options, passed_over, ListStream(), metrics):
            (port,) = (entry["port"] for entry in logs if entry["event"] == "admin_port")
            version = json.loads(get(port, "/version")[1])
        text = metrics.exposition().decode()
        assert (version["engine"], version["engine_kind"]) == (parts.lineage.engine, "auto")
        assert version.get("engine_why") == (why if unused else None)
        assert f"earshot_gpu_unused {float(unused)}" in text.splitlines()
        assert f'engine="{parts.lineage.engine}"' in text


def test_the_trace_context_goes_from_event_to_verdict_and_dead_letter(parts: Parts, clips: list[Path]) -> None:
    missing = clips[0].parent / "nothing.mp4"
    events = [event(0, clips[0].as_uri(), traceparent=TRACE), event(1, missing.as_uri(), traceparent=TRACE)]
    shop = Shop(parts.pipeline, [message(item, n) for n, item in enumerate(events)])
    shop.run_all()
    assert len(shop.stream.outputs) == 3
    for output in shop.stream.outputs:
        assert message_of(output, 0).header("traceparent") == TRACE
    assert {verdict.traceparent for verdict in shop.verdicts().values()} == {TRACE}
