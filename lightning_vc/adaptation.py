"""Transcribed recordings of one speaker to a voice, by training: the methods, and how long each is trained."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib import import_module
from inspect import isabstract

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, RichProgressBar
from torch import Tensor

from lightning_vc.audio.io import encode_flac, resample
from lightning_vc.console import interruptible, print_warning
from lightning_vc.data.alignment import SAMPLE_RATE, Piece, align, split
from lightning_vc.data.pipeline import BatchStream, Clips, Loader
from lightning_vc.data.samples import Sample
from lightning_vc.data.tts import TTSBatcher
from lightning_vc.data.utterance import Limits
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.modules.low_rank import load_moved
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.adaptation import (
    AdaptationTask,
    EmbeddingAdaptationTask,
    LowRankAdaptationTask,
    WholeModelAdaptationTask,
)
from lightning_vc.text.normalize import normalize, written
from lightning_vc.types import Initialization, Speaker
from lightning_vc.voice import Voice


@dataclass(frozen=True)
class Method:
    """A way to adapt.

    Args:
        task: makes the task from tts, start and encoder.
        steps: largest number of steps for one clip, of a Deep Voice 3.
        growth: steps grow as `n_clips ** growth`.
        batch_size: largest number of clips in a step.
    """

    task: Callable[..., AdaptationTask]
    steps: int
    growth: float = 0.0
    batch_size: int = 8

    def steps_for(self, clips: int, model: AcousticModel) -> int:
        """Number of training steps of a model for so many clips."""
        return max(1, round(self.steps * clips**self.growth * model.adaptation_step_scale))


# Chosen by loss and speaker similarity on 1 to 100 clips, as the learning rates in the tasks (docs/experiments.md)
METHODS = {
    "embedding": Method(EmbeddingAdaptationTask, steps=150),
    "low_rank": Method(LowRankAdaptationTask, steps=75, growth=0.4),
    "whole_model": Method(WholeModelAdaptationTask, steps=75, growth=0.4),
}
_OWN = Method(AdaptationTask, steps=100)  # for a class of the user
_LONGEST = 10.0  # seconds of a recording that is not cut at its pauses
_CAUSES = "perhaps as the texts are in another order than the clips, the clip is cut off or is not in English"
_ENOUGH = 20  # clips from which on some are held out for early stopping (docs/experiments.md)
_HELD = 10  # one of so many clips is held out
_LOOK = 10  # steps between validations
_PATIENCE = 4  # validations without progress


def method_named(name: str) -> Method:
    """One of `METHODS`, or a subclass of `AdaptationTask` by its import path; raises ValueError for anything else."""
    if name in METHODS:
        return METHODS[name]
    module, _, kind = name.rpartition(".")
    try:
        task = getattr(import_module(module), kind)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: it begins with a dot
        known = ", ".join(["encoder", *METHODS])
        raise ValueError(f"unknown method {name!r}: choose one of {known}, or name a class, module.Class") from error
    if not (isinstance(task, type) and issubclass(task, AdaptationTask)) or isabstract(task):
        raise ValueError(
            f"method {name!r} is no AdaptationTask that says what is trainable: derive it from one of "
            "lightning_vc.tasks.adaptation"
        )
    return replace(_OWN, task=task)


def samples_of(clip: str, wave: Tensor, text: str, sample_rate: int) -> list[Sample]:
    """Training samples of a recording (W,) and its transcript: one, or its pieces where it is long.

    Warns where a short recording cannot be aligned with its text, as were 7 of 128 right transcripts and 95 of 123
    wrong ones. Raises ValueError, naming the clip, for a text without words, one that is far too long or too short for
    the recording, and a long recording that cannot be aligned.
    """
    try:
        words = tuple(normalize(text))
    except ValueError as error:
        raise ValueError(f"the transcript of {clip}: {error}") from error
    seconds = len(wave) / sample_rate
    rate, usual = sum(len(word.phonemes) for word in words) / seconds, Limits()
    if not usual.min_rate <= rate <= usual.max_rate:
        raise ValueError(
            f"{clip} has {seconds:.1f} s and its transcript {rate:.1f} phonemes a second, where speech has "
            f"{usual.min_rate:.0f} to {usual.max_rate:.0f}, {_CAUSES}: give the transcript of this clip"
        )
    pieces = [Piece(0.0, seconds, words)]
    spans = align(resample(wave, sample_rate, SAMPLE_RATE), words)
    if seconds > _LONGEST:
        if spans is None:
            raise ValueError(
                f"{clip} has {seconds:.0f} s, in which its transcript was not found, so it cannot be cut ({_CAUSES}): "
                f"correct the transcript, or give clips of up to {_LONGEST:.0f} s"
            )
        pieces = list(split(words, spans, seconds, _LONGEST))
    elif spans is None:
        print_warning(f"the transcript of {clip} was not found in it, {_CAUSES}: see that this is what it says")
    samples = []
    for number, piece in enumerate(pieces):
        cut = wave[round(piece.start * sample_rate) : round(piece.end * sample_rate)]
        flac = encode_flac(cut, sample_rate)
        content = (written(piece.words), piece.words, piece.spans, len(cut) / sample_rate, flac)
        samples.append(Sample(f"{clip}_{number:02d}", Speaker("clone"), *content))
    return samples


def adapt(
    tts: TTSModel,
    method: str,
    samples: Sequence[Sample],
    steps: int | None = None,
    init: Initialization = "mean",
    encoder: SpeakerEncoder | None = None,
    progress: bool = False,
) -> AdaptationTask:
    """Train one method on transcribed recordings of one speaker.

    Of twenty samples or more, one in ten is held out for early stopping, and the parameters of the least validation
    loss are kept.

    Args:
        tts: the model to adapt; it is not changed.
        method: as in `method_named`.
        samples: from `samples_of`, at the model's sample rate.
        steps: of training; by default those of the method for this model and number of samples.
        start, encoder: the initial embedding, as in `AdaptationTask`.
        progress: show a bar with the losses.

    Returns the trained task, for `voice_of`. Raises ValueError for an unknown method, one that cannot be built or adds
    parameters that a voice cannot keep, and for an encoder of another model.
    """
    how = method_named(method)
    held = len(samples) // _HELD if len(samples) >= _ENOUGH else 0
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(0)  # the same clips make the same voice
        try:
            task = how.task(tts, init=init, encoder=encoder)
        except TypeError as error:
            raise ValueError(f"method {method!r} has to take tts, start and encoder: {error}") from error
        _check_moved(task, tts)
        steps = steps or how.steps_for(len(samples), tts.model)
        size = min(how.batch_size, len(samples) - held)
        rows = {sample.speaker.id: 0 for sample in samples}
        batcher = TTSBatcher(tts.frontend, rows, tts.spectrograms.sample_rate, size, 1, 1)
        callbacks: list[Callback] = [RichProgressBar()] if progress else []
        if held:
            stop = EarlyStopping("val/loss", patience=_PATIENCE, check_on_train_epoch_end=False)
            callbacks += [KeepBest(), stop]
        trainer = Trainer(
            max_steps=steps,
            devices=1,
            gradient_clip_val=1.0,
            val_check_interval=min(_LOOK, steps) if held else None,
            limit_val_batches=1.0 if held else 0,
            num_sanity_val_steps=-1 if held else 0,  # the initial embedding may be the best
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=progress,
        )
        training = Loader(BatchStream(Clips(samples[held:]), batcher, steps))
        if held and init != "mean":
            task.begin(next(iter(training)))  # for the look before training, which Lightning takes first
        validation = Loader(BatchStream(Clips(samples[:held]), batcher, -(-held // size), seed=None))
        with interruptible():
            trainer.fit(task, training, validation)
    return task


class KeepBest(Callback):
    """Restore, when training ends, the parameters of the least validation loss."""

    def __init__(self) -> None:
        self.least = torch.inf
        self.best: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the parameters if they are better than those before."""
        loss = float(trainer.callback_metrics["val/loss"])
        if loss < self.least:
            self.least, self.best = loss, _trained(pl_module)

    @torch.no_grad()
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the best."""
        for name, value in self.best.items():
            pl_module.get_parameter(name).copy_(value)


def voice_of(task: AdaptationTask, method: str, clips: int, seconds: float = 0.0, consent: str = "") -> Voice:
    """The result of an adaptation: the embedding, and the parameters of the model that it trained."""
    return Voice(
        task.embedding.detach().cpu().clone(), method, task.base, clips, _trained(task.tts.model), seconds, consent
    )


def _trained(module: torch.nn.Module) -> dict[str, Tensor]:
    """Copies of the parameters that are trained, by name."""
    return {name: value.detach().cpu().clone() for name, value in module.named_parameters() if value.requires_grad}


def _check_moved(task: AdaptationTask, tts: TTSModel) -> None:
    """Raise ValueError for parameters of a task that are neither those of the model nor low-rank changes of them."""
    known = dict(tts.model.named_parameters())
    added = {name: value for name, value in task.tts.model.named_parameters() if name not in known}
    try:
        load_moved(deepcopy(tts.model), added)
    except ValueError as error:
        raise ValueError(f"{type(task).__name__} adds parameters that its base has no place for: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning, which reports the devices at each clone, and its warnings, which do not apply here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
