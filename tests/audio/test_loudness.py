import pytest
import torch

from lightning_vc.audio.loudness import level


def test_every_level_becomes_one() -> None:
    wave = torch.randn(16000, generator=torch.Generator().manual_seed(0)) * 0.1
    for gain in (0.01, 1.0, 5.0):
        assert torch.allclose(level(wave * gain), level(wave), rtol=1e-4)
    assert level(wave).square().mean().sqrt().item() == pytest.approx(10 ** (-23 / 20), rel=1e-3)


def test_peaks_are_not_cut_to_make_a_recording_louder() -> None:
    wave = torch.zeros(16000)
    wave[100] = 0.5
    assert level(wave).abs().max().item() == pytest.approx(0.99)
    assert not level(torch.zeros(10)).any()
