"""A FastPitch-like model on Deep Voice 3's blocks: durations, pitch and prosody of symbols, all frames in parallel."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.features import MAX_FFT
from lightning_vc.audio.pitch import LOWEST, HarmonicPitch
from lightning_vc.modules.acoustic import (
    MOST_FRAMES,
    MOST_FRAMES_OF_TEXT,
    AcousticModel,
    AcousticOutput,
    SynthesisOutput,
    check_finite,
)
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.durations import Aligner, best_path, forward_sum, symbols_of_frames
from lightning_vc.modules.layers import ConvBlock, projection
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.types import Spectra

_POSITIONS = 3  # features of the position of a frame in its symbol
_LEAD = 5  # frames of silence before the first sound: 0.1 s, as `audio.conditioning.trim` leaves them
_BEND = 3.0  # standard deviation, in frames, of the interpolation of pitch between symbols

_MAX_WAVES = 16


class SymbolPredictions(NamedTuple):
    """Predictions of each symbol of a text."""

    values: Tensor  # (B, L, H), of the text encoder
    prosody: Tensor  # (B, L, P)
    pitch: Tensor  # (B, L, 2): pitch in octaves, and logits of voicing
    ends: Tensor  # (B, L): the frame at which each symbol ends


class ConvFastPitch(AcousticModel):
    """Text encoder, predictors of symbols' durations, pitch and prosody, converter (after FastPitch, Lancucki 2021).

    The converter is conditioned on the pitch of each frame and a few prosody latents of each symbol. In training both
    come from the recording (the latents as in AdaSpeech, Chen et al. 2021, section 3.1); at synthesis they are
    predicted from text and speaker embedding. Pitch gives the frequencies of the harmonics, the converter their
    amplitudes.

    Args:
        sample_rate: hertz, of the spectrograms.
        encoder, converter: functions that build the parts from the sizes that they share.
        waves: number of cosines over frequency that model the harmonics.
        prosody_dim: number of latents of a symbol.
        prosody_noise: standard deviation of the noise on the latents, which lie from -1 to 1, in training.
        channels, layers: of the reference encoder and the predictors.
        loss_weight: of the losses of alignment, durations, pitch and prosody.
        max_symbol_frames: maximum number of frames of a symbol at synthesis.

    Raises:
        ValueError: for a `max_symbol_frames` below 1 or above 1000.
    """

    has_attention = False  # alignments follow from durations
    has_speed = True
    adaptation_step_scale = 0.25  # pitch and prosody are inputs, so adaptation mainly has to learn the timbre

    def __init__(
        self,
        speaker_dim: int = 512,
        n_mels: int = 80,
        n_fft: int = 4096,
        sample_rate: int = 16000,
        encoder: Callable[[int], TextEncoder] = lambda speaker: TextEncoder(speaker),
        converter: Callable[[int, int, int, int], Converter] = lambda h, speaker, bins, r: Converter(
            h, speaker, bins, r
        ),
        waves: int = 3,
        prosody_dim: int = 8,
        prosody_noise: float = 0.1,
        channels: int = 128,
        layers: int = 3,
        dropout: float = 0.1,
        loss_weight: float = 0.1,
        max_symbol_frames: int = 60,
    ) -> None:
        super().__init__()
        if not 1 <= max_symbol_frames <= MOST_FRAMES:
            raise ValueError(
                f"max_symbol_frames must be from 1 to {MOST_FRAMES} frames of a symbol, got {max_symbol_frames}"
            )
        if n_fft > MAX_FFT or not 1 <= waves <= _MAX_WAVES:
            raise ValueError(f"n_fft must be at most {MAX_FFT} and waves 1 to {_MAX_WAVES}, got {n_fft=}, {waves=}")
        self.speaker_dim, self.reduction, self.sample_rate = speaker_dim, 1, sample_rate
        n_bins = n_fft // 2 + 1
        self.sizes = (n_mels, n_bins, waves * n_bins)  # of the converter's outputs
        self.prosody_noise, self.loss_weight = prosody_noise, loss_weight
        self.max_symbol_frames = max_symbol_frames
        self.encoder = encoder(speaker_dim)
        dim = self.encoder.dim
        self.aligner = Aligner(n_mels, n_symbols=self.encoder.n_symbols)
        self.pitch = HarmonicPitch(n_bins, sample_rate)
        self.reference_in = projection(n_mels, channels)
        self.reference_blocks = nn.ModuleList(ConvBlock(channels, 5, speaker_dim, dropout) for _ in range(2))
        self.reference_out = projection(channels, prosody_dim)
        self.duration_predictor, self.prosody_predictor, self.pitch_predictor = (
            Converter(dim, speaker_dim, outputs, 1, channels, layers, dropout=dropout)
            for outputs in (1, prosody_dim, 2)
        )
        self.frame_features = projection(prosody_dim + _POSITIONS + 2, dim)
        self.converter = converter(dim, speaker_dim, sum(self.sizes), 1)
        self.phases: Tensor
        with torch.device("cpu"):  # as in HarmonicPitch
            phases = torch.outer(torch.arange(1, waves + 1), torch.linspace(0, torch.pi * sample_rate, n_bins))
        self.register_buffer("phases", phases, persistent=False)  # (waves, F), angle times pitch in hertz

    def forward(self, text: Tensor, speaker: Tensor, targets: Spectra, n_frames: Tensor) -> AcousticOutput:
        mel, symbols = targets.mel, (text != 0).sum(1)  # (B,)
        mask = torch.arange(mel.shape[1], device=text.device) < n_frames.unsqueeze(1)  # (B, T)
        keys, values = self.encoder(text, speaker)
        scores = self.aligner(text, mel, n_frames)  # (B, T, L)
        path = best_path(scores, symbols, n_frames)  # (B, T)
        assignment = (F.one_hot(path, text.shape[1]) * mask.unsqueeze(-1)).float()  # (B, T, L)
        durations = assignment.sum(1)  # (B, L) frames
        pitch, voiced = self.pitch(targets.linear, mask)  # (B, T)
        voiced_frames = (assignment * voiced.unsqueeze(-1)).sum(1)  # (B, L)
        mean_pitch = (assignment * (voiced * pitch).unsqueeze(-1)).sum(1) / voiced_frames.clamp(min=1)  # (B, L)
        prosody = self._encode_reference(mel, speaker, assignment, mask)  # (B, L, P)
        log_durations, pitch_logits, predicted_prosody = self._predict(keys.detach(), speaker, text != 0)
        present = durations > 0
        mostly_voiced = voiced_frames >= 0.5 * durations.clamp(min=1)
        voiced_share = voiced_frames / durations.clamp(min=1)
        pitch_error = (pitch_logits[..., 0] - mean_pitch).abs() * mostly_voiced
        losses = {
            "alignment": forward_sum(scores, symbols, n_frames),
            "duration": F.l1_loss(log_durations[present], durations[present].log()),
            "pitch": pitch_error.sum() / mostly_voiced.sum().clamp(min=1),
            "voicing": F.binary_cross_entropy_with_logits(pitch_logits[..., 1][present], voiced_share[present]),
            "prosody": F.l1_loss(predicted_prosody[present], prosody.detach()[present]),
        }
        if self.training:
            prosody = prosody + self.prosody_noise * torch.randn_like(prosody)
            if self.scheduled_sampling:
                predicted = torch.rand(len(text), 1, 1, device=text.device) < self.scheduled_sampling
                prosody = torch.where(predicted, predicted_prosody.detach(), prosody)
        spectra = self._convert(values, prosody, (pitch, voiced), path, durations, speaker, mask)
        weighted = {name: self.loss_weight * loss for name, loss in losses.items()}
        return AcousticOutput(spectra, None, scores.exp().unsqueeze(1), weighted)

    @torch.no_grad()
    def synthesize(
        self,
        text: Tensor,
        speaker: Tensor,
        strict: bool = False,
        most: int = MOST_FRAMES_OF_TEXT,
        speed: float = 1.0,
    ) -> SynthesisOutput:
        symbols = self.predict_symbols(text, speaker, speed)
        finished = symbols.ends[:, -1] <= most
        symbols = symbols._replace(ends=symbols.ends.clamp(max=most))
        n_frames = symbols.ends[:, -1]
        times = torch.arange(int(n_frames.max()), device=text.device)
        spectra = self.render_frames(*symbols, times, speaker)
        path = F.one_hot(symbols_of_frames(symbols.ends, times), text.shape[1])  # (B, T, L)
        alignment = path * (times < n_frames.unsqueeze(1)).unsqueeze(-1)
        return SynthesisOutput(spectra, n_frames, finished, alignment.unsqueeze(1).to(spectra.mel))

    def predict_symbols(self, text: Tensor, speaker: Tensor, speed: float = 1.0) -> SymbolPredictions:
        """The first half of `synthesize`: text (B, L) and speaker embedding (B, E) to durations, pitch and prosody."""
        keys, values = self.encoder(text, speaker)
        log_durations, pitch, prosody = self._predict(keys, speaker, text != 0)
        if not torch.compiler.is_exporting():  # a graph cannot raise errors
            check_finite(log_durations)
        durations = (log_durations.exp().clamp(1, self.max_symbol_frames) / speed).clamp(min=1) * (text != 0)
        # Sums are rounded, not durations, so that rounding errors do not add up.
        return SymbolPredictions(values, prosody, pitch, durations.cumsum(1).round().long())

    def render_frames(
        self, values: Tensor, prosody: Tensor, pitch: Tensor, ends: Tensor, times: Tensor, speaker: Tensor
    ) -> Spectra:
        """The second half of `synthesize`: the frames `times` (T,), from 0 on, of symbols (`SymbolPredictions`)."""
        durations = torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1])).float()  # (B, L)
        path, mask = symbols_of_frames(ends, times), times < ends[:, -1:]  # (B, T)
        voiced_share = pitch[..., 1].sigmoid() * (durations > 0)  # (B, L)
        voiced = _voicing(voiced_share, durations, path) & mask  # (B, T)
        contour = _pitch_contour(pitch[..., 0], voiced_share, durations, times.shape[0])
        return self._convert(values, prosody, (contour, voiced), path, durations, speaker, mask)

    def _encode_reference(self, mel: Tensor, speaker: Tensor, assignment: Tensor, mask: Tensor) -> Tensor:
        """Prosody latents of each symbol: mean of the reference encoder's output over its frames, (B, L, P)."""
        x = self.reference_in(mel).mT * mask.unsqueeze(1)
        for block in self.reference_blocks:
            x = block(x, speaker) * mask.unsqueeze(1)
        sums = assignment.mT.to(x.dtype) @ x.mT  # (B, L, h)
        return torch.tanh(self.reference_out(sums / assignment.sum(1).clamp(min=1).unsqueeze(-1)))

    def _predict(self, keys: Tensor, speaker: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log durations (B, L), pitch in octaves and logits of voicing (B, L, 2), prosody (B, L, P)."""
        inputs = keys.mT, speaker, mask
        log_durations = self.duration_predictor(*inputs).squeeze(-1).float()
        return log_durations, self.pitch_predictor(*inputs).float(), torch.tanh(self.prosody_predictor(*inputs))

    def _convert(
        self,
        values: Tensor,
        prosody: Tensor,
        pitch_contour: tuple[Tensor, Tensor],
        path: Tensor,
        durations: Tensor,
        speaker: Tensor,
        mask: Tensor,
    ) -> Spectra:
        """Text, prosody and the pitch contour (pitch and voicing of each frame) to both spectrograms."""
        pitch, voiced = pitch_contour[0], pitch_contour[1].float()
        starts = durations.cumsum(1) - durations  # (B, L)
        within = torch.arange(path.shape[1], device=path.device) - starts.gather(1, path)  # (B, T)
        length = durations.gather(1, path).clamp(min=1)
        positions = [within / length, (within + 1).log1p(), length.log1p(), voiced, voiced * (pitch - 1)]
        features = torch.cat([_expand(prosody, path), torch.stack(positions, -1).to(prosody)], -1)  # (B, T, P + 5)
        hidden = _expand(values, path) + self.frame_features(features)
        mel, linear, waves = self.converter(hidden.mT, speaker, mask).float().split(self.sizes, -1)
        angle = (LOWEST * 2**pitch).reciprocal()[..., None, None] * self.phases  # (B, T, waves, F)
        harmonics = (waves.unflatten(-1, self.phases.shape) * angle.cos_()).sum(2)
        return Spectra(mel, linear + harmonics * voiced.unsqueeze(-1))


def _voicing(voiced_share: Tensor, durations: Tensor, path: Tensor) -> Tensor:
    """Which frames are voiced: (B, L) voiced shares and durations of symbols, (B, T) path -> (B, T).

    The first symbol contains the silence before the speech, so its unvoiced frames come before its voiced ones. They
    are at least 5 if the symbol is long enough, even if an adapted model predicts fewer. All frames of another symbol
    have the same voicing.
    """
    first = durations[:, :1]
    silent = torch.maximum((1 - voiced_share[:, :1]) * first, (first - _LEAD).clamp(max=_LEAD)).round()  # (B, 1)
    after_silence = torch.arange(path.shape[1], device=path.device) >= silent  # (B, T)
    is_first = path == 0
    is_voiced = voiced_share.gather(1, path) > 0.5
    return is_first & after_silence | ~is_first & is_voiced  # not torch.where: ONNX Runtime has none for booleans


def _pitch_contour(symbol_pitch: Tensor, voiced: Tensor, durations: Tensor, count: int) -> Tensor:
    """Pitch of symbols (B, L), weighted by their voiced shares and interpolated to `count` frames: (B, T)."""
    middles = durations.cumsum(1) - durations / 2  # (B, L)
    times = torch.arange(count, device=symbol_pitch.device) + 0.5
    near = -((times[:, None] - middles.unsqueeze(1)) ** 2) / (2 * _BEND**2)  # (B, T, L)
    prior = voiced.clamp(min=1e-4).log().masked_fill(durations == 0, -torch.inf)  # symbols without frames are padding
    weights = (near + prior.unsqueeze(1)).softmax(-1)
    return (weights @ symbol_pitch.unsqueeze(-1)).squeeze(-1)


def _expand(x: Tensor, path: Tensor) -> Tensor:
    """Features of symbols (B, L, H) to those of frames (B, T, H)."""
    return x.gather(1, path.unsqueeze(-1).expand(-1, -1, x.shape[2]))
