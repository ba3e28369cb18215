import math

import pytest
import torch

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.pitch import LOWEST, HarmonicPitch

SPECTROGRAMS = Spectrograms(n_fft=1024, window=1024, hop=256)


def sung(hertz: torch.Tensor, harmonics: int = 20) -> torch.Tensor:
    """A buzz at so many hertz in each of W samples."""
    phase = 2 * math.pi * (hertz / 16000).cumsum(0)
    return sum((0.3 / k * torch.sin(k * phase) for k in range(1, harmonics + 1)), start=torch.zeros_like(hertz))


@pytest.mark.parametrize("hertz", [85.0, 120.0, 210.0, 330.0])
def test_a_buzz_has_its_pitch(hertz: float) -> None:
    linear = SPECTROGRAMS(sung(torch.full((16000,), hertz))[None]).linear
    octaves, voiced = HarmonicPitch(513)(linear, torch.ones(linear.shape[:2], dtype=torch.bool))
    assert voiced[:, 1:].all()
    cents = 1200 * (octaves - math.log2(hertz / LOWEST))[0, 3:-3].abs()
    assert cents.max() < 20


def test_a_pitch_that_moves_is_followed() -> None:
    hertz = 150 + 50 * torch.sin(torch.arange(32000) / 16000 * 2 * math.pi)
    linear = SPECTROGRAMS(sung(hertz)[None]).linear
    octaves, _ = HarmonicPitch(513)(linear, torch.ones(linear.shape[:2], dtype=torch.bool))
    true = (hertz[::256] / LOWEST).log2()
    cents = 1200 * (octaves[0, 4:-4] - true[4 : octaves.shape[1] - 4]).abs()
    assert cents.median() < 30


def test_noise_and_silence_have_none_and_padding_neither() -> None:
    torch.manual_seed(0)
    waves = torch.stack([0.1 * torch.randn(8000), torch.zeros(8000), sung(torch.full((8000,), 120.0))])
    linear = SPECTROGRAMS(waves).linear
    mask = torch.ones(linear.shape[:2], dtype=torch.bool)
    mask[2, 10:] = False
    _, voiced = HarmonicPitch(513)(linear, mask)
    assert voiced[0].float().mean() < 0.1
    assert not voiced[1].any()
    assert voiced[2].equal(mask[2])


def test_pitch_at_another_sample_rate() -> None:
    spectrograms = Spectrograms(24000, 1536, 1536, 240)
    linear = spectrograms(sung(torch.full((24000,), 120.0))[None]).linear  # 180 Hz at this rate
    mask = torch.ones(linear.shape[:2], dtype=torch.bool)
    octaves, voiced = HarmonicPitch(spectrograms.n_bins, 24000)(linear, mask)
    assert voiced[0, 5:95].all()
    assert (LOWEST * 2**octaves)[0, 5:95].sub(180).abs().max() < 3
