import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lightning_vc.corpora.base import Corpus
from lightning_vc.corpora.combined import CombinedCorpus
from lightning_vc.types import Speaker, Utterance


class Hum(Corpus):
    """Speaker 7 hums twice, at one level."""

    def __init__(self, level: float) -> None:
        self.level = level

    def __iter__(self) -> Iterator[Utterance]:
        yield Utterance("7-1", Speaker("7", "F"), "hum")
        yield Utterance("7-2", Speaker("7", "F"), "hum hum")

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        assert utterance in list(self)  # as the corpus knows it
        return torch.full((sample_rate,), self.level)


def test_two_speakers_of_one_number_stay_two() -> None:
    corpus = CombinedCorpus({"loud": Hum(0.9), "soft": Hum(0.1)})
    utterances = list(corpus)
    assert [item.id for item in utterances] == ["loud-7-1", "loud-7-2", "soft-7-1", "soft-7-2"]
    assert [item.speaker for item in utterances[1:3]] == [Speaker("loud-7", "F"), Speaker("soft-7", "F")]
    copied = pickle.loads(pickle.dumps(corpus))
    for item in (corpus, copied):
        assert [float(item.read(utterance, 8000)[0]) for utterance in utterances] == pytest.approx([0.9, 0.9, 0.1, 0.1])


@pytest.mark.parametrize(
    ("corpora", "reason"),
    [
        ({}, "corpora is empty"),
        ({"": Hum(1)}, "'' cannot be a prefix"),
        ({"a-b": Hum(1)}, "'a-b' cannot be a prefix of ids"),
    ],
)
def test_each_has_a_name(corpora: dict[str, Corpus], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CombinedCorpus(corpora)
