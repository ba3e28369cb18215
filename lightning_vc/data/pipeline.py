"""Pipelines from shards to batches: which rank and worker reads what, in which order, for how many batches.

Rank and number of ranks come from the main process: in a worker process nothing can be asked reliably.
"""

import hashlib
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import torch
import webdataset as wds
from torch.utils.data import IterableDataset, get_worker_info
from webdataset.filters import FilterFunction as Stage

from lightning_vc.data.index import ShardFile
from lightning_vc.data.reading import read_shards
from lightning_vc.data.samples import Sample
from lightning_vc.data.stages import deal

B = TypeVar("B")

SHUFFLED = 1024  # samples among which each worker shuffles
_PLACES = 64  # more than anybody has workers on a rank
_ORDER = 2  # of samples: raised when the same seed and epoch give other batches


class Batcher(ABC, Generic[B]):
    """How samples become batches. Without `rng`, as in validation, the same every time."""

    @abstractmethod
    def keep(self, sample: Sample) -> bool:
        """Whether a sample is of use."""

    @abstractmethod
    def stages(self, rng: random.Random | None) -> list[Any]:
        """Stages from samples to what goes together into a batch: order and choice, nothing is decoded."""

    @abstractmethod
    def collate(self, planned: Any, rng: random.Random | None = None) -> B:
        """Decode and pad one batch."""


class Shards:
    """Samples from tar files.

    Args:
        files: the tar files.
        cache: folder for copies of those that lie elsewhere.
        skip: leave out what is broken, warn of it and count it, instead of ending the training.
    """

    def __init__(self, files: Sequence[ShardFile], cache: str | None = None, skip: bool = False) -> None:
        self.files = list(files)
        self.read = Stage(read_shards, cache, self._count if skip else None)
        # In shared memory, for the workers to count in: each in its own place, lest one overwrite what another adds.
        self.skipped = torch.zeros(_PLACES, dtype=torch.int64).share_memory_()
        self._known: set[str] = set()  # what this process has counted: it comes again in every epoch

    def __iter__(self) -> Iterator[Sample]:
        """All of them, in the order of the shards."""
        return iter(wds.DataPipeline(*self.stages()))

    def __str__(self) -> str:
        """Digest of which shards these are, wherever they lie."""
        return _digest(file.shard.sha256 for file in self.files)

    def stages(self) -> list[Any]:
        """The first stages of a pipeline of all samples."""
        return [partial(iter, self.files), self.read]

    def shuffled_stages(self, order: str, rank: int, world: int) -> list[Any]:
        """The first stages of a pipeline of the samples of one worker of one rank, in the order of an epoch."""
        return [partial(shard_list, self.files, order, rank, world), wds.split_by_worker, self.read]

    def _count(self, message: str, samples: int) -> None:
        if message not in self._known:
            self._known.add(message)
            warnings.warn(f"left out: {message}", stacklevel=2)
            self.skipped[_worker()[0] % _PLACES] += samples


def shard_list(files: Sequence[ShardFile], order: str, rank: int, world: int) -> Iterator[ShardFile]:
    """Shards of one rank, shuffled by the seed `order`, for `wds.split_by_worker` to deal to its workers.

    In place of `wds.split_by_node`, which does nothing in workers that were spawned. Shards that cannot be dealt
    evenly come once for every worker, which reads its turns of their samples: so all readers have about equally many
    samples, also where there are more readers than shards.
    """
    workers = _worker()[1]
    readers = world * workers
    files = random.Random(order).sample(files, len(files))
    whole = len(files) - len(files) % readers
    yield from files[rank:whole:world]
    samples = 0
    for file in files[whole:]:
        for reader in range(rank * workers, (rank + 1) * workers):
            yield file._replace(first=(reader - samples) % readers, step=readers)
        samples += file.shard.samples


class Clips:
    """Samples that are in memory already."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def __str__(self) -> str:
        """Digest of which samples these are."""
        return _digest(sample.id for sample in self.samples)

    def stages(self) -> list[Any]:
        """The first stage of a pipeline of all samples, in their order."""
        return [partial(iter, self.samples)]

    def shuffled_stages(self, order: str, rank: int, world: int) -> list[Any]:
        """The first stage of a pipeline of all samples, over and over: a few clips are not worth sharing out."""
        return [partial(self._forever, f"{order}/{rank}")]

    def _forever(self, order: str) -> Iterator[Sample]:
        rng = random.Random(f"{order}/{_worker()[0]}")
        while self.samples:
            yield from rng.sample(self.samples, len(self.samples))


class TrainingStream(IterableDataset[B]):
    """An epoch of `steps` batches on every rank, in an order that is drawn anew from seed and epoch.

    Ranks and their workers read disjoint samples. One that comes to the end of its own begins again: who has a few
    more or less must not change the number of steps, or ranks would wait for each other for ever.
    """

    def __init__(
        self, source: Shards | Clips, batcher: Batcher[B], steps: int, seed: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self.source, self.batcher = source, batcher
        self.steps, self.seed = steps, seed
        self.rank, self.world = rank, world
        # In shared memory: workers that live on must see the main process change them.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.start = torch.zeros((), dtype=torch.int64).share_memory_()  # batches that each worker leaves out

    def __len__(self) -> int:
        """Batches of this rank in an epoch."""
        return self.steps

    def order(self) -> dict[str, Any]:
        """All that decides which samples are in which batch, as plain values."""
        batching = {name: value for name, value in vars(self.batcher).items() if isinstance(value, int | float | tuple)}
        order = {"version": _ORDER, "seed": self.seed, "ranks": self.world, "steps": self.steps}
        return order | {"samples": str(self.source)} | batching

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        self.epoch.fill_(epoch)

    def __iter__(self) -> Iterator[B]:
        """The batches of this process: of the main one, or its turns where there are workers."""
        worker, workers = _worker()
        start, order = int(self.start), f"{self.seed}/{int(self.epoch)}"
        rng = random.Random(f"{order}/{self.rank}/{worker}")
        planned = iter(
            wds.DataPipeline(
                *self.source.shuffled_stages(order, self.rank, self.world),
                wds.select(self.batcher.keep),
                *self.batcher.stages(rng),
            ).repeat()  # until `steps`
        )
        for number in range(worker, self.steps, workers):
            if (batch := next(planned, None)) is None:
                raise ValueError(
                    f"reader {self.rank * workers + worker + 1} of {self.world * workers} (ranks x workers) has not "
                    "enough samples of its own for one batch; use fewer workers or ranks, or fewer clips of a speaker"
                )
            if number // workers >= start:
                yield self.batcher.collate(batch, random.Random(f"{order}/{self.rank}/{number}"))


class ValidationStream(wds.DataPipeline):  # type: ignore[misc]  # webdataset has no types
    """Every sample once, in the same batches every time, which are dealt to the ranks: `steps` to each.

    Each process reads all samples, and decodes those of its own batches.
    """

    def __init__(
        self, source: Shards | Clips, batcher: Batcher[Any], steps: int, rank: int = 0, world: int = 1
    ) -> None:
        super().__init__(
            *source.stages(),
            wds.select(batcher.keep),
            *batcher.stages(None),
            Stage(deal, rank, world),
            wds.split_by_worker,
            wds.map(batcher.collate),
        )
        self.steps = steps

    def __len__(self) -> int:
        """Batches of this rank."""
        return self.steps


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _worker() -> tuple[int, int]:
    """Number of this worker process and of all of them: (0, 1) in the main process."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
