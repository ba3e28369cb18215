"""What a corpus is: utterances in an order that never changes, and their sound."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.files import read_text
from lightning_vc.types import Utterance

_LARGEST_TABLE = 1 << 30  # bytes of a file of transcripts or paths
MAX_SECONDS = 3600.0  # of a recording, which `prepare` can split


class Corpus(ABC):
    """Recordings of known speakers.

    Utterance ids are unique within a corpus, the order of iteration is always the same, and a corpus can be pickled:
    worker processes get copies of it and read the sound.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Utterance]:
        """Every utterance once, always in the same order."""

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        """Read the sound of an utterance of this corpus: (W,) float32, mono, resampled to `sample_rate` in hertz."""
        if utterance.audio is None:
            raise ValueError(f"utterance {utterance.id} names no audio file: override read in {type(self).__name__}")
        return io.read(utterance.audio, sample_rate, MAX_SECONDS)


def lines(file: Path) -> list[str]:
    """Lines of a UTF-8 file, which end at newlines alone: a text may hold other separators.

    Raises ValueError, with its name, for a file of another encoding.
    """
    try:
        text = read_text(file, _LARGEST_TABLE)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}): convert it") from error
    return text.removesuffix("\n").split("\n") if text else []


def some(names: Sequence[str], most: int = 20) -> str:
    """Names for a message: all, or the first and how many there are besides."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")


def existing_folder(root: str | Path, holds: str) -> Path:
    """Check a corpus's root; `holds` says what should stand in it."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder: give the one that holds {holds}")
    return root
