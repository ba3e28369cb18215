"""Pipelines from shards to batches: assignment of samples to ranks and workers, order, and number of batches.

Rank and number of ranks are passed by the main process, because worker processes cannot determine them reliably.
"""

import hashlib
import multiprocessing
import random
import warnings
import zlib
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

SHUFFLED = 1024  # size of the shuffle buffer of each worker
_COUNTERS = 1 << 14  # of skipped samples, one per message
_ORDER = 3  # version of the order of samples: increased when the same seed and epoch give other batches

# Lightning warns that lengths may be wrong with workers; those of `BatchStream` are right.
warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")


class Batcher(ABC, Generic[B]):
    """How samples become batches. Without `rng`, as in validation, batches are deterministic."""

    @abstractmethod
    def keep(self, sample: Sample) -> bool:
        """Whether to use a sample."""

    @abstractmethod
    def stages(self, rng: random.Random | None) -> list[Any]:
        """Pipeline stages that shuffle samples and group them into batches; no sound is decoded."""

    @abstractmethod
    def collate(self, batch: Any, rng: random.Random | None = None) -> B:
        """Decode and pad one batch."""


class Shards:
    """Samples from tar files.

    Args:
        files: the tar files.
        cache: folder for copies of remote files.
        skip: skip damaged samples, warn and count them, instead of raising an error.
    """

    def __init__(self, files: Sequence[ShardFile], cache: str | None = None, skip: bool = False) -> None:
        self.files = list(files)
        self.read = Stage(read_shards, cache, self._count if skip else None)
        # In shared memory, with a counter for each message: all workers may find the same damage, in every epoch.
        self.skipped = torch.zeros(_COUNTERS, dtype=torch.int64).share_memory_()

    def __iter__(self) -> Iterator[Sample]:
        """All samples, in the order of the shards."""
        return iter(wds.DataPipeline(*self.stages()))

    def names(self) -> list[str]:
        """Names of the contents, independent of the location: checksums of the shards."""
        return [file.shard.sha256 for file in self.files]

    def stages(self, order: str | None = None, rank: int = 0, world_size: int = 1) -> list[Any]:
        """The first stages of a pipeline: all samples, or those of one reader, shuffled by the seed `order`."""
        if order is None:
            return [partial(iter, self.files), self.read]
        return [partial(shard_list, self.files, order, rank, world_size), wds.split_by_worker, self.read]

    def n_skipped(self) -> int:
        """Number of samples that were skipped in any process; what several processes find counts once."""
        return int(self.skipped.clamp(min=0).sum())

    def _count(self, message: str, samples: int) -> None:
        counter = zlib.crc32(message.encode()) % _COUNTERS
        if not self.skipped[counter]:
            warnings.warn(f"left out: {message}", stacklevel=2)
        self.skipped[counter] = samples or -1


def shard_list(files: Sequence[ShardFile], order: str, rank: int, world_size: int) -> Iterator[ShardFile]:
    """Shards of one rank, shuffled by the seed `order`; `wds.split_by_worker` distributes them to its workers.

    It replaces `wds.split_by_node`, which has no effect in spawned workers. Shards that cannot be distributed evenly
    are yielded once for every worker, which then reads every n-th sample: so all readers have about equally many
    samples, even if there are more readers than shards.
    """
    workers = _worker()[1]
    readers = world_size * workers
    files = random.Random(order).sample(files, len(files))
    n_even = len(files) - len(files) % readers
    yield from files[rank:n_even:world_size]
    samples = 0
    for file in files[n_even:]:
        for reader in range(rank * workers, (rank + 1) * workers):
            yield file._replace(first=(reader - samples) % readers, step=readers)
        samples += file.shard.samples


