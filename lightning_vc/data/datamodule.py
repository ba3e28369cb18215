"""Base class and options of the data modules over shards."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningDataModule

from lightning_vc.data.index import Index
from lightning_vc.data.pipeline import Batcher, BatchStream, Clips, Loader, Shards


@dataclass(frozen=True)
class Loading:
    """How samples are read from shards.

    Args:
        workers: loader processes on each rank; 0 loads in the training process.
        seed: of the order and of the frontend's random choices.
        cache: folder that keeps copies of remote shards for later epochs and runs; without it each epoch fetches them.
        broken: what to do with a damaged shard or sample: raise an error, or skip and count it.
        restart_epoch: when a run is resumed in the middle of an epoch, start that epoch again.
    """

    workers: int = 0
    seed: int = 0
    cache: str | None = None
    broken: Literal["raise", "skip"] = "raise"
    restart_epoch: bool = False

    def __post_init__(self) -> None:
        if self.cache is not None:
            try:
                Path(self.cache).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self.cache).close()
            except OSError as error:
                raise ValueError(f"cache {self.cache} cannot be written to ({error}): give another folder") from error
        if self.workers < 0:
            raise ValueError(f"workers must be 0 (load in the training process) or more, got {self.workers}")


class ShardsDataModule(LightningDataModule):
    """Base of data modules over a folder of shards; the constructor reads index.json only.

    Raises what `Index.load` and `Index.check` raise, and ValueError for options below 1.

    Attributes:
        speakers: ids of the rows of the speaker table, sorted.
        sample_rate: of the waves in the batches, in hertz.
    """

    batcher: Batcher[Any]

    def __init__(self, shards: str, loading: Loading, **positive: float | None) -> None:
        super().__init__()
        for name, value in positive.items():
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        self.index, self.loading = Index.load(shards), loading
        if loading.broken == "raise":
            self.index.check()
        self.speakers, self.sample_rate = self.index.speaker_table, self.index.sample_rate
        self.sources: list[Shards] = []

    def rows(self) -> dict[str, int]:
        """Row of each of `speakers` in the speaker table; raises ValueError if there are none."""
        if not self.speakers:
            raise ValueError(f"{self.index.folder} has no transcribed utterances to learn speaker embeddings from")
        return {speaker: row for row, speaker in enumerate(self.speakers)}

    def read(self, *sets: str) -> Shards:
        """Samples of the shards of these sets."""
        self.sources.append(Shards(self.index.files(*sets), self.loading.cache, self.loading.broken == "skip"))
        return self.sources[-1]

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Any:
        """Raise TypeError: the method of Lightning would import any class that the file names."""
        raise TypeError(f"{cls.__name__} is not loaded from a checkpoint: build it from its arguments")

    def teardown(self, stage: str) -> None:
        """Warn of the number of samples that were skipped."""
        if skipped := sum(source.n_skipped() for source in self.sources):
            warnings.warn(f"{skipped} samples of {self.index.folder} are broken and were left out", stacklevel=1)
        self.sources.clear()  # a test after a fit reads again

    def test_dataloader(self) -> Any:
        """The validation loader, unless a subclass overrides this."""
        return self.val_dataloader()

    def train_loader(self, source: Shards | Clips, steps: float) -> Loader[Any]:
        """A loader whose epochs have `steps` batches in total over all ranks, rounded down, at least one per rank."""
        rank, world = self._ranks()
        stream = BatchStream(source, self.batcher, max(1, int(steps) // world), self.loading.seed, rank, world)
        return Loader(stream, self.loading.workers, self.loading.restart_epoch)

    def validation_loader(
        self, source: Shards | Clips, examples: int, batch_size: int, batcher: Batcher[Any] | None = None
    ) -> Loader[Any]:
        """A loader of all examples in batches of `batch_size`; each rank has the same number of batches."""
        rank, world = self._ranks()
        steps = -(-examples // (batch_size * world))
        return Loader(BatchStream(source, batcher or self.batcher, steps, None, rank, world), self.loading.workers)

    def _ranks(self) -> tuple[int, int]:
        """Rank of this process and number of ranks."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
