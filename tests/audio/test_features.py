import math

import pytest
import torch
from torch import Tensor

from lightning_vc.audio.features import Spectrograms, decibels, magnitude


@pytest.fixture(scope="module")
def spectrograms() -> Spectrograms:
    return Spectrograms(sample_rate=16000, n_fft=1024, window=800, hop=200, n_mels=40)


def hum(hertz: float, samples: int = 8000, peak: float = 1.0) -> Tensor:
    return peak * torch.sin(2 * math.pi * hertz * torch.arange(samples) / 16000)


@pytest.mark.parametrize("samples", [7999, 8000, 8001, 8199])
def test_shapes(spectrograms: Spectrograms, samples: int) -> None:
    spectra = spectrograms(torch.randn(3, samples))
    frames = samples // 200 + 1
    assert spectra.mel.shape == (3, frames, 40)
    assert spectra.linear.shape == (3, frames, spectrograms.n_bins) == (3, frames, 513)
    assert spectrograms.frames(torch.tensor([samples, 200])).tolist() == [frames, 2]


def test_any_number_of_dimensions_for_the_mel_part(spectrograms: Spectrograms) -> None:
    waves = torch.randn(2, 3, 2000)
    mels = spectrograms.mel(waves)
    assert mels.shape == (2, 3, 11, 40)
    torch.testing.assert_close(mels[1], spectrograms(waves[1]).mel)
    torch.testing.assert_close(spectrograms.mel(waves[1, 2]), mels[1, 2])


def test_silence_is_zero_and_full_scale_is_about_one(spectrograms: Spectrograms) -> None:
    silent = spectrograms(torch.zeros(1, 4000))
    assert not silent.mel.any()
    assert not silent.linear.any()
    # 5 kHz is where the pre-emphasis neither dampens nor doubles much.
    loud = spectrograms(hum(5000).unsqueeze(0)).linear[0, 10:30]
    assert loud.max().item() == pytest.approx(1, abs=0.05)
    assert (loud.argmax(1) == round(5000 / 16000 * 1024)).all()


def test_half_as_loud_is_six_decibels_less(spectrograms: Spectrograms) -> None:
    one, half = (spectrograms(hum(1000, peak=peak).unsqueeze(0)) for peak in (0.8, 0.4))
    for item in ("mel", "linear"):
        loudest = [getattr(spectra, item)[0, 20].max().item() for spectra in (one, half)]
        assert loudest[0] - loudest[1] == pytest.approx(0.0602, abs=1e-3)


def test_low_tones_are_damped(spectrograms: Spectrograms) -> None:
    low, high = (spectrograms(hum(hertz).unsqueeze(0)).linear.max().item() for hertz in (100, 7000))
    assert high - low > 0.2


def test_emphasis_and_scale_can_be_undone(spectrograms: Spectrograms) -> None:
    wave = torch.randn(2, 3000)
    window = torch.hann_window(800)
    stft = torch.stft(wave, 1024, 200, 800, window, return_complex=True).abs()
    torch.testing.assert_close(spectrograms.undo(spectrograms.magnitude(wave)), stft, atol=1e-3, rtol=1e-3)


def test_decibels() -> None:
    levels = decibels(torch.tensor([1.0, 0.1, 1e-5, 1e-9, 0.0, 10.0]))
    torch.testing.assert_close(levels, torch.tensor([1.0, 0.8, 0.0, 0.0, 0.0, 1.2]))
    torch.testing.assert_close(magnitude(levels[:3]), torch.tensor([1.0, 0.1, 1e-5]))


def test_there_is_nothing_to_learn_or_to_save(spectrograms: Spectrograms) -> None:
    assert not list(spectrograms.parameters())
    assert "emphasis" not in spectrograms.state_dict()


@pytest.mark.parametrize("sizes", [(512, 800, 200), (1024, 200, 400)])
def test_sizes_that_do_not_fit(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"need 0 < hop <= window <= n_fft <= .* got hop=\d+, window=\d+, n_fft=\d+"):
        Spectrograms(16000, *sizes)


def test_a_linear_spectrogram_of_a_mel_spectrogram_explains_it() -> None:
    made = Spectrograms(n_fft=256, window=256, hop=64, n_mels=20)
    mel, true = made(0.3 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(0)))
    linear = made.linear_of(mel)
    assert linear.shape == true.shape
    torch.testing.assert_close(made.mel_of(linear), mel, atol=2e-3, rtol=0)  # of a scale of 100 dB


@pytest.mark.parametrize(
    "sizes", [{"n_fft": 16384}, {"n_fft": 4096, "n_mels": 513}, {"n_fft": 256, "window": 256, "n_mels": 130}]
)
def test_enormous_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"n_fft <= 8192|n_mels from 1 to (512|129)"):
        Spectrograms(**{"hop": 64, "window": 1024} | sizes)


def test_a_second_of_spectrogram_has_a_limit() -> None:
    Spectrograms(48_000, 4096, 2048, 256)
    with pytest.raises(ValueError, match=r"n_fft=8192 and hop=128 make 12291000: take a larger hop"):
        Spectrograms(384_000, 8192, 8192, 128)
