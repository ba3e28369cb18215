"""Acoustic models: text and a speaker embedding to spectrograms."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lightning_vc.modules.attention import MonotonicWindow
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.decoder import Decoder
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.types import Spectra

MOST_FRAMES = 1000  # of one symbol or decoder step; no speech sound is longer
MOST_FRAMES_OF_TEXT = 1 << 20  # default limit of the frames of a text
_SLOWEST, _FASTEST = 0.5, 2.0  # speed of speech
_PATIENCE = 20  # frames after which attention has to leave a symbol; half as many in strict decoding


@dataclass(frozen=True)
class AcousticOutput:
    """Teacher-forced predictions."""

    spectra: Spectra  # (B, T, M), (B, T, F)
    done: Tensor | None  # (B, S) logits: is this the last step? None for a model with durations
    alignments: Tensor  # (B, A, S, L)
    losses: Mapping[str, Tensor] = field(default_factory=dict)  # further terms of the loss, already weighted


@dataclass(frozen=True)
class SynthesisOutput:
    """Free-running predictions."""

    spectra: Spectra  # (B, T, M), (B, T, F)
    frames: Tensor  # (B,) number of frames that are not padding
    finished: Tensor  # (B,) False where decoding was cut off
    alignments: Tensor  # (B, A, S, L)


class AcousticModel(nn.Module, ABC):
    """Text and speaker embeddings to spectrograms; the input has no speaker index.

    Attributes:
        speaker_dim: E, size of a speaker embedding.
        reduction: r, frames per decoder step.
        has_attention: whether attention finds the alignments at synthesis, and can therefore fail.
        has_speed: whether `synthesize` can divide durations by a speed.
        scheduled_sampling: share of predictions among the inputs of teacher forcing in training: of frames in
            `DeepVoice3`, of utterances with predicted prosody in `ConvFastPitch`.
        adaptation_step_scale: scale of the number of adaptation steps; 1 for Deep Voice 3.
    """

    speaker_dim: int
    reduction: int
    scheduled_sampling: float = 0.0
    adaptation_step_scale: float = 1.0
    has_attention: bool = True
    has_speed: bool = False

    @abstractmethod
    def forward(self, text: Tensor, speaker: Tensor, targets: Spectra, n_frames: Tensor) -> AcousticOutput:
        """Symbols (B, L) padded with 0, speaker embeddings (B, E), true spectra with T a multiple of r.

        `n_frames` (B,) is the number of frames of each utterance, without padding.
        """

    @abstractmethod
    def synthesize(
        self,
        text: Tensor,
        speaker: Tensor,
        strict: bool = False,
        most: int = MOST_FRAMES_OF_TEXT,
        speed: float = 1.0,
    ) -> SynthesisOutput:
        """Free-running synthesis of symbols (B, L), padded with 0, with speaker embeddings (B, E).

        With `strict`, for a second attempt, attention may move less from one step to the next.

        A text is cut off after `most` frames, before memory is allocated for more; it is then not `finished`.

        Durations are divided by `speed`, which is only passed where `has_speed`.
        """


def check_speed(speed: float, model: AcousticModel) -> None:
    """Raise ValueError for a speed that is out of bounds, or not 1 for a model that cannot change it."""
    if not _SLOWEST <= speed <= _FASTEST:
        raise ValueError(f"speed must be from {_SLOWEST:g} to {_FASTEST:g}, got {speed:g}")
    if speed != 1 and not model.has_speed:
        raise ValueError(
            f"speed is {speed:g}, and {type(model).__name__} predicts no durations to scale: leave it out, or take "
            "a model that does, such as ConvFastPitch"
        )


def check_finite(*outputs: Tensor) -> None:
    """Raise ValueError where the output of a model holds NaN or infinite numbers."""
    if not all(value.isfinite().all() for value in outputs):
        raise ValueError("the output of the model for this voice has NaN or infinite numbers: clone it again")


class DeepVoice3(AcousticModel):
    """Text encoder, attention decoder and converter (Ping et al. 2018), all conditioned on a speaker embedding.

    The defaults are the LibriSpeech column of that paper's appendix, with embeddings of 512 numbers (cloning paper).

    Args:
        encoder, decoder, converter: functions that build the parts from the sizes that they share.
        frames_per_symbol: decoding is cut off after this many frames for each symbol of the text.
        frames_at_end: decoding also ends after attention has been at the end of the text for this many frames, or up
            to twice as many, as this is checked at intervals.
        scheduled_sampling: share of the decoder's input frames that are predictions instead of true frames in training
            (parallel scheduled sampling, Mihaylova and Martins 2019).

    Raises:
        ValueError: for a number of frames that is out of bounds.
    """

    def __init__(
        self,
        speaker_dim: int = 512,
        n_mels: int = 80,
        n_fft: int = 4096,
        reduction: int = 4,
        encoder: Callable[[int], TextEncoder] = lambda speaker: TextEncoder(speaker),
        decoder: Callable[[int, int, int, int], Decoder] = lambda text, speaker, mels, r: Decoder(
            text, speaker, mels, r
        ),
        converter: Callable[[int, int, int, int], Converter] = lambda h, speaker, bins, r: Converter(
            h, speaker, bins, r
        ),
        frames_per_symbol: int = 20,
        frames_at_end: int = 24,
        scheduled_sampling: float = 0.0,
    ) -> None:
        super().__init__()
        counts = {"frames_per_symbol": frames_per_symbol, "frames_at_end": frames_at_end, "reduction": reduction}
        for name, count in counts.items():
            if not 1 <= count <= MOST_FRAMES:
                raise ValueError(f"{name} must be from 1 to {MOST_FRAMES} frames, got {count}")
        self.speaker_dim, self.reduction = speaker_dim, reduction
        self.encoder = encoder(speaker_dim)
        self.decoder = decoder(self.encoder.dim, speaker_dim, n_mels, reduction)
        self.converter = converter(self.decoder.dim, speaker_dim, n_fft // 2 + 1, reduction)
        self.monotonic = MonotonicWindow(1, 3, max(1, _PATIENCE // reduction))
        self.strict_window = MonotonicWindow(0, 2, max(1, _PATIENCE // 2 // reduction))
        self.frames_per_symbol, self.frames_at_end = frames_per_symbol, frames_at_end
        self.scheduled_sampling = scheduled_sampling

    def forward(self, text: Tensor, speaker: Tensor, targets: Spectra, n_frames: Tensor) -> AcousticOutput:
        memory = (*self.encoder(text, speaker), text == 0, speaker)
        frames = self._mix(memory, targets.mel) if self.training and self.scheduled_sampling else targets.mel
        decoded = self.decoder(*memory, frames)
        linear = self.converter(decoded.hidden, speaker)
        return AcousticOutput(Spectra(decoded.mel, linear), decoded.done, decoded.alignments)

    @torch.no_grad()
    def _mix(self, memory: tuple[Tensor, ...], frames: Tensor) -> Tensor:
        """True frames (B, T, M) of which some groups are replaced by teacher-forced predictions."""
        predicted = self.decoder(*memory, frames).mel
        groups = torch.rand(frames.shape[0], frames.shape[1] // self.reduction, device=frames.device)
        chosen = (groups < self.scheduled_sampling).repeat_interleave(self.reduction, 1).unsqueeze(-1)  # (B, T, 1)
        return torch.where(chosen, predicted.to(frames.dtype), frames)

    @torch.no_grad()
    def synthesize(
        self,
        text: Tensor,
        speaker: Tensor,
        strict: bool = False,
        most: int = MOST_FRAMES_OF_TEXT,
        speed: float = 1.0,
    ) -> SynthesisOutput:
        check_speed(speed, self)
        keys, values = self.encoder(text, speaker)
        symbols = (text != 0).sum(1)  # (B,)
        limits = (symbols * self.frames_per_symbol).clamp(max=most) // self.reduction  # in steps
        limits = limits.clamp(min=1)
        monotonic = self.strict_window if strict else self.monotonic
        end_patience = max(1, self.frames_at_end // self.reduction)
        decoded, steps, finished = self.decoder.generate(
            keys, values, text == 0, speaker, limits, monotonic, end_patience
        )
        frames = steps * self.reduction  # (B,)
        mask = torch.arange(decoded.mel.shape[1], device=text.device) < frames.unsqueeze(1)  # (B, T)
        linear = self.converter(decoded.hidden, speaker, mask)
        return SynthesisOutput(Spectra(decoded.mel, linear), frames, finished, decoded.alignments)
