import pytest
import torch

from lightning_vc.audio.loudness import level, limit_to_headroom, scale_to_headroom

ONE_DECIBEL = 10 ** (-1 / 20)


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


def test_headroom_by_scaling() -> None:
    wave = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    scaled = scale_to_headroom(wave)
    assert scaled.abs().max().item() == pytest.approx(ONE_DECIBEL)
    torch.testing.assert_close(scaled / wave, (scaled / wave)[:1].expand(16000))
    assert scale_to_headroom(scaled * 0.9).equal(scaled * 0.9)
    assert not len(scale_to_headroom(torch.zeros(0)))


def test_headroom_of_a_stream() -> None:
    wave = torch.linspace(-3, 3, 60001)
    limited = limit_to_headroom(wave)
    assert limited.abs().max().item() <= ONE_DECIBEL
    quiet = wave.abs() <= 0.7
    assert limited[quiet].equal(wave[quiet])
    assert (limited.diff() >= 0).all()  # nothing is folded over
    assert limited.diff().max() <= 1.01e-4  # nor does it jump
    assert limit_to_headroom(wave[7:9]).equal(limited[7:9])
