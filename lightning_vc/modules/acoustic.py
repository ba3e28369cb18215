"""Text and a voice in, spectrograms out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lightning_vc.modules.attention import Walk
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.decoder import Decoder
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.types import Spectra

MOST_FRAMES = 1000  # of one symbol or step: what is longer is no speech
MOST_FRAMES_OF_TEXT = 1 << 20  # where nobody who asks for it says less
_PATIENCE = 20  # frames after which attention is pushed on from a symbol; half as many in a second attempt


@dataclass(frozen=True)
class Teacherforced:
    """Teacher-forced predictions."""

    spectra: Spectra  # (B, T, M), (B, T, F)
    done: Tensor | None  # (B, S) logits: is this the last step? None where the model need not be asked
    alignments: Tensor  # (B, A, S, L)
    losses: Mapping[str, Tensor] = field(default_factory=dict)  # further terms, weighted


@dataclass(frozen=True)
class Synthesis:
    """Free-running predictions."""

    spectra: Spectra  # (B, T, M), (B, T, F)
    frames: Tensor  # (B,) how many of them are speech
    finished: Tensor  # (B,) False where decoding had to be cut off
    alignments: Tensor  # (B, A, S, L)


class AcousticModel(nn.Module, ABC):
    """A voice is a vector: no acoustic model ever sees a speaker's number.

    Attributes:
        voice_dim: E, the numbers of a voice.
        reduction: r, frames per decoder step.
        attends: whether its alignments are found at synthesis, so that they can go wrong.
        adapts_in: scale of the number of adaptation steps; 1 for Deep Voice 3.
    """

    voice_dim: int
    reduction: int
    adapts_in: float = 1.0
    attends: bool = True

    @abstractmethod
    def forward(self, text: Tensor, voice: Tensor, true: Spectra, real: Tensor) -> Teacherforced:
        """Symbols (B, L) padded with 0, voices (B, E), true spectra with T a multiple of r.

        `real` (B,) is how many of their frames are no padding.
        """

    @abstractmethod
    def synthesize(
        self, text: Tensor, voice: Tensor, careful: bool = False, most: int = MOST_FRAMES_OF_TEXT
    ) -> Synthesis:
        """Free-running synthesis of symbols (B, L) padded with 0 by voices (B, E); `careful` in a second attempt.

        A text is cut off after `most` frames, before memory is taken for more, and has not finished then.
        """


def check_finite(*spoken: Tensor) -> None:
    """Raise ValueError where what a model makes of a voice holds NaN or infinite numbers."""
    if not all(value.isfinite().all() for value in spoken):
        raise ValueError("the model speaks numbers that are NaN or infinite with this voice: clone it again")


class DeepVoice3(AcousticModel):
    """Text encoder, attention decoder and converter (Ping et al. 2018), conditioned on a voice everywhere.

    The defaults are the LibriSpeech column of its appendix and the cloning paper's 512 numbers a voice (docs/paper.md).

    Args:
        encoder, decoder, converter: the parts, as functions of the sizes that they share.
        frames_per_symbol: decoding is cut off after this many frames for each symbol of the text.
        frames_at_end: decoding also ends after attention was at the end of the text for this many frames, or up to
            twice as many.
        own_frames: share of the groups of frames that are the decoder's own instead of the recording's in training, so
            that it learns to go on from its errors (parallel scheduled sampling, Mihaylova and Martins 2019).

    Raises:
        ValueError: for a number of frames that is out of bounds.
    """

    def __init__(
        self,
        voice_dim: int = 512,
        n_mels: int = 80,
        n_fft: int = 4096,
        reduction: int = 4,
        encoder: Callable[[int], TextEncoder] = lambda voice: TextEncoder(voice),
        decoder: Callable[[int, int, int, int], Decoder] = lambda text, voice, mels, r: Decoder(text, voice, mels, r),
        converter: Callable[[int, int, int, int], Converter] = lambda h, voice, bins, r: Converter(h, voice, bins, r),
        frames_per_symbol: int = 20,
        frames_at_end: int = 24,
        own_frames: float = 0.0,
    ) -> None:
        super().__init__()
        counts = {"frames_per_symbol": frames_per_symbol, "frames_at_end": frames_at_end, "reduction": reduction}
        for name, count in counts.items():
            if not 1 <= count <= MOST_FRAMES:
                raise ValueError(f"{name} must be from 1 to {MOST_FRAMES} frames, got {count}")
        self.voice_dim, self.reduction = voice_dim, reduction
        self.encoder = encoder(voice_dim)
        self.decoder = decoder(self.encoder.dim, voice_dim, n_mels, reduction)
        self.converter = converter(self.decoder.dim, voice_dim, n_fft // 2 + 1, reduction)
        self.walk = Walk(1, 3, max(1, _PATIENCE // reduction))
        self.careful_walk = Walk(0, 2, max(1, _PATIENCE // 2 // reduction))
        self.frames_per_symbol, self.frames_at_end, self.own_frames = frames_per_symbol, frames_at_end, own_frames

    def forward(self, text: Tensor, voice: Tensor, true: Spectra, real: Tensor) -> Teacherforced:
        memory = (*self.encoder(text, voice), text == 0, voice)
        frames = self._mix(memory, true.mel) if self.training and self.own_frames else true.mel
        decoded = self.decoder(*memory, frames)
        linear = self.converter(decoded.hidden, voice)
        return Teacherforced(Spectra(decoded.mel, linear), decoded.done, decoded.alignments)

    @torch.no_grad()
    def _mix(self, memory: tuple[Tensor, ...], frames: Tensor) -> Tensor:
        """True frames (B, T, M) with some groups replaced by what the decoder makes of the true ones before them."""
        own = self.decoder(*memory, frames).mel
        groups = torch.rand(frames.shape[0], frames.shape[1] // self.reduction, device=frames.device)
        chosen = (groups < self.own_frames).repeat_interleave(self.reduction, 1).unsqueeze(-1)  # (B, T, 1)
        return torch.where(chosen, own.to(frames.dtype), frames)

    @torch.no_grad()
    def synthesize(
        self, text: Tensor, voice: Tensor, careful: bool = False, most: int = MOST_FRAMES_OF_TEXT
    ) -> Synthesis:
        keys, values = self.encoder(text, voice)
        symbols = (text != 0).sum(1)  # (B,)
        limits = (symbols * self.frames_per_symbol).clamp(max=most) // self.reduction  # its own, whatever else is said
        limits = limits.clamp(min=1)
        walk = self.careful_walk if careful else self.walk
        linger = max(1, self.frames_at_end // self.reduction)
        decoded, steps, finished = self.decoder.generate(keys, values, text == 0, voice, limits, walk, linger)
        frames = steps * self.reduction  # (B,)
        real = torch.arange(decoded.mel.shape[1], device=text.device) < frames.unsqueeze(1)  # (B, T)
        linear = self.converter(decoded.hidden, voice, real)
        return Synthesis(Spectra(decoded.mel, linear), frames, finished, decoded.alignments)
