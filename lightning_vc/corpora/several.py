"""Several corpora as one, to learn more voices than one of them has."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Utterance


class Several(Corpus):
    """The utterances of one corpus after those of another.

    Each corpus has a name, and what is called 32 in `ls` becomes `ls-32`, for speakers and utterances: two corpora may
    give one number to two people. Raises ValueError where there is no corpus, or a name is empty or has a hyphen.
    """

    def __init__(self, corpora: dict[str, Corpus]) -> None:
        if not corpora:
            raise ValueError("corpora is empty: name at least one corpus")
        if odd := [name for name in corpora if not name or "-" in name]:
            raise ValueError(f"corpora: {odd[0]!r} is no name to put before ids: give letters, without a hyphen")
        self.corpora = corpora

    def __iter__(self) -> Iterator[Utterance]:
        """Every utterance once, corpus by corpus."""
        for name, corpus in self.corpora.items():
            for each in corpus:
                speaker = replace(each.speaker, id=f"{name}-{each.speaker.id}")
                yield replace(each, id=f"{name}-{each.id}", speaker=speaker)

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        name, _, id = utterance.id.partition("-")
        speaker = replace(utterance.speaker, id=utterance.speaker.id.removeprefix(f"{name}-"))
        return self.corpora[name].read(replace(utterance, id=id, speaker=speaker), sample_rate)
