"""The nouns of the stream, in the order a video becomes a verdict.

    Event --decode--> Clip --batch--> Batch --embed--> Embeddings --fuse--> Fused --score--> Scores --decide--> Verdict

Every record is frozen and cannot be built with shapes that do not fit; `repr` shows shapes, never pixels.

Shape letters: N cases of a batch, T frames or windows of a clip, C,H,W channel, height, width, S samples of an
audio window, P tokens of one frame or window, L tokens of a text, D embedding size, K tasks, I most probable classes,
R priors, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

Float16 = NDArray[np.float16]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

CacheTier = Literal["none", "memory", "redis"]

# "(?![\s\S])" is the end of the text in Python and in ECMAScript alike; "$" lets a last line feed through in Python.
_PLAIN = r"^[^\u0000-\u001f\u007f-\u009f]*(?![\s\S])"
_NO_ADDRESS = r"^[^@\u0000-\u001f\u007f-\u009f]*(?![\s\S])"
_RFC3339 = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)(?![\s\S])"

Plain = Annotated[str, Meta(pattern=_PLAIN)]
Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=_PLAIN)]
#: A person as others know them; without an @, so that no e-mail address passes for one.
OpaqueName = Annotated[str, Meta(min_length=1, max_length=256, pattern=_NO_ADDRESS)]
Instant = Annotated[str, Meta(pattern=_RFC3339)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?![\s\S])")]


class Task(StrEnum):
    """What a verdict is about. The order is the order of the fusion network's logits."""

    CLICKBAIT = "clickbait"
    ADULT = "adult"
    RELEVANCE = "relevance"


TASKS: tuple[Task, ...] = tuple(Task)


class Modality(StrEnum):
    """A way of perceiving a video; the fusion network masks what is missing."""

    VISION = "vision"
    AUDIO = "audio"
    TEXT = "text"


class Action(StrEnum):
    """What the policy asks for, from mild to severe."""

    ALLOW = "allow"
    REVIEW = "review"
    RESTRICT = "restrict"
    BLOCK = "block"


class State(StrEnum):
    """How a verdict came about."""

    DECIDED = "decided"
    MISSING_MODALITY = "missing_modality"  # judged without a modality that the policy requires
    BELOW_COVERAGE = "below_coverage"  # judged on less of the video than the policy asks for
    UNDECODABLE = "undecodable"  # the media could not be turned into a clip
    EXPIRED = "expired"  # the event's deadline passed first


# --------------------------------------------------------------------------------------------------------------
# What Kafka carries


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One record as it came from a topic, untouched."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def header(self, name: str) -> str | None:
        """The last header of that name as text; None when absent or not UTF-8."""
        for key, value in reversed(self.headers):
            if key == name and value is not None:
                try:
                    return value.decode()
                except UnicodeDecodeError:
                    return None
        return None

    def __repr__(self) -> str:
        size_bytes = len(self.value) if self.value is not None else None
        return f"Message({self.position}, {size_bytes} bytes)"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record on its way to a topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    def __repr__(self) -> str:
        size_bytes = len(self.value) if self.value is not None else None
        return f"Outgoing({self.topic}, {size_bytes} bytes)"


# --------------------------------------------------------------------------------------------------------------
# Event


