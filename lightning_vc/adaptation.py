"""Adaptation of a model to transcribed recordings of one speaker: methods, training samples and training."""

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib import import_module
from inspect import isabstract
from operator import itemgetter

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor

from lightning_vc.audio.io import encode, resample
from lightning_vc.clips import Recording, for_adaptation
from lightning_vc.console import interruptible, warn, without_notices
from lightning_vc.data.alignment import SAMPLE_RATE, Piece, align, split
from lightning_vc.data.pipeline import BatchStream, Clips, Loader
from lightning_vc.data.samples import Sample
from lightning_vc.data.tts import TTSBatcher
from lightning_vc.data.utterance import Limits
from lightning_vc.devices import training_precision
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.modules.low_rank import load_adapted_parameters
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.progress import StepProgressBar
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
    """An adaptation method.

    Args:
        task: class or function that builds the task from tts, init and encoder.
        steps: training steps for one clip, of a model with `adaptation_step_scale` 1.
        growth: steps grow as `n_clips ** growth`.
        batch_size: a batch has half of the clips, but at least two and at most this many.
    """

    task: Callable[..., AdaptationTask]
    steps: int
    growth: float = 0.0
    batch_size: int = 8

    def steps_for(self, clips: int, model: AcousticModel) -> int:
        """Return the number of training steps for a number of clips."""
        return max(1, round(self.steps * clips**self.growth * model.adaptation_step_scale))


# Tuned by loss and speaker similarity on 1 to 100 clips, as are the learning rates of the tasks (docs/experiments.md)
METHODS = {
    "embedding": Method(EmbeddingAdaptationTask, steps=150),
    "low_rank": Method(LowRankAdaptationTask, steps=75, growth=0.4),
    "whole_model": Method(WholeModelAdaptationTask, steps=75, growth=0.4),
}
_CUSTOM = Method(AdaptationTask, steps=100)  # for a class of the user
_LONGEST = 10.0  # seconds; longer recordings are split at pauses
_CAUSES = "perhaps because the texts are not in the order of the clips, the clip is cut off or not in English"
_MIN_SAMPLES = 20  # with fewer samples, none is held out for early stopping (docs/experiments.md)
_SAMPLES_PER_HELD_OUT = 10  # one in this many samples is held out
_VALIDATION_INTERVAL = 10  # steps
_PATIENCE = 4  # validations without progress


def method_named(name: str) -> Method:
    """Return one of `METHODS`, or a subclass of `AdaptationTask` by its import path; raises ValueError for others."""
    if name in METHODS:
        return METHODS[name]
    module, _, kind = name.rpartition(".")
    try:
        task = getattr(import_module(module), kind)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: the name begins with a dot
        names = ", ".join(["encoder", *METHODS])
        raise ValueError(f"unknown method {name!r}: choose one of {names}, or name a class, module.Class") from error
    if not (isinstance(task, type) and issubclass(task, AdaptationTask)) or isabstract(task):
        raise ValueError(
            f"method {name!r} is not a concrete subclass of AdaptationTask: derive it from one of the classes of "
            "lightning_vc.tasks.adaptation"
        )
    return replace(_CUSTOM, task=task)


