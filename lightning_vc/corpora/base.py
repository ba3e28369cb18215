"""What a corpus is: utterances in an order that never changes, and their sound."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.types import Utterance


class Corpus(ABC):
    """Recordings of known speakers.

    Utterance ids are unique within a corpus, the order of iteration is always the same, and a corpus can be pickled:
    worker processes get copies and read the sound.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Utterance]:
        """Every utterance once, sorted."""

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        """The sound of an utterance of this corpus: (W,) float32, mono, resampled."""
        if utterance.audio is None:
            raise ValueError(f"utterance {utterance.id} names no audio file; override read in {type(self).__name__}")
        return io.read(utterance.audio, sample_rate)
