"""The nouns of the stream, in the order a video becomes a verdict.

    Event --decode--> Clip --batch--> Batch --embed--> Embeddings --fuse--> Fused --score--> Scores --decide--> Verdict

Every record is frozen and cannot be built with shapes that do not fit; `repr` shows shapes, never pixels.
"""

from __future__ import annotations

from streamer.records.arrays import Float16, Float32, Float64, Int32, Int64, UInt8
from streamer.records.batch import Batch, Case, Embeddings, Recall
from streamer.records.clip import Clip, Content, Coverage, Media
from streamer.records.event import Event, Rejected, Source
from streamer.records.fused import Attention, Fused, Fusion
from streamer.records.labels import HIGHEST_VALUE, Label, LabelRequest, Like
from streamer.records.messages import Headers, Message, Outgoing, Position
from streamer.records.outcomes import Outcome
from streamer.records.scores import Category, Scores
from streamer.records.terms import (
    TASKS,
    Action,
    CacheTier,
    Digest,
    Instant,
    Modality,
    Name,
    OpaqueName,
    Plain,
    State,
    Task,
)
from streamer.records.tokens import Marks, Text, Tokens
from streamer.records.verdict import Cost, Evidence, Lineage, Verdict

__all__ = [
    "HIGHEST_VALUE",
    "TASKS",
    "Action",
    "Attention",
    "Batch",
    "CacheTier",
    "Case",
    "Category",
    "Clip",
    "Content",
    "Cost",
    "Coverage",
    "Digest",
    "Embeddings",
    "Event",
    "Evidence",
    "Float16",
    "Float32",
    "Float64",
    "Fused",
    "Fusion",
    "Headers",
    "Instant",
    "Int32",
    "Int64",
    "Label",
    "LabelRequest",
    "Like",
    "Lineage",
    "Marks",
    "Media",
    "Message",
    "Modality",
    "Name",
    "OpaqueName",
    "Outcome",
    "Outgoing",
    "Plain",
    "Position",
    "Recall",
    "Rejected",
    "Scores",
    "Source",
    "State",
    "Task",
    "Text",
    "Tokens",
    "UInt8",
    "Verdict",
]
