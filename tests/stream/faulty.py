"""A pipeline whose engines fail when the test says so, on parts that are whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from engines.engine_set import EngineSet
from engines.opening import open_engines
from engines.runner import Around, Pending, Runner
from engines.spec import Array
from streamer.assemble import Parts, categories_of
from streamer.cache.memory import MemoryCache
from streamer.decide import Judgement
from streamer.embed import Embedder
from streamer.fetch import Fetcher
from streamer.pipeline import Pipeline
from streamer.recall import Recaller
from streamer.records import TASKS
from streamer.score import Scorer

#: Whether a runner does not like inputs.
Dislikes = Callable[[Mapping[str, Array]], bool]


class Particular(Around):
    """A runner that works, but for inputs that it does not like: then it raises."""

    def __init__(self, runner: Runner, dislikes: Dislikes, error: Exception) -> None:
        super().__init__(runner)
        self._dislikes = dislikes
        self._error = error

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        if self._dislikes(inputs):
            raise self._error
        return super().start(inputs)


def failing(parts: Parts, stack: ExitStack, options: Any, error: Exception, *dislikes: Dislikes) -> Parts:
    """The same parts with engines, a set for each of `dislikes`, that fail on texts which it does not like."""
    return running(parts, stack, options, *(_disliking(parts, error, one) for one in dislikes))


def running(parts: Parts, stack: ExitStack, options: Any, *sets: EngineSet) -> Parts:
    """The same parts with these engines."""
    pipeline = Pipeline(
        fetcher=stack.enter_context(Fetcher(options.fetch)),
        sandbox=parts.sandbox,
        recaller=Recaller(parts.bundle, MemoryCache(2**24), plan_id="p", secret=b"s" * 32),
        engines=[_owned(parts, stack.enter_context(engines), options) for engines in sets],
        judgement=Judgement(options.policy, {task: parts.bundle.thresholds[task] for task in TASKS}, parts.lineage),
        secret=b"s" * 32,
    )
    return Parts(pipeline, parts.bundle, parts.sandbox, parts.lineage)


def _owned(parts: Parts, engines: EngineSet, options: Any) -> tuple[Embedder, Scorer]:
    categories = categories_of(parts.bundle, options.policy)
    return Embedder(engines, parts.bundle.embedding_size), Scorer(engines.fusion, categories)


def _disliking(parts: Parts, error: Exception, dislikes: Dislikes) -> EngineSet:
    real = open_engines(parts.bundle)
    text = Particular(real.text, dislikes, error)
    return EngineSet(vision=real.vision, audio=real.audio, text=text, fusion=real.fusion)
