import pytest
import torch
from torch import Tensor

from lightning_vc.audio.features import Spectrograms
from lightning_vc.modules.speaker_encoder import ClipAttention, ConvAttentionEncoder


@pytest.fixture
def encoder() -> ConvAttentionEncoder:
    torch.manual_seed(0)
    return ConvAttentionEncoder(Spectrograms(n_mels=10), speaker_dim=6, channels=16, attention=8).eval()


def heard(frames: int, clips: int = 3) -> tuple[Tensor, Tensor]:
    """Two speakers' clips, and that all of their frames are speech."""
    return torch.randn(2, clips, frames, 10), torch.ones(2, clips, frames, dtype=torch.bool)


@pytest.mark.parametrize("clips", [1, 2, 7])
def test_any_number_of_clips_makes_one_voice(encoder: ConvAttentionEncoder, clips: int) -> None:
    voice = encoder.from_mels(*heard(20, clips))
    assert voice.shape == (2, 6)
    assert voice.isfinite().all()


def test_padding_changes_nothing_whatever_is_in_it(encoder: ConvAttentionEncoder) -> None:
    mels, mask = heard(20)
    longer = torch.cat([mels, 100 * torch.randn(2, 3, 15, 10)], 2)
    padded = torch.cat([mask, torch.zeros(2, 3, 15, dtype=torch.bool)], 2)
    torch.testing.assert_close(encoder.from_mels(longer, padded), encoder.from_mels(mels, mask), atol=1e-5, rtol=0)


def test_the_mask_is_of_each_clip(encoder: ConvAttentionEncoder) -> None:
    mels, mask = heard(20)
    mask[0, 1, 12:] = False
    voice = encoder.from_mels(mels, mask)
    mels[0, 1, 12:] = 7.0
    torch.testing.assert_close(encoder.from_mels(mels, mask), voice, atol=1e-5, rtol=0)
    mels[0, 1, 11] = 7.0
    changed = (encoder.from_mels(mels, mask) - voice).abs().amax(1)
    assert changed[0] > 1e-4
    assert changed[1] < 1e-6


def test_the_order_of_clips_does_not_matter(encoder: ConvAttentionEncoder) -> None:
    mels, mask = heard(20, 4)
    mask[:, 2, 9:] = False
    order = [2, 0, 3, 1]
    torch.testing.assert_close(
        encoder.from_mels(mels[:, order], mask[:, order]), encoder.from_mels(mels, mask), atol=1e-5, rtol=0
    )


def test_weights_of_clips_are_positive_and_sum_to_one() -> None:
    torch.manual_seed(0)
    weights = ClipAttention(16, 8, 2).eval()(10 * torch.randn(3, 5, 16))
    assert weights.shape == (3, 5)
    assert (weights > 0).all()
    assert weights.std() > 0.01  # it does weigh
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_a_clip_without_frames_is_no_nan(encoder: ConvAttentionEncoder) -> None:
    mels, mask = heard(20)
    mask[0, 1] = False
    assert encoder.from_mels(mels, mask).isfinite().all()


def test_every_parameter_learns(encoder: ConvAttentionEncoder) -> None:
    encoder.from_mels(*heard(20)).square().sum().backward()
    untouched = [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert untouched == []


def test_the_papers_sizes_are_the_defaults() -> None:
    encoder = ConvAttentionEncoder(Spectrograms())
    assert encoder.from_mels(torch.randn(1, 2, 30, 80), torch.ones(1, 2, 30, dtype=torch.bool)).shape == (1, 512)
    shapes = [tuple(weight.shape) for name, weight in encoder.named_parameters() if name.endswith("conv.weight")]
    assert shapes == [(256, 128, 12)] * 2
