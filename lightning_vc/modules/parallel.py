"""A FastPitch-like model on Deep Voice 3's blocks: durations, pitch and prosody of symbols, all frames in parallel."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.features import MAX_FFT
from lightning_vc.audio.pitch import LOWEST, HarmonicPitch
from lightning_vc.modules.acoustic import (
    MOST_FRAMES,
    MOST_FRAMES_OF_TEXT,
    AcousticModel,
    Synthesis,
    Teacherforced,
    check_finite,
)
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.durations import Aligner, best_path, forward_sum, symbol_of
from lightning_vc.modules.layers import ConvBlock, projection
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.types import Spectra

_PLACES = 3  # numbers that say where in its symbol a frame is
_LEAD = 5  # frames of silence before the first sound: 0.1 s, as `audio.conditioning.trim` leaves them
_BEND = 3.0  # frames within which pitch goes from one symbol's to the next

_MAX_WAVES = 16


class ParallelDeepVoice(AcousticModel):
    """Text encoder, predictors of symbols' durations, pitch and prosody, converter (after FastPitch, Lancucki 2021).

    The converter is conditioned on the pitch of each frame and a few prosody latents of each symbol. In training both
    come from the recording (the latents as in AdaSpeech, Chen et al. 2021, section 3.1), at synthesis from predictors
    on text and voice. The pitch places the harmonics; the converter predicts how far they stand out.

    Args:
        sample_rate: hertz, of the spectrograms.
        encoder, converter: the parts, as functions of the sizes that they share.
        waves: number of cosines over frequency that make a harmonic.
        prosody: number of latents of a symbol.
        noise: standard deviation of the noise on the latents, which lie from -1 to 1, in training.
        channels, layers: of the reference encoder and the predictors.
        weight: of the losses of alignment, durations, pitch and prosody.
        longest: most frames of a symbol at synthesis.

    Raises:
        ValueError: for a `longest` below 1 or above 1000.
    """

    attends = False  # durations make its alignments
    adapts_in = 0.25  # conditioned on so much that little but the speaker's timbre is left to adapt to

    def __init__(
        self,
        voice_dim: int = 512,
        n_mels: int = 80,
        n_fft: int = 4096,
        sample_rate: int = 16000,
        encoder: Callable[[int], TextEncoder] = lambda voice: TextEncoder(voice),
        converter: Callable[[int, int, int, int], Converter] = lambda h, voice, bins, r: Converter(h, voice, bins, r),
        waves: int = 3,
        prosody: int = 8,
        noise: float = 0.1,
        channels: int = 128,
        layers: int = 3,
        dropout: float = 0.1,
        weight: float = 0.1,
        longest: int = 60,
    ) -> None:
        super().__init__()
        if not 1 <= longest <= MOST_FRAMES:
            raise ValueError(f"longest must be from 1 to {MOST_FRAMES} frames of a symbol, got {longest}")
        if n_fft > MAX_FFT or not 1 <= waves <= _MAX_WAVES:
            raise ValueError(f"n_fft must be at most {MAX_FFT} and waves 1 to {_MAX_WAVES}, got {n_fft=}, {waves=}")
        self.voice_dim, self.reduction = voice_dim, 1
        n_bins = n_fft // 2 + 1
        self.sizes = (n_mels, n_bins, waves * n_bins)  # of the converter's outputs
        self.noise, self.weight, self.longest = noise, weight, longest
        self.encoder = encoder(voice_dim)
        dim = self.encoder.dim
        self.aligner = Aligner(n_mels)
        self.pitch = HarmonicPitch(n_bins, sample_rate)
        self.hear = projection(n_mels, channels)
        self.hearing = nn.ModuleList(ConvBlock(channels, 5, voice_dim, dropout) for _ in range(2))
        self.heard = projection(channels, prosody)
        self.durations, self.prosody, self.melody = (
            Converter(dim, voice_dim, outputs, 1, channels, layers, dropout=dropout) for outputs in (1, prosody, 2)
        )
        self.told = projection(prosody + _PLACES + 2, dim)
        self.converter = converter(dim, voice_dim, sum(self.sizes), 1)
        turns = torch.outer(torch.arange(1, waves + 1), torch.linspace(0, torch.pi * sample_rate, n_bins))
        self.turns: Tensor
        self.register_buffer("turns", turns, persistent=False)  # (waves, F): over the pitch, the angle of a wave

    def forward(self, text: Tensor, voice: Tensor, true: Spectra, real: Tensor) -> Teacherforced:
        frames, symbols = true.mel, (text != 0).sum(1)  # (B,)
        mask = torch.arange(frames.shape[1], device=text.device) < real.unsqueeze(1)  # (B, T)
        keys, values = self.encoder(text, voice)
        scores = self.aligner(text, frames, real)  # (B, T, L)
        path = best_path(scores, symbols, real)  # (B, T)
        said = (F.one_hot(path, text.shape[1]) * mask.unsqueeze(-1)).float()  # (B, T, L)
        lasting = said.sum(1)  # (B, L) frames
        pitch, voiced = self.pitch(true.linear, mask)  # (B, T)
        sung = (said * voiced.unsqueeze(-1)).sum(1)  # (B, L) frames
        height = (said * (voiced * pitch).unsqueeze(-1)).sum(1) / sung.clamp(min=1)  # (B, L)
        prosody = self._listen(frames, voice, said, lasting, mask)  # (B, L, P)
        durations, melody, predicted = self._predict(keys.detach(), voice, text != 0)
        known = lasting > 0
        clear = sung >= 0.5 * lasting.clamp(min=1)
        losses = {
            "alignment": forward_sum(scores, symbols, real),
            "duration": F.l1_loss(durations[known], lasting[known].log()),
            "pitch": ((melody[..., 0] - height).abs() * clear).sum() / clear.sum().clamp(min=1),
            "voicing": F.binary_cross_entropy_with_logits(melody[..., 1][known], (sung / lasting.clamp(min=1))[known]),
            "prosody": F.l1_loss(predicted[known], prosody.detach()[known]),
        }
        if self.training:
            prosody = prosody + self.noise * torch.randn_like(prosody)
        spectra = self._convert(values, prosody, (pitch, voiced), path, lasting, voice, mask)
        weighted = {name: self.weight * loss for name, loss in losses.items()}
        return Teacherforced(spectra, None, scores.exp().unsqueeze(1), weighted)

    @torch.no_grad()
    def synthesize(
        self, text: Tensor, voice: Tensor, careful: bool = False, most: int = MOST_FRAMES_OF_TEXT
    ) -> Synthesis:
        keys, values = self.encoder(text, voice)
        durations, melody, prosody = self._predict(keys, voice, text != 0)
        check_finite(durations)
        lasting = durations.exp().clamp(1, self.longest) * (text != 0)  # (B, L)
        path, frames = symbol_of(lasting, most)
        mask = torch.arange(path.shape[1], device=text.device) < frames.unsqueeze(1)
        said = (F.one_hot(path, text.shape[1]) * mask.unsqueeze(-1)).float()
        whole = said.sum(1)  # (B, L) frames
        sung = melody[..., 1].sigmoid() * (whole > 0)  # (B, L)
        voiced = _voicing(sung, whole, path) & mask  # (B, T)
        pitch = _drawn(melody[..., 0], sung, whole, path.shape[1])
        spectra = self._convert(values, prosody, (pitch, voiced), path, whole, voice, mask)
        return Synthesis(spectra, frames, lasting.sum(1).round() <= most, said.unsqueeze(1).to(spectra.mel))

    def _listen(self, frames: Tensor, voice: Tensor, said: Tensor, lasting: Tensor, mask: Tensor) -> Tensor:
        """Prosody latents of each symbol in the recording, of the mean over its frames: (B, L, P)."""
        x = self.hear(frames).mT * mask.unsqueeze(1)
        for block in self.hearing:
            x = block(x, voice) * mask.unsqueeze(1)
        sums = said.mT.to(x.dtype) @ x.mT  # (B, L, h)
        return torch.tanh(self.heard(sums / lasting.clamp(min=1).unsqueeze(-1)))

    def _predict(self, keys: Tensor, voice: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log durations (B, L), octaves and logits of voicing (B, L, 2), prosody (B, L, P)."""
        inputs = keys.mT, voice, real
        durations = self.durations(*inputs).squeeze(-1).float()
        return durations, self.melody(*inputs).float(), torch.tanh(self.prosody(*inputs))

    def _convert(
        self,
        values: Tensor,
        prosody: Tensor,
        melody: tuple[Tensor, Tensor],
        path: Tensor,
        lasting: Tensor,
        voice: Tensor,
        mask: Tensor,
    ) -> Spectra:
        """Text, prosody and `melody` (pitch and voicing) of each frame to both spectrograms."""
        pitch, voiced = melody[0], melody[1].float()
        starts = lasting.cumsum(1) - lasting  # (B, L)
        within = torch.arange(path.shape[1], device=path.device) - starts.gather(1, path)  # (B, T)
        length = lasting.gather(1, path).clamp(min=1)
        places = [within / length, (within + 1).log1p(), length.log1p(), voiced, voiced * (pitch - 1)]
        told = torch.cat([_spread(prosody, path), torch.stack(places, -1).to(prosody)], -1)  # (B, T, P + 5)
        hidden = _spread(values, path) + self.told(told)
        mel, linear, waves = self.converter(hidden.mT, voice, mask).float().split(self.sizes, -1)
        angle = (LOWEST * 2**pitch).reciprocal()[..., None, None] * self.turns  # (B, T, waves, F)
        harmonics = (waves.unflatten(-1, self.turns.shape) * angle.cos_()).sum(2)
        return Spectra(mel, linear + harmonics * voiced.unsqueeze(-1))


