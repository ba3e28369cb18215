"""Samples on their way to batches: which process reads which, in which order, for how many batches.

Rank and number of ranks come from the main process: in a worker process nothing can be asked reliably.
"""

import hashlib
import multiprocessing
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lightning_vc.data.index import ShardFile
from lightning_vc.data.pipeline import equally, every
from lightning_vc.data.reading import Sample, read_shards

P = TypeVar("P")  # what a batch is made of: samples, or groups of samples
B = TypeVar("B")

_PLACES = 64  # more than anybody has workers on a rank

# The lengths of ours are right with workers too: see `TrainingStream.__iter__`.
warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")


class Batcher(ABC, Generic[P, B]):
    """How samples become batches. Without `rng`, as in validation, the same every time."""

    @abstractmethod
    def keep(self, sample: Sample) -> bool:
        """Whether a sample is of use."""

    @abstractmethod
    def plan(self, samples: Iterable[Sample], rng: random.Random | None) -> Iterator[P]:
        """What goes together into batches: order and choice, nothing is decoded."""

    @abstractmethod
    def collate(self, planned: P, rng: random.Random | None) -> B:
        """Decode and pad one batch."""


class Shards:
    """Samples from tar files.

    Args:
        files: the tar files.
        cache: folder for copies of those that lie elsewhere.
        skip: leave out what is broken, warn of it and count it, instead of ending the training.
    """

    def __init__(self, files: Sequence[ShardFile], cache: str | None = None, skip: bool = False) -> None:
        self.files, self.cache = list(files), cache
        self.complain = self._complain if skip else None
        # In shared memory, for the workers to count in: each in its own place, lest one overwrite what another adds.
        self.skipped = torch.zeros(_PLACES, dtype=torch.int64).share_memory_()
        self._told: set[str] = set()  # what this process has counted: it comes again in every epoch

    def __iter__(self) -> Iterator[Sample]:
        """All of them, in the order of the shards."""
        return read_shards(self.files, self.cache, self.complain)

    def __str__(self) -> str:
        """Short for which shards these are, wherever they lie."""
        return _digest(file.shard.sha256 for file in self.files)

    def share(self, consumer: int, consumers: int, rng: random.Random) -> Iterator[Sample]:
        """What one of several consumers, who hold equal generators, reads: shards of its own in random order.

        Shards that cannot be shared out evenly are read by all, each taking its turn of the samples.
        """
        files = rng.sample(self.files, len(self.files))
        whole = len(files) - len(files) % consumers
        yield from read_shards(files[consumer:whole:consumers], self.cache, self.complain)
        yield from every(read_shards(files[whole:], self.cache, self.complain), consumer, consumers)

    def _complain(self, message: str, samples: int) -> None:
        if message not in self._told:
            self._told.add(message)
            warnings.warn(f"left out: {message}", stacklevel=2)
            self.skipped[_worker()[0] % _PLACES] += samples


