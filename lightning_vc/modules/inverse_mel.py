"""From mel spectrograms to linear ones, whose phases Griffin-Lim finds."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms, magnitude
from lightning_vc.audio.sharpening import Sharpening
from lightning_vc.audio.vocoder import griffin_lim, sinusoidal_phases
from lightning_vc.modules.vocoder import ConvNeXt, MelVocoder

_MOST_ROUNDS = 1000


class InverseMelVocoder(MelVocoder):
    """Griffin-Lim from a linear spectrogram that a network makes of the mel spectrogram.

    Phases are not what Griffin-Lim lacks: from the true linear spectrogram it is as good as the recording
    (docs/results.md). So the network says what is different from the spectrogram that least squares find, above all
    where harmonics stand that mel bands are too wide to show. Before it has learnt anything, this is Griffin-Lim.

    Args:
        spectrograms: that it hears, and whose linear part it makes.
        channels, layers, width: of the network, as in `ConvNeXt`.
        rounds: of Griffin-Lim.

    Raises:
        ValueError: for less than one round, or more than 1000.
    """

    def __init__(
        self,
        spectrograms: Spectrograms,
        channels: int = 256,
        layers: int = 8,
        width: int = 7,
        rounds: int = 16,
    ) -> None:
        super().__init__()
        if not 1 <= rounds <= _MOST_ROUNDS:
            raise ValueError(f"rounds of Griffin-Lim must be from 1 to {_MOST_ROUNDS}, got {rounds}")
        self.sharpening: Sharpening = Sharpening()
        self.spectrograms, self.hop, self.rounds = spectrograms, spectrograms.hop, rounds
        self.network = ConvNeXt(spectrograms.n_mels, spectrograms.n_bins, channels, layers, width)
        nn.init.zeros_(self.network.leave.weight)
        nn.init.zeros_(self.network.leave.bias)
        self.around = rounds * (math.ceil(spectrograms.n_fft / self.hop) - 1) + math.ceil(
            spectrograms.n_fft / 2 / self.hop
        )  # frames that Griffin-Lim looks at

    def forward(self, mels: Tensor) -> Tensor:
        """(B, T, M) -> (B, W); phases are no function that is learnt from."""
        return self._sound(self._spectrum(mels))[:, : (mels.shape[1] - 1) * self.hop]

    def stream(self, mels: Tensor, frames: int) -> Iterator[Tensor]:
        """Pieces of so many frames: magnitudes are made of all at once, as sinusoids go on from the first frame."""
        spectrum, end = self._spectrum(mels), mels.shape[1] - 1
        for start in range(0, max(1, end), frames):
            first, stop = max(0, start - self.around), min(start + frames, end)
            waves = self._sound(spectrum[..., first : stop + self.around + 1])
            yield waves[:, (start - first) * self.hop :][:, : (stop - start) * self.hop]

    def linear(self, mels: Tensor) -> Tensor:
        """The linear spectrogram, in decibels: (B, T, M) -> (B, T, F)."""
        return (self.spectrograms.linear_of(mels) + self.network(mels).float()).clamp(0, 1.2)

    def _spectrum(self, mels: Tensor) -> Tensor:
        """Magnitudes, with phases of sinusoids, (B, F, T)."""
        made = self.spectrograms
        linear = self.linear(mels)
        magnitudes = made.undo(magnitude(linear).mT)
        if self.sharpening != Sharpening():
            sharp = made.undo(self.sharpening(linear, made))
            magnitudes = sharp * (magnitudes.norm(dim=(1, 2), keepdim=True) / sharp.norm(dim=(1, 2), keepdim=True))
        magnitudes = F.pad(magnitudes, (0, max(0, 1 + made.n_fft // made.hop - mels.shape[1])))  # a transform's least
        return torch.polar(magnitudes, sinusoidal_phases(magnitudes.detach(), made.n_fft, made.hop))

    def _sound(self, spectrum: Tensor) -> Tensor:
        """To waves, by phases that go together."""
        made, window = self.spectrograms, self.spectrograms.stft.window
        sizes = (made.n_fft, made.hop, made.window)
        with torch.no_grad():
            phases = torch.sgn(griffin_lim(spectrum, sizes, window, self.rounds))
        return torch.istft(spectrum.abs() * phases, *sizes, window)
