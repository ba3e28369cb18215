"""Pitch estimation from linear spectrograms."""

import math

import torch
from torch import Tensor, nn

LOWEST, HIGHEST = 60.0, 420.0  # hertz, range of speech
_STEPS = 36  # of an octave
_TOP = 2500.0  # hertz: above, harmonics of speech are too unsteady
_LOUD = 0.35  # normalised decibels below the loudest frame; quieter frames are unvoiced
_CLEAR = 0.03  # least salience of a voiced frame
_AROUND = 0.3  # octaves, typical deviation within a sentence


class HarmonicPitch(nn.Module):
    """The pitch whose harmonics have the highest salience, after SWIPE (Camacho and Harris 2008).

    Salience is the inner product of decibels and a comb with peaks at the multiples of a pitch and valleys between. A
    penalty on the distance from the most salient pitch of the sentence avoids octave errors.

    Args:
        n_bins: F, of spectrograms from 0 to half the sample rate.
        sample_rate: hertz.
    """

    def __init__(self, n_bins: int, sample_rate: int = 16000) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.comb: Tensor
        self.octaves: Tensor
        with torch.device("cpu"):  # on the device "meta", this arithmetic would import torch's compiler: 2 s
            octaves = torch.arange(0, math.log2(HIGHEST / LOWEST), 1 / _STEPS)  # (C,)
            comb = _comb(torch.linspace(0, sample_rate / 2, n_bins), octaves)
        self.register_buffer("comb", comb.mT.contiguous(), persistent=False)  # (F, C)
        self.register_buffer("octaves", octaves, persistent=False)

    @torch.no_grad()
    def forward(self, linear: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Decibels (B, T, F), mask of unpadded frames (B, T) -> pitch in octaves above LOWEST, voicing; both (B, T)."""
        salience = linear.float() @ self.comb  # (B, T, C)
        salience = nn.functional.avg_pool1d(salience.mT, 3, 1, 1).mT
        loudness = linear.float().amax(2)  # (B, T)
        loud = mask & (loudness > loudness.amax(1, keepdim=True) - _LOUD)
        clear = salience.amax(2)
        voiced = loud & (clear > _CLEAR)
        # Typical pitch of the sentence: the pitch with the highest sum of salience over voiced frames.
        total = (salience.clamp(min=0) * voiced.unsqueeze(2)).sum(1)  # (B, C)
        middle = self.octaves[total.argmax(1)]  # (B,)
        penalty = ((self.octaves - middle.unsqueeze(1)) / _AROUND) ** 2 / 2  # (B, C)
        salience = salience - 0.01 * penalty.unsqueeze(1)
        best = salience.argmax(2).clamp(1, len(self.octaves) - 2)  # (B, T)
        before, at, after = (salience.gather(2, (best + off).unsqueeze(2)).squeeze(2) for off in (-1, 0, 1))
        off = (0.5 * (before - after) / (before - 2 * at + after).clamp(max=-1e-9)).clamp(-0.5, 0.5)
        return self.octaves[best] + off / _STEPS, voiced


def _comb(hertz: Tensor, octaves: Tensor) -> Tensor:
    """Weights of the salience of each pitch: hertz of bins (F,), octaves above LOWEST of candidates (C,) -> (C, F)."""
    harmonic = hertz / (LOWEST * 2**octaves).unsqueeze(1)  # (C, F), multiples of the fundamental
    comb = (2 * torch.pi * harmonic).cos() * (0.5 + 0.5 * (harmonic > 0.75)) * (harmonic > 0.25) * (hertz < _TOP)
    comb = comb * harmonic.clamp(min=0.25) ** -0.5
    comb = comb - comb.sum(1, keepdim=True) / (comb != 0).sum(1, keepdim=True) * (comb != 0)
    return comb / comb.abs().sum(1, keepdim=True)
