import math

import pytest
import torch

from lightning_vc.audio.backend import torchaudio
from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import GriffinLim, invert, sinusoidal_phases
from lightning_vc.types import Spectra


@pytest.fixture(scope="module")
def spectrograms() -> Spectrograms:
    return Spectrograms(sample_rate=16000, n_fft=1024, window=800, hop=200, n_mels=40)


def test_sounds_come_back_with_their_pitch(spectrograms: Spectrograms) -> None:
    time = torch.arange(16000) / 16000
    waves = torch.stack([0.5 * torch.sin(2 * math.pi * hertz * time) for hertz in (440, 2000)])
    made = GriffinLim(spectrograms)(spectrograms(waves))
    assert made.shape == (2, 16000)
    assert made.square().mean(1).sqrt().tolist() == pytest.approx([10 ** (-23 / 20)] * 2, rel=1e-3)
    pitches = torch.fft.rfft(made[:, 4000:12000]).abs().argmax(1) * 2  # bins of 2 Hz
    assert pitches.tolist() == pytest.approx([440, 2000], abs=4)


def test_more_rounds_come_closer(spectrograms: Spectrograms) -> None:
    torch.manual_seed(0)
    spectra = spectrograms(torch.randn(1, 8000).cumsum(1) / 200)

    def error(iterations: int) -> float:
        again = spectrograms(GriffinLim(spectrograms, iterations)(spectra)).linear
        loudness = (again - spectra.linear).mean()  # it leaves at another level
        return float((again - spectra.linear - loudness).abs().mean())

    assert error(30) < 0.8 * error(1)


def test_sinusoidal_phases_converge_in_fewer_iterations(spectrograms: Spectrograms) -> None:
    """Spectral convergence of something like a vowel that glides, against torchaudio's from phases of zero."""
    time = torch.arange(16000) / 16000
    pitch = 2 * math.pi * (120 * time + 20 * time**2)
    wave = sum(torch.sin(k * pitch) / k for k in range(1, 20))
    magnitudes = spectrograms.stft(wave).unsqueeze(0)

    def convergence(made: torch.Tensor) -> float:
        return float((spectrograms.stft(made) - magnitudes).norm() / magnitudes.norm())

    theirs = torchaudio.transforms.GriffinLim(1024, 30, 800, 200, power=1, momentum=0.99, rand_init=False)
    assert convergence(invert(magnitudes, spectrograms, iterations=20)) < convergence(theirs(magnitudes))
    phases = sinusoidal_phases(magnitudes, 1024, 200)
    started = torch.istft(torch.polar(magnitudes, phases), 1024, 200, 800, spectrograms.stft.window)
    assert convergence(started) < 0.5


def test_the_same_spectrum_sounds_the_same(spectrograms: Spectrograms) -> None:
    spectra = spectrograms(torch.randn(1, 4000))
    vocoder = GriffinLim(spectrograms, iterations=3)
    assert vocoder(spectra).equal(vocoder(spectra))


def test_silence_and_absurd_loudness_are_no_nan(spectrograms: Spectrograms) -> None:
    for level in (0.0, -3.0, 40.0):
        spectra = Spectra(torch.full((1, 9, 40), level), torch.full((1, 9, 513), level))
        wave = GriffinLim(spectrograms, iterations=3)(spectra)
        assert wave.shape == (1, 8 * 200)
        assert wave.isfinite().all()
        assert wave.abs().max() <= 1


@pytest.mark.parametrize("iterations", [0, -1, 101])
def test_settings_that_make_no_sound(spectrograms: Spectrograms, iterations: int) -> None:
    with pytest.raises(ValueError, match=f"iterations of Griffin-Lim must be from 1 to 100, got {iterations}"):
        GriffinLim(spectrograms, iterations)