def _voicing(voiced_share: Tensor, lasting: Tensor, path: Tensor) -> Tensor:
    """Whether each frame has a pitch: (B, L) shares and frames of symbols, (B, T) -> (B, T).

    Recordings begin with a moment of silence, which belongs to the first symbol: its unvoiced frames come first, and
    are at least 5 where it is long enough, whatever an adapted model predicts. Other symbols follow their majority.
    """
    first = lasting[:, :1]
    silent = torch.maximum((1 - voiced_share[:, :1]) * first, (first - _LEAD).clamp(max=_LEAD)).round()  # (B, 1)
    begun = torch.arange(path.shape[1], device=path.device) >= silent  # (B, T)
    return torch.where(path == 0, begun, voiced_share.gather(1, path) > 0.5)


def _drawn(height: Tensor, sung: Tensor, lasting: Tensor, count: int) -> Tensor:
    """Pitches of symbols (B, L), weighted by their voiced frames `sung`, interpolated to `count` frames: (B, T)."""
    middles = lasting.cumsum(1) - lasting / 2  # (B, L)
    times = torch.arange(count, device=height.device) + 0.5
    near = -((times[:, None] - middles.unsqueeze(1)) ** 2) / (2 * _BEND**2)  # (B, T, L)
    counts = sung.clamp(min=1e-4).log().masked_fill(lasting == 0, -torch.inf)  # what lasts no frame is padding
    weights = (near + counts.unsqueeze(1)).softmax(-1)
    return (weights @ height.unsqueeze(-1)).squeeze(-1)


def _spread(x: Tensor, path: Tensor) -> Tensor:
    """Features of symbols (B, L, H) to those of frames (B, T, H)."""
    return x.gather(1, path.unsqueeze(-1).expand(-1, -1, x.shape[2]))
