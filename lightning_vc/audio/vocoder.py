"""Vocoders: spectrograms to waveforms."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.loudness import level
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.types import Spectra

NO_FILTER = PostFilter()
_STREAM_FRAMES = 128  # frames of a piece of a stream
_MAX_ITERATIONS = 100


class Vocoder(nn.Module, ABC):
    """Predicted spectrograms to waveforms."""

    # Post-filters for an acoustic model as trained and after adaptation; None to use those of the acoustic model.
    post_filter: PostFilter | None = None
    adapted_post_filter: PostFilter | None = None

    @abstractmethod
    def forward(self, spectra: Spectra, post_filter: PostFilter = NO_FILTER) -> Tensor:
        """(B, T, M) and (B, T, F) -> (B, W) with W = (T - 1) * hop."""

    def stream(self, spectra: Spectra, post_filter: PostFilter = NO_FILTER) -> Iterator[Tensor]:
        """Yield the same waveforms in pieces (B, W'); in a single one unless a subclass overrides this."""
        yield self(spectra, post_filter)


class NeuralVocoder(Vocoder):
    """A network from mel spectrograms to waveforms, trained by `VocoderTask`."""

    spectrograms: Spectrograms  # settings of its input, those of the acoustic model

    @abstractmethod
    def from_mel(self, mels: Tensor) -> Tensor:
        """(B, T, M) -> (B, W) with W = (T - 1) * hop."""

    def forward(self, spectra: Spectra, post_filter: PostFilter = NO_FILTER) -> Tensor:
        """Vocode mel bands of `spectra.linear`, which has more detail than `spectra.mel`; `post_filter` is ignored."""
        return self.from_mel(self.spectrograms.mel_of(spectra.linear))


class GriffinLim(Vocoder):
    """Fast Griffin-Lim (Perraudin et al. 2013) on the linear spectrogram, with 1 to 100 iterations."""

    def __init__(self, spectrograms: Spectrograms, iterations: int = 20) -> None:
        super().__init__()
        self.spectrograms, self.iterations = spectrograms, check_iterations(iterations)

    def forward(self, spectra: Spectra, post_filter: PostFilter = NO_FILTER) -> Tensor:
        magnitudes = post_filter(spectra.linear.clamp(0, 1.2), self.spectrograms)
        waves = invert(magnitudes, self.spectrograms, self.iterations)
        # The post-filter changes the level, so each wave is normalised to that of the training recordings.
        return torch.stack([level(wave) if len(wave) else wave for wave in waves])


def check_iterations(iterations: int) -> int:
    """Return a number of Griffin-Lim iterations; raises ValueError if it is out of bounds."""
    if not 1 <= iterations <= _MAX_ITERATIONS:
        raise ValueError(f"iterations of Griffin-Lim must be from 1 to {_MAX_ITERATIONS}, got {iterations}")
    return iterations


def invert(magnitudes: Tensor, spectrograms: Spectrograms, iterations: int) -> Tensor:
    """Invert STFT magnitudes (B, F, T) to waves (B, W); differentiable with respect to the magnitudes."""
    samples = (magnitudes.shape[-1] - 1) * spectrograms.hop
    return _reconstruct(_initial(magnitudes, spectrograms), spectrograms, iterations)[:, :samples]


def stream_inverse(magnitudes: Tensor, spectrograms: Spectrograms, iterations: int) -> Iterator[Tensor]:
    """Yield the waves of `invert` in pieces; the initial phases are those of the whole spectrogram."""
    hop, end = spectrograms.hop, magnitudes.shape[-1] - 1
    overlap = math.ceil(spectrograms.n_fft / hop)  # frames that a frame shares samples with
    context = iterations * (overlap - 1) + math.ceil(overlap / 2)
    spectrum = _initial(magnitudes, spectrograms)
    for start in range(0, max(1, end), _STREAM_FRAMES):
        first, stop = max(0, start - context), min(start + _STREAM_FRAMES, end)
        waves = _reconstruct(spectrum[..., first : stop + context + 1], spectrograms, iterations)
        yield waves[:, (start - first) * hop :][:, : (stop - start) * hop]


def _initial(magnitudes: Tensor, spectrograms: Spectrograms) -> Tensor:
    """Return magnitudes with sinusoidal phases, padded to the number of frames that an inverse transform needs."""
    missing = 1 + spectrograms.n_fft // spectrograms.hop - magnitudes.shape[-1]
    magnitudes = F.pad(magnitudes, (0, max(0, missing)))
    return torch.polar(magnitudes, sinusoidal_phases(magnitudes.detach(), spectrograms.n_fft, spectrograms.hop))


def _reconstruct(spectrum: Tensor, spectrograms: Spectrograms, iterations: int, momentum: float = 0.99) -> Tensor:
    """Refine the phases of a spectrum (B, F, T) by Griffin-Lim iterations and return the waves (B, W).

    In one iteration, a frame only depends on the frames that overlap it.
    """
    sizes, window = (spectrograms.n_fft, spectrograms.hop, spectrograms.window), spectrograms.stft.window
    magnitudes = spectrum.abs()
    with torch.no_grad():
        previous = spectrum
        for _ in range(iterations):
            consistent = torch.stft(torch.istft(spectrum, *sizes, window), *sizes, window, return_complex=True)
            spectrum = magnitudes * torch.sgn(consistent + momentum * (consistent - previous))
            previous = consistent
    return torch.istft(magnitudes * torch.sgn(spectrum), *sizes, window)


def sinusoidal_phases(magnitudes: Tensor, n_fft: int, hop: int) -> Tensor:
    """Estimate phases of continuous sinusoids, one per peak (Beauregard et al. 2015): (B, F, T) -> (B, F, T).

    Each bin has the frequency of the nearest peak, found by parabolic interpolation.
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
    # The window is centred in its frame, so phases of neighbouring bins of a peak differ by pi.
    advance = advance + torch.pi * ((bins - nearest) % 2)
    phase = torch.zeros_like(magnitudes[..., 0])  # (B, F)
    phases = []
    for step, peak in zip(advance.unbind(-1), nearest.unbind(-1), strict=True):
        phase = (phase.gather(1, peak) + step) % (2 * torch.pi)
        phases.append(phase)
    return torch.stack(phases, -1)
