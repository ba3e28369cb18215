"""Pipelines from shards to batches: which rank and worker reads what, in which order, for how many batches.

Rank and number of ranks come from the main process: in a worker process nothing can be asked reliably.
"""

import hashlib
import multiprocessing
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

import torch
import webdataset as wds
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from webdataset.filters import FilterFunction as Stage

from lightning_vc.data.index import ShardFile
from lightning_vc.data.reading import read_shards
from lightning_vc.data.samples import Sample

B = TypeVar("B")

SHUFFLED = 1024  # samples among which each worker shuffles
_PLACES = 64  # more than anybody has workers on a rank
_ORDER = 3  # of samples: raised when the same seed and epoch give other batches

# The lengths of ours are right with workers too: see `BatchStream.__iter__`.
warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")


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

    def names(self) -> list[str]:
        """Names of what is in them, wherever they lie."""
        return [file.shard.sha256 for file in self.files]

    def stages(self, order: str | None = None, rank: int = 0, world: int = 1) -> list[Any]:
        """The first stages of a pipeline: of all samples, or in an `order` of those of one worker of one rank."""
        if order is None:
            return [partial(iter, self.files), self.read]
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
    """Samples that are in memory already. In training every worker has all of them: a few are not worth sharing out."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def names(self) -> list[str]:
        """Ids of the samples."""
        return [sample.id for sample in self.samples]

    def stages(self, order: str | None = None, rank: int = 0, world: int = 1) -> list[Any]:
        """The first stage of a pipeline: all samples once, or over and over, in an `order` of each worker's own."""
        return [partial(iter, self.samples) if order is None else partial(self._forever, f"{order}/{rank}")]

    def _forever(self, order: str) -> Iterator[Sample]:
        rng = random.Random(f"{order}/{_worker()[0]}")
        while self.samples:
            yield from rng.sample(self.samples, len(self.samples))


class BatchStream(IterableDataset[B]):
    """`steps` batches on every rank: an epoch of training by seed and epoch, or with seed None validation.

    In training, ranks and their workers read disjoint samples. In validation all of them read every sample, in the same
    order every time, and decode those of their own batches. Who comes to the end begins again, in validation with the
    first batches: a few samples more or less must not change the number of steps, or ranks would wait for each other
    for ever.
    """

    def __init__(
        self,
        source: Shards | Clips,
        batcher: Batcher[B],
        steps: int,
        seed: int | None = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.source, self.batcher = source, batcher
        self.steps, self.seed = steps, seed
        self.rank, self.world = rank, world
        # In shared memory: workers that live on must see the main process change them.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.start = torch.zeros((), dtype=torch.int64).share_memory_()  # batches that each worker leaves out

    def __len__(self) -> int:
        return self.steps

    def order(self) -> dict[str, Any]:
        """All that decides which samples are in which batch, as plain values."""
        batching = {name: value for name, value in vars(self.batcher).items() if isinstance(value, int | float | tuple)}
        order = {"version": _ORDER, "seed": self.seed, "ranks": self.world, "steps": self.steps}
        samples = hashlib.sha256("\n".join(self.source.names()).encode()).hexdigest()[:16]
        return order | {"samples": samples} | batching

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        self.epoch.fill_(epoch)

    def __iter__(self) -> Iterator[B]:
        """The batches of this process: of the main one, or its turns where there are workers."""
        worker, workers = _worker()
        start, order = int(self.start), None if self.seed is None else f"{self.seed}/{int(self.epoch)}"
        planned = iter(
            wds.DataPipeline(
                *self.source.stages(order, self.rank, self.world),
                wds.select(self.batcher.keep),
                *self.batcher.stages(None if order is None else random.Random(f"{order}/{self.rank}/{worker}")),
            ).repeat()  # until `steps`
        )
        if order is None:
            planned = islice(planned, worker * self.world + self.rank, None, workers * self.world)
        for number in range(worker, self.steps, workers):
            if (batch := next(planned, None)) is None:
                raise ValueError(
                    f"reader {self.rank * workers + worker + 1} of {self.world * workers} (ranks x workers) has not "
                    "enough samples of its own for one batch; use fewer workers or ranks, or fewer clips of a speaker"
                )
            if number // workers >= start:
                rng = None if order is None else random.Random(f"{order}/{self.rank}/{number}")
                yield self.batcher.collate(batch, rng)


class Loader(DataLoader[B]):
    """A loader of batches whose dataset learns from Lightning which epoch it is and, after a restart, where to go on.

    Lightning calls `set_epoch` of a loader's sampler, also after a restart, but asks for the iterator before that: so
    workers start with the first batch. Lightning keeps `state_dict` in its checkpoints, that of rank 0: as an epoch is
    the same whenever it is made again, and has as many batches on every rank, a count of them says where all are.
    """

    def __init__(self, dataset: BatchStream[B], workers: int = 0, restart_epoch: bool = False) -> None:
        # By forking this process, workers could inherit a lock that a thread of gloo or CUDA holds.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        super().__init__(
            dataset,
            batch_size=None,
            collate_fn=_unchanged,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context=context if workers else None,
            pin_memory=torch.cuda.is_available(),
        )
        self.stream, self.restart_epoch = dataset, restart_epoch
        self.start = 0  # batches to leave out of the next epoch that is asked for
        self.yielded = 0  # batches of the epoch that was asked for last
        # What decides the order of training; validation is always read as a whole
        self.order = {} if dataset.seed is None else dataset.order() | {"workers": max(1, workers)}
        self.sampler.set_epoch = dataset.set_epoch  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[B]:  # type: ignore[override]
        """Batches; nothing is read before the first is asked for."""
        self.yielded, self.start = self.start, 0
        # Workers answer in turn, beginning with the first: each leaves out whole rounds, and this the rest of a round.
        rounds, rest = divmod(self.yielded, max(1, self.num_workers))
        self.stream.start.fill_(rounds)
        for batch in islice(super().__iter__(), rest, None):
            self.yielded += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where in its epoch the loader is, and what decides which batches an epoch has."""
        return {"batches": self.yielded % len(self), "order": self.order} if self.order else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there with the next iteration. Raises ValueError where the batches would be others."""
        then, now, batches = state.get("order", {}), self.order, state.get("batches", 0)
        if not isinstance(then, dict) or type(batches) is not int or batches < 0:
            raise ValueError(f"the checkpoint has no position of the data in its loops, but {state!r:.60}")
        if not now or self.restart_epoch or not batches:
            return
        names = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
        if names:
            changed = "; ".join(f"{name} {then.get(name)!r}, now {now.get(name)!r}" for name in names)
            raise ValueError(
                f"the checkpoint was made in the middle of an epoch of other data ({changed}): resume it "
                "with what it was made with, or begin its epoch anew with --data.loading.restart_epoch true"
            )
        self.start = batches


def _unchanged(batch: B) -> B:
    """The batchers have collated: the loader need not look through every id for what could become a tensor."""
    return batch


def _worker() -> tuple[int, int]:
    """Number of this worker process and of all of them: (0, 1) in the main process."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
