"""Callbacks of training: checkpoints, clipping, throughput, speech samples, voice files."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor
from torch.nn.utils import clip_grad_value_
from torch.optim import Optimizer

from lightning_vc.adaptation import METHODS, voice_of
from lightning_vc.audio import io
from lightning_vc.checkpoint import source_of
from lightning_vc.console import printable
from lightning_vc.files import plain_name, remove_abandoned
from lightning_vc.plots import draw_embeddings, draw_speech, draw_wave
from lightning_vc.synthesis import Synthesizer
from lightning_vc.tasks.adaptation import AdaptationTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.normalize import normalize
from lightning_vc.tracking import Sound, index_of, log_media

_NO_VALIDATION = (
    "there is no validation; set --trainer.limit_val_batches above 0, and prepare shards with utterances put aside "
    "(--held) and validation speakers (--validation)"
)


class LastCheckpoint(ModelCheckpoint):
    """Keep `last.ckpt` in a folder, saved at regular steps and at the end of training.

    Args:
        dirpath: the folder.
        every_n_train_steps: steps between two saves, the most that an interruption loses.
    """

    def __init__(self, dirpath: str, every_n_train_steps: int = 100) -> None:
        super().__init__(
            dirpath, every_n_train_steps=every_n_train_steps, save_last=True, save_top_k=0, enable_version_counter=False
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remove what a killed run has left of a save, as a run that resumes from its last step may not save again."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and self.dirpath and Path(self.dirpath).is_dir():
            remove_abandoned(Path(self.dirpath, "last.ckpt"))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is due, unless a validation follows: a run that resumes from here would skip the validation."""
        loop = trainer.fit_loop
        if not loop.epoch_loop._should_check_val_fx(loop._data_fetcher):  # type: ignore[arg-type]  # set in an epoch
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the save that `on_train_batch_end` put off, with what other callbacks store after a validation."""
        super().on_validation_end(trainer, pl_module)
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            super().on_train_batch_end(trainer, pl_module, None, None, 0)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the last step too; Lightning saves multiples of `every_n_train_steps` only."""
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # set by a function of Lightning
            self.last_model_path = str(Path(self.dirpath or "", "last.ckpt"))
            trainer.save_checkpoint(self.last_model_path)
            for logger in trainer.loggers:  # one that keeps checkpoints (log_model) may not know this file yet
                logger.after_save_checkpoint(self)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save the last step after SIGTERM, but not during a validation, which a resumed run would skip."""
        single = trainer.world_size == 1  # several processes may have stopped after different steps
        if isinstance(exception, SIGTERMException) and trainer.training and single:
            trainer.save_checkpoint(Path(self.dirpath or "", "last.ckpt"))


class ClipGradientValues(Callback):
    """Clip each number of the gradient, before Trainer.gradient_clip_val clips its norm (Deep Voice 3, appendix).

    Args:
        value: the largest absolute value.
    """

    def __init__(self, value: float) -> None:
        self.value = value

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Clip."""
        clip_grad_value_(pl_module.parameters(), self.value)