def samples_of(clip: str, wave: Tensor, text: str, sample_rate: int) -> list[Sample]:
    """Return the training samples of a recording (W,) and its transcript; a long recording is split into several.

    Warns if a short recording cannot be aligned with its text (7 of 128 correct and 95 of 123 wrong transcripts).
    Raises ValueError, naming the clip, for a text without words, a text that is far too long or too short for the
    recording, and a long recording that cannot be aligned.
    """
    try:
        words = tuple(normalize(text))
    except ValueError as error:
        raise ValueError(f"the transcript of {clip}: {error}") from error
    seconds = len(wave) / sample_rate
    rate, limits = sum(len(word.phonemes) for word in words) / seconds, Limits()
    if not limits.min_rate <= rate <= limits.max_rate:
        raise ValueError(
            f"{clip} has {seconds:.1f} s and its transcript {rate:.1f} phonemes a second, where speech has "
            f"{limits.min_rate:.0f} to {limits.max_rate:.0f}, {_CAUSES}: give the transcript of this clip"
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
        warn(f"the transcript of {clip} was not found in it, {_CAUSES}: check the transcript")
    samples = []
    for number, piece in enumerate(pieces):
        cut = wave[round(piece.start * sample_rate) : round(piece.end * sample_rate)]
        flac = encode(cut, sample_rate, ".flac")
        content = (written(piece.words), piece.words, piece.spans, len(cut) / sample_rate, flac)
        samples.append(Sample(f"{clip}_{number:02d}", Speaker("clone"), *content))
    return samples


def check_transcripts(method: str, n_clips: int, transcripts: Sequence[str] | None) -> None:
    """Raise ValueError for an unknown method, and for another number of transcripts than of clips."""
    method_named(method)
    if len(transcripts or ()) != n_clips:
        raise ValueError(
            f"method {method!r} needs a transcript of each clip: {n_clips} clips, {len(transcripts or ())} "
            "transcripts; on the command line give them by --transcripts or --clip_texts, or as a.txt beside a.wav"
        )


def samples_of_clips(
    clips: Sequence[Recording], method: str, transcripts: Sequence[str] | None, sample_rate: int
) -> list[Sample]:
    """Return the training samples of clips, independent of their order.

    Raises ValueError for whatever `check_transcripts` and `samples_of` refuse.
    """
    check_transcripts(method, len(clips), transcripts)
    samples = [  # in the order of the clips, so that an error names the first wrong transcript
        (clip.content, samples_of(clip.name, for_adaptation(clip.wave, sample_rate), text, sample_rate))
        for clip, text in zip(clips, transcripts or (), strict=True)
    ]
    return [sample for _, parts in sorted(samples, key=itemgetter(0)) for sample in parts]


def adapt(
    tts: TTSModel,
    method: str,
    samples: Sequence[Sample],
    steps: int | None = None,
    init: Initialization = "mean",
    encoder: SpeakerEncoder | None = None,
    progress: bool | Callable[[int, int], None] = False,
) -> AdaptationTask:
    """Adapt a model to transcribed recordings of one speaker, on the device of the model.

    Of twenty samples or more, one in ten is held out, and the parameters with the lowest loss on them are kept.

    Args:
        tts: the model to adapt; it is not changed.
        method: as in `method_named`.
        samples: from `samples_of`, at the model's sample rate.
        steps: training steps; by default those of the method for this model and number of samples.
        init, encoder: the initial embedding, as in `AdaptationTask`.
        progress: True to show the steps and the loss, or a function of the numbers of steps done and in all.

    Returns the trained task, for `voice_of`. Raises ValueError for an unknown method, a method that cannot be built or
    adds parameters that a voice cannot store, and for an encoder of another model.
    """
    settings = method_named(method)
    held_out = len(samples) // _SAMPLES_PER_HELD_OUT if len(samples) >= _MIN_SAMPLES else 0
    device = tts.table.weight.device
    with without_notices(), warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # those of Lightning do not apply here
        torch.manual_seed(0)  # the same clips give the same voice
        try:
            task = settings.task(tts, init=init, encoder=encoder).to(device)
        except TypeError as error:
            raise ValueError(f"method {method!r} must take tts, init and encoder: {error}") from error
        _check_storable(task, tts)
        steps = steps or settings.steps_for(len(samples), tts.model)
        count = len(samples) - held_out
        size = min(settings.batch_size, count, max(2, -(-count // 2)))  # half of the clips
        rows, sample_rate = {sample.speaker.id: 0 for sample in samples}, tts.spectrograms.sample_rate
        batcher = TTSBatcher(tts.frontend, rows, sample_rate, size, 1, 1)
        trainer = Trainer(
            max_steps=steps,
            accelerator=device.type,
            strategy=SingleDeviceStrategy(device),
            devices=1,
            precision=training_precision(device, tts.model.has_attention),
            gradient_clip_val=1.0,
            val_check_interval=min(_VALIDATION_INTERVAL, steps) if held_out else None,
            limit_val_batches=1.0 if held_out else 0,
            num_sanity_val_steps=-1 if held_out else 0,  # the initial embedding may be the best
            callbacks=_callbacks(progress, held_out > 0),
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=progress is True,
        )
        training = Loader(BatchStream(Clips(samples[held_out:]), batcher, steps))
        if held_out and init == "encoder":
            task.begin(next(iter(training)))  # for the validation before training
        validation = Loader(BatchStream(Clips(samples[:held_out]), batcher, -(-held_out // size), seed=None))
        with interruptible():
            trainer.fit(task, training, validation)
    return task


def _callbacks(progress: bool | Callable[[int, int], None], validates: bool) -> list[Callback]:
    callbacks: list[Callback] = [StepProgressBar()] if progress is True else []
    if callable(progress):
        report = progress  # narrowed to a function
        callbacks.append(
            LambdaCallback(on_train_batch_end=lambda trainer, *_: report(trainer.global_step, trainer.max_steps))
        )
    if validates:
        callbacks += [KeepBest(), EarlyStopping("val/loss", patience=_PATIENCE, check_on_train_epoch_end=False)]
    return callbacks


class KeepBest(Callback):
    """Restore the parameters with the lowest validation loss at the end of training."""

    def __init__(self) -> None:
        self.lowest_loss = torch.inf
        self.best: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the parameters if the loss is the lowest so far."""
        loss = float(trainer.callback_metrics["val/loss"])
        if loss < self.lowest_loss:
            self.lowest_loss, self.best = loss, _trained(pl_module)

    @torch.no_grad()
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the stored parameters."""
        for name, value in self.best.items():
            pl_module.get_parameter(name).copy_(value)


def voice_of(task: AdaptationTask, method: str, clips: int, seconds: float = 0.0, consent: str = "") -> Voice:
    """Return the voice of an adaptation: the speaker embedding and the trained parameters of the model."""
    embedding = task.embedding.detach().cpu().clone()
    return Voice(embedding, method, task.tts_fingerprint, clips, _trained(task.tts.model), seconds, consent)


def _trained(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return copies of the trainable parameters by name."""
    return {name: value.detach().cpu().clone() for name, value in module.named_parameters() if value.requires_grad}


def _check_storable(task: AdaptationTask, tts: TTSModel) -> None:
    """Raise ValueError for parameters of a task that are neither parameters of the model nor low-rank updates."""
    existing = dict(tts.model.named_parameters())
    added = {name: value for name, value in task.tts.model.named_parameters() if name not in existing}
    try:
        load_adapted_parameters(deepcopy(tts.model), added)
    except ValueError as error:
        raise ValueError(f"{type(task).__name__} adds parameters that a voice cannot store: {error}") from error