class Event(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """An upload to be judged: the CloudEvents attributes that matter, and the data of the event.

    `event_id` and `source` are CloudEvents `id` and `source`; together they name the event.
    """

    event_id: str
    source: str
    video_id: str
    uri: str
    title: str = ""
    description: str = ""
    hashtags: tuple[str, ...] = ()
    query: str | None = None
    tasks: tuple[Task, ...] = (Task.CLICKBAIT, Task.ADULT)
    tenant: str | None = None
    locale: str | None = None
    uploader: str | None = None
    uploaded_at: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    deadline_seconds: float | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that can never be judged: the error as a value, bound for the dead-letter topic."""

    message: Message
    reason: str
    error: str
    attempt: int = 1


# --------------------------------------------------------------------------------------------------------------
# Clip


@dataclass(frozen=True, slots=True)
class Content:
    """A fetched video in a regular file of ours. `sha256` is of the bytes that will be decoded."""

    path: str
    sha256: str
    size_bytes: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a video was looked at and listened to."""

    plan_id: str
    duration_seconds: float
    frames: int
    largest_gap_seconds: float
    audio_seconds: float
    audio_duration_seconds: float
    damaged_packets: int = 0
    notes: tuple[str, ...] = ()


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """What the container said of itself; for people and logs, never for sizing buffers."""

    container: str
    video_codec: str | None = None
    width: int = 0
    height: int = 0
    rotation_degrees: int = 0
    audio_codec: str | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """What was perceived of one video.

    frames_TCHW: uint8 RGB in [0, 255], letterboxed to the bundle's square; None when there is no picture.
    frame_seconds_T: float64, presentation time of each frame from the start of the video, ascending.
    windows_TS: float32 mono in [-1, 1] at the bundle's sample rate; None when there is no sound track.
    window_seconds_T: float64, start of each window, ascending.
    """

    frames_TCHW: UInt8 | None
    frame_seconds_T: Float64
    windows_TS: Float32 | None
    window_seconds_T: Float64
    window_span_seconds: float
    coverage: Coverage
    media: Media
    decode_cpu_ms: float

    def __post_init__(self) -> None:
        _check_series("frames_TCHW", self.frames_TCHW, np.uint8, 4, self.frame_seconds_T)
        _check_series("windows_TS", self.windows_TS, np.float32, 2, self.window_seconds_T)
        if self.frames_TCHW is None and self.windows_TS is None:
            raise ValueError("a Clip needs frames or sound; a video with neither is undecodable")

    @property
    def size_bytes(self) -> int:
        """Memory held by pixels and samples."""
        return sum(array.nbytes for array in (self.frames_TCHW, self.windows_TS) if array is not None)

    def __repr__(self) -> str:
        return _repr_shapes(self)


@dataclass(frozen=True, slots=True)
class Marks:
    """What a tower knows by itself of each frame or window, beside its tokens.

    classes_TI: int32, indices of the most probable classes, most probable first; I = 0 where the tower names nothing.
    class_scores_TI: float32, their probabilities in [0, 1].
    priors_TR: float32 in [0, 1], that it shows or sounds like each of the bundle's priors; R = 0 where there are none.
    """

    classes_TI: Int32
    class_scores_TI: Float32
    priors_TR: Float32

    def __post_init__(self) -> None:
        T, I = _shape("classes_TI", self.classes_TI, np.int32, 2)  # noqa: E741
        scores = _shape("class_scores_TI", self.class_scores_TI, np.float32, 2)
        priors = _shape("priors_TR", self.priors_TR, np.float32, 2)
        if scores != (T, I) or priors[0] != T:
            raise ValueError(f"Marks: classes {(T, I)} with scores {scores} and priors {priors}; one row each")

    @property
    def whole(self) -> bool:
        """Whether every index and probability is one."""
        shares = (self.class_scores_TI, self.priors_TR)
        return bool((self.classes_TI >= 0).all()) and all(((x >= 0) & (x <= 1)).all() for x in shares)

    def rows(self, start: int, end: int) -> Marks:
        """Those of some of the frames or windows."""
        return Marks(self.classes_TI[start:end], self.class_scores_TI[start:end], self.priors_TR[start:end])

    @classmethod
    def none(cls, T: int) -> Marks:
        """Of T frames, windows or texts of which nothing is known by name."""
        return cls(np.zeros((T, 0), np.int32), np.zeros((T, 0), np.float32), np.zeros((T, 0), np.float32))

    def __repr__(self) -> str:
        return _repr_shapes(self)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token embeddings of one modality of one video.

    values_TPD: float16, P tokens for each of T frames, windows or text fields. Half precision on every path, so
        that a cached value and a fresh one are the same bits.
    spans_T2: float64 seconds [start, end] of each; a frame is an instant; all zero for text.
    mask_TP: bool, False where a token is padding.
    marks: of each frame or window; of a text there are none.
    """

    values_TPD: Float16
    spans_T2: Float64
    mask_TP: NDArray[np.bool_]
    marks: Marks

    def __post_init__(self) -> None:
        T, P, _ = _shape("values_TPD", self.values_TPD, np.float16, 3)
        for name, array, want in (("spans_T2", self.spans_T2, (T, 2)), ("mask_TP", self.mask_TP, (T, P))):
            if array.shape != want:
                raise ValueError(f"{name}: came {array.shape}, expected {want} beside values {(T, P)}")
        if len(self.marks.classes_TI) != T:
            raise ValueError(f"marks: came {len(self.marks.classes_TI)} rows, expected {T} beside values {(T, P)}")

    def __repr__(self) -> str:
        return _repr_shapes(self)


# --------------------------------------------------------------------------------------------------------------
# Case, Batch, Embeddings, Fused, Scores


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the event stood when it was first consumed; survives the retry topic."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Text:
    """The event's words as the text encoder takes them: int64 ids and segment ids of L tokens, L >= 1."""

    ids_L: Int64
    segments_L: Int64


@dataclass(frozen=True, slots=True)
class Recall:
    """What the cache knew of a video and its text before anything was computed.

    `fused` is the fusion network's answer; where it is known, nothing has to be computed and `tokens` stays empty.
    `tokens` holds the modalities that need no encoding; zero frames or windows mean that the video has none.
    `coverage` comes with `fused` or with the media tokens; None when the video has to be decoded.
    """

    text: Text
    keys: dict[Modality, str]
    fused_key: str
    fused: Fused | None
    tokens: dict[Modality, Tokens]
    coverage: Coverage | None
    tier: CacheTier


@dataclass(frozen=True, slots=True)
class Case:
    """One event on its way, with all that is known of its video so far.

    `clip` is None when the video need not be looked at again. `received_seconds` is monotonic time.
    """

    event: Event
    content: Content
    recall: Recall
    clip: Clip | None
    coverage: Coverage
    received_seconds: float
    latency_ms: dict[str, float]
    source: Source | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Cases that go through the engines together, oldest first."""

    cases: tuple[Case, ...]
    wait_ms: tuple[float, ...]  # time each case spent waiting for the batch to fill

    def __post_init__(self) -> None:
        if not self.cases or len(self.cases) != len(self.wait_ms):
            raise ValueError(f"Batch: {len(self.cases)} cases with {len(self.wait_ms)} waits; one each, one or more")


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Token embeddings of cases: one mapping per case, in their order; missing modalities have no frames or windows."""

    tokens: tuple[dict[Modality, Tokens], ...]
    engine_ms: float  # wall time in the encoders, for all cases


@dataclass(frozen=True, slots=True)
class Attention:
    """What one case's logits rest on, per task: weights in [0, 1] that sum to at most 1 over all modalities.

    vision_KT, audio_KT: float32, weight of each frame and window; zero of them when the video has none.
    text_K: float32, weight of the text as a whole.
    vision_spans_T2, audio_spans_T2: float64 seconds [start, end] of each frame and window.
    """

    vision_KT: Float32
    audio_KT: Float32
    text_K: Float32
    vision_spans_T2: Float64
    audio_spans_T2: Float64

    def __post_init__(self) -> None:
        for name in ("vision", "audio"):
            weights_KT, spans_T2 = getattr(self, f"{name}_KT"), getattr(self, f"{name}_spans_T2")
            K, T = _shape(f"{name}_KT", weights_KT, np.float32, 2)
            if len(TASKS) != K or spans_T2.shape != (T, 2):
                raise ValueError(
                    f"Attention: {name} weights {(K, T)} with spans {spans_T2.shape}; "
                    f"expected {len(TASKS)} tasks and one span for each weight"
                )

    def __repr__(self) -> str:
        return _repr_shapes(self)


@dataclass(frozen=True, slots=True)
class Fused:
    """What the fusion network said of one case; all that has to be remembered to decide again.

    logits_K: float32 before calibration.
    without_KM: float32 logits without modality m (order of `Modality`); the logits themselves where m is missing.
    embedding_D: float32, unit norm, for nearest neighbours.
    novelty: of each modality that the video has and the bundle keeps training clips of, in [0, 1), single precision:
        the share of ordinary clips that lie nearer to them.
    vision_marks, audio_marks: what the towers said of each frame and window of `attention`.
    """

    logits_K: Float32
    without_KM: Float32
    embedding_D: Float32
    novelty: Mapping[Modality, float]
    attention: Attention
    vision_marks: Marks
    audio_marks: Marks

    def __post_init__(self) -> None:
        (K,) = _shape("logits_K", self.logits_K, np.float32, 1)
        if len(TASKS) != K or self.without_KM.shape != (K, len(Modality)):
            raise ValueError(
                f"Fused: logits {(K,)}, without {self.without_KM.shape}; "
                f"expected {len(TASKS)} tasks and {len(Modality)} modalities"
            )
        for modality in (Modality.VISION, Modality.AUDIO):
            spans_T2, marks = self.spans_of(modality), self.marks_of(modality)
            if len(spans_T2) != len(marks.classes_TI):
                raise ValueError(f"Fused: {marks} of {modality} with {len(spans_T2)} spans; expected one row each")

    def marks_of(self, modality: Modality) -> Marks:
        """What the tower said of each frame (vision) or window (audio)."""
        return self.vision_marks if modality is Modality.VISION else self.audio_marks

    def spans_of(self, modality: Modality) -> Float64:
        """Seconds [start, end] of each frame (vision) or window (audio)."""
        attention = self.attention
        return attention.vision_spans_T2 if modality is Modality.VISION else attention.audio_spans_T2

    def __repr__(self) -> str:
        return _repr_shapes(self)


@dataclass(frozen=True, slots=True)
class Fusion:
    """What the fusion network said of cases, in their order."""

    cases: tuple[Fused, ...]
    engine_ms: float  # wall time in the fusion engine, for all cases


@dataclass(frozen=True, slots=True)
class Category:
    """A named part of a task's score, judged by towers alone: from their priors, without the fusion network.

    logits_M: float32, by modality, the task's logit that is as likely as the category there; -inf where it is unknown.
    score: calibrated probability in [0, 1], by the modality that speaks loudest for it.
    modality, prior_T: that modality, and its float32 prior in [0, 1] for each frame or window.
    counted: whether the policy lets it raise the task's score.
    """

    name: str
    logits_M: Float32
    score: float
    modality: Modality
    prior_T: Float32
    counted: bool

    def __repr__(self) -> str:
        return _repr_shapes(self)


@dataclass(frozen=True, slots=True)
class Scores:
    """One case's calibrated answer, with what it was made from.

    logits_K: float32, the fusion network's or, where that is higher, the highest of the task's counted categories.
    scores_K: float32 probabilities in [0, 1], those of `logits_K`.
    network_K: float32 probabilities in [0, 1], by the fusion network alone.
    attribution_KM: float32, the logit minus that without modality m; zero where m is missing anyway.
    without_KM: float32, the score without modality m; the score itself where m is missing anyway.
    categories: of each task, in the bundle's order; without those of which the video's modalities know nothing.
    """

    fused: Fused
    logits_K: Float32
    scores_K: Float32
    network_K: Float32
    attribution_KM: Float32
    without_KM: Float32
    categories: tuple[tuple[Category, ...], ...]

    def __post_init__(self) -> None:
        vectors = (self.logits_K, self.scores_K, self.network_K)
        if any(vector.shape != self.fused.logits_K.shape for vector in vectors) or len(self.categories) != len(TASKS):
            raise ValueError(
                f"Scores: {self.scores_K.shape} with {len(self.categories)} tasks' categories; {self.fused}"
            )
        if self.without_KM.shape != self.fused.without_KM.shape:
            raise ValueError(f"Scores: without {self.without_KM.shape}; of {self.fused}")

    def carrier(self, k: int) -> Category | None:
        """The category that the score of task k is that of; None where it is the fusion network's own."""
        counted = [category for category in self.categories[k] if category.counted]
        loudest = max(counted, key=lambda category: category.logits_M.max(), default=None)
        return loudest if self.logits_K[k] > self.fused.logits_K[k] else None

    def __repr__(self) -> str:
        return _repr_shapes(self)


# --------------------------------------------------------------------------------------------------------------
# Verdict


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A span of the video that the score rests on. `weight` is its share of the score in [0, 1].

    name: what was seen or heard there, where a tower knows it: "Gunshot, gunfire".
    """

    modality: Modality
    weight: float
    start_ms: int | None = None
    end_ms: int | None = None
    name: str | None = None


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is needed to say how a verdict was reached."""

    content_sha256: str | None
    bundle_id: str
    engine: str
    preprocessing_id: str
    calibration_id: str
    policy_version: str
    cache_tier: str
    ffmpeg_version: str
    earshot_version: str


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict cost: CPU time of the decode child, wall time in engines (its share of the batch)."""

    decode_cpu_ms: float = 0.0
    engine_ms: float = 0.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one task of one event. `score` is a calibrated probability; None when nothing was scored."""

    verdict_id: str
    video_id: str
    event_id: str
    task: Task
    state: State
    action: Action
    reason: str | None
    logit: float | None
    score: float | None
    threshold: float
    evidence: tuple[Evidence, ...]
    categories: dict[str, float]
    attribution: dict[Modality, float]
    missing_modalities: tuple[Modality, ...]
    coverage: Coverage | None
    novelty: float | None
    novelty_by: dict[Modality, float] = {}
    lineage: Lineage
    latency_ms: dict[str, float]
    cost: Cost
    source: Source | None
    tenant: str | None = None
    decided_at: str | None = None
    traceparent: str | None = None


# --------------------------------------------------------------------------------------------------------------
# Labels

#: The highest value that a label of each task may have; the lowest is 0. Relevance has grades.
HIGHEST_VALUE = {Task.CLICKBAIT: 1, Task.ADULT: 1, Task.RELEVANCE: 3}


class Like(msgspec.Struct, frozen=True, kw_only=True):
    """A video that lies near a requested one. `similarity` is a cosine.

    label: 1 where people say that the task's label applies to it, 0 where they say not, None where nobody said.
    """

    video_id: Name
    similarity: Annotated[float, Meta(ge=-1.01, le=1.01)]
    label: Annotated[int, Meta(ge=0, le=1)] | None = None


class LabelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A video that is worth a label on a task, and why. The same video, task, query and bundle are one request."""

    request_id: Digest
    video_id: Name
    task: Task
    strategy: Name
    reason: Annotated[str, Meta(max_length=2_000)]
    bundle: Annotated[str, Meta(max_length=256, pattern=_PLAIN)]
    arm: Name | None = None
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    like: Annotated[tuple[Like, ...], Meta(max_length=64)] = ()
    query: Annotated[str, Meta(max_length=1_000)] | None = None
    title: Annotated[str, Meta(max_length=10_000)] = ""
    uri: Annotated[str, Meta(max_length=8_192)] | None = None
    tenant: Name | None = None
    requested_at: Instant | None = None


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of a video on a task. A later label of the same rater replaces an earlier one.

    value: 1 where the task's label applies, else 0; of relevance a grade from 0 to 3.
    labelled_at: when it was said; None where nobody knows. applied_at: when Earshot was told.
    Raises `ValueError` for a value that the task cannot have.
    """

    label_id: Digest
    video_id: Name
    task: Task
    value: Annotated[int, Meta(ge=0, le=3)]
    rater: Annotated[OpaqueName, Meta(description="Opaque; an identifier that names nobody.")]
    source: Name
    adjudicated: bool = False
    query: Annotated[str, Meta(max_length=1_000)] | None = None
    request_id: Digest | None = None
    tenant: Name | None = None
    labelled_at: Instant | None = None
    applied_at: Instant | None = None

    def __post_init__(self) -> None:
        if self.value > HIGHEST_VALUE[self.task]:
            raise ValueError(f"value: came {self.value}, expected 0 to {HIGHEST_VALUE[self.task]} for {self.task}")


# --------------------------------------------------------------------------------------------------------------
# Outcomes


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one unit of assignment in one stretch of time. A later record of the same id replaces an earlier.

    unit: a viewer or a video; an identifier that names nobody. values: counts and sums of the stretch by name; what
    ends in `_before` is of a time before the experiment. arm: None where verdicts or a table know it. observed_at: when
    the stretch was over.
    """

    outcome_id: Name
    unit: Annotated[Name, Meta(description="What was assigned; an identifier that names nobody.")]
    values: Annotated[dict[Name, Annotated[float, Meta(ge=-1e15, le=1e15)]], Meta(min_length=1, max_length=64)]
    observed_at: Instant
    arm: Name | None = None
    experiment: Name | None = None
    tenant: Name | None = None


# --------------------------------------------------------------------------------------------------------------


def _shape(name: str, array: NDArray[np.generic], dtype: type[np.generic], rank: int) -> tuple[int, ...]:
    if array.dtype != dtype or array.ndim != rank:
        raise ValueError(
            f"{name}: came {array.dtype} of shape {array.shape}, expected {np.dtype(dtype)} of rank {rank}"
        )
    return array.shape


def _check_series(
    name: str, array: NDArray[np.generic] | None, dtype: type[np.generic], rank: int, seconds_T: Float64
) -> None:
    count = 0 if array is None else _shape(name, array, dtype, rank)[0]
    if seconds_T.shape != (count,):
        raise ValueError(f"{name}: {count} items with times of shape {seconds_T.shape}; one time each")


def _repr_shapes(record: object) -> str:
    def show(value: object) -> str:
        return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else repr(value)

    parts = (f"{item.name}={show(getattr(record, item.name))}" for item in fields(record))  # type: ignore[arg-type]
    return f"{type(record).__name__}({', '.join(parts)})"
