"""What is wrong with a recording of a voice, and what that does to a clone of it.

The limits are from 200 recordings of LibriSpeech and speechocean762: what is said of them is true of fewer than one in
a hundred as they are, and of more than 95 in a hundred with noise 10 dB below the voice, or cut off at four times their
root mean square.
"""

import torch
from torch import Tensor

from lightning_vc.audio.io import is_silent

_FRAME, _HOP = 0.025, 0.01  # seconds
_RANGE = 21.0  # decibels between loud and quiet frames, below which there is something behind the voice
_PEAK, _SHARE = 0.98, 0.002  # share of the samples within 2 % of the highest, above which they were cut off
_LITTLE = 1.0  # seconds
_PAUSES = 2.0  # seconds, below which a voice may well not pause, so that nothing is known of what is behind it


def complaints(wave: Tensor, sample_rate: int) -> list[str]:
    """Of a wave (W,) whose ends are trimmed; none where nothing is wrong, or where it is silent."""
    found: list[str] = []
    if is_silent(wave):
        return found
    seconds = len(wave) / sample_rate
    if seconds < _LITTLE:
        found.append(f"has {seconds:.1f} s of sound only, which tells little of a voice: give more, or longer ones")
    cut_off = float((wave.abs() >= _PEAK * wave.abs().max()).float().mean())
    if cut_off > _SHARE:
        found.append(
            f"was recorded too loud ({cut_off:.1%} of it is cut off): the voice becomes harsh; record it again, "
            "further from the microphone"
        )
    between = dynamic_range(wave, sample_rate)
    if seconds >= _PAUSES and between < _RANGE:
        found.append(
            f"has noise, music or other people behind the voice (its quiet moments are only {between:.0f} dB below the "
            "loud ones): they become a part of it; record it in a quiet room"
        )
    return found


def dynamic_range(wave: Tensor, sample_rate: int) -> float:
    """Decibels between the 95th and the 10th percentile of the loudness of 25 ms frames of a wave (W,)."""
    size, hop = round(_FRAME * sample_rate), round(_HOP * sample_rate)
    if len(wave) < size:
        return torch.inf
    loudness = 10 * wave.unfold(0, size, hop).square().mean(1).clamp(min=1e-10).log10()
    loud, quiet = torch.quantile(loudness, torch.tensor([0.95, 0.1])).tolist()
    return float(loud - quiet)
