import pytest
import torch
from torch import Tensor

from lightning_vc.audio.conditioning import cancels, mix


@pytest.fixture
def voice() -> Tensor:
    return 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("gain", [1.0, 0.7])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_an_inverted_side_is_left_out(voice: Tensor, gain: float, offset: float) -> None:
    stereo = torch.stack([voice, -gain * voice], 1) + offset
    assert cancels(stereo)
    assert mix(stereo).equal(stereo[:, 0])


def test_other_channels_are_averaged(voice: Tensor) -> None:
    other = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(1))
    for channels in ([voice], [voice, voice], [voice, other], [voice, 0 * voice], [voice, other, voice]):
        assert not cancels(torch.stack(channels, 1))
        torch.testing.assert_close(mix(torch.stack(channels, 1)), torch.stack(channels).mean(0))
    assert not mix(torch.zeros(16000, 2)).any()
