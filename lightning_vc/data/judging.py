"""Shards to loaders for the judges of clones: a classifier of the speakers that are cloned, a verifier of any."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle, islice
from typing import Literal

from lightning_vc.data.cloning import CloningBatcher
from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.index import SETS
from lightning_vc.data.loader import Loader
from lightning_vc.data.pipeline import Clips
from lightning_vc.data.reading import apart
from lightning_vc.data.samples import Sample
from lightning_vc.data.splits import scattered
from lightning_vc.types import CloningBatch


class ClassifierDataModule(ShardsDataModule):
    """Single recordings of the speakers who are cloned, but for those that cloning takes.

    Each speaker comes equally often. Validation hears the held share of everybody, test that of the test speakers. No
    piece of a recording is learnt of which another piece is cloned from or measured with.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        classes: `test`, the test speakers alone, or `all` speakers who have enough recordings.
        clips: of each test speaker so many, the first of `clips_of`, are kept for cloning, and never heard.
        held: share of the other recordings of each speaker that is put aside to measure with, one at least.
        least: who has fewer recordings besides, pieces of one counted as they come, is not a class.
        most: recordings of each speaker that make an epoch; who has fewer is heard again.
        batch_size: recordings in a batch.
        max_seconds: longer recordings are cut to a piece of this length to learn from; they are measured with whole.
    """

    def __init__(
        self,
        shards: str,
        classes: Literal["test", "all"] = "all",
        clips: int = 10,
        held: float = 0.2,
        least: int = 5,
        most: int = 20,
        batch_size: int = 64,
        max_seconds: float = 2.0,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, loading, least=least, most=most, batch_size=batch_size, max_seconds=max_seconds)
        if not 0 < held < 1:
            raise ValueError(f"held is the share of recordings put aside, above 0 and below 1, got {held}")
        splits = ("train", "validation", "test") if classes == "all" else ("test",)
        self.clips, self.held, self.most = clips, held, most
        self.classes = [
            entry.id
            for entry in self.index.speakers_of(*splits)
            if entry.utterances >= least + (clips if entry.split == "test" else 0)
        ]
        self.cloned = {entry.id for entry in self.index.speakers_of("test")} & {*self.classes}
        if not self.cloned:
            raise ValueError(f"no test speaker of {self.index.folder} has {clips + least} recordings: take fewer clips")
        rows = {speaker: number for number, speaker in enumerate(self.classes)}
        self.batcher = CloningBatcher(rows, self.sample_rate, batch_size, (1,), max_seconds, buffer=1)

    @property
    def speakers(self) -> list[str]:
        """Ids of the classes, sorted."""
        return self.classes

    def setup(self, stage: str) -> None:
        """Divide the recordings of each speaker, in the order of `clips_of`.

        Raises:
            ValueError: for a speaker who has no recordings both to learn from and to measure with.
        """
        self.learnt: list[Sample] = []
        self.measured: list[Sample] = []
        for speaker, own in self._recordings().items():
            held = max(1, int(self.held * len(own)))
            aside = {self.index.recording(sample.id) for sample in own[:held]}
            others = [sample for sample in own[held:] if self.index.recording(sample.id) not in aside]
            if not others:
                raise ValueError(
                    f"what {speaker} of {self.index.folder} says, but for the clips to clone from, is all of one "
                    "recording: raise least"
                )
            self.measured += own[:held]
            self.learnt += islice(cycle(others), self.most)

    def state_dict(self) -> dict[str, list[str]]:
        """Which samples are learnt from; Lightning keeps it in the checkpoint, under the name of this class."""
        return {"learnt": sorted({sample.id for sample in self.learnt})}

    def _recordings(self) -> dict[str, list[Sample]]:
        """Those of each class that may be heard."""
        found: dict[str, list[Sample]] = {speaker: [] for speaker in self.classes}
        for sample in self.read(*(SETS if {*found} - self.cloned else ("test",))):
            if sample.speaker.id in found:
                found[sample.speaker.id].append(sample)
        for speaker, own in found.items():
            own.sort(key=lambda sample: scattered(sample.id))
            if speaker in self.cloned:
                kept = {self.index.recording(sample.id) for sample in own[: self.clips]}
                found[speaker] = [sample for sample in own if self.index.recording(sample.id) not in kept]
        return found

    def train_dataloader(self) -> Loader[CloningBatch]:
        """Recordings to learn from, each speaker equally often."""
        return self.train_loader(Clips(self.learnt), self.batcher, len(self.learnt) // self.batcher.n_speakers)

    def val_dataloader(self) -> Loader[CloningBatch]:
        """Those that were put aside."""
        return self._measuring(self.measured)

    def test_dataloader(self) -> Loader[CloningBatch]:
        """Those of the test speakers."""
        return self._measuring(sample for sample in self.measured if sample.speaker.id in self.cloned)

    def _measuring(self, samples: Iterable[Sample]) -> Loader[CloningBatch]:
        clips = Clips(list(samples))
        whole = replace(self.batcher, max_seconds=None)
        return self.validation_loader(clips, whole, -(-len(clips.samples) // whole.n_speakers))


class VerifierDataModule(ShardsDataModule):
    """A clip to test and some to enrol with of each of B speakers.

    It trains on train speakers, transcribed or not, validates on validation and tests on test speakers: nobody is in
    two of them. To measure, of each recording one piece is taken: two would be too easy a pair.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        enrolled: how many clips a speaker is known by, or several counts of which each training batch takes one.
        n_speakers: speakers in a batch, on each rank; one who speaks much can be in it twice.
        max_seconds: longer clips are cut to a piece of this length.
        shuffle: size of the buffer in which each worker shuffles clips.
    """

    def __init__(
        self,
        shards: str,
        enrolled: int | list[int] = 5,
        n_speakers: int = 64,
        max_seconds: float = 4.0,
        shuffle: int = 1024,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, loading, n_speakers=n_speakers, max_seconds=max_seconds, shuffle=shuffle)
        counts = [enrolled] if isinstance(enrolled, int) else enrolled
        if not counts or min(counts) < 1:
            raise ValueError(f"enrolled must be a number above 0 or a list of such, got {enrolled}")
        rows = {speaker: number for number, speaker in enumerate(self.speakers)}
        clips = tuple(count + 1 for count in counts)
        self.batcher = CloningBatcher(rows, self.sample_rate, n_speakers, clips, max_seconds, shuffle)

    @property
    def speakers(self) -> list[str]:
        """Ids of everybody, sorted, also of whom only validation and test hear."""
        return [entry.id for entry in self.index.speakers_of("train", "validation", "test")]

    def train_dataloader(self) -> Loader[CloningBatch]:
        """Shuffled clips of the train speakers."""
        mean = sum(self.batcher.n_clips) / len(self.batcher.n_clips)
        steps = int(self.index.samples("train", "train-held") / (self.batcher.n_speakers * mean))
        return self.train_loader(self.read("train", "train-held"), self.batcher, steps)

    def val_dataloader(self) -> Loader[CloningBatch]:
        """Clips of the validation speakers; with the largest number of clips to enrol with."""
        return self._measuring("validation")

    def test_dataloader(self) -> Loader[CloningBatch]:
        """Clips of the test speakers."""
        return self._measuring("test")

    def _measuring(self, split: str) -> Loader[CloningBatch]:
        """The first piece of each recording, in an order without meaning."""
        size = max(self.batcher.n_clips)
        samples = sorted(self.read(split, f"{split}-held"), key=lambda sample: scattered(sample.id))
        firsts = apart(self.index, samples)
        groups = [count // size for count in Counter(sample.speaker.id for sample in firsts).values()]
        if sum(count > 0 for count in groups) < 2:
            raise ValueError(
                f"{self.index.folder} has not two {split} speakers with {size} clips; prepare it with more "
                f"{split} speakers, or enrol fewer clips"
            )
        steps = -(-sum(groups) // self.batcher.n_speakers)
        return self.validation_loader(Clips(firsts), self.batcher, steps)
