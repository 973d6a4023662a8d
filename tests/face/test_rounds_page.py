"""The page of stage 2, from a race made by hand."""

from __future__ import annotations

from engines.pilot.rounds import Course, Race
from streamer.cli.pilot.rounds import page, sheet_of, told

CURVE = (0.2, 0.4, 0.6)
RACE = Race(
    task="adult",
    videos=400,
    bad=60,
    seeds=10,
    labels=(40, 60, 80),
    courses=tuple(Course(name, CURVE, CURVE, CURVE, CURVE) for name in ("random", "margin", "lsb")),
    shipped=0.5,
    saved=(25.0, 20.0, 30.0),
    gain=(0.021, -0.01, 0.04),
)


def test_the_finding_is_a_sentence_with_its_intervals() -> None:
    assert told(RACE) == (
        "adult: to find as many bad videos as 80 labels drawn by chance, broadening needs 25 fewer (20 to 30); the "
        "head's average precision is +2.1 points over chance (-1.0 to +4.0), mean over the rounds"
    )


def test_money_follows_from_labels() -> None:
    numbers = sheet_of(RACE, 0.4).numbers()
    assert (numbers["share"], numbers["money"], numbers["year"]) == (25 / 80, 10.0, 120.0)
    assert numbers["year_low"] == 96.0


def test_the_page_draws_a_curve_for_each_strategy() -> None:
    text = page(RACE, sheet_of(RACE, 0.4))
    assert told(RACE) in text
    for n in range(3):
        assert text.count(f'class="curve series-{n}"') == 2 * 2, "two steps in each of two plots"
    assert "latent space broadening" in text and "default-src 'none'" in text
