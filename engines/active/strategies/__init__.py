"""The published query strategies by name. Latent space broadening is in `engines.active.broaden`."""

from __future__ import annotations

from engines.active.strategies.badge import Badge
from engines.active.strategies.bald import Bald
from engines.active.strategies.chance import Random
from engines.active.strategies.core_set import CoreSet
from engines.active.strategies.neighbours import AnchorAl, Seals
from engines.active.strategies.prob_cover import ProbCover
from engines.active.strategies.protocol import Strategy
from engines.active.strategies.typiclust import TypiClust
from engines.active.strategies.uncertainty import ENTROPY, LEAST_CONFIDENCE, LIKELY, MARGIN

ALL: tuple[Strategy, ...] = (
    Random(),
    LEAST_CONFIDENCE,
    MARGIN,
    ENTROPY,
    LIKELY,
    Bald(),
    Badge(),
    CoreSet(),
    TypiClust(),
    ProbCover(),
    Seals(),
    AnchorAl(),
)
PUBLISHED: dict[str, Strategy] = {strategy.name: strategy for strategy in ALL}
