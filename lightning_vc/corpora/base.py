"""The interface of corpora, and helpers to read their files."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.files import read_text
from lightning_vc.types import Utterance

_LARGEST_TABLE = 1 << 30  # bytes of a table of transcripts or paths
MAX_SECONDS = 3600.0  # longest recording; `prepare` can split long ones


class Corpus(ABC):
    """Recordings of known speakers.

    Utterance ids are unique within a corpus and the order of iteration is fixed. A corpus can be pickled, so that
    worker processes can read its recordings.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Utterance]:
        """Yield every utterance once, always in the same order."""

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        """Read the recording of an utterance as mono float32 (W,), resampled to `sample_rate` in hertz."""
        if utterance.audio is None:
            raise ValueError(f"utterance {utterance.id} names no audio file: override read in {type(self).__name__}")
        return io.read(utterance.audio, sample_rate, MAX_SECONDS)


def lines(file: Path) -> list[str]:
    """Split a UTF-8 file at newlines only, as texts may contain other line separators.

    Raises ValueError, naming the file, for another encoding.
    """
    try:
        text = read_text(file, _LARGEST_TABLE)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}): convert it") from error
    return text.removesuffix("\n").split("\n") if text else []


def name_some(names: Sequence[str], most: int = 20) -> str:
    """Format names for a message: all, or the first `most` and the number of the others."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def existing_folder(root: str | Path, holds: str) -> Path:
    """Return the root folder of a corpus; raises FileNotFoundError, describing its content by `holds`."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder: give the one that holds {holds}")
    return root
