"""LibriSpeech (Panayotov et al. 2015), as published in flac, or with the recordings coded as Opus."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Speaker, Utterance

_SOUNDS = (".flac", ".opus")


class LibriSpeech(Corpus):
    """`<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac`, texts beside them, readers in SPEAKERS.TXT.

    Chapters without a transcript file give utterances without text. An utterance that stands in several subsets is
    taken from the first that has its text.

    Args:
        root: the folder that holds SPEAKERS.TXT.
        subsets: such as train-clean-100; all folders with readers if none is given.

    Raises:
        FileNotFoundError: if the root, SPEAKERS.TXT or a subset is missing.
    """

    def __init__(self, root: Path, subsets: Sequence[str] | None = None) -> None:
        self.root = Path(root)
        table = self.root / "SPEAKERS.TXT"
        if not table.is_file():
            raise FileNotFoundError(f"{table} is missing: give as root the folder of LibriSpeech that holds it")
        self.readers = dict(_readers(table))
        found = sorted(folder.name for folder in self.root.iterdir() if folder.is_dir())
        self.subsets = list(subsets) if subsets else found
        if missing := [name for name in self.subsets if name not in found]:
            raise FileNotFoundError(f"no subset {', '.join(missing)} in {self.root}: there are {', '.join(found)}")

    def __iter__(self) -> Iterator[Utterance]:
        found: dict[str, Utterance] = {}
        for subset in self.subsets:
            for chapter in sorted(self.root.joinpath(subset).glob("[0-9]*/[0-9]*")):
                for utterance in self._chapter(chapter):
                    if utterance.id not in found or found[utterance.id].text is None:
                        found[utterance.id] = utterance
        yield from (found[name] for name in sorted(found))

    def _chapter(self, folder: Path) -> Iterator[Utterance]:
        reader = folder.parent.name
        if reader not in self.readers:
            raise ValueError(f"{folder}: reader {reader} is not in SPEAKERS.TXT")
        file = folder / f"{reader}-{folder.name}.trans.txt"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        texts = dict(line.split(" ", 1) for line in lines)
        for sound in sorted(path for path in folder.iterdir() if path.suffix in _SOUNDS):
            if lines and sound.stem not in texts:
                raise ValueError(f"{file} has no line for {sound.name}")
            yield Utterance(sound.stem, self.readers[reader], texts.get(sound.stem), sound)


def _readers(table: Path) -> Iterator[tuple[str, Speaker]]:
    """Lines `id | sex | subset | minutes | name`; those that start with a semicolon are comments."""
    for line in table.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith(";"):
            reader, sex, *_ = (part.strip() for part in line.split("|"))
            yield reader, Speaker(reader, sex)
