"""Sound from mel spectrograms: a generator, and discriminators that it must deceive."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.sharpening import Sharpening
from lightning_vc.checkpoint import with_weights
from lightning_vc.modules.discriminators import Discriminators, at_rest, deception
from lightning_vc.modules.vocoder import MelVocoder, NeuralVocoder
from lightning_vc.tasks.base import Losses, Task, difference
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import Spectra, TTSBatch

_MOST_RESOLUTIONS = 8


class VocoderTask(Task):
    """The losses of HiFi-GAN (Kong et al. 2020, equations 3 to 7), the spectral one at several resolutions.

    Generator and discriminators take their steps at the same time, by one optimizer: each from what the other was.

    Args:
        vocoder: mel spectrograms to waves.
        spectrograms: what it hears, the acoustic model's (its mel part).
        discriminators: (B, 1, W) to scores and features; the small `Discriminators` if none are given.
        alone: steps at first in which the generator learns from spectrograms alone; there the discriminators rest.
        resolutions: sizes of the Fourier transforms by which waves are compared.
        spectral: weight of their differences.
        matching: weight of those of the discriminators' features.
        power, contrast, denoise: the `Sharpening` of what it says, not of what it learns from.
        adapted: those of the three that are others for what an adapted model says.

    Raises:
        ValueError: for a `Sharpening` of a vocoder that makes no linear spectrogram.
    """

    def __init__(
        self,
        vocoder: MelVocoder,
        spectrograms: Spectrograms,
        discriminators: nn.Module | None = None,
        alone: int = 0,
        resolutions: Sequence[int] = (512, 1024, 2048),
        spectral: float = 45.0,
        matching: float = 2.0,
        power: float = 1.0,
        contrast: float = 1.0,
        denoise: float = 0.0,
        adapted: dict[str, float] | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=2e-4, betas=(0.8, 0.99)),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        if len(resolutions) > _MOST_RESOLUTIONS:
            raise ValueError(f"give at most {_MOST_RESOLUTIONS} resolutions, got {len(resolutions)}")
        self.vocoder, self.spectrograms = vocoder, spectrograms
        self.discriminators = discriminators or Discriminators()
        self.alone, self.spectral, self.matching = alone, spectral, matching
        self.sharpening = Sharpening(power, contrast, denoise)
        self.sharpening_of_adapted = self.sharpening.otherwise(adapted or {})
        if vocoder.sharpening is None and {self.sharpening, self.sharpening_of_adapted} != {Sharpening()}:
            raise ValueError(
                f"{type(vocoder).__name__} makes no linear spectrogram that could be sharpened: "
                "leave out power, contrast, denoise and adapted"
            )
        self.compared = nn.ModuleList(
            Spectrograms(spectrograms.sample_rate, n_fft, n_fft, n_fft // 4, 40 * n_fft // 512, preemphasis=0)
            for n_fft in resolutions
        )

    def heard(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Spectrograms (B, T, M) and the waves (B, W) that should come of them."""
        mels = self.spectrograms.mel(batch.waves)
        return mels, batch.waves[:, : (mels.shape[1] - 1) * self.spectrograms.hop]

    def loss(self, batch: Any) -> Losses:
        mels, real = self.heard(batch)
        made = self.vocoder(mels)
        spectral = self.difference(made, real)
        if not self.training:
            return {"loss": spectral, "spectral": spectral}
        if self.global_step < self.alone:
            return {"loss": self.spectral * spectral + at_rest(self.discriminators), "spectral": spectral}
        losses = {"spectral": spectral, **deception(self.discriminators, made.unsqueeze(1), real.unsqueeze(1))}
        generator = self.spectral * spectral + losses["adversarial"] + self.matching * losses["matching"]
        return {"loss": generator + losses["discriminators"], **losses}

    def difference(self, made: Tensor, real: Tensor) -> Tensor:
        """Mean absolute difference of linear and mel spectrograms of all resolutions, on the scale of decibels."""
        differences = [
            F.l1_loss(a, b)
            for spectrograms in self.compared
            for a, b in zip(spectrograms(made.float()), spectrograms(real), strict=True)
        ]
        return torch.stack(differences).mean()


