"""Shards to loaders for vocoders: pieces of recordings, whoever speaks."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.data.collate import crop
from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.pipeline import shuffle
from lightning_vc.data.reading import Sample
from lightning_vc.data.stream import Batcher, Loader
from lightning_vc.types import WaveBatch


@dataclass(frozen=True)
class WaveBatcher(Batcher[list[Sample], WaveBatch]):
    """Pieces of so many seconds of shuffled samples, whoever speaks."""

    sample_rate: int
    batch_size: int
    seconds: float
    buffer: int = 1024  # samples to shuffle among

    def keep(self, sample: Sample) -> bool:
        """Every one."""
        return True

    def plan(self, samples: Iterable[Sample], rng: random.Random | None) -> Iterator[list[Sample]]:
        """Batches of samples; the last may be smaller."""
        chosen = iter(samples if rng is None else shuffle(samples, self.buffer, rng))
        while batch := list(islice(chosen, self.batch_size)):
            yield batch

    def collate(self, planned: list[Sample], rng: random.Random | None) -> WaveBatch:
        """A piece at random, without `rng` the middle, of each; what is shorter is padded."""
        longest = round(self.seconds * self.sample_rate)
        waves = [crop(sample.wave(self.sample_rate), longest, rng) for sample in planned]
        return WaveBatch(
            pad_sequence([*waves, torch.empty(longest)], batch_first=True)[:-1],
            torch.tensor([len(wave) for wave in waves]),
            [sample.id for sample in planned],
        )


class VocoderDataModule(ShardsDataModule):
    """Pieces of recordings, transcribed or not: trains on train speakers, validates on others.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        batch_size: pieces in a batch, on each rank.
        seconds: length of a piece.
        shuffle: size of the buffer in which each worker shuffles recordings.
    """

    def __init__(
        self,
        shards: str,
        batch_size: int = 16,
        seconds: float = 0.5,
        shuffle: int = 1024,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, loading, batch_size=batch_size, seconds=seconds, shuffle=shuffle)
        self.batcher = WaveBatcher(self.sample_rate, batch_size, seconds, shuffle)

    def train_dataloader(self) -> Loader[WaveBatch]:
        """Pieces at random of shuffled recordings of the train speakers."""
        sets = ("train", "train-held")
        steps = self.index.samples(*sets) // self.batcher.batch_size
        return self.train_loader(self.read(*sets), self.batcher, steps)

    def val_dataloader(self) -> Loader[WaveBatch]:
        """The middle of each recording of the validation speakers."""
        return self._measuring("validation")

    def test_dataloader(self) -> Loader[WaveBatch]:
        """The middle of each recording of the test speakers."""
        return self._measuring("test")

    def _measuring(self, split: str) -> Loader[WaveBatch]:
        sets = (split, f"{split}-held")
        if not (samples := self.index.samples(*sets)):
            raise ValueError(f"{self.index.folder} has no {split} speaker: prepare it with some")
        return self.validation_loader(self.read(*sets), self.batcher, -(-samples // self.batcher.batch_size))
