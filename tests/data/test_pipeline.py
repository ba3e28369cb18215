import random
import time
from dataclasses import dataclass
from typing import Any

import pytest
import webdataset as wds
from torch.utils.data import DataLoader
from webdataset.filters import FilterFunction as Stage

from lightning_vc.data.index import Index
from lightning_vc.data.pipeline import Batcher, BatchStream, Clips, Loader, Shards
from lightning_vc.data.samples import Sample
from lightning_vc.data.stages import bucket


@dataclass(frozen=True)
class Names(Batcher[list[str]]):
    """Batches of ids, so that tests see what is where."""

    batch_size: int = 4
    only: str = ""

    def keep(self, sample: Sample) -> bool:
        return sample.id.startswith(self.only)

    def stages(self, rng: random.Random | None) -> list[Any]:
        shuffled = [] if rng is None else [wds.shuffle(10, initial=10, rng=rng)]
        return [*shuffled, Stage(bucket, self.batch_size, 2, rng)]

    def collate(self, planned: list[Sample], rng: random.Random | None = None) -> list[str]:
        return [item.id for item in planned]


def epoch_of(
    index: Index, steps: int, rank: int = 0, world_size: int = 1, workers: int = 0, epoch: int = 0, seed: int = 0
) -> list[list[str]]:
    """One epoch of the 48 samples in 11 shards of train and train-held."""
    stream = BatchStream(Shards(index.files("train", "train-held")), Names(), steps, seed, rank, world_size)
    stream.set_epoch(epoch)
    return list(Loader(stream, workers))


def flat(batches: list[list[str]]) -> list[str]:
    return [id for batch in batches for id in batch]


def test_an_epoch_reads_everything_once(index: Index) -> None:
    ids = flat(epoch_of(index, 12))
    assert len(ids) == len(set(ids)) == 48


def test_epochs_and_seeds_differ_and_repeat(index: Index) -> None:
    first = epoch_of(index, 12)
    assert epoch_of(index, 12) == first
    assert epoch_of(index, 12, epoch=1) != first
    assert epoch_of(index, 12, seed=1) != first
    assert epoch_of(index, 12, epoch=1, seed=1) != epoch_of(index, 12, epoch=1)
    # Whole shards move, not only samples within the reach of the buffer.
    starts = {epoch_of(index, 12, epoch=epoch)[0][0] for epoch in range(8)}
    assert len(starts) > 4


@pytest.mark.parametrize(("world_size", "workers"), [(1, 2), (2, 0), (2, 2), (3, 1), (4, 4)])
def test_ranks_and_workers_read_disjoint_samples_in_the_same_number_of_steps(
    index: Index, world_size: int, workers: int
) -> None:
    steps = 48 // (4 * world_size)
    ranks = [epoch_of(index, steps, rank, world_size, workers) for rank in range(world_size)]
    assert [len(batches) for batches in ranks] == [steps] * world_size
    read = [set(flat(batches)) for batches in ranks]
    assert len(set.union(*read)) == sum(len(ids) for ids in read)
    assert len(set.union(*read)) >= 0.7 * 48


@pytest.mark.parametrize("ranks", [7, 16])
def test_more_readers_than_shards_share_them_by_turns(index: Index, ranks: int) -> None:
    readers = [wds.DataPipeline(*Shards(index.files("train")).stages("0", n, ranks)) for n in range(ranks)]
    ids = [sample.id for reader in readers for sample in reader]
    assert len(ids) == len(set(ids)) == 36


def test_shards_are_shared_out_evenly(index: Index) -> None:
    shards = Shards(index.files("train", "train-held"))
    readers = [wds.DataPipeline(*shards.stages("0", number, 2)) for number in range(2)]
    assert [len(list(reader)) for reader in readers] == [pytest.approx(24, abs=2)] * 2


def test_a_rank_without_samples_left_repeats_its_own(index: Index) -> None:
    two = [epoch_of(index, 30, rank, 2) for rank in range(2)]
    assert [len(batches) for batches in two] == [30, 30]
    ids = [flat(batches) for batches in two]
    assert set(ids[0]).isdisjoint(ids[1])
    n_samples = len(set(ids[0]))
    assert len(set(ids[0][:n_samples])) == n_samples  # all of them before any comes again
    assert ids[0][:n_samples] != ids[0][n_samples : 2 * n_samples]  # and then in another order


def test_samples_that_are_not_kept_do_not_fill_batches(index: Index) -> None:
    speaker = index.speakers_of("train")[0].id
    batches = list(BatchStream(Shards(index.files("train")), Names(only=speaker), 5))
    assert len(batches) == 5
    assert {id[:3] for id in flat(batches)} == {speaker}


def test_a_reader_without_samples_raises_an_error(index: Index) -> None:
    with pytest.raises(ValueError, match=r"reader 1 of 1 .* fewer samples than one batch needs"):
        list(BatchStream(Shards(index.files("train")), Names(only="nobody"), 5))
    with pytest.raises(ValueError, match="reader 41 of 50 "):
        list(BatchStream(Shards(index.files("train")), Names(), 1, rank=40, world_size=50))


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_persistent_workers_use_the_current_epoch(index: Index, context: str) -> None:
    def loader(stream: BatchStream[list[str]]) -> DataLoader[list[str]]:
        return DataLoader(
            stream, batch_size=None, num_workers=1, persistent_workers=True, multiprocessing_context=context
        )

    stream = BatchStream(Shards(index.files("train", "train-held")), Names(), 12)
    living = loader(stream)
    epochs = []
    for epoch in (0, 5):
        stream.set_epoch(epoch)
        epochs.append(list(living))
    assert epochs == [epoch_of(index, 12), epoch_of(index, 12, epoch=5)]


@pytest.mark.parametrize("workers", [0, 1])
def test_the_epoch_can_be_set_after_the_iterator_was_created(index: Index, workers: int) -> None:
    stream = BatchStream(Shards(index.files("train", "train-held")), Names(), 12)
    batches = iter(Loader(stream, workers))
    time.sleep(0.5)  # a worker that had started would have read the epoch by now
    stream.set_epoch(3)
    assert list(batches) == epoch_of(index, 12, epoch=3)


def test_clips_in_memory_come_over_and_over(index: Index) -> None:
    clips = list(Shards(index.files("train")[:1]))
    stream = BatchStream(Clips(clips), Names(batch_size=3), 50)
    ids = flat(list(stream))
    assert len(ids) == 150
    assert set(ids) == {clip.id for clip in clips}
    other = BatchStream(Clips(clips), Names(batch_size=3), 50, rank=1, world_size=2)
    assert flat(list(other)) != ids


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_validation_reads_everything_whatever_the_ranks_and_workers(
    index: Index, world_size: int, workers: int
) -> None:
    def validation(rank: int, world_size: int, workers: int) -> list[list[str]]:
        source = Shards(index.files("train", "train-held"))
        steps = -(-12 // world_size)
        batches = list(Loader(BatchStream(source, Names(), steps, None, rank, world_size), workers))
        assert len(batches) == steps
        return batches

    alone = validation(0, 1, 0)
    together = [batch for rank in range(world_size) for batch in validation(rank, world_size, workers)]
    assert sorted(map(tuple, alone)) == sorted(set(map(tuple, together)))
    assert sorted(flat(alone)) == sorted(sample.id for sample in Shards(index.files("train", "train-held")))
