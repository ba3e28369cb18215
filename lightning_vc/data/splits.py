"""Train, validation and test splits of speakers, and held-out utterances.

A speaker is in one split. Of the speakers whose embeddings are learned (train and validation), a share of the
utterances is held out. Choices depend on hashes of seed and id only, so they are the same on every machine.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_vc.types import Speaker, Utterance

# Speakers that are chosen for a split should have clips to clone from and further clips to compare with.
_ENOUGH_UTTERANCES = 10


def shuffle_key(id: str) -> tuple[int, str]:
    """A key that sorts ids into a fixed pseudo-random order."""
    return zlib.crc32(id.encode()), id


@dataclass(frozen=True)
class Splits:
    """How a corpus is divided.

    Args:
        test, validation: ids of speakers, or their number (an int) or share (a float), which are then balanced over sex
            and accent.
        held: share of the utterances of each train and validation speaker that is held out.
        seed: of all random choices.
    """

    test: Sequence[str] | int | float = 0.1
    validation: Sequence[str] | int | float = 0.1
    held: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values as far as possible without a corpus."""
        if not 0 <= self.held < 1:
            raise ValueError(f"held is the share of utterances that are held out, in [0, 1), got {self.held}")
        for name, value in (("test", self.test), ("validation", self.validation)):
            if isinstance(value, (int, float)) and (value < 0 or (isinstance(value, float) and value >= 1)):
                raise ValueError(f"{name} is ids of speakers, a number (0 or more) or a share below 1, got {value}")

    def assign(self, utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
        """Divide utterances into the sets of the index, whose order mixes speakers and chapters."""
        by_speaker: dict[str, list[Utterance]] = defaultdict(list)
        for utterance in sorted(utterances, key=lambda utterance: self.order(utterance.id)):
            by_speaker[utterance.speaker.id].append(utterance)
        splits = self.of_speakers({id: (items[0].speaker, len(items)) for id, items in by_speaker.items()})
        sets: dict[str, list[Utterance]] = defaultdict(list)
        for id, items in by_speaker.items():
            split = splits[id]
            n_held = 0 if split == "test" else int(self.held * len(items))
            sets[f"{split}-held"] += items[:n_held]
            sets[split] += items[n_held:]
        return {name: sorted(items, key=lambda item: self.order(item.id)) for name, items in sets.items() if items}

    def of_speakers(self, speakers: dict[str, tuple[Speaker, int]]) -> dict[str, str]:
        """Split of each speaker, by id, from its description and number of utterances.

        Raises ValueError for an unknown id, an id in both lists, and if no speaker is left to train on.
        """
        test = self._choose("test", self.test, speakers, set())
        validation = self._choose("validation", self.validation, speakers, test)
        if len(test) + len(validation) >= len(speakers):
            raise ValueError(
                f"{len(test)} test and {len(validation)} validation speakers leave none of {len(speakers)} "
                "to train on; hold out fewer"
            )
        return {id: "test" if id in test else "validation" if id in validation else "train" for id in speakers}

    def order(self, id: str) -> tuple[int, str]:
        """As `shuffle_key`, with another order for each seed."""
        return shuffle_key(f"{self.seed}/{id}")

    def _choose(
        self, split: str, wanted: Sequence[str] | int | float, speakers: dict[str, tuple[Speaker, int]], taken: set[str]
    ) -> set[str]:
        """Ids of the speakers of a split, from ids, a number or a share; `taken` speakers are not available."""
        if not isinstance(wanted, (int, float)):
            if unknown := sorted(set(wanted) - set(speakers)):
                examples = ", ".join(sorted(speakers)[:8])
                raise ValueError(f"{split} speakers {', '.join(unknown)} are not in the corpus; it has {examples}, ...")
            if shared := sorted(set(wanted) & taken):
                raise ValueError(f"speakers {', '.join(shared)} are named for both test and validation; name each once")
            return set(wanted)
        count = wanted if isinstance(wanted, int) else round(wanted * len(speakers))
        available = {id: entry for id, entry in speakers.items() if id not in taken}
        if count > len(available):
            raise ValueError(f"{split} asks for {count} speakers, the corpus has {len(available)} left; hold out fewer")
        chosen: set[str] = set()
        sexes: Counter[str | None] = Counter()
        accents: Counter[str | None] = Counter()

        def preference(id: str) -> tuple[bool, int, int, tuple[int, str]]:
            speaker, utterances = available[id]
            return utterances < _ENOUGH_UTTERANCES, sexes[speaker.sex], accents[speaker.accent], self.order(id)

        while len(chosen) < count:
            best = min(available.keys() - chosen, key=preference)
            chosen.add(best)
            sexes[available[best][0].sex] += 1
            accents[available[best][0].accent] += 1
        return chosen
