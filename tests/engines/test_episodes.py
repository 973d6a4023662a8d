"""Training examples: their labels follow from what was left in them, and the seed decides all of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.data.clips import Clip  # noqa: E402
from engines.data.world import Truth, draw_truths  # noqa: E402
from engines.data.world.things import HEARD, SEEN, adult_causes  # noqa: E402
from engines.data.world.words import vocabulary  # noqa: E402
from engines.tokenizer import TextTokenizer, word_pipeline  # noqa: E402
from engines.training.episodes import Episode, EpisodeSource, Odds, picture_series, sound_series  # noqa: E402

pytestmark = pytest.mark.train

WINDOW_SECONDS = 0.96
TOKENIZER = TextTokenizer(word_pipeline(vocabulary()), 64)


def look(truth: Truth) -> Clip:
    """Blank pixels and samples at the times that production would choose, roughly."""
    frames_T = np.linspace(0, truth.duration_seconds * 0.99, 8) if truth.has_picture else np.zeros(0)
    windows_T = np.arange(0, truth.duration_seconds, WINDOW_SECONDS) if truth.has_sound else np.zeros(0)
    return Clip(
        np.zeros((len(frames_T), 3, 32, 32), np.uint8),
        frames_T,
        np.zeros((len(windows_T), 16), np.float32),
        windows_T,
    )


def source(seed: int = 0, odds: Odds | None = None) -> EpisodeSource:
    truths = draw_truths(60, seed=3)
    clips = [look(truth) for truth in truths]
    mels = [torch.zeros(len(clip.windows_TS), 2, 3) for clip in clips]
    return EpisodeSource(
        picture_series(clips, truths),
        sound_series(mels, clips, truths, WINDOW_SECONDS),
        TOKENIZER,
        seed=seed,
        odds=odds or Odds(),
    )


def things(names: tuple[str, ...], there_XY: torch.Tensor, mask_X: torch.Tensor) -> set[str]:
    return {name for name, there in zip(names, (there_XY[mask_X] == 1).any(0).tolist(), strict=True) if there}


@pytest.fixture(scope="module")
def episode() -> Episode:
    return source().draw(400)


def test_adult_follows_from_what_is_left(episode: Episode) -> None:
    for n in range(400):
        seen = things(SEEN, episode.seen_NFY[n], episode.frame_mask_NF[n])
        heard = things(HEARD, episode.heard_NWY[n], episode.window_mask_NW[n])
        assert bool(episode.labels_NK[n, 1]) == bool(adult_causes(seen, heard))


def test_reasons_lie_in_kept_places_and_only_where_a_label_rests_on_them(episode: Episode) -> None:
    assert not (episode.frame_reasons_NKF & ~episode.frame_mask_NF[:, None]).any()
    assert not (episode.window_reasons_NKW & ~episode.window_mask_NW[:, None]).any()
    reasoned_NK = episode.frame_reasons_NKF.any(-1) | episode.window_reasons_NKW.any(-1)
    assert (episode.labels_NK[reasoned_NK[:, 0], 0] == 0).all()
    assert (episode.labels_NK[:, 1] == reasoned_NK[:, 1].float()).all()
    assert (episode.labels_NK[reasoned_NK[:, 2], 2] == 1).all()


def test_without_text_nothing_is_promised_or_asked() -> None:
    episode = source(odds=replace(Odds(), no_text=1.0)).draw(50)
    assert not episode.text_mask_NL.any()
    assert (episode.labels_NK[:, 0] == 0).all()
    assert episode.labels_NK[:, 2].isnan().all()
    assert not episode.frame_reasons_NKF[:, [0, 2]].any()


def test_labels_are_balanced_enough_to_learn_from(episode: Episode) -> None:
    shares = episode.labels_NK.nanmean(0)
    assert ((shares > 0.2) & (shares < 0.8)).all()


def test_the_seed_decides_everything() -> None:
    one, same, other = source(1).draw(20), source(1).draw(20), source(2).draw(20)
    for name in Episode.__slots__:
        assert torch.equal(getattr(one, name).nan_to_num(), getattr(same, name).nan_to_num())
    assert not torch.equal(one.frame_mask_NF, other.frame_mask_NF)
