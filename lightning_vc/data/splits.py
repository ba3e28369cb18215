"""Who is trained on and who is held out.

A speaker is in one split. Of the speakers whose voices are learnt (train and validation), a share of the utterances is
put aside. Every choice is a hash of the seed and an id: the same on every machine and in every order of the corpus.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_vc.types import Speaker, Utterance

# Who is picked for a split by number should have clips to clone from and more to compare with.
_ENOUGH_UTTERANCES = 10


def scattered(id: str) -> tuple[int, str]:
    """A key that sorts ids into a fixed order without meaning."""
    return zlib.crc32(id.encode()), id


@dataclass(frozen=True)
class Splits:
    """How a corpus is divided.

    `test` and `validation` are ids of speakers, or how many (an int), or which share of all (a float), picked balanced
    over sex and spread over accents. `held` is the share of each learnt speaker's utterances that is put aside.
    """

    test: Sequence[str] | int | float = 0.1
    validation: Sequence[str] | int | float = 0.1
    held: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without a corpus."""
        if not 0 <= self.held < 1:
            raise ValueError(f"held is the share of utterances put aside, in [0, 1), got {self.held}")
        for name, value in (("test", self.test), ("validation", self.validation)):
            if isinstance(value, (int, float)) and (value < 0 or (isinstance(value, float) and value >= 1)):
                raise ValueError(f"{name} is ids of speakers, how many (0 or more) or a share below 1, got {value}")

    def assign(self, utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
        """Divide utterances into the sets of the index, each in an order that mixes speakers and chapters."""
        own: dict[str, list[Utterance]] = defaultdict(list)
        for utterance in sorted(utterances, key=lambda each: self.order(each.id)):
            own[utterance.speaker.id].append(utterance)
        splits = self.of_speakers({name: (said[0].speaker, len(said)) for name, said in own.items()})
        sets: dict[str, list[Utterance]] = defaultdict(list)
        for name, said in own.items():
            split = splits[name]
            held = 0 if split == "test" else int(self.held * len(said))
            sets[f"{split}-held"] += said[:held]
            sets[split] += said[held:]
        return {name: sorted(found, key=lambda each: self.order(each.id)) for name, found in sets.items() if found}

    def of_speakers(self, speakers: dict[str, tuple[Speaker, int]]) -> dict[str, str]:
        """Split of each speaker, from who it is and how many utterances there are.

        Raises ValueError for an unknown id, one that is in both lists, and where nobody is left to train on.
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
        """As `scattered`, in another order for each seed."""
        return scattered(f"{self.seed}/{id}")

    def _choose(
        self, split: str, wanted: Sequence[str] | int | float, speakers: dict[str, tuple[Speaker, int]], taken: set[str]
    ) -> set[str]:
        """The speakers of a split, by name or by number."""
        if not isinstance(wanted, (int, float)):
            if unknown := sorted(set(wanted) - set(speakers)):
                some = ", ".join(sorted(speakers)[:8])
                raise ValueError(f"{split} speakers {', '.join(unknown)} are not in the corpus; it has {some}, ...")
            if twice := sorted(set(wanted) & taken):
                raise ValueError(f"speakers {', '.join(twice)} are asked for both test and validation; name each once")
            return set(wanted)
        count = wanted if isinstance(wanted, int) else round(wanted * len(speakers))
        left = {id: entry for id, entry in speakers.items() if id not in taken}
        if count > len(left):
            raise ValueError(f"{split} asks for {count} speakers, the corpus has {len(left)} left; hold out fewer")
        chosen: set[str] = set()
        sexes: Counter[str | None] = Counter()
        accents: Counter[str | None] = Counter()

        def preference(id: str) -> tuple[bool, int, int, tuple[int, str]]:
            speaker, utterances = left[id]
            return utterances < _ENOUGH_UTTERANCES, sexes[speaker.sex], accents[speaker.accent], self.order(id)

        while len(chosen) < count:
            best = min(left.keys() - chosen, key=preference)
            chosen.add(best)
            sexes[left[best][0].sex] += 1
            accents[left[best][0].accent] += 1
        return chosen
