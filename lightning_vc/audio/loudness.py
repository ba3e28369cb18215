"""Level of recordings, and protection from clipping."""

import torch
from torch import Tensor

_LOUDNESS = 10 ** (-23 / 20)  # root mean square
_HEADROOM = 10 ** (-1 / 20)  # highest sample of synthesised speech
_KNEE = 10 ** (-3 / 20)  # level at which the limiter of a stream starts


def level(wave: Tensor) -> Tensor:
    """Scale (W,) to a root mean square of -23 dB of full scale, or to a peak of 0.99 if that is quieter."""
    gain = _LOUDNESS / wave.square().mean().sqrt().clamp(min=1e-8)
    return wave * torch.minimum(gain, 0.99 / wave.abs().max().clamp(min=1e-8))


def scale_to_headroom(wave: Tensor) -> Tensor:
    """Scale (W,) down if its peak is above -1 dB of full scale."""
    return wave * (_HEADROOM / wave.abs().max()).clamp(max=1) if len(wave) else wave


def limit_to_headroom(wave: Tensor) -> Tensor:
    """Limit each sample of (W,) to -1 dB of full scale by a smooth curve that starts at -3 dB."""
    room, size = _HEADROOM - _KNEE, wave.abs()
    return torch.where(size > _KNEE, wave.sign() * (_KNEE + room * torch.tanh((size - _KNEE) / room)), wave)
