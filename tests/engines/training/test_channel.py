"""The channel does to sound what its names say, as much as was asked for, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.training import channel

RATE = 16000


@pytest.fixture
def wave() -> NDArray[np.float32]:
    """Four seconds of a tone of 440 Hz and one of 5 kHz, at a tenth of full scale each."""
    seconds_S = np.arange(4 * RATE) / RATE
    return (0.1 * np.sin(2 * np.pi * 440 * seconds_S) + 0.1 * np.sin(2 * np.pi * 5000 * seconds_S)).astype(np.float32)


def power_between(wave_S: NDArray[np.float32], low_hz: float, high_hz: float) -> float:
    hertz_B = np.fft.rfftfreq(len(wave_S), 1 / RATE)
    inside_B = (hertz_B >= low_hz) & (hertz_B < high_hz)
    return float(np.square(np.abs(np.fft.rfft(wave_S)))[inside_B].sum() / len(wave_S) ** 2)


@pytest.mark.parametrize("noise", channel.NOISES)
@pytest.mark.parametrize("db", [20.0, 10.0, 0.0])
def test_noise_has_the_level_that_was_asked_for(wave: NDArray[np.float32], noise: channel.Noise, db: float) -> None:
    mixed_S = channel.mix(wave, noise(len(wave), RATE, np.random.default_rng(0)), db)
    added_S = mixed_S - wave
    assert np.abs(mixed_S).max() <= 1
    if np.abs(mixed_S).max() < 1:
        assert 10 * np.log10(np.mean(wave**2) / np.mean(added_S**2)) == pytest.approx(db, abs=0.1)


def test_noises_differ_in_where_their_power_lies() -> None:
    rng = np.random.default_rng(1)
    voice, chords, pink = (noise(4 * RATE, RATE, rng).astype(np.float32) for noise in channel.NOISES)
    above = [power_between(wave, 4000, 8000) / power_between(wave, 0, 8000) for wave in (voice, chords, pink)]
    assert above[0] < 0.05 and above[1] < 0.05 < above[2]


def test_low_pass_takes_the_high_tone_only(wave: NDArray[np.float32]) -> None:
    passed_S = channel.low_pass(wave, RATE, 2000)
    assert power_between(passed_S, 4900, 5100) < 1e-6 * power_between(wave, 4900, 5100)
    assert power_between(passed_S, 400, 480) == pytest.approx(power_between(wave, 400, 480), rel=1e-3)


def test_telephone_keeps_its_band_roughly(wave: NDArray[np.float32]) -> None:
    heard_S = channel.telephone(wave, RATE)
    assert power_between(heard_S, 400, 480) == pytest.approx(power_between(wave, 400, 480), rel=0.05)
    assert power_between(heard_S, 4900, 5100) < 0.01 * power_between(wave, 4900, 5100)


def test_overload_cuts_at_full_scale(wave: NDArray[np.float32]) -> None:
    loud_S = channel.overload(wave, 12)
    assert np.abs(loud_S).max() == 1
    assert (np.abs(loud_S) == 1).mean() > 0.2


def test_gap_is_silent_there_and_nowhere_else(wave: NDArray[np.float32]) -> None:
    gapped_S = channel.gap(wave, 100, 900)
    assert not gapped_S[100:900].any()
    assert (np.delete(gapped_S, np.s_[100:900]) == np.delete(wave, np.s_[100:900])).all()


def test_silence_can_be_made_noisy() -> None:
    mixed_S = channel.noisy(np.zeros(RATE, np.float32), RATE, 0.0, np.random.default_rng(0))
    assert np.isfinite(mixed_S).all() and np.mean(mixed_S**2) == pytest.approx(channel.QUIET_POWER, rel=0.01)


@pytest.mark.parametrize("seed", range(16))
def test_an_upload_keeps_length_type_and_range_and_its_seed(wave: NDArray[np.float32], seed: int) -> None:
    first_S = channel.upload(wave, RATE, np.random.default_rng(seed))
    again_S = channel.upload(wave, RATE, np.random.default_rng(seed))
    assert first_S.dtype == np.float32 and first_S.shape == wave.shape
    assert np.isfinite(first_S).all() and np.abs(first_S).max() <= 1.001
    assert (first_S == again_S).all() and (first_S != wave).any()
