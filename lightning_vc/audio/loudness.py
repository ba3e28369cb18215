"""How loud a recording is."""

import torch
from torch import Tensor

_LOUDNESS = 10 ** (-23 / 20)  # root mean square
_HEADROOM = 10 ** (-1 / 20)  # highest sample of what is spoken
_KNEE = 10 ** (-3 / 20)  # above which the limiter of a stream begins


def level(wave: Tensor) -> Tensor:
    """Bring (W,) to a root mean square of -23 dB of full scale, or to a peak of 0.99 if that is less."""
    gain = _LOUDNESS / wave.square().mean().sqrt().clamp(min=1e-8)
    return wave * torch.minimum(gain, 0.99 / wave.abs().max().clamp(min=1e-8))


def scale_to_headroom(wave: Tensor) -> Tensor:
    """Scale (W,) down where its peaks are above -1 dB of full scale."""
    return wave * (_HEADROOM / wave.abs().max()).clamp(max=1) if len(wave) else wave


def limit_to_headroom(wave: Tensor) -> Tensor:
    """Limit (W,) to -1 dB of full scale, sample by sample, by a smooth curve that begins at -3 dB."""
    room, size = _HEADROOM - _KNEE, wave.abs()
    return torch.where(size > _KNEE, wave.sign() * (_KNEE + room * torch.tanh((size - _KNEE) / room)), wave)
