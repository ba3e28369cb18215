"""Samples to batches of tensors, and the two ways in which samples go together."""

import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.data.pipeline import balanced, bucket, group_by_speaker, repeat, shuffle
from lightning_vc.data.reading import Sample
from lightning_vc.data.stream import Batcher
from lightning_vc.text.frontend import Frontend
from lightning_vc.text.timing import symbol_times
from lightning_vc.types import CloningBatch, JointBatch, TTSBatch


def collate_tts(
    samples: Sequence[Sample],
    frontend: Frontend,
    rows: Mapping[str, int],
    sample_rate: int,
    rng: random.Random | None = None,
) -> TTSBatch:
    """Decode, spell and pad transcribed samples; `rng` makes the frontend's choices of training."""
    texts = [frontend(sample.words or (), rng) for sample in samples]
    lengths = [round(sample.seconds * sample_rate) for sample in samples]
    # numpy makes arrays of lists faster than torch, and asks the kernel for large pages, which are faster to write to.
    text = np.zeros((len(samples), max(map(len, texts))), np.int64)
    times = np.full(text.shape, np.nan, np.float32)
    waves = np.empty((len(samples), max(lengths)), np.float32)
    for number, (sample, length) in enumerate(zip(samples, lengths, strict=True)):
        text[number, : len(texts[number])] = texts[number]
        if sample.spans and (known := symbol_times(texts[number], sample.spans, sample.seconds)):
            times[number, : len(known)] = known
        sample.wave_into(waves[number, :length])
        waves[number, length:] = 0
    return TTSBatch(
        text=torch.from_numpy(text),
        waves=torch.from_numpy(waves),
        lengths=torch.tensor(lengths),
        times=torch.from_numpy(times),
        speakers=torch.tensor([rows[sample.speaker.id] for sample in samples]),
        ids=[sample.id for sample in samples],
    )


def collate_cloning(
    groups: Sequence[Sequence[Sample]],
    rows: Mapping[str, int],
    sample_rate: int,
    max_seconds: float | None,
    rng: random.Random | None = None,
) -> CloningBatch:
    """Decode B groups of N clips and pad them; of longer clips a piece is cut at random, without `rng` the middle."""
    longest = sys.maxsize if max_seconds is None else round(max_seconds * sample_rate)
    waves = [crop(sample.wave(sample_rate), longest, rng) for group in groups for sample in group]
    shape = (len(groups), len(groups[0]))
    return CloningBatch(
        waves=pad_sequence(waves, batch_first=True).unflatten(0, shape),
        lengths=torch.tensor([len(wave) for wave in waves]).unflatten(0, shape),
        speakers=torch.tensor([rows[group[0].speaker.id] for group in groups]),
        ids=[[sample.id for sample in group] for group in groups],
    )


def crop(wave: Tensor, longest: int, rng: random.Random | None = None) -> Tensor:
    """At most `longest` samples of a wave, at random or from its middle: (W,) -> (min(W, longest),)."""
    spare = max(0, len(wave) - longest)
    start = spare // 2 if rng is None else rng.randint(0, spare)
    return wave[start : start + longest]


@dataclass(frozen=True)
class TTSBatcher(Batcher[list[Sample], TTSBatch]):
    """Transcribed samples of known speakers, shuffled and bucketed by length."""

    frontend: Frontend
    rows: Mapping[str, int]
    sample_rate: int
    batch_size: int
    buffer: int = 1024  # samples to shuffle among
    buckets: int = 32  # batches among which lengths are sorted
    at_least: int = 1  # utterances of each speaker in an epoch of training, about
    times: Mapping[str, int] = field(default_factory=dict)  # that it has each of a speaker's, for that

    def keep(self, sample: Sample) -> bool:
        """Whether it can be read and belongs to a row."""
        return sample.words is not None and sample.speaker.id in self.rows

    def plan(self, samples: Iterable[Sample], rng: random.Random | None) -> Iterator[list[Sample]]:
        """Batches of similar length."""
        if rng is not None:
            apart = self.buffer + self.batch_size * self.buckets
            samples = shuffle(repeat(samples, self.times, apart), self.buffer, rng)
        return bucket(samples, self.batch_size, self.buckets, rng)

    def collate(self, planned: list[Sample], rng: random.Random | None) -> TTSBatch:
        """See `collate_tts`."""
        return collate_tts(planned, self.frontend, self.rows, self.sample_rate, rng)


@dataclass(frozen=True)
class CloningBatcher(Batcher[list[list[Sample]], CloningBatch]):
    """Groups of clips of known speakers."""

    rows: Mapping[str, int]
    sample_rate: int
    n_speakers: int
    n_clips: tuple[int, ...]
    max_seconds: float | None  # None for whole clips
    buffer: int = 1024  # samples to shuffle among
    each: int | None = None  # clips of every speaker in an epoch of training, about
    times: Mapping[str, float] = field(default_factory=dict)  # that it has each of a speaker's, for that; maybe below 1

    def keep(self, sample: Sample) -> bool:
        """Whether its speaker has a row."""
        return sample.speaker.id in self.rows

    def plan(self, samples: Iterable[Sample], rng: random.Random | None) -> Iterator[list[list[Sample]]]:
        """Batches of groups of clips."""
        if rng is not None:
            samples = shuffle(balanced(samples, self.times, self.buffer, rng), self.buffer, rng)
        return group_by_speaker(samples, self.n_speakers, self.n_clips, rng)

    def collate(self, planned: list[list[Sample]], rng: random.Random | None) -> CloningBatch:
        """See `collate_cloning`."""
        return collate_cloning(planned, self.rows, self.sample_rate, self.max_seconds, rng)


def _beside(said: Sample, clips: Sequence[Sample]) -> list[Sample]:
    """An utterance and as many clips, others than itself; where it comes again those that are left do; or nothing."""
    others = [clip for clip in clips if clip.id != said.id]
    return [said, *islice(cycle(others), len(clips))] if others else []


@dataclass(frozen=True)
class JointBatcher(Batcher[list[list[Sample]], JointBatch]):
    """An utterance and N other clips of the same speaker, of each of several."""

    frontend: Frontend
    rows: Mapping[str, int]
    sample_rate: int
    n_speakers: int
    n_clips: tuple[int, ...]
    max_seconds: float
    buffer: int = 1024  # samples to shuffle among
    each: int | None = None  # clips of every speaker in an epoch of training, about
    times: Mapping[str, float] = field(default_factory=dict)  # that it has each of a speaker's, for that; maybe below 1

    def keep(self, sample: Sample) -> bool:
        """Whether it can be read and belongs to a row."""
        return sample.words is not None and sample.speaker.id in self.rows

    def plan(self, samples: Iterable[Sample], rng: random.Random | None) -> Iterator[list[list[Sample]]]:
        """Batches of groups, of which the first is the utterance."""
        if rng is not None:
            samples = shuffle(balanced(samples, self.times, self.buffer, rng), self.buffer, rng)
        for batch in group_by_speaker(samples, self.n_speakers, [clips + 1 for clips in self.n_clips], rng):
            if groups := [group for said, *clips in batch if (group := _beside(said, clips))]:
                yield groups

    def collate(self, planned: list[list[Sample]], rng: random.Random | None) -> JointBatch:
        """See `collate_tts` and `collate_cloning`."""
        return JointBatch(
            collate_tts([first for first, *_ in planned], self.frontend, self.rows, self.sample_rate, rng),
            collate_cloning([clips for _, *clips in planned], self.rows, self.sample_rate, self.max_seconds, rng),
        )
