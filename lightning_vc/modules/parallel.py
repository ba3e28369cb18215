"""Deep Voice 3 without its recurrence: every symbol has a duration and a prosody, and all frames come at once."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.pitch import LOWEST, HarmonicPitch
from lightning_vc.modules.acoustic import MOST_FRAMES, AcousticModel, Synthesis, Teacherforced, check_finite
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.durations import Aligner, SymbolPredictor, best_path, forward_sum, symbol_of
from lightning_vc.modules.layers import ConvBlock, projection
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.types import Spectra

_PLACES = 3  # numbers that say where in its symbol a frame is
_LEAD = 5  # frames of silence before the first sound: 0.1 s, as `audio.conditioning.trim` leaves them
_BEND = 3.0  # frames within which pitch goes from one symbol's to the next


class ParallelDeepVoice(AcousticModel):
    """Text encoder, duration and prosody of each symbol, converter (after FastPitch, Lancucki 2021).

    Attention only learns which frame is which symbol; nothing is decoded from what was said before, so there is nothing
    to get lost in. What the text does not say the converter is told: the pitch of each frame, and a few numbers of each
    symbol. In training both are heard in the recording (these as in AdaSpeech, Chen et al. 2021, section 3.1), at
    synthesis they are predicted from text and voice. So its frames are no average over all ways to say a text. Where
    harmonics stand follows from the pitch, so the converter only says how far they stand out.

    Args:
        sample_rate: hertz, of the spectrograms.
        encoder, converter: the parts, as functions of the sizes that they share.
        waves: of cosines over frequency that a harmonic is made of.
        prosody: numbers of each symbol that are heard.
        noise: standard deviation of the noise on them in training, of numbers from -1 to 1: they shall say little.
        channels, layers: of what hears and predicts them.
        weight: of alignment, durations, melody and prosody in the loss.
        longest: frames that no symbol exceeds at synthesis.

    Raises:
        ValueError: for a `longest` below 1 or above 1000.
    """

    attends = False  # durations make its alignments
    adapts_in = 0.25  # it is told so much of a frame that little but the sound of the speaker is left to learn

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
        self.voice_dim, self.reduction = voice_dim, 1
        n_bins = n_fft // 2 + 1
        self.sizes = (n_mels, n_bins, waves * n_bins)  # of what the converter says of a frame
        self.noise, self.weight, self.longest = noise, weight, longest
        self.encoder = encoder(voice_dim)
        dim = self.encoder.dim
        self.aligner = Aligner(n_mels)
        self.pitch = HarmonicPitch(n_bins, sample_rate)
        self.hear = projection(n_mels, channels)
        self.hearing = nn.ModuleList(ConvBlock(channels, 5, voice_dim, dropout) for _ in range(2))
        self.heard = projection(channels, prosody)
        self.durations = SymbolPredictor(dim, voice_dim, 1, channels, layers, dropout)
        self.prosody = SymbolPredictor(dim, voice_dim, prosody, channels, layers, dropout)
        self.melody = SymbolPredictor(dim, voice_dim, 2, channels, layers, dropout)
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
    def synthesize(self, text: Tensor, voice: Tensor, careful: bool = False) -> Synthesis:
        keys, values = self.encoder(text, voice)
        durations, melody, prosody = self._predict(keys, voice, text != 0)
        check_finite(durations)
        lasting = durations.exp().clamp(1, self.longest) * (text != 0)  # (B, L)
        path, frames = symbol_of(lasting)
        mask = torch.arange(path.shape[1], device=text.device) < frames.unsqueeze(1)
        said = (F.one_hot(path, text.shape[1]) * mask.unsqueeze(-1)).float()
        whole = said.sum(1)  # (B, L) frames
        sung = melody[..., 1].sigmoid() * (whole > 0)  # (B, L)
        voiced = _voicing(sung, whole, path) & mask  # (B, T)
        pitch = _drawn(melody[..., 0], sung, whole, path.shape[1])
        spectra = self._convert(values, prosody, (pitch, voiced), path, whole, voice, mask)
        finished = torch.ones_like(frames, dtype=torch.bool)
        return Synthesis(spectra, frames, finished, said.unsqueeze(1).to(spectra.mel))

    def _listen(self, frames: Tensor, voice: Tensor, said: Tensor, lasting: Tensor, mask: Tensor) -> Tensor:
        """How each symbol is said in the recording: the mean over its frames, (B, L, P)."""
        x = self.hear(frames).mT * mask.unsqueeze(1)
        for block in self.hearing:
            x = block(x, voice) * mask.unsqueeze(1)
        sums = said.mT.to(x.dtype) @ x.mT  # (B, L, h)
        return torch.tanh(self.heard(sums / lasting.clamp(min=1).unsqueeze(-1)))

    def _predict(self, keys: Tensor, voice: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log durations (B, L), octaves and logits of voicing (B, L, 2), prosody (B, L, P)."""
        durations = self.durations(keys, voice, real).squeeze(-1).float()
        return durations, self.melody(keys, voice, real).float(), torch.tanh(self.prosody(keys, voice, real))

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
        """What is said in each frame, and how, to both spectrograms; `melody` is pitch and whether there is one."""
        pitch, voiced = melody[0], melody[1].float()
        starts = lasting.cumsum(1) - lasting  # (B, L)
        within = torch.arange(path.shape[1], device=path.device) - starts.gather(1, path)  # (B, T)
        length = lasting.gather(1, path).clamp(min=1)
        places = [within / length, (within + 1).log1p(), length.log1p(), voiced, voiced * (pitch - 1)]
        told = torch.cat([_spread(prosody, path), torch.stack(places, -1).to(prosody)], -1)  # (B, T, P + 5)
        hidden = _spread(values, path) + self.told(told)
        mel, linear, waves = self.converter(hidden.mT, voice, mask).float().split(self.sizes, -1)
        angle = (LOWEST * 2**pitch).reciprocal()[..., None, None] * self.turns  # (B, T, waves, F)
        harmonics = (waves.unflatten(-1, self.turns.shape) * angle.cos()).sum(2)
        return Spectra(mel, linear + harmonics * voiced.unsqueeze(-1))


