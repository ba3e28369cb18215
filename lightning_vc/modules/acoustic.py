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


@dataclass(frozen=True)
class Teacherforced:
    """What the model says when it is shown the true frames."""

    spectra: Spectra  # (B, T, M), (B, T, F)
    done: Tensor | None  # (B, S) logits: is this the last step? None where the model need not be asked
    alignments: Tensor  # (B, A, S, L)
    losses: Mapping[str, Tensor] = field(default_factory=dict)  # what else it minimises, weighted


@dataclass(frozen=True)
class Synthesis:
    """What the model says on its own."""

    spectra: Spectra  # (B, T, M), (B, T, F)
    frames: Tensor  # (B,) how many of them are speech
    finished: Tensor  # (B,) False where decoding had to be cut off
    alignments: Tensor  # (B, A, S, L)


class AcousticModel(nn.Module, ABC):
    """A voice is a vector: no acoustic model ever sees a speaker's number.

    Attributes:
        voice_dim: E, the numbers of a voice.
        reduction: r, frames per decoder step.
        attends: whether its alignments are found while it speaks, so that they can go wrong.
        adapts_in: the part of the steps of an adaptation's `Method` that suits this model, of 1 for Deep Voice 3.
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
    def synthesize(self, text: Tensor, voice: Tensor, careful: bool = False) -> Synthesis:
        """Symbols (B, L) padded with 0, voices (B, E): decode until the model says that it is done.

        `careful` is asked for where that went wrong: the model may do something safer.
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
        window: symbols that attention may step (back, ahead) at synthesis.
        careful_window: the same where a sentence went wrong and is said again.
        patience: frames after which attention is pushed on from a symbol; half as many in such a sentence.
        frames_per_symbol: decoding is cut off after this many frames for each symbol of the text.
        frames_at_end: decoding ends, also if the model does not say so, after attention was at the end of the text for
            this many frames (and twice as many at most).
        own_frames: share of the groups of frames that the decoder hears from itself in training instead of from the
            recording, so that it learns to go on from its own errors (scheduled sampling in parallel, Mihaylova and
            Martins 2019).

    Raises:
        ValueError: for a number of frames or symbols that is out of bounds.
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
        window: tuple[int, int] = (1, 3),
        careful_window: tuple[int, int] = (0, 2),
        patience: int = 20,
        frames_per_symbol: int = 20,
        frames_at_end: int = 24,
        own_frames: float = 0.0,
    ) -> None:
        super().__init__()
        counts = {"frames_per_symbol": frames_per_symbol, "frames_at_end": frames_at_end, "patience": patience}
        for name, count in {**counts, "reduction": reduction}.items():
            if not 1 <= count <= MOST_FRAMES:
                raise ValueError(f"{name} must be from 1 to {MOST_FRAMES} frames, got {count}")
        for name, steps in (("window", window), ("careful_window", careful_window)):
            if not all(0 <= step <= MOST_FRAMES for step in steps):
                raise ValueError(f"{name} must be symbols from 0 to {MOST_FRAMES}, got {steps}")
        self.voice_dim, self.reduction = voice_dim, reduction
        self.encoder = encoder(voice_dim)
        self.decoder = decoder(self.encoder.dim, voice_dim, n_mels, reduction)
        self.converter = converter(self.decoder.dim, voice_dim, n_fft // 2 + 1, reduction)
        self.walk = Walk(*window, max(1, patience // reduction))
        self.careful_walk = Walk(*careful_window, max(1, patience // 2 // reduction))
        self.frames_per_symbol, self.frames_at_end, self.own_frames = frames_per_symbol, frames_at_end, own_frames

    def forward(self, text: Tensor, voice: Tensor, true: Spectra, real: Tensor) -> Teacherforced:
        frames = true.mel
        keys, values = self.encoder(text, voice)
        if self.training and self.own_frames:
            frames = self._mix(keys, values, text == 0, voice, frames)
        decoded = self.decoder(keys, values, text == 0, voice, frames)
        linear = self.converter(decoded.hidden, voice)
        return Teacherforced(Spectra(decoded.mel, linear), decoded.done, decoded.alignments)

    @torch.no_grad()
    def _mix(self, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, frames: Tensor) -> Tensor:
        """True frames (B, T, M) with some groups replaced by what the decoder makes of the true ones before them."""
        own = self.decoder(keys, values, padding, voice, frames).mel
        groups = torch.rand(frames.shape[0], frames.shape[1] // self.reduction, device=frames.device)
        chosen = (groups < self.own_frames).repeat_interleave(self.reduction, 1).unsqueeze(-1)  # (B, T, 1)
        return torch.where(chosen, own.to(frames.dtype), frames)

    @torch.no_grad()
    def synthesize(self, text: Tensor, voice: Tensor, careful: bool = False) -> Synthesis:
        keys, values = self.encoder(text, voice)
        symbols = (text != 0).sum(1)  # (B,)
        limits = (symbols * self.frames_per_symbol // self.reduction).clamp(min=1)  # its own, whatever else is said
        walk = self.careful_walk if careful else self.walk
        linger = max(1, self.frames_at_end // self.reduction)
        decoded, steps, finished = self.decoder.generate(keys, values, text == 0, voice, limits, walk, linger)
        frames = steps * self.reduction  # (B,)
        real = torch.arange(decoded.mel.shape[1], device=text.device) < frames.unsqueeze(1)  # (B, T)
        linear = self.converter(decoded.hidden, voice, real)
        return Synthesis(Spectra(decoded.mel, linear), frames, finished, decoded.alignments)