class Throughput(Callback):
    """Log learning rates, training steps per second, and the share of padding in the batch, together with the losses.

    The learning rates are those of the parameter groups of the first optimizer: `train/lr`, `train/lr_1` and so on.
    """

    logs = ("train/steps_per_second", "train/padding")
    since: float | None = None  # start of the measured interval

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Log the learning rates of the step, and start an interval."""
        for number, group in enumerate(trainer.optimizers[0].param_groups if trainer.optimizers else ()):
            pl_module.log(f"train/lr_{number}" if number else "train/lr", float(group["lr"]))
        if self.since is None:
            self.since, self.step = time.perf_counter(), trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log at the steps at which losses are logged, and end the interval."""
        steps = trainer.global_step - self.step
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by a function of Lightning
        if self.since is not None and steps and every and trainer.global_step % every == 0:
            pl_module.log("train/steps_per_second", steps / (time.perf_counter() - self.since))
            if hasattr(batch, "waves"):
                pl_module.log("train/padding", 1 - batch.lengths.sum() / batch.waves.numel())
            self.since = None

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the interval, so that validation is not counted."""
        self.since = None


class CheckMonitors(Callback):
    """Raise an error for a callback that monitors an unknown metric: it would save nothing, or never stop training.

    A metric `val/...` has to be logged by the first validation (usually Lightning's sanity check), any other metric by
    the first training step. A callback or task that logs a metric later names it in an attribute `logs`. This callback
    has to come before the callbacks that it checks.

    Raises:
        ValueError: with the logged names; also where a slash in the file name of checkpoints would make folders.
    """

    def __init__(self) -> None:
        self.logged: set[str] = set()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check file names, and monitored validation metrics if validation is disabled."""
        parts = [*trainer.callbacks, pl_module]  # type: ignore[attr-defined]  # set by a function of Lightning
        self.logged = {"epoch", "step", *(name for part in parts for name in getattr(part, "logs", ()))}
        for part in parts:
            if isinstance(part, ModelCheckpoint) and part.auto_insert_metric_name:
                _check_file_name(part.filename or "")
        if not trainer.enable_validation:
            self._check(trainer, True, _NO_VALIDATION)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check monitored validation metrics if validation has no batches."""
        self.steps = trainer.global_step
        if trainer.val_dataloaders is not None and not sum(trainer.num_val_batches):
            self._check(trainer, True, _NO_VALIDATION)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check monitored validation metrics."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._check(trainer, validation=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check monitored training metrics after the first step."""
        if trainer.global_step <= self.steps + 1:
            self._check(trainer, validation=False)

    def _check(self, trainer: Trainer, validation: bool, reason: str = "") -> None:
        """Raise ValueError for a monitored metric, of validation or else of training, that is not logged."""
        self.logged.update(trainer.callback_metrics)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            name = getattr(callback, "monitor", None)
            if name and name not in self.logged and name.startswith("val/") == validation:
                remedy = reason or f"choose from {', '.join(sorted(self.logged))}"
                raise ValueError(f"{type(callback).__name__} monitors {name!r}, which nothing logs: {remedy}")


def _check_file_name(name: str) -> None:
    if re.search(r"{[^{}]*/", name):
        raise ValueError(
            f"the file name {name!r} of a checkpoint would make folders, as its metric has a slash: "
            "set auto_insert_metric_name to false, and write names yourself, as in 'loss={val/loss:.3f}'"
        )


class SynthesizeSentences(Callback):
    """After each validation, synthesise sentences by some training speakers: sound, spectrogram and attention.

    A recording of each of these speakers, from the validation batches, is logged once for comparison, and after each
    validation the principal axes of the speaker table. W&B and TensorBoard get media; for any other logger, or none,
    files are written to `<log folder>/spoken/<step>/` and `<log folder>/spoken/reference/`.

    Args:
        sentences: texts to synthesise.
        voices: number of speakers, evenly spread over the speaker table; each says every sentence.
    """

    def __init__(self, sentences: Sequence[str], voices: int = 2) -> None:
        self.sentences, self.voices = list(sentences), voices
        self.references: dict[int, Tensor] = {}  # row of the speaker table -> recording (W,)
        self.logged: set[int] = set()  # rows whose recordings have been logged

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise ValueError for a sentence that the frontend cannot read."""
        if isinstance(pl_module, TTSTask):
            for sentence in self.sentences:
                pl_module.tts.frontend(normalize(sentence))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the first recording of each speaker who speaks."""
        if isinstance(pl_module, TTSTask) and len(self.references) < self.voices:
            rows = self._rows(pl_module)
            for number, row in enumerate(batch.speakers.tolist()):
                if row in rows and row not in self.references:
                    self.references[row] = batch.waves[number, : batch.lengths[number]].cpu().clone()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Synthesise on the first rank."""
        folder = trainer.log_dir  # a collective operation: every rank has to call it
        if trainer.sanity_checking or not trainer.is_global_zero or not isinstance(pl_module, TTSTask):
            return
        tts, step = pl_module.tts, f"{trainer.global_step:06d}"
        rate, table = tts.spectrograms.sample_rate, tts.table.weight.detach()
        for row in self._rows(pl_module):
            speaker = plain_name(tts.speakers[row], "a speaker of the model")  # part of a file name
            for number, speech in enumerate(Synthesizer(tts, table[row]).speak(self.sentences), 1):
                name = f"{speaker}-{number}"
                sound = Sound(f"speech/{name}", speech.wave.cpu(), speech.sample_rate, speech.text)
                figure = draw_speech(speech, tts.spectrograms.hop)
                log_media(trainer, folder, f"spoken/{step}/{name}", f"attention/{name}", figure, sound)
            if row in self.references and row not in self.logged:
                sound = Sound(f"reference/{speaker}", self.references[row], rate)
                figure, name = draw_wave(sound.wave, rate), f"reference_spectrogram/{speaker}"
                log_media(trainer, folder, f"spoken/reference/{speaker}", name, figure, sound)
                self.logged.add(row)
        if self.voices and min(table.shape) > 1:
            index = index_of(trainer)
            sexes = {entry.id: entry.sex for entry in (index.speakers if index else ())}
            figure = draw_embeddings(table, {"sex": [sexes.get(speaker) or "unknown" for speaker in tts.speakers]})
            log_media(trainer, folder, f"spoken/{step}/speaker_table", "speaker_table", figure)

    def _rows(self, task: TTSTask) -> list[int]:
        """Rows of the speakers who speak."""
        return torch.linspace(0, len(task.tts.speakers) - 1, self.voices).long().tolist()


class SaveVoice(Callback):
    """Write the voice file of an adaptation when it has finished.

    Args:
        path: the .safetensors file.
        consent: what the speaker has agreed to; stored in the voice.
    """

    def __init__(self, path: str, consent: str = "") -> None:
        self.path, self.consent = path, consent

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise ValueError if the file cannot be written."""
        try:
            io.probe(self.path)
        except OSError as error:
            raise ValueError(str(error)) from error  # an error that the command line prints in one line

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the voice and print the command that uses it."""
        if not isinstance(pl_module, AdaptationTask):
            raise ValueError(f"SaveVoice needs a task that adapts, not {type(pl_module).__name__}")
        if trainer.is_global_zero:
            clips = trainer.datamodule.training_clips  # type: ignore[attr-defined]
            method = next(
                (name for name, entry in METHODS.items() if entry.task is type(pl_module)), type(pl_module).__name__
            )
            seconds = sum(clip.seconds for clip in clips)
            voice_of(pl_module, method, len(clips), seconds, self.consent).save(self.path)
            model = f"--model {source_of(pl_module.tts)} --voice {self.path}"
            hint = f'speak with: lightning-vc synthesize {model} --text "..." --out out.wav'
            print(printable(hint))
