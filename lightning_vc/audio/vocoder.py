"""Spectrograms back to waveforms."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.loudness import level
from lightning_vc.audio.sharpening import Sharpening
from lightning_vc.types import Spectra


class Vocoder(nn.Module, ABC):
    """What the acoustic model predicts in, sound out.

    Attributes:
        sharpening: what it does to spectrograms first; None where nothing.
    """

    sharpening: Sharpening | None = None

    @abstractmethod
    def forward(self, spectra: Spectra) -> Tensor:
        """(B, T, M) and (B, T, F) -> (B, W) with W = (T - 1) * hop."""

    def stream(self, spectra: Spectra) -> Iterator[Tensor]:
        """The same in pieces (B, W'), each as soon as it is made; in one, unless a vocoder knows better."""
        yield self(spectra)


class GriffinLim(Vocoder):
    """Phases by the fast iteration of Griffin and Lim (Perraudin et al. 2013), from the linear spectrogram.

    It starts from `sinusoidal_phases`, which saves a third of the rounds (docs/paper.md).

    Args:
        rounds: of the iteration.
        power, contrast, denoise: see `Sharpening`, which comes before.
        momentum: how far a round goes on in the direction of the one before.
    """

    def __init__(
        self,
        spectrograms: Spectrograms,
        rounds: int = 20,
        power: float = 1.4,
        contrast: float = 1.0,
        momentum: float = 0.99,
        denoise: float = 0.0,
    ) -> None:
        super().__init__()
        if rounds < 1 or not 0 <= momentum < 1:
            raise ValueError(f"Griffin-Lim needs rounds >= 1 and 0 <= momentum < 1, got {rounds=}, {momentum=}")
        self.spectrograms, self.rounds, self.momentum = spectrograms, rounds, momentum
        self.sharpening: Sharpening = Sharpening(power, contrast, denoise)

    def forward(self, spectra: Spectra) -> Tensor:
        sharp = self.sharpening(spectra.linear.clamp(0, 1.2), self.spectrograms)  # (B, F, T)
        waves = self.invert(self.spectrograms.undo(sharp))
        # Sharpening changes the level: every sound leaves as loud as the recordings that models are trained on.
        return torch.stack([level(wave) if len(wave) else wave for wave in waves])  # (B, W)

    def invert(self, magnitudes: Tensor) -> Tensor:
        """Magnitudes of a short-time Fourier transform (B, F, T) to waves (B, W)."""
        made = self.spectrograms
        sizes, window = (made.n_fft, made.hop, made.window), made.stft.window
        samples = (magnitudes.shape[-1] - 1) * made.hop
        magnitudes = F.pad(magnitudes, (0, max(0, made.n_fft - samples) // made.hop))  # a transform needs so many
        spectrum = torch.polar(magnitudes, sinusoidal_phases(magnitudes, made.n_fft, made.hop))
        spectrum = griffin_lim(spectrum, sizes, window, self.rounds, self.momentum)
        return torch.istft(spectrum, *sizes, window)[:, :samples]


def griffin_lim(
    spectrum: Tensor, sizes: tuple[int, int, int], window: Tensor, rounds: int, momentum: float = 0.99
) -> Tensor:
    """The same magnitudes with phases that go better together; short-time Fourier transforms (B, F, T).

    `sizes` are n_fft, hop and window. A round looks no further than frames overlap.
    """
    magnitudes, before = spectrum.abs(), spectrum
    for _ in range(rounds):
        wave = torch.istft(spectrum, *sizes, window)
        consistent = torch.stft(wave, *sizes, window, return_complex=True)
        ahead = consistent + momentum * (consistent - before)
        spectrum, before = magnitudes * torch.sgn(ahead), consistent
    return spectrum


def sinusoidal_phases(magnitudes: Tensor, n_fft: int, hop: int) -> Tensor:
    """Phases of sinusoids that go on from frame to frame, one for each peak (Beauregard et al. 2015).

    Each bin belongs to the nearest peak, whose frequency is that of a parabola through it. Magnitudes and phases
    (B, F, T).
    """
    bins = torch.arange(magnitudes.shape[1], device=magnitudes.device).unsqueeze(-1)  # (F, 1)
    around = F.pad(magnitudes, (0, 0, 1, 1))
    lower, upper = around[:, :-2], around[:, 2:]
    peaks = (magnitudes >= lower) & (magnitudes > upper)
    off = (0.5 * (lower - upper) / (lower - 2 * magnitudes + upper).clamp(max=-1e-9)).clamp(-0.5, 0.5)
    far = 2 * len(bins)
    below = torch.where(peaks, bins, -far).cummax(1).values
    above = torch.where(peaks, bins, far).flip(1).cummin(1).values.flip(1)
    nearest = torch.where(bins - below <= above - bins, below, above)
    nearest = torch.where(nearest.abs() < far, nearest, bins)  # silence has no peaks
    advance = 2 * torch.pi * hop / n_fft * (nearest + off.gather(1, nearest))
    # Under a window that lies in the middle of its frame, phases next to a peak are half a turn apart.
    advance = advance + torch.pi * ((bins - nearest) % 2)
    phase = torch.zeros_like(magnitudes[..., 0])  # (B, F)
    phases = []
    for step, owner in zip(advance.unbind(-1), nearest.unbind(-1), strict=True):
        phase = (phase.gather(1, owner) + step) % (2 * torch.pi)
        phases.append(phase)
    return torch.stack(phases, -1)
