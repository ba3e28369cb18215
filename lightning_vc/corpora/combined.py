"""Concatenation of corpora, to train on more speakers than one corpus has."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Utterance


class CombinedCorpus(Corpus):
    """The utterances of several corpora, one corpus after the other.

    Ids of speakers and utterances are prefixed by the name of the corpus, as they need not be unique across corpora: 32
    of `ls` becomes `ls-32`. Raises ValueError for no corpus, and for a name that is empty or has a hyphen.

    Args:
        corpora: the corpora by name.
    """

    def __init__(self, corpora: dict[str, Corpus]) -> None:
        if not corpora:
            raise ValueError("corpora is empty: name at least one corpus")
        if invalid := [name for name in corpora if not name or "-" in name]:
            raise ValueError(f"corpora: {invalid[0]!r} cannot be a prefix of ids: give letters, without a hyphen")
        self.corpora = corpora

    def __iter__(self) -> Iterator[Utterance]:
        """Yield every utterance once, corpus by corpus."""
        for name, corpus in self.corpora.items():
            for utterance in corpus:
                speaker = replace(utterance.speaker, id=f"{name}-{utterance.speaker.id}")
                yield replace(utterance, id=f"{name}-{utterance.id}", speaker=speaker)

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        name, _, id = utterance.id.partition("-")
        speaker = replace(utterance.speaker, id=utterance.speaker.id.removeprefix(f"{name}-"))
        return self.corpora[name].read(replace(utterance, id=id, speaker=speaker), sample_rate)
