"""An utterance and other clips of its speaker, to train a synthesiser and a speaker encoder together."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from webdataset.filters import FilterFunction as Stage

from lightning_vc.data.cloning import CloningDataModule, GroupBatcher, collate_cloning, counts_of
from lightning_vc.data.datamodule import Loading
from lightning_vc.data.samples import Sample
from lightning_vc.data.tts import collate_tts
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import JointBatch

Group = list[Sample]


def other_clips(batches: Iterable[list[Group]]) -> Iterator[list[Group]]:
    """Replace clips that are the utterance itself, the first of its group, by other clips of the group.

    A repeated sample can meet itself. A group of nothing else is left out.
    """
    for batch in batches:
        groups = []
        for utterance, *clips in batch:
            if others := [clip for clip in clips if clip.id != utterance.id]:
                groups.append([utterance, *islice(cycle(others), len(clips))])
        if groups:
            yield groups


@dataclass(frozen=True)
class JointBatcher(GroupBatcher[JointBatch]):
    """An utterance and other clips of the same speaker, of each of several; `n_clips` counts the utterance too."""

    frontend: Frontend = field(kw_only=True)

    def keep(self, sample: Sample) -> bool:
        """Whether it is transcribed and belongs to a row."""
        return sample.words is not None and super().keep(sample)

    def stages(self, rng: random.Random | None) -> list[Any]:
        """Batches of groups, of which the first is the utterance."""
        return [*super().stages(rng), Stage(other_clips)]

    def collate(self, planned: list[Group], rng: random.Random | None = None) -> JointBatch:
        """See `collate_tts` and `collate_cloning`."""
        return JointBatch(
            collate_tts([first for first, *_ in planned], self.frontend, self.rows, self.sample_rate, rng),
            collate_cloning([clips for _, *clips in planned], self.rows, self.sample_rate, self.max_seconds, rng),
        )


class JointDataModule(CloningDataModule):
    """An utterance and N other clips of the same speaker: trains on train speakers, validates on others.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        frontend: how texts are spelt; the model's own.
        clips, n_speakers, max_seconds, each, loading: as in `CloningDataModule`.
    """

    def __init__(
        self,
        shards: str,
        frontend: Frontend,
        clips: int | list[int] = 5,
        n_speakers: int = 16,
        max_seconds: float = 4.0,
        each: int | None = None,
        loading: Loading = Loading(),
    ) -> None:
        samples = [count + 1 for count in counts_of(clips)]
        super().__init__(shards, samples, n_speakers, max_seconds, each, loading)
        self.batcher = JointBatcher(**vars(self.batcher), frontend=frontend)

    def utterances(self, split: str) -> dict[str, int]:
        """How many transcribed utterances there are of each speaker of a split."""
        return {entry.id: entry.transcribed for entry in self.index.speakers_of(split) if entry.transcribed}