class VocoderTuningTask(VocoderTask):
    """Go on with a vocoder on what an acoustic model makes of the texts, teacher-forced, in the place of recordings'.

    So it learns to sound like the recordings from spectrograms as blurred as those that it will hear (Shen et al. 2018,
    Kong et al. 2020). The acoustic model stays as it is.

    Args:
        base: checkpoint of the `TTSTask`.
        start: checkpoint of the `VocoderTask` to go on with, its discriminators too.
        frames: of each utterance that a step hears.

    Raises:
        ValueError: for a vocoder of other spectrograms than the base's.
    """

    def __init__(
        self,
        base: str,
        start: str,
        frames: int = 48,
        spectral: float = 45.0,
        matching: float = 2.0,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=1e-4, betas=(0.8, 0.99)),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        trained = VocoderTask.load(start).train()
        super().__init__(
            trained.vocoder,
            trained.spectrograms,
            trained.discriminators,
            spectral=spectral,
            matching=matching,
            optimizer=optimizer,
            scheduler=scheduler,
        )
        self.compared = trained.compared
        self.sharpening, self.sharpening_of_adapted = trained.sharpening, trained.sharpening_of_adapted
        self.start, self.frames = start, frames
        self.tts = TTSTask.load(base)
        _check_spectrograms(start, trained.spectrograms, self.tts.spectrograms, base)

    def setup(self, stage: str) -> None:
        """Raise ValueError where rows of the base's table are other speakers' in the data."""
        speakers: list[str] = self.trainer.datamodule.speakers  # type: ignore[attr-defined]
        if speakers != self.tts.speakers:
            raise ValueError(
                f"the base has learned other speakers than the data has ({difference(self.tts.speakers, speakers)}): "
                "tune the vocoder on the shards that the base was trained on"
            )

    @property
    def frontend(self) -> Frontend:
        """How texts are spelt for the base."""
        return self.tts.frontend

    def trainable(self) -> Iterable[nn.Parameter]:
        return [*self.vocoder.parameters(), *self.discriminators.parameters()]

    def train(self, mode: bool = True) -> "VocoderTuningTask":
        """The base stays in evaluation: what it makes is what it will make."""
        super().train(mode)
        self.tts.eval()
        return self

    @torch.no_grad()
    def heard(self, batch: TTSBatch) -> tuple[Tensor, Tensor]:
        """Pieces of what the base makes of the texts (B, T, M), and of the recordings (B, W)."""
        tts, hop = self.tts, self.spectrograms.hop
        spectra = tts.spectrograms(batch.waves)
        padding = -spectra.mel.shape[1] % tts.model.reduction
        true = Spectra(*(F.pad(spectrum, (0, 0, 0, padding)) for spectrum in spectra))
        made = tts.model(batch.text, tts.table(batch.speakers), true, tts.spectrograms.frames(batch.lengths))
        mels = self.spectrograms.mel_of(made.spectra.linear.float())
        spare = self.spectrograms.frames(batch.lengths) - self.frames  # (B,)
        drawn = torch.rand(len(spare), device=spare.device) if self.training else 0.5  # validation hears the middle
        starts = (drawn * spare.clamp(min=0)).long()
        waves = F.pad(batch.waves, (0, self.frames * hop))
        mels = F.pad(mels, (0, 0, 0, self.frames))
        pieces = torch.stack([mel[at : at + self.frames] for mel, at in zip(mels, starts.tolist(), strict=True)])
        samples = (self.frames - 1) * hop
        real = [wave[at * hop : at * hop + samples] for wave, at in zip(waves, starts.tolist(), strict=True)]
        return pieces, torch.stack(real)

    def parts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """A checkpoint of the vocoder alone as `Cloner.load` takes it: name of the folder, and what is in last.ckpt."""
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("tts.")}
        yield "vocoder", with_weights(self.start, own)


def load_vocoders(path: str | Path, spectrograms: Spectrograms) -> tuple[NeuralVocoder, NeuralVocoder]:
    """A trained vocoder for an acoustic model that predicts these spectrograms, and the same for an adapted one.

    Raises FileNotFoundError and ValueError: for what is no checkpoint of one, or one of other spectrograms.
    """
    task = VocoderTask.load(path)
    _check_spectrograms(path, task.spectrograms, spectrograms, "the model")
    network, of_adapted = task.vocoder, copy(task.vocoder)  # of the same weights
    if network.sharpening is not None:
        network.sharpening, of_adapted.sharpening = task.sharpening, task.sharpening_of_adapted
    return NeuralVocoder(network, task.spectrograms), NeuralVocoder(of_adapted, task.spectrograms)


def _check_spectrograms(path: str | Path, own: Spectrograms, needed: Spectrograms, base: str) -> None:
    other = {name: value for name, value in own.settings.items() if needed.settings[name] != value}
    if other:
        raise ValueError(
            f"{path} hears spectrograms with {_settings(other)}, {base} predicts them with "
            f"{_settings({name: needed.settings[name] for name in other})}: train a vocoder with those"
        )


def _settings(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
