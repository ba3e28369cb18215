"""Groups of clips of one speaker: for training the speaker encoder, alone or jointly with the acoustic model."""

import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import torch
import webdataset as wds
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from webdataset.filters import FilterFunction as Stage

from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.pipeline import SHUFFLED, Batcher, Loader
from lightning_vc.data.samples import Sample
from lightning_vc.data.stages import group_by_speaker, repeat
from lightning_vc.data.tts import collate_tts
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import CloningBatch, JointBatch

Group = list[Sample]


def crop(wave: Tensor, longest: int, rng: random.Random | None = None) -> Tensor:
    """Crop a wave to at most `longest` samples: a random part, without `rng` the middle; (W,) -> (min(W, longest),)."""
    spare = max(0, len(wave) - longest)
    start = spare // 2 if rng is None else rng.randint(0, spare)
    return wave[start : start + longest]


@dataclass(frozen=True)
class CloningBatcher(Batcher[Any]):
    """Groups of clips of one speaker, of the speakers in `rows`."""

    rows: Mapping[str, int]
    sample_rate: int
    n_speakers: int
    n_clips: tuple[int, ...]
    max_seconds: float | None  # None for whole clips
    buffer: int = SHUFFLED  # samples to shuffle among
    clips_per_speaker: int | None = None  # approximate number of clips of every speaker in an epoch of training
    repeats: Mapping[str, float] = field(default_factory=dict)  # how often each clip occurs in an epoch, by speaker

    def keep(self, sample: Sample) -> bool:
        return sample.speaker.id in self.rows

    def stages(self, rng: random.Random | None) -> list[Any]:
        grouped = Stage(group_by_speaker, self.n_speakers, self.n_clips, rng)
        if rng is None:
            return [grouped]
        shuffled = wds.shuffle(self.buffer, initial=self.buffer, rng=rng)
        return [Stage(repeat, self.repeats, self.buffer, rng), shuffled, grouped]

    def collate(self, batch: list[Group], rng: random.Random | None = None) -> Any:
        """Decode and pad B groups of N clips; longer clips are cropped at random, without `rng` to the middle."""
        max_length = sys.maxsize if self.max_seconds is None else round(self.max_seconds * self.sample_rate)
        waves = [crop(sample.wave(self.sample_rate), max_length, rng) for group in batch for sample in group]
        shape = (len(batch), len(batch[0]))
        return CloningBatch(
            waves=pad_sequence(waves, batch_first=True).unflatten(0, shape),
            lengths=torch.tensor([len(wave) for wave in waves]).unflatten(0, shape),
            speakers=torch.tensor([self.rows[group[0].speaker.id] for group in batch]),
            ids=[[sample.id for sample in group] for group in batch],
        )


class CloningDataModule(ShardsDataModule):
    """N clips from each of B speakers, for the speaker encoder: training and validation speakers are disjoint.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        clips: number of clips of a speaker, or several numbers of which each training batch takes one at random.
        n_speakers: speakers in a batch, on each rank; a speaker with many clips may be in it twice.
        max_seconds: longer clips are cropped to this length.
        clips_per_speaker: approximate number of clips of each speaker in an epoch: a random selection if a speaker has
            more, repetitions if fewer. By default, each clip occurs once.
        loading: how samples are read from the shards.
    """

    extra = 0  # samples of a group that `clips` does not count

    def __init__(
        self,
        shards: str,
        clips: int | list[int] = 5,
        n_speakers: int = 64,
        max_seconds: float = 4.0,
        clips_per_speaker: int | None = None,
        loading: Loading = Loading(),
    ) -> None:
        positive = {"n_speakers": n_speakers, "max_seconds": max_seconds, "clips_per_speaker": clips_per_speaker}
        super().__init__(shards, loading, **positive)
        counts = [clips] if isinstance(clips, int) else clips
        if not counts or min(counts) < 1:
            raise ValueError(f"clips must be a number above 0, or a list of numbers above 0, got {clips}")
        n_clips = tuple(count + self.extra for count in counts)
        available = self.utterances("train")
        repeats = {id: clips_per_speaker / count for id, count in available.items()} if clips_per_speaker else {}
        self.batcher: CloningBatcher = CloningBatcher(
            self.rows(), self.sample_rate, n_speakers, n_clips, max_seconds, SHUFFLED, clips_per_speaker, repeats
        )

    def utterances(self, split: str) -> dict[str, int]:
        """Number of utterances of each speaker of a split that has a row in the speaker table."""
        return {entry.id: entry.utterances for entry in self.index.speakers_of(split) if entry.transcribed}

    def train_dataloader(self) -> Loader[Any]:
        """Shuffled clips of the train speakers."""
        batcher = self.batcher
        counts = self.utterances("train")
        clips = sum(counts.values()) if batcher.clips_per_speaker is None else batcher.clips_per_speaker * len(counts)
        steps = clips / (batcher.n_speakers * sum(batcher.n_clips) / len(batcher.n_clips))
        return self.train_loader(self.read("train", "train-held"), steps)

    def val_dataloader(self) -> Loader[Any]:
        """Clips of the validation speakers, which are not trained on; groups have the largest number of clips."""
        clips = max(self.batcher.n_clips)
        groups = sum(count // clips for count in self.utterances("validation").values())
        if not groups:
            raise ValueError(
                f"{self.index.folder} has no validation speaker with {clips} clips; "
                "prepare it with more validation speakers, or take fewer clips"
            )
        return self.validation_loader(self.read("validation", "validation-held"), groups, self.batcher.n_speakers)


def other_clips(batches: Iterable[list[Group]]) -> Iterator[list[Group]]:
    """Replace clips that are the utterance itself (the first of its group) by other clips of the group.

    Repeated samples can be in one group. A group without other clips is left out.
    """
    for batch in batches:
        groups = []
        for utterance, *clips in batch:
            if usable := [clip for clip in clips if clip.id != utterance.id]:
                groups.append([utterance, *islice(cycle(usable), len(clips))])
        if groups:
            yield groups


@dataclass(frozen=True)
class JointBatcher(CloningBatcher):
    """Groups of an utterance and other clips of the same speaker; `n_clips` counts the utterance too."""

    frontend: Frontend = field(kw_only=True)

    def keep(self, sample: Sample) -> bool:
        return sample.words is not None and super().keep(sample)

    def stages(self, rng: random.Random | None) -> list[Any]:
        return [*super().stages(rng), Stage(other_clips)]

    def collate(self, batch: list[Group], rng: random.Random | None = None) -> Any:
        return JointBatch(
            collate_tts([utterance for utterance, *_ in batch], self.frontend, self.rows, self.sample_rate, rng),
            super().collate([clips for _, *clips in batch], rng),
        )


class JointDataModule(CloningDataModule):
    """An utterance and N other clips of the same speaker: training and validation speakers are disjoint.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        frontend: that of the acoustic model.
        clips, n_speakers, max_seconds, clips_per_speaker, loading: as in `CloningDataModule`.
    """

    extra = 1  # the utterance

    def __init__(
        self,
        shards: str,
        frontend: Frontend,
        clips: int | list[int] = 5,
        n_speakers: int = 16,
        max_seconds: float = 4.0,
        clips_per_speaker: int | None = None,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, clips, n_speakers, max_seconds, clips_per_speaker, loading)
        self.batcher = JointBatcher(**vars(self.batcher), frontend=frontend)

    def utterances(self, split: str) -> dict[str, int]:
        return {entry.id: entry.transcribed for entry in self.index.speakers_of(split) if entry.transcribed}
