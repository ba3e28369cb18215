import math

import pytest
import torch

from lightning_vc.audio.features import Spectrograms, magnitude
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import GriffinLim


@pytest.fixture(scope="module")
def spectrograms() -> Spectrograms:
    return Spectrograms(sample_rate=16000, n_fft=1024, window=800, hop=200, n_mels=40)


def test_the_default_post_filter_changes_nothing(spectrograms: Spectrograms) -> None:
    linear = torch.rand(2, 9, 513)
    torch.testing.assert_close(PostFilter()(linear, spectrograms), spectrograms.undo(magnitude(linear).mT))


def test_sharpening_deepens_valleys_between_harmonics_and_leaves_formants(spectrograms: Spectrograms) -> None:
    """A voice of 200 Hz with as much noise between its harmonics, all under one formant at 1 kHz."""
    torch.manual_seed(0)
    time, hertz = torch.arange(8000) / 16000, torch.arange(4001) * 2.0
    source = sum(torch.sin(2 * math.pi * 200 * k * time) for k in range(1, 40)) + 0.5 * torch.randn(8000)
    formant = 0.1 + torch.exp(-(((hertz - 1000) / 500) ** 2))
    spectra = spectrograms(torch.fft.irfft(torch.fft.rfft(source) * formant)[None] / 20)

    def decibels_at(hertz: int, power: float, contrast: float) -> float:
        waves = GriffinLim(spectrograms)(spectra, PostFilter(power, contrast))
        return 100 * float(spectrograms(waves).linear[0, 10:-10, round(hertz * 1024 / 16000)].mean())

    def depth(power: float, contrast: float) -> float:
        return decibels_at(1000, power, contrast) - decibels_at(1100, power, contrast)

    def height(power: float, contrast: float) -> float:
        return decibels_at(1000, power, contrast) - decibels_at(3000, power, contrast)

    assert depth(1.0, 1.5) > depth(1.0, 1.0) + 5
    assert height(1.0, 1.5) == pytest.approx(height(1.0, 1.0), abs=2)
    assert height(1.5, 1.0) > height(1.0, 1.0) + 5


def test_steady_noise_is_subtracted_and_speech_is_not(spectrograms: Spectrograms) -> None:
    torch.manual_seed(0)
    rate = spectrograms.sample_rate
    noise = 0.01 * torch.randn(2 * rate)
    tone = 0.5 * torch.sin(2 * math.pi * 1000 * torch.arange(rate) / rate)
    wave = torch.cat([noise[:rate], noise[rate:] + tone])  # a pause, and then a sound
    spectra = spectrograms(wave.unsqueeze(0))

    def loudness(denoise: float) -> tuple[float, float]:
        output = GriffinLim(spectrograms)(spectra, PostFilter(denoise=denoise))[0]
        pause, sound = output[rate // 4 : rate // 2], output[-rate // 2 : -rate // 4]
        return float(pause.square().mean()), float(sound.square().mean())

    (pause, sound), (cleaned, kept) = loudness(0.0), loudness(40.0)
    assert kept / cleaned > 10 * sound / pause
    assert kept == pytest.approx(sound, rel=0.2)


@pytest.mark.parametrize("wrong", [{"power": 0.0}, {"contrast": -1.0}, {"denoise": -0.5}])
def test_settings_that_make_no_sound(wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"needs power and contrast above 0 and denoise .*{name}={value}"):
        PostFilter(**wrong)
