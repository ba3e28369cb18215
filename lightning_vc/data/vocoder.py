"""Short crops of recordings of all speakers, to train a vocoder."""

import random
from dataclasses import dataclass
from typing import Any

import torch
import webdataset as wds
from torch.nn.utils.rnn import pad_sequence
from webdataset.filters import FilterFunction as Stage

from lightning_vc.data.cloning import crop
from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.pipeline import SHUFFLED, Batcher, Loader
from lightning_vc.data.samples import Sample
from lightning_vc.data.stages import bucket
from lightning_vc.types import WaveBatch


@dataclass(frozen=True)
class WaveBatcher(Batcher[WaveBatch]):
    """Crops of `seconds` seconds of shuffled samples of all speakers: at random, in validation the middle."""

    sample_rate: int
    batch_size: int
    seconds: float

    def keep(self, sample: Sample) -> bool:
        return True

    def stages(self, rng: random.Random | None) -> list[Any]:
        shuffled = [wds.shuffle(SHUFFLED, initial=SHUFFLED, rng=rng)] if rng else []
        return [*shuffled, Stage(bucket, self.batch_size, n_batches=1)]

    def collate(self, batch: list[Sample], rng: random.Random | None = None) -> WaveBatch:
        max_length = round(self.seconds * self.sample_rate)
        waves = [crop(sample.wave(self.sample_rate), max_length, rng) for sample in batch]
        return WaveBatch(
            pad_sequence([*waves, torch.empty(max_length)], batch_first=True)[:-1],  # shorter ones are padded
            torch.tensor([len(wave) for wave in waves]),
            [sample.id for sample in batch],
        )


class VocoderDataModule(ShardsDataModule):
    """Crops of recordings, transcribed or not, of the speakers of the split.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        batch_size: crops in a batch, on each rank.
        seconds: length of a crop.
        loading: how samples are read from the shards.
    """

    def __init__(self, shards: str, batch_size: int = 16, seconds: float = 0.5, loading: Loading = Loading()) -> None:
        super().__init__(shards, loading, batch_size=batch_size, seconds=seconds)
        self.batch_size = batch_size
        self.batcher = WaveBatcher(self.sample_rate, batch_size, seconds)

    def train_dataloader(self) -> Loader[WaveBatch]:
        """Random crops of shuffled recordings of the train speakers."""
        sets = ("train", "train-held")
        return self.train_loader(self.read(*sets), self.index.samples(*sets) / self.batch_size)

    def val_dataloader(self, split: str = "validation") -> Loader[WaveBatch]:
        """The middle of each recording of the speakers of a split."""
        sets = (split, f"{split}-held")
        if not (samples := self.index.samples(*sets)):
            raise ValueError(f"{self.index.folder} has no {split} speaker: prepare it with some")
        return self.validation_loader(self.read(*sets), samples, self.batch_size)

    def test_dataloader(self) -> Loader[WaveBatch]:
        """The middle of each recording of the test speakers."""
        return self.val_dataloader("test")
