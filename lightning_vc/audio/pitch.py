"""How high a voice is."""

import torch
from torch import Tensor

from lightning_vc.audio.backend import torchaudio

_STEP = 0.01  # seconds from one frame to the next
_AHEAD = 40  # frames that it looks and smooths ahead, at most: it ends so many before its sound
_LOWEST, _HIGHEST = 60, 400  # hertz, of speaking


def pitch(wave: Tensor, sample_rate: int) -> Tensor:
    """Fundamental frequency in hertz each 10 ms of a recording (W,), by normalised cross-correlation: (frames,).

    NaN in the quieter half, where there is hardly a voice.
    """
    size = round(_STEP * sample_rate)
    frames = len(wave) // size
    longer = torch.nn.functional.pad(wave, (0, _AHEAD * size))
    heard: Tensor = torchaudio.functional.detect_pitch_frequency(
        longer, sample_rate, frame_time=_STEP, freq_low=_LOWEST, freq_high=_HIGHEST
    )[:frames]
    loudness = wave[: frames * size].view(frames, size).square().mean(1)
    return heard.where(loudness > loudness.median(), torch.nan)