class Clips:
    """Samples that are in memory already."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def __str__(self) -> str:
        """Short for which samples these are."""
        return _digest(sample.id for sample in self.samples)

    def __iter__(self) -> Iterator[Sample]:
        """All of them, in their order."""
        return iter(self.samples)

    def share(self, consumer: int, consumers: int, rng: random.Random) -> Iterator[Sample]:
        """All of them in random order, over and over, for every consumer: a few clips are not worth sharing out."""
        own = random.Random(f"{rng.random()}/{consumer}")
        while self.samples:
            yield from own.sample(self.samples, len(self.samples))


class TrainingStream(IterableDataset[B]):
    """An epoch of `steps` batches on every rank, in an order that is drawn anew from seed and epoch.

    Ranks and their workers read disjoint samples. One that comes to the end of its own begins again: who has a few
    more or less must not change the number of steps, or ranks would wait for each other for ever.
    """

    def __init__(
        self, source: Shards | Clips, batcher: Batcher[Any, B], steps: int, seed: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self.source = source
        self.batcher = batcher
        self.steps = steps
        self.seed = seed
        self.rank, self.world = rank, world
        # In shared memory: workers that live on must see the main process change them.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.start = torch.zeros((), dtype=torch.int64).share_memory_()  # batches of the epoch to leave out

    def __len__(self) -> int:
        """Batches of this rank in an epoch."""
        return self.steps

    def order(self) -> dict[str, Any]:
        """All that decides which samples are in which batch, as plain values."""
        planned = {name: value for name, value in vars(self.batcher).items() if isinstance(value, int | float | tuple)}
        return {"seed": self.seed, "ranks": self.world, "steps": self.steps, "samples": str(self.source)} | planned

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        self.epoch.fill_(epoch)

    def __iter__(self) -> Iterator[B]:
        """The batches of this process: of the main one, or its turns where there are workers."""
        worker, workers = _worker()
        start = int(self.start)
        # The loader asks the workers in turn, beginning with the first, which so takes the turn of the first batch.
        turn = (worker + start) % workers
        consumer, consumers = self.rank * workers + turn, self.world * workers
        name = f"{self.seed}/{int(self.epoch)}"
        plans = self._plans(consumer, consumers, name)
        for number in range(turn, self.steps, workers):
            planned = next(plans)
            if number >= start:
                yield self.batcher.collate(planned, random.Random(f"{name}/{self.rank}/{number}"))

    def _plans(self, consumer: int, consumers: int, name: str) -> Iterator[Any]:
        """What goes into the batches of one consumer: all that it has once, then all of it again in another order."""
        rng = random.Random(f"{name}/{consumer}")
        found = True
        while found:
            found = False
            order = random.Random(name)  # equal for all consumers, so that their shares are disjoint
            share = self.source.share(consumer, consumers, order)
            for planned in self.batcher.plan((sample for sample in share if self.batcher.keep(sample)), rng):
                found = True
                yield planned
        raise ValueError(
            f"reader {consumer + 1} of {consumers} (ranks x workers) has not enough samples of its own for one batch; "
            "use fewer workers or ranks, or fewer clips of a speaker"
        )


class ValidationStream(IterableDataset[B]):
    """Every sample once, in the same batches every time, which are dealt to the ranks: `steps` to each."""

    def __init__(
        self, source: Shards | Clips, batcher: Batcher[Any, B], steps: int, rank: int = 0, world: int = 1
    ) -> None:
        self.source = source
        self.batcher = batcher
        self.steps = steps
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        """Batches of this rank."""
        return self.steps

    def __iter__(self) -> Iterator[B]:
        """The batches of this process: each goes through all, and decodes its own."""
        worker, workers = _worker()
        plans = self.batcher.plan((sample for sample in self.source if self.batcher.keep(sample)), None)
        for planned in every(equally(plans, self.rank, self.world), worker, workers):
            yield self.batcher.collate(planned, None)


class Loader(DataLoader[B]):
    """A loader of batches whose dataset learns from Lightning which epoch it is and, after a restart, where to go on.

    Lightning calls `set_epoch` of a loader's sampler, also after a restart, but asks for the iterator before that: so
    workers start with the first batch. Lightning keeps `state_dict` in its checkpoints, that of rank 0: as an epoch is
    the same whenever it is made again, and has as many batches on every rank, a count of them says where all are.
    """

    def __init__(
        self, dataset: TrainingStream[B] | ValidationStream[B], workers: int = 0, restart_epoch: bool = False
    ) -> None:
        self.restart_epoch = restart_epoch
        super().__init__(
            dataset,
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context=_start_method() if workers else None,
            pin_memory=torch.cuda.is_available(),
        )
        self.start = 0  # batches to leave out of the next epoch that is asked for
        self.yielded = 0  # batches of the epoch that was asked for last
        if isinstance(dataset, TrainingStream):
            self.sampler.set_epoch = dataset.set_epoch  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[B]:  # type: ignore[override]
        """Batches; nothing is read before the first is asked for."""
        self.yielded, self.start = self.start, 0
        if isinstance(self.dataset, TrainingStream):
            self.dataset.start.fill_(self.yielded)
        for batch in super().__iter__():
            self.yielded += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where in its epoch the loader is, and what decides which batches an epoch has."""
        return {"batches": self.yielded % len(self), "order": self._order()} if self._order() else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there with the next iteration. Raises ValueError where the batches would be others."""
        then, now, batches = state.get("order", {}), self._order(), state.get("batches", 0)
        if not isinstance(then, dict) or type(batches) is not int or batches < 0:
            raise ValueError(f"the checkpoint has no position of the data in its loops, but {state!r:.60}")
        if not now or self.restart_epoch or not batches:
            return
        names = sorted({*then, *now})
        if changed := [
            f"{name} {then.get(name)!r}, now {now.get(name)!r}" for name in names if then.get(name) != now.get(name)
        ]:
            raise ValueError(
                f"the checkpoint was made in the middle of an epoch of other data ({'; '.join(changed)}): resume it "
                "with what it was made with, or begin its epoch anew with --data.loading.restart_epoch true"
            )
        self.start = batches

    def _order(self) -> dict[str, Any]:
        """What decides the order of training; nothing for validation, which is always read as a whole."""
        dataset = self.dataset
        return dataset.order() | {"workers": max(1, self.num_workers)} if isinstance(dataset, TrainingStream) else {}


def _as_it_is(batch: B) -> B:
    """The batchers have collated: the loader need not look through every id for what could become a tensor."""
    return batch


def _start_method() -> BaseContext:
    """How workers start: by forking this process they could inherit a lock that a thread of gloo or CUDA holds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lightning_vc.data.datamodule"])
    return context


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _worker() -> tuple[int, int]:
    """Number of this worker process and of all of them: (0, 1) in the main process."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
