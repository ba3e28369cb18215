"""Pitch of a voice, from a linear spectrogram."""

import math

import torch
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms

LOWEST, HIGHEST = 60.0, 420.0  # hertz, of speaking
_STEP, _WINDOW = 0.01, 0.064  # seconds from frame to frame, and in which there are some periods of the lowest
_STEPS = 36  # of an octave
_TOP = 2500.0  # hertz: above, harmonics of speech are not steady enough to tell
_LOUD = 0.35  # of a frame, below the loudest, on the scale of decibels: quieter ones are no voice
_CLEAR = 0.03  # salience of a voice
_AROUND = 0.3  # octaves that a speaker's pitch is mostly within


class HarmonicPitch(nn.Module):
    """The pitch whose harmonics have the highest salience, after SWIPE (Camacho and Harris 2008).

    Salience is the product of decibels with a comb of teeth at the multiples of a pitch and valleys between them. A
    penalty on the distance from the most salient pitch of the sentence avoids octave errors.

    Args:
        n_bins: F, of spectrograms from 0 to half the sample rate.
        sample_rate: hertz.
    """

    def __init__(self, n_bins: int, sample_rate: int = 16000) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        hertz = torch.linspace(0, sample_rate / 2, n_bins)  # (F,)
        octaves = torch.arange(0, math.log2(HIGHEST / LOWEST), 1 / _STEPS)  # (C,)
        harmonic = hertz / (LOWEST * 2**octaves).unsqueeze(1)  # (C, F): 1 is the fundamental
        comb = (2 * torch.pi * harmonic).cos() * (0.5 + 0.5 * (harmonic > 0.75)) * (harmonic > 0.25) * (hertz < _TOP)
        comb = comb * harmonic.clamp(min=0.25) ** -0.5
        comb = comb - comb.sum(1, keepdim=True) / (comb != 0).sum(1, keepdim=True) * (comb != 0)
        comb = comb / comb.abs().sum(1, keepdim=True)
        self.comb: Tensor
        self.octaves: Tensor
        self.register_buffer("comb", comb.mT.contiguous(), persistent=False)  # (F, C)
        self.register_buffer("octaves", octaves, persistent=False)

    @torch.no_grad()
    def forward(self, linear: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Decibels (B, T, F), mask of real frames (B, T) -> pitch in octaves above LOWEST, voiced; (B, T)."""
        salience = linear.float() @ self.comb  # (B, T, C)
        salience = nn.functional.avg_pool1d(salience.mT, 3, 1, 1).mT
        loudness = linear.float().amax(2)  # (B, T)
        loud = real & (loudness > loudness.amax(1, keepdim=True) - _LOUD)
        clear = salience.amax(2)
        voiced = loud & (clear > _CLEAR)
        # What a sentence mostly has: where the salience of its voiced frames adds up to most.
        common = (salience.clamp(min=0) * voiced.unsqueeze(2)).sum(1)  # (B, C)
        middle = self.octaves[common.argmax(1)]  # (B,)
        unlikely = ((self.octaves - middle.unsqueeze(1)) / _AROUND) ** 2 / 2  # (B, C)
        salience = salience - 0.01 * unlikely.unsqueeze(1)
        best = salience.argmax(2).clamp(1, len(self.octaves) - 2)  # (B, T)
        before, at, after = (salience.gather(2, (best + off).unsqueeze(2)).squeeze(2) for off in (-1, 0, 1))
        off = (0.5 * (before - after) / (before - 2 * at + after).clamp(max=-1e-9)).clamp(-0.5, 0.5)
        return self.octaves[best] + off / _STEPS, voiced


def pitch(wave: Tensor, sample_rate: int) -> Tensor:
    """Fundamental frequency in hertz each 10 ms of a recording (W,): (frames,), NaN where there is no voice."""
    window = round(_WINDOW * sample_rate)
    spectrograms = Spectrograms(sample_rate, window, window, round(_STEP * sample_rate))
    linear = spectrograms(wave.unsqueeze(0)).linear
    real = torch.ones(linear.shape[:2], dtype=torch.bool)
    octaves, voiced = HarmonicPitch(spectrograms.n_bins, sample_rate)(linear, real)
    return (LOWEST * 2**octaves).where(voiced, torch.nan)[0]
