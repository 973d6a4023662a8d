"""`python -m streamer.bench.peer_consumer`: a consumer as one writes it in an afternoon, for `earshot bench peer`.

It decodes every frame and all sound in order, makes each frame small, takes as many of them as the network wants, runs
the graphs one by one for each video, sends a score for each task and commits. It even lets FFmpeg and ONNX Runtime
use all cores. It has no cache, no sandbox, no limits, no evidence, no attribution and no retries.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from urllib.parse import unquote, urlparse

import av
import numpy as np
import onnxruntime
from confluent_kafka import Consumer, Producer
from numpy.typing import NDArray

from engines.bundle import Bundle
from engines.spec import GRAPHS, TASKS
from streamer.bench.child import answer, take_orders
from streamer.kafka.options import KafkaOptions

Arrays = dict[str, NDArray[np.generic]]


class Judge:
    """The networks of a bundle, run on one video at a time."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._sessions = {name: onnxruntime.InferenceSession(str(bundle.graph_path(name))) for name in GRAPHS}

    def scores(self, event: dict[str, str]) -> NDArray[np.float32]:
        """Calibrated probabilities of the tasks."""
        path = unquote(urlparse(event["uri"]).path)
        frames_FCHW, frame_seconds_F = self._frames(path)
        windows_FS, window_seconds_F = self._windows(path)
        fields = {name: event.get(name) or "" for name in ("title", "description", "query")}
        ids_L, segments_L = self._bundle.tokenizer.encode(fields | {"hashtags": " ".join(event.get("hashtags") or ())})
        text_mask_NL = np.ones((1, len(ids_L)), np.bool_)
        vision_FPD = self._run("vision", {"frames_FCHW": frames_FCHW})
        audio_FPD = self._run("audio", {"windows_FS": windows_FS})
        text_NLD = self._run("text", {"ids_NL": ids_L[None], "segments_NL": segments_L[None], "mask_NL": text_mask_NL})
        logits_NK = self._run(
            "fusion",
            _flat("vision", "V", vision_FPD, frame_seconds_F)
            | _flat("audio", "A", audio_FPD, window_seconds_F)
            | {"text_NLD": text_NLD, "text_mask_NL": text_mask_NL},
        )
        return np.asarray(self._bundle.calibration.scores(logits_NK)[0], np.float32)

    def _run(self, graph: str, inputs: Arrays) -> NDArray[np.float32]:
        return np.asarray(self._sessions[graph].run(None, inputs)[0], np.float32)

    def _frames(self, path: str) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        size = self._bundle.preprocessing.frame_pixels
        frames, seconds = [], []
        with av.open(path) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                frames.append(frame.reformat(size, size, "rgb24").to_ndarray())
                seconds.append(frame.time or 0.0)
        chosen = _spread(len(frames), self._bundle.preprocessing.max_frames)
        frames_FHWC = np.stack([frames[index] for index in chosen])
        return np.ascontiguousarray(frames_FHWC.transpose(0, 3, 1, 2)), np.array(seconds, np.float32)[chosen]

    def _windows(self, path: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        sizes = self._bundle.preprocessing
        samples_S = np.concatenate(list(_samples(path, sizes.sample_rate_hz)))
        samples_S = np.pad(samples_S, (0, -len(samples_S) % sizes.window_samples))
        windows_FS = samples_S.reshape(-1, sizes.window_samples)
        chosen = _spread(len(windows_FS), sizes.max_windows)
        return windows_FS[chosen], (chosen * sizes.window_samples / sizes.sample_rate_hz).astype(np.float32)


def _samples(path: str, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                yield piece.to_ndarray()[0].astype(np.float32)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of `count` things, evenly."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _flat(name: str, axis: str, tokens_FPD: NDArray[np.float32], seconds_F: NDArray[np.float32]) -> Arrays:
    """Tokens of all frames in one row."""
    F, P, D = tokens_FPD.shape
    return {
        f"{name}_N{axis}D": tokens_FPD.reshape(1, F * P, D),
        f"{name}_mask_N{axis}": np.ones((1, F * P), np.bool_),
        f"{name}_seconds_N{axis}": np.repeat(seconds_F, P)[None],
    }


def consume(options: KafkaOptions, judge: Judge, stopped: threading.Event) -> None:
    """One message after the other until stopped."""
    config = options.connection() | {
        "group.id": options.group,
        "group.protocol": options.protocol,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": options.fetch_wait_ms,
    }
    producer, consumer = Producer(options.connection()), Consumer(config)
    consumer.subscribe([options.topics.uploaded], on_assign=lambda *_: answer({}))
    while not stopped.is_set():
        message = consumer.poll(0.1)
        if message is None or message.error() is not None:
            continue
        event = json.loads(message.value() or b"")
        for task, score in zip(TASKS, judge.scores(event).tolist(), strict=True):
            verdict = {"video_id": event["video_id"], "task": task, "score": score}
            producer.produce(options.topics.verdict.format(task=task), json.dumps(verdict), event["video_id"])
        producer.flush()
        consumer.commit(message=message, asynchronous=False)
    consumer.close()


def _stop_at_end_of_input(stopped: threading.Event) -> None:
    sys.stdin.buffer.read()
    stopped.set()


def main() -> None:
    settings, stopped = take_orders().settings(), threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=(stopped,), daemon=True).start()
    consume(settings.kafka, Judge(Bundle.load(settings.engine.bundle)), stopped)


if __name__ == "__main__":
    main()
