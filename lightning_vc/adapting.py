"""Transcribed recordings of one speaker to a voice, by training: the methods, and how long each is trained."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from inspect import isabstract

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, RichProgressBar
from torch import Tensor

from lightning_vc.audio.io import encode_flac, resample
from lightning_vc.console import interruptible, print_warning
from lightning_vc.data.alignment import SAMPLE_RATE, Aligner, Piece, split
from lightning_vc.data.loader import Loader
from lightning_vc.data.pipeline import Clips, TrainingStream, ValidationStream
from lightning_vc.data.samples import Sample
from lightning_vc.data.tts import TTSBatcher
from lightning_vc.data.utterance import Limits
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.modules.low_rank import load_moved
from lightning_vc.tasks.adaptation import (
    AdaptationTask,
    EmbeddingAdaptationTask,
    LowRankAdaptationTask,
    Start,
    WholeModelAdaptationTask,
)
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.normalize import normalize, written
from lightning_vc.types import Speaker, TTSBatch
from lightning_vc.voice import Voice


@dataclass(frozen=True)
class Method:
    """A way to adapt.

    Args:
        task: what moves, by which optimizer: from the path of the base's checkpoint.
        steps: of training from one clip, at most, of a Deep Voice 3.
        growth: steps from more clips are this power of their number as many.
        batch_size: clips in a step, if there are so many.
    """

    task: Callable[..., AdaptationTask]
    steps: int
    growth: float = 0.0
    batch_size: int = 8

    def steps_for(self, clips: int, model: AcousticModel) -> int:
        """How long to train this model from so many clips."""
        return max(1, round(self.steps * clips**self.growth * model.adapts_in))


# Steps, and the rates in the tasks, were found by loss and likeness from 1 to 100 clips: docs/paper.md has the table.
METHODS = {
    "embedding": Method(EmbeddingAdaptationTask, steps=150),
    "low_rank": Method(LowRankAdaptationTask, steps=75, growth=0.4),
    "whole_model": Method(WholeModelAdaptationTask, steps=75, growth=0.4),
}
_OWN = Method(AdaptationTask, steps=100)  # where a class is named that is none of those
_LONGEST = 10.0  # seconds of a recording that is not cut at its pauses
_CAUSES = "perhaps as the texts are in another order than the clips, the clip is cut off or is not in English"
_ENOUGH = 20  # clips, of which some are put aside to stop by (docs/results.md)
_HELD = 10  # of so many of them one
_LOOK = 10  # steps after which the clips that were put aside are looked at
_PATIENCE = 4  # looks without progress after which it ends


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
    """What adaptation takes of a recording (W,) and its transcript: itself, or its pieces where it is long.

    Warns where the words of the text are not found in a recording that is not long: that need not be wrong, as of 128
    right transcripts 7 were not found, of 123 wrong ones 95.

    Raises ValueError, naming the clip, for a text of nothing to speak, of far too much or too little for the recording,
    and where that is long and the words of the text are not found in it.
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
    spans = _aligner()(resample(wave, sample_rate, SAMPLE_RATE), words)
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
        said = (written(piece.words), piece.words, piece.spans, len(cut) / sample_rate)
        samples.append(Sample(f"{clip}_{number:02d}", Speaker("clone"), *said, flac))
    return samples


@cache
def _aligner() -> Aligner:
    return Aligner()


