"""Augmentation of recordings by reverberation, noise and telephone bands."""

import math

import torch
from torch import Tensor, nn

from lightning_vc.audio.backend import torchaudio

_PHONE = (300.0, 3400.0)  # hertz, pass band of a telephone
_REVERBERATION = (0.1, 0.6)  # seconds, reverberation time (RT60)
_SLOPES = 2.0  # largest spectral slope: power falls as frequency ** -slope, from white (0) to brown (2)


class Augmentation(nn.Module):
    """Reverberation, additive noise and telephone bandwidth, each applied to a random share of the clips of a batch.

    Half of the batches get coloured noise, half get babble of other speakers of the batch.

    Args:
        sample_rate: hertz.
        reverberation: share of the clips that are reverberated, by one impulse response per batch.
        noise: share of the clips with additive noise.
        snr: lowest and highest signal-to-noise ratio, decibels.
        telephone: share of the clips that are limited to telephone bandwidth.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        reverberation: float = 0.3,
        noise: float = 0.5,
        snr: tuple[float, float] = (5.0, 30.0),
        telephone: float = 0.2,
    ) -> None:
        super().__init__()
        for name, share in (("reverberation", reverberation), ("noise", noise), ("telephone", telephone)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is the share of the clips that get it, from 0 to 1, got {share}")
        if snr[0] > snr[1]:
            raise ValueError(f"snr must be the least and the most decibels, got {snr}")
        self.sample_rate, self.snr = sample_rate, snr
        self.reverberation, self.noise, self.telephone = reverberation, noise, telephone

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Clips of B speakers (B, N, W) and their lengths in samples (B, N) -> (B, N, W), about equally loud."""
        clips = waves.flatten(0, 1)  # (C, W)
        mask = torch.arange(clips.shape[1], device=clips.device) < lengths.view(-1, 1)
        noise = babble_noise(waves) if len(waves) > 1 and torch.rand(()) < 0.5 else coloured_noise(clips)
        clips = torch.where(self._chosen(clips, self.reverberation), self._reverberated(clips) * mask, clips)
        clips = torch.where(self._chosen(clips, self.noise), self._with_noise(clips, noise * mask), clips)
        clips = torch.where(self._chosen(clips, self.telephone), self._telephone(clips) * mask, clips)
        return clips.view_as(waves)

    def _chosen(self, waves: Tensor, share: float) -> Tensor:
        """Return a random mask (C, 1), true for this share of the clips."""
        return (torch.rand(len(waves), 1) < share).to(waves.device)

    def _reverberated(self, waves: Tensor) -> Tensor:
        """Convolve (C, W) with an impulse response of noise that decays exponentially (Polack 1988)."""
        low, high = _REVERBERATION
        seconds = low + (high - low) * float(torch.rand(()))
        time = torch.arange(round(seconds * self.sample_rate)) / self.sample_rate
        tail = torch.randn(len(time)) * torch.exp(-3 * math.log(10) * time / seconds)
        room = tail * (0.1 + 0.9 * torch.rand(())) / tail.norm()  # at most the power of the direct sound
        room[0] = 1.0
        wet: Tensor = torchaudio.functional.fftconvolve(waves, room.to(waves).unsqueeze(0))[:, : waves.shape[1]]
        return wet * waves.abs().mean(1, keepdim=True) / wet.abs().mean(1, keepdim=True).clamp(min=1e-8)

    def _with_noise(self, waves: Tensor, noise: Tensor) -> Tensor:
        """Add noise to (C, W) at a random signal-to-noise ratio per clip; silent noise changes nothing."""
        low, high = self.snr
        snr = (low + (high - low) * torch.rand(len(waves))).to(waves)  # (C,), decibels
        noisy: Tensor = torchaudio.functional.add_noise(waves, noise, snr)
        return torch.where(noise.any(1, keepdim=True), noisy, waves)

    def _telephone(self, waves: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(waves)
        hertz = torch.fft.rfftfreq(waves.shape[1], 1 / self.sample_rate, device=waves.device)
        band = (hertz > _PHONE[0]) & (hertz < _PHONE[1])
        return torch.fft.irfft(spectrum * band, waves.shape[1])


def coloured_noise(waves: Tensor) -> Tensor:
    """Return noise of the shape of these waves (C, W), from white to brown."""
    spectrum = torch.fft.rfft(torch.randn_like(waves))
    bins = torch.arange(1, spectrum.shape[1] + 1, device=waves.device)
    slope = _SLOPES / 2 * torch.rand(len(waves), 1, device=waves.device)
    return torch.fft.irfft(spectrum * bins**-slope, waves.shape[1])


def babble_noise(waves: Tensor) -> Tensor:
    """Return, for each clip of (B, N, W), the sum of clips of up to three other speakers: (B * N, W)."""
    shifts = range(1, min(4, len(waves)))
    return torch.stack([waves.roll(shift, 0) for shift in shifts]).sum(0).flatten(0, 1)