class Clips:
    """A few samples in memory. In training every worker yields all of them."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def names(self) -> list[str]:
        """Ids of the samples."""
        return [sample.id for sample in self.samples]

    def stages(self, order: str | None = None, rank: int = 0, world_size: int = 1) -> list[Any]:
        """The first stage of a pipeline: all samples once, or endlessly, shuffled by `order` (a seed) and worker."""
        return [partial(iter, self.samples) if order is None else partial(self._forever, f"{order}/{rank}")]

    def _forever(self, order: str) -> Iterator[Sample]:
        rng = random.Random(f"{order}/{_worker()[0]}")
        while self.samples:
            yield from rng.sample(self.samples, len(self.samples))


class BatchStream(IterableDataset[B]):
    """`steps` batches on every rank: an epoch of training, determined by seed and epoch; validation if seed is None.

    In training, ranks and their workers read disjoint samples. In validation all of them read every sample in a fixed
    order, and decode only those of their batches. A reader that reaches the end of its samples starts again, so that
    every rank has the same number of steps; with different numbers, DDP would hang.
    """

    def __init__(
        self,
        source: Shards | Clips,
        batcher: Batcher[B],
        steps: int,
        seed: int | None = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.source, self.batcher = source, batcher
        self.steps, self.seed = steps, seed
        self.rank, self.world_size = rank, world_size
        # In shared memory: persistent workers must see when the main process changes them.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.skip_batches = torch.zeros((), dtype=torch.int64).share_memory_()  # number that each worker skips

    def __len__(self) -> int:
        return self.steps

    def order(self) -> dict[str, Any]:
        """Everything that determines which samples are in which batch, as plain values."""
        batching = {name: value for name, value in vars(self.batcher).items() if isinstance(value, int | float | tuple)}
        order = {"version": _ORDER, "seed": self.seed, "ranks": self.world_size, "steps": self.steps}
        samples = hashlib.sha256("\n".join(self.source.names()).encode()).hexdigest()[:16]
        return order | {"samples": samples} | batching

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self.epoch.fill_(epoch)

    def __iter__(self) -> Iterator[B]:
        """The batches of this process: all of the rank in the main process, every n-th in one of n workers."""
        worker, workers = _worker()
        skip, order = int(self.skip_batches), None if self.seed is None else f"{self.seed}/{int(self.epoch)}"
        batches = iter(
            wds.DataPipeline(
                *self.source.stages(order, self.rank, self.world_size),
                wds.select(self.batcher.keep),
                *self.batcher.stages(None if order is None else random.Random(f"{order}/{self.rank}/{worker}")),
            ).repeat()  # the loop below ends after `steps`
        )
        if order is None:
            batches = islice(batches, worker * self.world_size + self.rank, None, workers * self.world_size)
        for number in range(worker, self.steps, workers):
            if (batch := next(batches, None)) is None:
                raise ValueError(
                    f"reader {self.rank * workers + worker + 1} of {self.world_size * workers} (ranks x workers) has "
                    "fewer samples than one batch needs; use fewer workers or ranks, or fewer clips of a speaker"
                )
            if number // workers >= skip:
                rng = None if order is None else random.Random(f"{order}/{self.rank}/{number}")
                yield self.batcher.collate(batch, rng)


class Loader(DataLoader[B]):
    """A data loader that sets the epoch of its dataset and resumes in the middle of an epoch.

    Lightning calls `set_epoch` of a loader's sampler after it has created the iterator, so nothing is read until the
    first batch is requested. Lightning saves `state_dict` of rank 0 in its checkpoints: epochs are reproducible and
    have the same number of batches on every rank, so this number gives the position of all ranks.
    """

    def __init__(self, dataset: BatchStream[B], workers: int = 0, restart_epoch: bool = False) -> None:
        # Workers forked from this process could inherit a lock that a thread of gloo or CUDA holds.
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
        self.skip_batches = 0  # batches to skip in the next epoch
        self.n_yielded = 0  # batches of the current epoch so far, with those that were skipped
        # Determines the order of training; validation is never resumed in the middle
        self.order = {} if dataset.seed is None else dataset.order() | {"workers": max(1, workers)}
        self.sampler.set_epoch = dataset.set_epoch  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[B]:  # type: ignore[override]
        """Yield batches; nothing is read before the first is requested."""
        self.n_yielded, self.skip_batches = self.skip_batches, 0
        # Workers yield in turn, beginning with the first. They skip whole rounds; this loop skips the rest of a round.
        rounds, rest = divmod(self.n_yielded, max(1, self.num_workers))
        self.stream.skip_batches.fill_(rounds)
        for batch in islice(super().__iter__(), rest, None):
            self.n_yielded += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Position in the epoch, and everything that determines which batches an epoch has."""
        return {"batches": self.n_yielded % len(self), "order": self.order} if self.order else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from this position in the next iteration. Raises ValueError if the epoch would have other batches."""
        saved_order, order, batches = state.get("order", {}), self.order, state.get("batches", 0)
        if not isinstance(saved_order, dict) or type(batches) is not int or batches < 0:
            raise ValueError(f"the data loader's state in the checkpoint is invalid: {state!r:.60}")
        if not order or self.restart_epoch or not batches:
            return
        names = [name for name in sorted({*saved_order, *order}) if saved_order.get(name) != order.get(name)]
        if names:
            changed = "; ".join(f"{name} {saved_order.get(name)!r}, now {order.get(name)!r}" for name in names)
            raise ValueError(
                f"the checkpoint was made in the middle of an epoch of other data ({changed}): resume it "
                "with the same data and options, or restart its epoch with --data.loading.restart_epoch true"
            )
        if batches >= len(self):
            raise ValueError(
                f"the checkpoint was made after {batches} batches of an epoch of {len(self)}: "
                "restart its epoch with --data.loading.restart_epoch true"
            )
        self.skip_batches = batches


def _unchanged(batch: B) -> B:
    """Collate function of a loader whose batches are collated already."""
    return batch


def _worker() -> tuple[int, int]:
    """Number of this worker process, and number of workers; (0, 1) in the main process."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
