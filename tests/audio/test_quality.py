from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_vc.audio.conditioning import trim
from lightning_vc.audio.io import read, resample
from lightning_vc.audio.loudness import level
from lightning_vc.audio.quality import clipping, dynamic_range, quality_warnings, speaker_change, tonality


@pytest.fixture
def voice() -> Tensor:
    """Bursts of noise between silences, which are as loud and as quiet as a voice in a quiet room."""
    torch.manual_seed(0)
    loud = (torch.arange(6 * 16000) // 1600 % 4 != 3).float().clamp(min=0.003)  # 50 dB
    return torch.randn(6 * 16000) * 0.1 * loud


def blamed(wave: Tensor) -> list[str]:
    return list(quality_warnings(wave, 16000, clipping(wave.unsqueeze(1))))


def test_a_good_recording(voice: Tensor) -> None:
    assert blamed(voice) == []
    assert blamed(voice * 0.01) == []
    assert dynamic_range(voice, 16000) == pytest.approx(50, abs=2)
    assert blamed(torch.zeros(16000)) == []


@pytest.mark.parametrize("scale", [0.05, 1.0])
def test_each_defect_causes_its_warning(voice: Tensor, scale: float) -> None:
    torch.manual_seed(1)
    short = voice[:8000]
    noisy = voice + torch.randn_like(voice) * voice.std() * 10 ** (-10 / 20)
    clipped = voice.clamp(-2 * voice.std(), 2 * voice.std())
    for wave, *expected in (
        (short, "has 0.5 s of sound only"),
        (noisy, "has noise or other people behind the voice"),
        (clipped, "was recorded too loud"),
        (noisy.clamp(-0.1, 0.1), "was recorded too loud", "has noise"),
    ):
        result = blamed(wave * scale)
        assert len(result) == len(expected)
        assert all(complaint.startswith(start) for complaint, start in zip(result, expected, strict=True))


def test_real_recordings(shared_data: Path) -> None:
    """One in a hundred may be blamed wrongly."""
    files = sorted((shared_data / "LibriSpeech" / "train-clean-5").rglob("*-000[01].*"))
    files = [file for file in files if file.suffix != ".txt"][:40]
    waves = [level(trim(read(file, 16000), 16000)) for file in files]
    assert len(waves) == 40
    assert sum(bool(blamed(wave)) for wave in waves) <= 2
    torch.manual_seed(0)
    noisy = [wave + torch.randn_like(wave) * wave.std() * 0.3 for wave in waves]
    assert sum(bool(blamed(wave)) for wave in noisy) >= 38
    clipped = [wave.clamp(-4 * wave.std(), 4 * wave.std()) for wave in waves]
    assert sum(bool(blamed(wave)) for wave in clipped) >= 35
    dull = [resample(resample(wave, 16000, 8000), 8000, 16000) for wave in waves]
    assert sum("as if by telephone" in " ".join(blamed(wave)) for wave in dull) >= 38


def chords(samples: int) -> Tensor:
    """Half a second each of a few chords that die away."""
    time = torch.arange(8000) / 16000
    notes = [(196, 247, 294), (220, 262, 330), (262, 330, 392)]
    played = [sum(torch.sin(2 * torch.pi * hertz * time) for hertz in chord) * torch.exp(-time) for chord in notes]
    return torch.cat(played).repeat(samples // 24000 + 1)[:samples]


def test_music(voice: Tensor) -> None:
    assert tonality(voice, 16000) < 24
    for decibels in (5, 15):
        music = chords(len(voice))
        result = blamed(voice + music / music.std() * voice.std() * 10 ** (-decibels / 20))
        assert [complaint[:30] for complaint in result] == ["has music behind the voice: it"]


def test_two_speakers(voice: Tensor) -> None:
    """One sounds bright, one dull."""
    spectrum = torch.fft.rfft(voice)
    dull = torch.fft.irfft(spectrum / torch.linspace(1, 30, len(spectrum)), len(voice))
    dull *= voice.std() / dull.std()
    assert speaker_change(torch.cat([voice, voice]), 16000) < 0.1
    result = blamed(torch.cat([voice, dull]))
    assert [complaint[:27] for complaint in result] == ["seems to have two speakers:"]
    assert speaker_change(torch.cat([voice, dull]), 8000) > 0.35
    assert speaker_change(torch.cat([voice[:16000], dull[:16000]]), 16000) == 0  # too short to tell


def test_two_real_speakers(shared_data: Path) -> None:
    folders = sorted((shared_data / "LibriSpeech" / "train-clean-5").iterdir())[:12]
    files = [sorted(file for file in folder.rglob("*-0001.*") if file.suffix != ".txt")[0] for folder in folders]
    waves = [level(trim(read(file, 16000), 16000))[:64000] for file in files]
    pairs = [torch.cat([first, second]) for first, second in pairwise(waves)]
    assert sum(speaker_change(wave, 16000) > 0.35 for wave in pairs) >= 5
    assert sum(speaker_change(level(trim(read(file, 16000), 16000)), 16000) > 0.35 for file in files) == 0


def test_a_short_recording_without_pauses_has_no_noise_warning() -> None:
    torch.manual_seed(0)
    assert blamed(torch.randn(int(1.5 * 16000)) * 0.1) == []


def test_clipping_is_seen_in_any_channel_and_beside_silence(voice: Tensor) -> None:
    clipped = voice.clamp(-2 * voice.std(), 2 * voice.std())
    alone = clipping(clipped.unsqueeze(1))
    assert alone > 0.002 > clipping(voice.unsqueeze(1))
    assert clipping(torch.stack([voice, clipped], 1)) == alone
    assert clipping(torch.cat([clipped, torch.zeros(10 * len(voice))]).unsqueeze(1)) == alone
    assert clipping(torch.zeros(16000, 1)) == 0
