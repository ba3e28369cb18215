"""Shards to loaders under Lightning: sentences for the synthesiser, groups of clips for the speaker encoder."""

import math
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch.distributed
from lightning.pytorch import LightningDataModule

from lightning_vc.data.collate import CloningBatcher, JointBatcher, TTSBatcher
from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of
from lightning_vc.data.stream import Batcher, Clips, Loader, Shards, TrainingStream, ValidationStream
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import CloningBatch, JointBatch, TTSBatch


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
    """What datamodules over a folder of shards share; it reads index.json at once and nothing else.

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

    def train_loader(self, source: Shards | Clips, batcher: Batcher[Any, Any], steps: int) -> Loader[Any]:
        """A loader whose epochs have `steps` batches over all ranks, at least one on each."""
        rank, world = self._ranks()
        stream = TrainingStream(source, batcher, max(1, steps // world), self.loading.seed, rank, world)
        return Loader(stream, self.loading.workers, self.loading.restart_epoch)

    def validation_loader(self, source: Shards | Clips, batcher: Batcher[Any, Any], steps: int) -> Loader[Any]:
        """A loader of all samples in `steps` batches over all ranks, as many on each."""
        rank, world = self._ranks()
        return Loader(ValidationStream(source, batcher, _share(steps, world), rank, world), self.loading.workers)

    def _ranks(self) -> tuple[int, int]:
        """Rank of this process and number of ranks."""
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1


class TTSDataModule(ShardsDataModule):
    """Transcribed utterances of the speakers of train and validation; those put aside for validation and test.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        frontend: how texts are spelt; the model's own.
        batch_size: utterances in a batch, on each rank.
        shuffle: size of the buffer in which each worker shuffles utterances.
        buckets: batches among which each worker sorts utterances by length: more means less padding, less chance.
        at_least: utterances of each speaker in an epoch, about: of one who has fewer they are heard several times.
        loading: how samples come from the shards.
    """

    def __init__(
        self,
        shards: str,
        frontend: Frontend,
        batch_size: int = 16,
        at_least: int = 1,
        shuffle: int = 1024,
        buckets: int = 32,
        loading: Loading = Loading(),
    ) -> None:
        sizes = {"batch_size": batch_size, "shuffle": shuffle, "buckets": buckets}
        super().__init__(shards, loading, at_least=at_least, **sizes)
        rows = self.rows()
        learnt = [each for each in self.index.speakers_of("train", "validation") if each.id in rows]
        times = {each.id: math.ceil(at_least / each.transcribed) for each in learnt}
        heard = sum(times[each.id] * each.transcribed for each in learnt)
        self.repeated = heard / sum(each.transcribed for each in learnt)  # how much longer that makes an epoch
        self.batcher = TTSBatcher(frontend, rows, self.sample_rate, batch_size, shuffle, buckets, at_least, times)

    def train_dataloader(self) -> Loader[TTSBatch]:
        """Shuffled utterances of train and validation speakers."""
        sets = ("train", "validation")
        steps = int(self.index.transcribed(*sets) * self.repeated / self.batcher.batch_size)
        return self.train_loader(self.read(*sets), self.batcher, steps)

    def val_dataloader(self) -> Loader[TTSBatch]:
        """The utterances of the same speakers that were put aside."""
        sets = ("train-held", "validation-held")
        steps = _share(self.index.transcribed(*sets), self.batcher.batch_size)
        return self.validation_loader(self.read(*sets), self.batcher, steps)

    def test_dataloader(self) -> Loader[TTSBatch]:
        """As for validation: a voice that was never learnt has no row to be tested with."""
        return self.val_dataloader()


class CloningDataModule(ShardsDataModule):
    """N clips from each of B speakers, to learn voices from sound: trains on train speakers, validates on others.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        clips: how many clips of a speaker, or several counts of which each training batch takes one at random.
        n_speakers: speakers in a batch, on each rank; one who speaks much can be in it twice.
        max_seconds: longer clips are cut to a piece of this length.
        each: clips of every speaker in an epoch, about: of who has more, some are left out, another time others; of who
            has fewer, they are heard several times. Without it who has spoken most is heard most.
        shuffle: size of the buffer in which each worker shuffles clips.
    """

    def __init__(
        self,
        shards: str,
        clips: int | list[int] = 5,
        n_speakers: int = 64,
        max_seconds: float = 4.0,
        each: int | None = None,
        shuffle: int = 1024,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, loading, n_speakers=n_speakers, max_seconds=max_seconds, each=each, shuffle=shuffle)
        rows, counts = self.rows(), _counts(clips)
        heard = [entry for entry in self.index.speakers_of("train") if entry.id in rows]
        times = {entry.id: each / entry.utterances for entry in heard} if each else {}
        self.batcher = CloningBatcher(rows, self.sample_rate, n_speakers, counts, max_seconds, shuffle, each, times)

    def train_dataloader(self) -> Loader[CloningBatch]:
        """Shuffled clips of the train speakers."""
        per_epoch = self._groups("train", 1)
        clips = sum(per_epoch) if self.batcher.each is None else self.batcher.each * len(per_epoch)
        mean_clips = sum(self.batcher.n_clips) / len(self.batcher.n_clips)
        steps = int(clips / (self.batcher.n_speakers * mean_clips))
        return self.train_loader(self.read("train", "train-held"), self.batcher, steps)

    def val_dataloader(self) -> Loader[CloningBatch]:
        """Clips of the validation speakers, whom training never hears; with the largest number of clips."""
        clips = max(self.batcher.n_clips)
        steps = _share(sum(self._groups("validation", clips)), self.batcher.n_speakers)
        if not steps:
            raise ValueError(
                f"{self.index.folder} has no validation speaker with {clips} clips; "
                "prepare it with more validation speakers, or take fewer clips"
            )
        return self.validation_loader(self.read("validation", "validation-held"), self.batcher, steps)

    def test_dataloader(self) -> Loader[CloningBatch]:
        """As for validation: a voice that was never learnt has no row to be tested with."""
        return self.val_dataloader()

    def _groups(self, split: str, clips: int) -> list[int]:
        """How many groups of clips there are of each speaker of a split who has a row."""
        return [entry.utterances // clips for entry in self.index.speakers_of(split) if entry.id in self.batcher.rows]


class JointDataModule(ShardsDataModule):
    """An utterance and N other clips of the same speaker: trains on train speakers, validates on others.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        frontend: how texts are spelt; the model's own.
        clips, n_speakers, max_seconds, each, shuffle: as in `CloningDataModule`.
    """

    def __init__(
        self,
        shards: str,
        frontend: Frontend,
        clips: int | list[int] = 5,
        n_speakers: int = 16,
        max_seconds: float = 4.0,
        each: int | None = None,
        shuffle: int = 1024,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, loading, n_speakers=n_speakers, max_seconds=max_seconds, each=each, shuffle=shuffle)
        rows, counts = self.rows(), _counts(clips)
        heard = [entry for entry in self.index.speakers_of("train") if entry.id in rows]
        times = {entry.id: each / entry.transcribed for entry in heard} if each else {}
        self.batcher = JointBatcher(
            frontend, rows, self.sample_rate, n_speakers, counts, max_seconds, shuffle, each, times
        )

    def train_dataloader(self) -> Loader[JointBatch]:
        """Shuffled groups of the train speakers."""
        mean = 1 + sum(self.batcher.n_clips) / len(self.batcher.n_clips)
        clips = self.index.transcribed("train", "train-held")
        if self.batcher.each is not None:
            clips = self.batcher.each * len(self.batcher.times)
        steps = int(clips / (self.batcher.n_speakers * mean))
        return self.train_loader(self.read("train", "train-held"), self.batcher, steps)

    def val_dataloader(self) -> Loader[JointBatch]:
        """Groups of the validation speakers; with the largest number of clips."""
        size = 1 + max(self.batcher.n_clips)
        groups = sum(entry.transcribed // size for entry in self.index.speakers_of("validation"))
        if not groups:
            raise ValueError(
                f"{self.index.folder} has no validation speaker with {size} transcribed clips; "
                "prepare it with more validation speakers, or take fewer clips"
            )
        steps = _share(groups, self.batcher.n_speakers)
        return self.validation_loader(self.read("validation", "validation-held"), self.batcher, steps)

    def test_dataloader(self) -> Loader[JointBatch]:
        """As for validation."""
        return self.val_dataloader()


class AdaptationDataModule(ShardsDataModule):
    """A few transcribed clips of one held-out speaker to adapt to; the others of the same speaker to validate on.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        speaker: id of one of the test speakers.
        frontend: how texts are spelt; the model's own.
        clips: how many clips to adapt to: the first of `clips_of`, so that 5 clips are among the 10.
        batch_size: utterances in a batch; no more than there are clips.
        steps: batches that are called an epoch. The clips themselves would be one or two.
    """

    def __init__(
        self,
        shards: str,
        speaker: str,
        frontend: Frontend,
        clips: int = 5,
        batch_size: int = 4,
        steps: int = 50,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, replace(loading, workers=0), clips=clips, batch_size=batch_size, steps=steps)
        test = {entry.id: entry for entry in self.index.speakers_of("test")}
        if speaker not in test:
            known = ", ".join(test) or "none"
            raise ValueError(f"{speaker!r} is no test speaker of {self.index.folder}; they are {known}")
        if clips >= test[speaker].transcribed:
            raise ValueError(
                f"speaker {speaker} has {test[speaker].transcribed} transcribed clips; "
                f"{clips} to adapt to leave none to validate on"
            )
        self.speaker, self.clips, self.steps = speaker, clips, steps
        self.batcher = TTSBatcher(frontend, {speaker: 0}, self.sample_rate, min(batch_size, clips), buffer=1, buckets=1)

    def setup(self, stage: str) -> None:
        """Read the speaker's clips."""
        transcribed = [
            clip for clip in clips_of(self.index, self.speaker, self.loading.cache) if self.batcher.keep(clip)
        ]
        self.known, self.others = transcribed[: self.clips], transcribed[self.clips :]

    def train_dataloader(self) -> Loader[TTSBatch]:
        """The clips to adapt to, over and over."""
        return self.train_loader(Clips(self.known), self.batcher, self.steps)

    def val_dataloader(self) -> Loader[TTSBatch]:
        """The speaker's other clips."""
        steps = _share(len(self.others), self.batcher.batch_size)
        return self.validation_loader(Clips(self.others), self.batcher, steps)

    def test_dataloader(self) -> Loader[TTSBatch]:
        """As for validation."""
        return self.val_dataloader()


def _counts(clips: int | list[int]) -> tuple[int, ...]:
    """One count of clips or several; raises ValueError for none, or below 1."""
    counts = (clips,) if isinstance(clips, int) else tuple(clips)
    if not counts or min(counts) < 1:
        raise ValueError(f"clips must be a number above 0 or a list of such, got {clips}")
    return counts


def _share(count: int, parts: int) -> int:
    """Of `count` things in equal parts, the size of the largest."""
    return -(-count // parts)
