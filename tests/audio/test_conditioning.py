from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_vc.audio.conditioning import (
    attenuate,
    condition,
    find_bursts,
    remove_offset,
    repair,
    shorten_pauses,
    trim,
    without_bursts,
)
from lightning_vc.audio.io import read
from lightning_vc.audio.loudness import level

RATE = 16000


@pytest.fixture
def voice() -> Tensor:
    """Bursts of noise between silences, which are as loud and as quiet as a voice in a quiet room; its peak is 0.1."""
    noise = torch.randn(6 * RATE, generator=torch.Generator().manual_seed(0))
    loud = (torch.arange(6 * RATE) // 1600 % 4 != 3).float().clamp(min=0.003)  # 50 dB
    voice = noise * loud
    return 0.1 * voice / voice.abs().max()


def decibels(wave: Tensor) -> float:
    return float(20 * wave.square().mean().sqrt().log10())


@pytest.mark.parametrize("offset", [0.01, 0.05, 0.1])
def test_an_offset_is_removed(voice: Tensor, offset: float) -> None:
    torch.testing.assert_close(remove_offset(voice + offset, RATE), remove_offset(voice, RATE), atol=1e-5, rtol=0)
    torch.testing.assert_close(condition(voice + offset, RATE), condition(voice, RATE), atol=1e-4, rtol=0)


def test_drift_and_rumble_are_removed_and_voices_are_not() -> None:
    time = torch.arange(4 * RATE) / RATE
    for hertz, remains in ((0.5, 0.0), (3.0, 0.01), (60.0, 1.0), (1000.0, 1.0)):
        tone = torch.sin(2 * torch.pi * hertz * time)
        middle = remove_offset(tone, RATE)[RATE : 3 * RATE]
        assert float(middle.std() / tone.std()) == pytest.approx(remains, abs=0.01)


def clicked(voice: Tensor, kind: str) -> Tensor:
    """A voice with something loud in it, at two seconds or, behind a pause, at the end."""
    wave = voice.clone()
    if kind == "click":
        wave[2 * RATE : 2 * RATE + 80] += 0.9
    elif kind == "sample":
        wave[2 * RATE] = -0.9
    elif kind == "thump":
        time = torch.arange(int(0.15 * RATE)) / RATE
        wave[2 * RATE : 2 * RATE + len(time)] += 0.9 * torch.sin(2 * torch.pi * 70 * time) * torch.exp(-20 * time)
    elif kind == "pause":
        click = torch.zeros(RATE)
        click[RATE // 2 : RATE // 2 + 80] = 0.9
        wave = torch.cat([wave, click])
    return wave


def test_long_recordings_are_filtered_in_blocks(voice: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """45 minutes at 16 kHz took 3 GB at once."""
    drifting = voice.repeat(3) + torch.linspace(0, 0.3, 3 * len(voice))
    whole = remove_offset(drifting, RATE)
    monkeypatch.setattr("lightning_vc.audio.conditioning._FILTERED", 5 * RATE + 1)
    torch.testing.assert_close(remove_offset(drifting, RATE), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["click", "sample", "thump", "pause"])
def test_a_click_does_not_change_the_level(voice: Tensor, kind: str) -> None:
    clean, wave = condition(voice, RATE), clicked(voice, kind)
    [burst] = find_bursts(wave, RATE)
    assert burst.start == pytest.approx(6.5 if kind == "pause" else 2.0, abs=0.02)
    conditioned = condition(wave, RATE)
    assert len(clean) <= len(conditioned) <= len(clean) + 0.12 * RATE  # what is in a pause is trimmed off with it
    speech = slice(3 * RATE, 5 * RATE)
    assert decibels(conditioned[speech]) == pytest.approx(decibels(clean[speech]), abs=0.6)
    assert decibels(clean) == pytest.approx(-23, abs=0.1)
    assert conditioned.abs().max() < 2 * clean.abs().max()


def test_nothing_else_is_attenuated(voice: Tensor) -> None:
    assert find_bursts(voice, RATE) == []
    assert find_bursts(torch.cat([torch.zeros(60 * RATE), voice[: 2 * RATE]]), RATE) == []
    assert find_bursts(voice[:1000], RATE) == []
    wave = clicked(voice, "click")
    bursts = find_bursts(wave, RATE)
    repaired = attenuate(wave, RATE, bursts)
    assert repaired[: 2 * RATE - 200].equal(voice[: 2 * RATE - 200])
    assert repaired[2 * RATE + 400 :].equal(voice[2 * RATE + 400 :])
    kept = without_bursts(wave.unsqueeze(1), RATE, bursts)
    assert kept.abs().max() <= 0.1
    assert len(wave) - 0.05 * RATE < len(kept) < len(wave)


def test_a_single_word_has_no_bursts(shared_data: Path) -> None:
    (file,) = (shared_data / "LibriSpeech" / "train-clean-5").rglob("1088-134315-0000.*")
    wave = read(file, RATE)
    for start in (2.4, 2.6, 3.0, 5.0, 7.0):
        for seconds in (0.4, 0.5, 1.0):
            assert find_bursts(wave[int(start * RATE) :][: int(seconds * RATE)], RATE) == []


@pytest.mark.parametrize("sample", [1e-25, 1e-38])
def test_a_sample_that_is_nearly_zero_in_digital_silence(voice: Tensor, sample: float) -> None:
    silence = torch.zeros(60 * RATE)
    silence[30 * RATE] = sample
    wave = torch.cat([voice[:RATE], silence])
    assert repair(wave, RATE)[0].isfinite().all()


@pytest.mark.parametrize("background", [0.0, 1e-4, 1e-3])
def test_long_pauses_are_shortened(voice: Tensor, background: float) -> None:
    pause = torch.zeros(3 * RATE // 2)
    wave = torch.cat([part for second in voice.split(RATE) for part in (second, pause)])
    wave += background * torch.randn(len(wave), generator=torch.Generator().manual_seed(1))
    short = shorten_pauses(wave, RATE, 0.4)
    assert len(short) / RATE == pytest.approx(6 * 1.4, abs=0.7)  # a piece may end with a pause of its own
    assert shorten_pauses(short, RATE, 0.4).equal(short)
    assert shorten_pauses(voice, RATE, 0.4).equal(voice)
    assert shorten_pauses(voice[:100], RATE, 0.4).equal(voice[:100])


def test_steady_noise_is_no_pause() -> None:
    noise = 0.1 * torch.randn(5 * RATE, generator=torch.Generator().manual_seed(0))
    assert shorten_pauses(noise, RATE, 0.4).equal(noise)


def test_clean_recordings_stay_as_they_are(shared_data: Path) -> None:
    files = sorted((shared_data / "LibriSpeech" / "train-clean-5").rglob("*-000[01].opus"))[:40]
    for wave in (read(file, RATE) for file in files):
        assert repair(wave, RATE)[1] == []
        before, after = level(trim(wave, RATE)), condition(wave, RATE)
        assert len(before) == pytest.approx(len(after), abs=0.02 * RATE)
        assert decibels(after) == pytest.approx(decibels(before), abs=0.5)
