import torch

from lightning_vc.modules.converter import Converter


def made() -> Converter:
    torch.manual_seed(0)
    return Converter(hidden=12, speaker_dim=4, n_bins=9, reduction=2, channels=8, layers=3).eval()


def test_every_step_becomes_r_frames() -> None:
    assert made()(torch.randn(2, 12, 7), torch.randn(2, 4)).shape == (2, 14, 9)


def test_padding_does_not_change_the_output() -> None:
    converter, hidden, voice = made(), torch.randn(1, 12, 10), torch.randn(1, 4)
    alone = converter(hidden[..., :6], voice)
    mask = (torch.arange(20) < 12).unsqueeze(0)
    torch.testing.assert_close(converter(hidden, voice, mask)[:, :12], alone, atol=1e-5, rtol=0)
    assert (converter(hidden, voice)[:, :12] - alone).abs().max() > 1e-3


def test_it_hears_the_future() -> None:
    converter, hidden, voice = made(), torch.randn(1, 12, 10), torch.randn(1, 4)
    other = hidden.clone()
    other[..., 6] += 1
    changed = (converter(hidden, voice) - converter(other, voice)).abs().amax((0, 2)).nonzero().flatten()
    assert changed[0] == 12 - 3 * 2  # three blocks of width 5
    assert changed[-1] == 13 + 3 * 2
