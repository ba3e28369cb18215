"""What all data modules over shards share."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch.distributed
from lightning.pytorch import LightningDataModule

from lightning_vc.data.index import Index
from lightning_vc.data.loader import Loader
from lightning_vc.data.pipeline import Batcher, Clips, Shards, TrainingStream, ValidationStream


@dataclass(frozen=True)
class Loading:
    """How samples come from shards to the training process.

    Args:
        workers: processes that load, on each rank; 0 loads in the training process.
        seed: of the order and of the frontend's choices.
        cache: folder that keeps copies of shards from other machines, for the next epoch and the next run; without it
            each is fetched whenever it is read.
        broken: what to do with a shard or a sample that is not what was written: raise an error, or skip and count it.
        restart_epoch: when a run is resumed that stopped in the middle of an epoch, begin that epoch anew.
    """

    workers: int = 0
    seed: int = 0
    cache: str | None = None
    broken: Literal["raise", "skip"] = "raise"
    restart_epoch: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.cache is not None:
            try:
                Path(self.cache).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self.cache):
                    pass
            except OSError as error:
                raise ValueError(f"cache {self.cache} cannot be written to ({error}): give another folder") from error
        if self.workers < 0:
            raise ValueError(f"workers must be 0 (load in the training process) or more, got {self.workers}")


class ShardsDataModule(LightningDataModule):
    """Base of data modules over a folder of shards; it reads index.json at once and nothing else.

    Raises what `Index.load` and `Index.check` raise, and ValueError for options below 1.
    """

    def __init__(self, shards: str, loading: Loading, **positive: float | None) -> None:
        super().__init__()
        for name, value in positive.items():
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        self.index, self.loading = Index.load(shards), loading
        if loading.broken == "raise":
            self.index.check()
        self.sources: list[Shards] = []

    @property
    def speakers(self) -> list[str]:
        """Ids of the rows of the speaker table, sorted."""
        return self.index.speaker_table

    def rows(self) -> dict[str, int]:
        """Row of each of `speakers`; raises ValueError where nobody can be learnt."""
        if not self.speakers:
            raise ValueError(f"{self.index.folder} has no transcribed utterances to learn voices from")
        return {speaker: row for row, speaker in enumerate(self.speakers)}

    @property
    def sample_rate(self) -> int:
        """Of the waves in the batches, in hertz."""
        return self.index.sample_rate

    def read(self, *sets: str) -> Shards:
        """The shards of these sets."""
        self.sources.append(Shards(self.index.files(*sets), self.loading.cache, self.loading.broken == "skip"))
        return self.sources[-1]

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuse: Lightning's own would import whatever classes the file names."""
        raise TypeError(f"{cls.__name__} is not loaded from a checkpoint: build it from its arguments")

    def teardown(self, stage: str) -> None:
        """Say how much was left out."""
        if skipped := sum(int(source.skipped.sum()) for source in self.sources):
            warnings.warn(f"{skipped} samples of {self.index.folder} are broken and were left out", stacklevel=1)

    def test_dataloader(self) -> Any:
        """As for validation, where nothing else is said."""
        return self.val_dataloader()

    def train_loader(self, source: Shards | Clips, batcher: Batcher[Any], steps: float) -> Loader[Any]:
        """A loader whose epochs have `steps` batches over all ranks, rounded down, and at least one on each."""
        rank, world = self._ranks()
        stream = TrainingStream(source, batcher, max(1, int(steps) // world), self.loading.seed, rank, world)
        return Loader(stream, self.loading.workers, self.loading.restart_epoch)

    def validation_loader(self, source: Shards | Clips, batcher: Batcher[Any], steps: int) -> Loader[Any]:
        """A loader of all samples in `steps` batches over all ranks, as many on each."""
        rank, world = self._ranks()
        return Loader(ValidationStream(source, batcher, -(-steps // world), rank, world), self.loading.workers)

    def _ranks(self) -> tuple[int, int]:
        """Rank of this process and number of ranks."""
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1
