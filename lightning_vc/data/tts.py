"""Batches of transcribed utterances: of all speakers, bucketed by length, or of a few clips of one speaker."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import webdataset as wds
from webdataset.filters import FilterFunction as Stage

from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.pipeline import SHUFFLED, Batcher, Clips, Loader
from lightning_vc.data.reading import clips_of
from lightning_vc.data.samples import Sample
from lightning_vc.data.stages import bucket, repeat
from lightning_vc.text.frontend import Frontend
from lightning_vc.text.timing import symbol_times
from lightning_vc.types import TTSBatch


def collate_tts(
    samples: Sequence[Sample],
    frontend: Frontend,
    rows: Mapping[str, int],
    sample_rate: int,
    rng: random.Random | None = None,
) -> TTSBatch:
    """Convert texts to symbols, decode and pad; `rng` is for the frontend's random choices in training."""
    texts = [frontend(sample.words or (), rng) for sample in samples]
    lengths = [round(sample.seconds * sample_rate) for sample in samples]
    # numpy converts lists faster than torch, and allocates huge pages, which are faster to write to.
    text = np.zeros((len(samples), max(map(len, texts))), np.int64)
    times = np.full(text.shape, np.nan, np.float32)
    waves = np.zeros((len(samples), max(lengths)), np.float32)
    for number, (sample, length) in enumerate(zip(samples, lengths, strict=True)):
        text[number, : len(texts[number])] = texts[number]
        if sample.spans and (aligned := symbol_times(texts[number], sample.spans, sample.seconds)):
            times[number, : len(aligned)] = aligned
        sample.wave_into(waves[number, :length])
    return TTSBatch(
        text=torch.from_numpy(text),
        waves=torch.from_numpy(waves),
        lengths=torch.tensor(lengths),
        times=torch.from_numpy(times),
        speakers=torch.tensor([rows[sample.speaker.id] for sample in samples]),
        ids=[sample.id for sample in samples],
    )


@dataclass(frozen=True)
class TTSBatcher(Batcher[TTSBatch]):
    """Transcribed samples of the speakers in `rows`, shuffled and bucketed by length."""

    frontend: Frontend
    rows: Mapping[str, int]
    sample_rate: int
    batch_size: int
    buffer: int = SHUFFLED  # samples to shuffle among
    buckets: int = 32  # batches among which lengths are sorted
    min_utterances_per_speaker: int = 1  # approximate least number of utterances of a speaker in an epoch
    repeats: Mapping[str, int] = field(default_factory=dict)  # how often each utterance occurs in an epoch, by speaker

    def keep(self, sample: Sample) -> bool:
        return sample.words is not None and sample.speaker.id in self.rows

    def stages(self, rng: random.Random | None) -> list[Any]:
        bucketed = Stage(bucket, self.batch_size, self.buckets, rng)
        if rng is None:
            return [bucketed]
        min_distance = self.buffer + self.batch_size * self.buckets
        shuffled = wds.shuffle(self.buffer, initial=self.buffer, rng=rng)
        return [Stage(repeat, self.repeats, min_distance, rng), shuffled, bucketed]

    def collate(self, batch: list[Sample], rng: random.Random | None = None) -> TTSBatch:
        return collate_tts(batch, self.frontend, self.rows, self.sample_rate, rng)


class TTSDataModule(ShardsDataModule):
    """Transcribed utterances of train and validation speakers; their held-out utterances for validation and test.

    Test speakers are not used: they have no row in the speaker table.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        frontend: that of the acoustic model.
        batch_size: utterances in a batch, on each rank.
        min_utterances_per_speaker: approximate least number of utterances of each speaker in an epoch: those of a
            speaker with fewer are repeated.
        buckets: number of batches whose utterances each worker sorts by length: more buckets mean less padding, but
            less random batches.
        loading: how samples are read from the shards.
    """

    def __init__(
        self,
        shards: str,
        frontend: Frontend,
        batch_size: int = 16,
        min_utterances_per_speaker: int = 1,
        buckets: int = 32,
        loading: Loading = Loading(),
    ) -> None:
        positive = {"batch_size": batch_size, "min_utterances_per_speaker": min_utterances_per_speaker}
        super().__init__(shards, loading, buckets=buckets, **positive)
        rows, self.batch_size = self.rows(), batch_size
        counts = {entry.id: entry.transcribed for entry in self.index.speakers if entry.id in rows}
        repeats = {id: math.ceil(min_utterances_per_speaker / count) for id, count in counts.items()}
        # Factor by which the repetitions lengthen an epoch
        self.repetitions = sum(repeats[id] * count for id, count in counts.items()) / sum(counts.values())
        self.batcher = TTSBatcher(
            frontend, rows, self.sample_rate, batch_size, SHUFFLED, buckets, min_utterances_per_speaker, repeats
        )

    def train_dataloader(self) -> Loader[TTSBatch]:
        """Shuffled utterances of train and validation speakers."""
        sets = ("train", "validation")
        return self.train_loader(self.read(*sets), self.index.transcribed(*sets) * self.repetitions / self.batch_size)

    def val_dataloader(self) -> Loader[TTSBatch]:
        """The held-out utterances of the same speakers."""
        sets = ("train-held", "validation-held")
        return self.validation_loader(self.read(*sets), self.index.transcribed(*sets), self.batch_size)


class AdaptationDataModule(ShardsDataModule):
    """A few transcribed clips of one held-out speaker for adaptation; the speaker's other clips for validation.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        speaker: id of one of the test speakers.
        frontend: that of the acoustic model.
        clips: number of clips to adapt to: the first of `clips_of`, so that 10 clips include the 5.
        batch_size: utterances in a batch, at most the number of clips.
        steps: batches of an epoch; all clips fill one or two.
    """

    def __init__(
        self,
        shards: str,
        speaker: str,
        frontend: Frontend,
        clips: int = 5,
        batch_size: int = 4,
        steps: int = 50,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, replace(loading, workers=0), clips=clips, batch_size=batch_size, steps=steps)
        transcribed = {entry.id: entry.transcribed for entry in self.index.speakers_of("test")}
        if speaker not in transcribed:
            names = ", ".join(transcribed) or "none"
            raise ValueError(f"{speaker!r} is not a test speaker of {self.index.folder}; they are {names}")
        if clips >= transcribed[speaker]:
            raise ValueError(
                f"speaker {speaker} has {transcribed[speaker]} transcribed clips; "
                f"{clips} to adapt to leave none to validate on"
            )
        self.speaker, self.clips, self.steps, self.batch_size = speaker, clips, steps, min(batch_size, clips)
        self.batcher = TTSBatcher(frontend, {speaker: 0}, self.sample_rate, self.batch_size, buffer=1, buckets=1)

    def setup(self, stage: str) -> None:
        """Read the speaker's clips."""
        clips = [clip for clip in clips_of(self.index, self.speaker, self.loading.cache) if self.batcher.keep(clip)]
        self.training_clips, self.validation_clips = clips[: self.clips], clips[self.clips :]

    def train_dataloader(self) -> Loader[TTSBatch]:
        """The clips to adapt to, repeated."""
        return self.train_loader(Clips(self.training_clips), self.steps)

    def val_dataloader(self) -> Loader[TTSBatch]:
        """The speaker's other clips."""
        return self.validation_loader(Clips(self.validation_clips), len(self.validation_clips), self.batch_size)
