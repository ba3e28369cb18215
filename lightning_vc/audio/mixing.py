"""Several channels to one."""

from torch import Tensor

_CANCELLED = 0.5  # of the power that the mean of independent channels has, below which channels cancel each other


def mix(channels: Tensor) -> Tensor:
    """Average the channels of a recording: (W, channels) -> (W,).

    Where they cancel each other, as when one side of a stereo recording is inverted, the loudest is used alone.
    """
    if channels.shape[1] == 1:
        return channels[:, 0]
    return channels[:, int(_powers(channels).argmax())] if cancels(channels) else channels.mean(1)


def cancels(channels: Tensor) -> bool:
    """Whether channels (W, channels) are so opposed that their mean would lose most of the sound."""
    powers, mixed = _powers(channels), channels.mean(1)
    return bool((mixed - mixed.mean()).square().mean() < _CANCELLED * powers.mean() / channels.shape[1])


def _powers(channels: Tensor) -> Tensor:
    """Power of each channel around its mean, (channels,)."""
    return (channels - channels.mean(0)).square().mean(0)
