"""The loader of a pipeline under Lightning: epochs, workers, and the position from which a run is resumed."""

import multiprocessing
import warnings
from collections.abc import Iterator
from itertools import islice
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

from lightning_vc.data.pipeline import TrainingStream, ValidationStream

B = TypeVar("B")

# The lengths of ours are right with workers too: see `TrainingStream.__iter__`.
warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")


class Loader(DataLoader[B]):
    """A loader of batches whose dataset learns from Lightning which epoch it is and, after a restart, where to go on.

    Lightning calls `set_epoch` of a loader's sampler, also after a restart, but asks for the iterator before that: so
    workers start with the first batch. Lightning keeps `state_dict` in its checkpoints, that of rank 0: as an epoch is
    the same whenever it is made again, and has as many batches on every rank, a count of them says where all are.
    """

    def __init__(
        self, dataset: TrainingStream[B] | ValidationStream, workers: int = 0, restart_epoch: bool = False
    ) -> None:
        self.restart_epoch = restart_epoch
        super().__init__(
            dataset,
            batch_size=None,
            collate_fn=_unchanged,
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
        # Workers answer in turn, beginning with the first: each leaves out whole rounds, and this the rest of a round.
        rounds, rest = divmod(self.yielded, max(1, self.num_workers))
        if isinstance(self.dataset, TrainingStream):
            self.dataset.start.fill_(rounds)
        for batch in islice(super().__iter__(), rest, None):
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


def _unchanged(batch: B) -> B:
    """The batchers have collated: the loader need not look through every id for what could become a tensor."""
    return batch


def _start_method() -> BaseContext:
    """How workers start: by forking this process they could inherit a lock that a thread of gloo or CUDA holds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lightning_vc.data.loader"])
    return context
