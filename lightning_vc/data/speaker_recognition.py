"""Shards to loaders of single recordings, to recognise speakers."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

from lightning_vc.data.cloning import CloningBatcher
from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.pipeline import Clips, Loader
from lightning_vc.data.reading import apart
from lightning_vc.data.samples import Sample
from lightning_vc.data.splits import scattered
from lightning_vc.types import CloningBatch


class SpeakerRecognitionDataModule(ShardsDataModule):
    """Recordings of train and test speakers, who are the classes, and trials of validation speakers.

    Each class comes equally often in training. The recordings that test speakers are cloned from are never used, and
    no piece of a recording is trained on of which another piece is cloned from or measured with.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        cloning_clips: the first so many of `clips_of` each test speaker are kept for cloning.
        held_out: share of the other recordings of each class that is put aside to measure with, one at least.
        min_utterances: a speaker with fewer recordings besides those is no class; pieces of one count as they come.
        utterances_per_epoch: recordings of each class in an epoch; they are repeated for one who has fewer.
        batch_size: recordings in a batch, on each rank.
        max_seconds: training takes a random piece of this length from longer recordings; whole ones are measured.

    Attributes:
        speakers: ids of the classes, sorted.
        test_speakers: ids of the classes that are test speakers, sorted.
    """

    def __init__(
        self,
        shards: str,
        cloning_clips: int = 10,
        held_out: float = 0.2,
        min_utterances: int = 5,
        utterances_per_epoch: int = 20,
        batch_size: int = 64,
        max_seconds: float = 2.0,
        loading: Loading = Loading(),
    ) -> None:
        sizes = {"min_utterances": min_utterances, "utterances_per_epoch": utterances_per_epoch}
        super().__init__(shards, loading, batch_size=batch_size, max_seconds=max_seconds, **sizes)
        if not 0 < held_out < 1:
            raise ValueError(f"held_out is a share of the recordings, above 0 and below 1, got {held_out}")
        self.cloning_clips, self.held_out, self.utterances_per_epoch = cloning_clips, held_out, utterances_per_epoch
        enough = {"train": min_utterances, "test": min_utterances + cloning_clips}
        entries = [entry for entry in self.index.speakers_of(*enough) if entry.utterances >= enough[entry.split]]
        self.speakers = [entry.id for entry in entries]
        self.test_speakers = [entry.id for entry in entries if entry.split == "test"]
        if not self.test_speakers:
            raise ValueError(
                f"no test speaker of {self.index.folder} has {enough['test']} recordings: take fewer cloning_clips"
            )
        unseen = [entry.id for entry in self.index.speakers_of("validation") if entry.utterances > 1]
        if len(unseen) < 2:
            raise ValueError(
                f"{self.index.folder} has not two validation speakers with two recordings to verify: "
                "prepare it with more of them"
            )
        rows = {speaker: number for number, speaker in enumerate([*self.speakers, *unseen])}
        self.batcher: CloningBatcher = CloningBatcher(rows, self.sample_rate, batch_size, (1,), max_seconds, buffer=1)

    def setup(self, stage: str) -> None:
        """Divide the recordings of each speaker, in the order of `clips_of`.

        Raises:
            ValueError: for a class without recordings both to train on and to measure with.
        """
        self.learnt: list[Sample] = []
        self.measured: list[Sample] = []
        samples = self._samples("train", "test")
        for speaker in self.speakers:
            clips = samples[speaker][: self.cloning_clips] if speaker in self.test_speakers else []
            usable = self._of_others(samples[speaker], clips)
            measured = usable[: max(1, int(self.held_out * len(usable)))]
            learnt = self._of_others(usable, measured)
            if not learnt:
                raise ValueError(
                    f"the recordings of {speaker} in {self.index.folder}, but for those to clone from, are pieces of "
                    "one: raise min_utterances"
                )
            self.measured += measured
            self.learnt += islice(cycle(learnt), self.utterances_per_epoch)
        unseen = [sample for samples in self._samples("validation").values() for sample in samples]
        self.trials = sorted(apart(self.index, unseen), key=lambda sample: scattered(sample.id))

    def state_dict(self) -> dict[str, list[str]]:
        """Ids of the samples that are trained on, which Lightning keeps in the checkpoint under this class's name."""
        return {"learnt": sorted({sample.id for sample in self.learnt})}

    def _samples(self, *splits: str) -> dict[str, list[Sample]]:
        """Those of each speaker of these splits who has a row, in the order of `clips_of`."""
        found: dict[str, list[Sample]] = defaultdict(list)
        for sample in sorted(
            filter(self.batcher.keep, self.read(*splits, *(f"{split}-held" for split in splits))),
            key=lambda sample: scattered(sample.id),
        ):
            found[sample.speaker.id].append(sample)
        return found

    def _of_others(self, samples: Sequence[Sample], used: Sequence[Sample]) -> list[Sample]:
        """The samples that are no pieces of a recording of which another piece is used."""
        recordings = {self.index.recording(sample.id) for sample in used}
        return [sample for sample in samples if self.index.recording(sample.id) not in recordings]

    def train_dataloader(self) -> Loader[CloningBatch]:
        """Random pieces of recordings, each class equally often."""
        return self.train_loader(Clips(self.learnt), len(self.learnt) // self.batcher.n_speakers)

    def val_dataloader(self) -> Loader[CloningBatch]:
        """Recordings put aside of every class, then one piece of every recording of the validation speakers."""
        return self._measuring([*self.measured, *self.trials])

    def test_dataloader(self) -> Loader[CloningBatch]:
        """Recordings put aside of the test speakers."""
        return self._measuring([sample for sample in self.measured if sample.speaker.id in self.test_speakers])

    def _measuring(self, samples: Sequence[Sample]) -> Loader[CloningBatch]:
        whole = replace(self.batcher, max_seconds=None)
        return self.validation_loader(Clips(samples), len(samples), whole.n_speakers, whole)
