"""How loud a recording is."""

import torch
from torch import Tensor

_LOUDNESS = 10 ** (-23 / 20)  # root mean square


def level(wave: Tensor) -> Tensor:
    """Bring (W,) to one loudness, -23 dB of full scale on average: how near a microphone was must not matter.

    Where its peaks would not fit, it stays as much quieter as they need.
    """
    gain = _LOUDNESS / wave.square().mean().sqrt().clamp(min=1e-8)
    return wave * torch.minimum(gain, 0.99 / wave.abs().max().clamp(min=1e-8))
