"""Data for speaker recognition: loaders of single recordings from shards."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

from lightning_vc.data.cloning import CloningBatcher
from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.pipeline import Clips, Loader
from lightning_vc.data.reading import first_pieces
from lightning_vc.data.samples import Sample
from lightning_vc.data.splits import shuffle_key
from lightning_vc.types import CloningBatch


class SpeakerRecognitionDataModule(ShardsDataModule):
    """Recordings of train and test speakers, which are the classes, and verification trials of validation speakers.

    Classes are balanced in training. The recordings that test speakers are cloned from are not used. All pieces of
    one recording are used for the same purpose: training, cloning or measurement.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        cloning_clips: number of clips of each test speaker that are kept for cloning, the first of `clips_of`.
        held_out: share of the other recordings of each class that is held out for measurement, at least one.
        min_utterances: speakers with fewer samples, without those for cloning, are not classes.
        utterances_per_epoch: recordings of each class in an epoch, repeated if there are fewer.
        batch_size: recordings in a batch, on each rank.
        max_seconds: training crops longer recordings to this length at random; measurement uses whole recordings.

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
        min_counts = {"train": min_utterances, "test": min_utterances + cloning_clips}
        entries = [
            entry for entry in self.index.speakers_of(*min_counts) if entry.utterances >= min_counts[entry.split]
        ]
        self.speakers = [entry.id for entry in entries]
        self.test_speakers = [entry.id for entry in entries if entry.split == "test"]
        if not self.test_speakers:
            raise ValueError(
                f"no test speaker of {self.index.folder} has {min_counts['test']} recordings: take fewer cloning_clips"
            )
        validation = [entry.id for entry in self.index.speakers_of("validation") if entry.utterances > 1]
        if len(validation) < 2:
            raise ValueError(
                f"{self.index.folder} has fewer than two validation speakers with two recordings each: "
                "prepare it with more validation speakers"
            )
        rows = {speaker: number for number, speaker in enumerate([*self.speakers, *validation])}
        self.batcher: CloningBatcher = CloningBatcher(rows, self.sample_rate, batch_size, (1,), max_seconds, buffer=1)

    def setup(self, stage: str) -> None:
        """Divide the recordings of each speaker, in the order of `clips_of`.

        Raises:
            ValueError: for a class with too few recordings for both training and measurement.
        """
        self.training_samples: list[Sample] = []
        self.test_samples: list[Sample] = []
        samples = self._samples("train", "test")
        for speaker in self.speakers:
            clips = samples[speaker][: self.cloning_clips] if speaker in self.test_speakers else []
            candidates = self._of_other_recordings(samples[speaker], clips)
            test_samples = candidates[: max(1, int(self.held_out * len(candidates)))]
            training_samples = self._of_other_recordings(candidates, test_samples)
            if not training_samples:
                raise ValueError(
                    f"speaker {speaker} of {self.index.folder} has one recording only, besides those to clone from: "
                    "raise min_utterances"
                )
            self.test_samples += test_samples
            self.training_samples += islice(cycle(training_samples), self.utterances_per_epoch)
        validation = [sample for samples in self._samples("validation").values() for sample in samples]
        self.trials = sorted(first_pieces(self.index, validation), key=lambda sample: shuffle_key(sample.id))

    def state_dict(self) -> dict[str, list[str]]:
        """Ids of the training samples, which Lightning saves in the checkpoint under the name of this class."""
        return {"training_ids": sorted({sample.id for sample in self.training_samples})}

    def _samples(self, *splits: str) -> dict[str, list[Sample]]:
        """Samples by speaker, of the speakers of these splits that have a row, in the order of `clips_of`."""
        by_speaker: dict[str, list[Sample]] = defaultdict(list)
        for sample in sorted(
            filter(self.batcher.keep, self.read(*splits, *(f"{split}-held" for split in splits))),
            key=lambda sample: shuffle_key(sample.id),
        ):
            by_speaker[sample.speaker.id].append(sample)
        return by_speaker

    def _of_other_recordings(self, samples: Sequence[Sample], used: Sequence[Sample]) -> list[Sample]:
        """The samples of recordings that have no piece in `used`."""
        recordings = {self.index.recording(sample.id) for sample in used}
        return [sample for sample in samples if self.index.recording(sample.id) not in recordings]

    def train_dataloader(self) -> Loader[CloningBatch]:
        """Random crops of recordings, balanced over the classes."""
        return self.train_loader(Clips(self.training_samples), len(self.training_samples) // self.batcher.n_speakers)

    def val_dataloader(self) -> Loader[CloningBatch]:
        """Held-out recordings of every class, then one piece of every recording of the validation speakers."""
        return self._measurement_loader([*self.test_samples, *self.trials])

    def test_dataloader(self) -> Loader[CloningBatch]:
        """Held-out recordings of the test speakers."""
        samples = [sample for sample in self.test_samples if sample.speaker.id in self.test_speakers]
        return self._measurement_loader(samples)

    def _measurement_loader(self, samples: Sequence[Sample]) -> Loader[CloningBatch]:
        batcher = replace(self.batcher, max_seconds=None)
        return self.validation_loader(Clips(samples), len(samples), batcher.n_speakers, batcher)