def _voicing(voiced_share: Tensor, lasting: Tensor, path: Tensor) -> Tensor:
    """Whether each frame has a pitch: (B, L) shares and frames of symbols, (B, T) -> (B, T).

    Recordings begin with a moment of silence, which belongs to the first symbol. So the frames of that symbol without a
    pitch come first, and where it is long enough they are at least 5, whatever an adapted model predicts from few
    clips. All frames of another symbol are as most of them are.
    """
    first = lasting[:, :1]
    silent = torch.maximum((1 - voiced_share[:, :1]) * first, (first - _LEAD).clamp(max=_LEAD)).round()  # (B, 1)
    begun = torch.arange(path.shape[1], device=path.device) >= silent  # (B, T)
    return torch.where(path == 0, begun, voiced_share.gather(1, path) > 0.5)


def _drawn(height: Tensor, sung: Tensor, lasting: Tensor, count: int) -> Tensor:
    """The line through the pitches of symbols (B, L), in each of `count` frames: (B, T).

    `sung` is how much of each has a pitch, and so how much it counts.
    """
    middles = lasting.cumsum(1) - lasting / 2  # (B, L)
    times = torch.arange(count, device=height.device) + 0.5
    near = -((times[:, None] - middles.unsqueeze(1)) ** 2) / (2 * _BEND**2)  # (B, T, L)
    counts = sung.clamp(min=1e-4).log().masked_fill(lasting == 0, -torch.inf)  # what lasts no frame is padding
    weights = (near + counts.unsqueeze(1)).softmax(-1)
    return (weights @ height.unsqueeze(-1)).squeeze(-1)


def _spread(x: Tensor, path: Tensor) -> Tensor:
    """What belongs to symbols (B, L, H), in each frame (B, T, H)."""
    return x.gather(1, path.unsqueeze(-1).expand(-1, -1, x.shape[2]))