def adapt(
    base: str,
    method: str,
    samples: Sequence[Sample],
    sample_rate: int,
    steps: int | None = None,
    start: Start = "mean",
    encoder: str | None = None,
    progress: bool = False,
    watchers: Sequence[Callback] = (),
    to_the_end: bool = False,
) -> AdaptationTask:
    """Train one method on transcribed recordings of one speaker.

    Of twenty samples or more, one in ten is put aside: training stops where they are said worse again, and goes back
    to where they were said best. With fewer it goes on for as many steps as suit the method and that many samples.

    Args:
        base: checkpoint of a `TTSTask`.
        method: as in `method_named`.
        samples: recordings, or pieces of them, with what is said in them (`samples_of`).
        sample_rate: hertz, of their sound and of the base.
        steps: of training; None is what suits method, model and number of samples.
        start, encoder: the voice to begin with, as in `AdaptationTask`.
        progress: show a bar with the losses.
        watchers: further callbacks of the trainer.
        to_the_end: train on all samples for all steps, however many there are.

    Returns the trained task, of which `voice_of` makes a `Voice`; raises ValueError for an unknown method, one that is
    not built from a base alone or adds what a voice cannot keep, and for an encoder of another base.
    """
    how = method_named(method)
    held = len(samples) // _HELD if len(samples) >= _ENOUGH and not to_the_end else 0
    aside, known = samples[:held], samples[held:]
    rows = {sample.speaker.id: 0 for sample in samples}
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(0)  # the same clips are to make the same voice
        try:
            task = how.task(base)
        except TypeError as error:
            raise ValueError(f"method {method!r} has to be built from the path of a base alone: {error}") from error
        voice_of(task, method, len(samples))  # what no voice can keep is refused before it is trained
        task.start, task.encoder = start, encoder
        steps = steps or how.steps_for(len(samples), task.tts.model)
        batcher = TTSBatcher(task.frontend, rows, sample_rate, min(how.batch_size, len(known)), 1, 1)
        callbacks: list[Callback] = (
            [KeepBest(), EarlyStopping("validation/loss", patience=_PATIENCE, check_on_train_epoch_end=False)]
            if held
            else []
        )
        trainer = Trainer(
            max_steps=steps,
            devices=1,
            gradient_clip_val=1.0,
            val_check_interval=min(_LOOK, steps) if held else None,
            limit_val_batches=1.0 if held else 0,
            num_sanity_val_steps=-1 if held else 0,  # what it begins with may be the best
            callbacks=[*callbacks, *watchers, *([RichProgressBar()] if progress else [])],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=progress,
        )
        training = Loader(TrainingStream(Clips(known), batcher, steps))
        validation: Loader[TTSBatch] = Loader(ValidationStream(Clips(aside), batcher, -(-held // batcher.batch_size)))
        with interruptible():
            trainer.fit(task, training, validation)
    return task


class KeepBest(Callback):
    """Go back, when training ends, to what said the validation clips best."""

    def __init__(self) -> None:
        self.least = torch.inf
        self.best: list[Tensor] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what moves, if it is better than before."""
        loss = float(trainer.callback_metrics["validation/loss"])
        if loss < self.least:
            self.least, self.best = loss, [each.detach().clone() for each in _moving(pl_module)]

    @torch.no_grad()
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put it back."""
        for parameter, best in zip(_moving(pl_module), self.best, strict=True):
            parameter.copy_(best)


class AlongTheWay(Callback):
    """Keep what is learned after some numbers of steps.

    Attributes:
        found: what `look` makes of the task after each of them.
    """

    def __init__(self, steps: Sequence[int], look: Callable[[AdaptationTask], Voice]) -> None:
        self.steps, self.look = set(steps), look
        self.found: dict[int, Voice] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Look, if it is time."""
        if trainer.global_step in self.steps and isinstance(pl_module, AdaptationTask):
            self.found[trainer.global_step] = self.look(pl_module)


def _moving(module: LightningModule) -> list[torch.nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def voice_of(task: AdaptationTask, method: str, clips: int, seconds: float = 0.0, consent: str = "") -> Voice:
    """What an adaptation has learned: the vector, and those parameters of the model that it moved or added.

    Raises ValueError if it added parameters that are no low-rank ones.
    """
    base = TTSTask.load(task.base)
    model = task.tts.model  # which may be in training, so it stays where it is
    before, after = base.model.state_dict(), {name: value.cpu() for name, value in model.state_dict().items()}
    moving = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    moved = {
        name: value.clone()
        for name, value in after.items()
        if (not value.equal(before[name]) if name in before else name in moving)
    }
    try:
        load_moved(deepcopy(base.model), moved)
    except ValueError as error:
        raise ValueError(f"{type(task).__name__} adds parameters that its base has no place for: {error}") from error
    return Voice(task.voice.detach().cpu().clone(), method, base.fingerprint(), clips, moved, seconds, consent)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from telling at each clone which devices there are; its warnings are not meant for this."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
