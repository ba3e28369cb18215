"""Deep Voice 3 without its recurrence: every symbol has a duration and a prosody, and all frames come at once."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.modules.acoustic import AcousticModel, Synthesis, Teacherforced
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.durations import Aligner, SymbolPredictor, best_path, forward_sum, symbol_of
from lightning_vc.modules.layers import ConvBlock, projection
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.types import Spectra

_PLACES = 3  # numbers that say where in its symbol a frame is


class ParallelDeepVoice(AcousticModel):
    """Text encoder, duration and prosody of each symbol, converter (after FastPitch, Lancucki 2021).

    Attention only learns which frame is which symbol; nothing is decoded from what was said before, so there is nothing
    to get lost in. What the text does not say, above all pitch and loudness, the converter is told in a few numbers of
    each symbol: in training they are heard in the recording (as in AdaSpeech, Chen et al. 2021, section 3.1), at
    synthesis they are predicted from text and voice. So its frames are no average over all ways to say a text.

    Args:
        encoder, converter: the parts, as functions of the sizes that they share.
        prosody: numbers of each symbol that are heard.
        noise: standard deviation of the noise on them in training, of numbers from -1 to 1: they shall say little.
        channels, layers: of what hears and predicts them.
        weight: of alignment, durations and prosody in the loss.
        longest: frames that no symbol exceeds at synthesis.
    """

    def __init__(
        self,
        voice_dim: int = 512,
        n_mels: int = 80,
        n_fft: int = 4096,
        encoder: Callable[[int], TextEncoder] = lambda voice: TextEncoder(voice),
        converter: Callable[[int, int, int, int], Converter] = lambda h, voice, bins, r: Converter(h, voice, bins, r),
        prosody: int = 8,
        noise: float = 0.1,
        channels: int = 128,
        layers: int = 3,
        dropout: float = 0.1,
        weight: float = 0.1,
        longest: int = 60,
    ) -> None:
        super().__init__()
        self.voice_dim, self.reduction, self.n_mels = voice_dim, 1, n_mels
        self.noise, self.weight, self.longest = noise, weight, longest
        self.encoder = encoder(voice_dim)
        dim = self.encoder.dim
        self.aligner = Aligner(n_mels)
        self.hear = projection(n_mels, channels)
        self.hearing = nn.ModuleList(ConvBlock(channels, 5, voice_dim, dropout) for _ in range(2))
        self.heard = projection(channels, prosody)
        self.durations = SymbolPredictor(dim, voice_dim, 1, channels, layers, dropout)
        self.prosody = SymbolPredictor(dim, voice_dim, prosody, channels, layers, dropout)
        self.told = projection(prosody + _PLACES, dim)
        self.converter = converter(dim, voice_dim, n_mels + n_fft // 2 + 1, 1)

    def forward(self, text: Tensor, voice: Tensor, frames: Tensor, real: Tensor) -> Teacherforced:
        symbols = (text != 0).sum(1)  # (B,)
        mask = torch.arange(frames.shape[1], device=text.device) < real.unsqueeze(1)  # (B, T)
        keys, values = self.encoder(text, voice)
        scores = self.aligner(text, frames, real)  # (B, T, L)
        path = best_path(scores, symbols, real)  # (B, T)
        said = F.one_hot(path, text.shape[1]) * mask.unsqueeze(-1)  # (B, T, L)
        lasting = said.sum(1)  # (B, L) frames
        prosody = self._listen(frames, voice, said, lasting, mask)  # (B, L, P)
        durations, predicted = self._predict(keys.detach(), voice, text != 0)
        known = (lasting > 0) & (text != 0)
        losses = {
            "alignment": forward_sum(scores, symbols, real),
            "duration": F.l1_loss(durations[known], lasting[known].log()),
            "prosody": F.l1_loss(predicted[known], prosody.detach()[known]),
        }
        if self.training:
            prosody = prosody + self.noise * torch.randn_like(prosody)
        spectra = self._convert(values, prosody, path, lasting, voice, mask)
        weighted = {name: self.weight * loss for name, loss in losses.items()}
        return Teacherforced(spectra, None, scores.exp().unsqueeze(1), weighted)

    @torch.no_grad()
    def synthesize(self, text: Tensor, voice: Tensor, careful: bool = False) -> Synthesis:
        keys, values = self.encoder(text, voice)
        durations, prosody = self._predict(keys, voice, text != 0)
        lasting = durations.exp().clamp(1, self.longest) * (text != 0)  # (B, L)
        path, frames = symbol_of(lasting)
        mask = torch.arange(path.shape[1], device=text.device) < frames.unsqueeze(1)
        said = F.one_hot(path, text.shape[1]) * mask.unsqueeze(-1)
        spectra = self._convert(values, prosody, path, said.sum(1), voice, mask)
        alignments = said.unsqueeze(1).to(spectra.mel)
        return Synthesis(spectra, frames, torch.ones_like(frames, dtype=torch.bool), alignments)

    def _listen(self, frames: Tensor, voice: Tensor, said: Tensor, lasting: Tensor, mask: Tensor) -> Tensor:
        """How each symbol is said in the recording: the mean over its frames, (B, L, P)."""
        x = self.hear(frames).mT * mask.unsqueeze(1)
        for block in self.hearing:
            x = block(x, voice) * mask.unsqueeze(1)
        sums = said.mT.to(x.dtype) @ x.mT  # (B, L, h)
        return torch.tanh(self.heard(sums / lasting.clamp(min=1).unsqueeze(-1)))

    def _predict(self, keys: Tensor, voice: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Log durations (B, L) and prosody (B, L, P)."""
        durations = self.durations(keys, voice, real).squeeze(-1).float()
        return durations, torch.tanh(self.prosody(keys, voice, real))

    def _convert(
        self, values: Tensor, prosody: Tensor, path: Tensor, lasting: Tensor, voice: Tensor, mask: Tensor
    ) -> Spectra:
        """What is said in each frame, and how, to both spectrograms."""
        starts = lasting.cumsum(1) - lasting  # (B, L)
        within = torch.arange(path.shape[1], device=path.device) - starts.gather(1, path)  # (B, T)
        length = lasting.gather(1, path).clamp(min=1)
        places = torch.stack([within / length, (within + 1).log1p(), length.log1p()], -1).to(values.dtype)
        told = torch.cat([_spread(prosody, path), places], -1)  # (B, T, P + 3)
        hidden = _spread(values, path) + self.told(told)
        both = self.converter(hidden.mT, voice, mask)
        mel, linear = both.split([self.n_mels, both.shape[2] - self.n_mels], -1)
        return Spectra(mel, linear)


def _spread(x: Tensor, path: Tensor) -> Tensor:
    """What belongs to symbols (B, L, H), in each frame (B, T, H)."""
    return x.gather(1, path.unsqueeze(-1).expand(-1, -1, x.shape[2]))
