"""Which arm gets the next slot: discounted Thompson sampling (Raj and Kalyani, arXiv 1707.09727).

Each arm's yield is a Beta posterior. Before a round is counted, what earlier rounds taught is multiplied by a discount,
so that an arm which stops or starts to pay is noticed within two rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np


class Record(msgspec.Struct):
    """What an arm gave: the discounted sum of yields, and of what was missed, in slots."""

    gained: float = 0.0
    missed: float = 0.0


class Bandit:
    """Arms with prior (gained, missed), their records, and draws from both."""

    def __init__(
        self,
        priors: Mapping[str, tuple[float, float]],
        records: dict[str, Record],
        *,
        discount: float,
        explore: float,
    ) -> None:
        """`records` is changed in place. discount: in [0, 1), per round. explore: share of slots that go to any arm."""
        if not 0 <= discount < 1 or not 0 <= explore <= 1:
            raise ValueError(f"bandit: came discount {discount}, explore {explore}; expected [0, 1) and [0, 1]")
        self._priors, self._records = priors, records
        self._discount, self._explore = discount, explore

    def choose(self, arms: Sequence[str], rng: np.random.Generator) -> str:
        """One of these arms: that with the highest draw of its posterior."""
        if rng.random() < self._explore:
            return arms[int(rng.integers(len(arms)))]
        draws = [rng.beta(*self._posterior(arm)) for arm in arms]
        return arms[int(np.argmax(draws))]

    def learn(self, yields: Mapping[str, Sequence[float]]) -> None:
        """One round: for each arm the yield of each of its slots, in [0, 1]."""
        for record in self._records.values():
            record.gained *= self._discount
            record.missed *= self._discount
        for arm, values in yields.items():  # other strategies' picks teach nothing about ours
            if arm not in self._priors:
                continue
            record = self._records.setdefault(arm, Record())
            record.gained += sum(values)
            record.missed += len(values) - sum(values)

    def expected(self, arm: str) -> float:
        """Mean of the arm's posterior."""
        gained, missed = self._posterior(arm)
        return gained / (gained + missed)

    def _posterior(self, arm: str) -> tuple[float, float]:
        record = self._records.get(arm, Record())
        gained, missed = self._priors[arm]
        return gained + record.gained, missed + record.missed
