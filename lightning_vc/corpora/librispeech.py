"""LibriSpeech (Panayotov et al. 2015, https://openslr.org/12): audio books, 16 kHz, upper-case text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_vc.corpora.base import Corpus, existing_folder, lines, name_some
from lightning_vc.types import Speaker, Utterance


class LibriSpeech(Corpus):
    """The corpus as published: `<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac`, or the same as `.opus`.

    Transcripts are in `<reader>-<chapter>.trans.txt`; an utterance without a line there is untranscribed. `subsets` are
    names of folders in `root`, by default all folders with readers. An utterance of several subsets is yielded once,
    preferably with a transcript, otherwise from the subset named first. Raises FileNotFoundError for a missing root,
    subset or SPEAKERS.TXT, ValueError for readers without a line in SPEAKERS.TXT.
    """

    def __init__(self, root: str | Path, subsets: Sequence[str] | None = None) -> None:
        self.root = existing_folder(root, "SPEAKERS.TXT and the subsets, such as train-clean-100")
        folders = sorted(folder.name for folder in self.root.iterdir() if _readers(folder))
        if not folders:
            raise FileNotFoundError(f"no subset in {self.root}: give the folder that holds train-clean-100 or the like")
        self.subsets = tuple(folders if subsets is None else subsets)
        if missing := [subset for subset in self.subsets if subset not in folders]:
            raise FileNotFoundError(f"no subset {', '.join(missing)} in {self.root}: choose from {', '.join(folders)}")
        self.sexes = _sexes(self.root / "SPEAKERS.TXT")

    def __iter__(self) -> Iterator[Utterance]:
        """Yield every utterance once, sorted by id."""
        folders = [reader for subset in self.subsets for reader in _readers(self.root / subset)]
        if unknown := sorted({folder.name for folder in folders} - self.sexes.keys()):
            raise ValueError(f"readers {name_some(unknown)} have no line in {self.root / 'SPEAKERS.TXT'}: add them")
        utterances: dict[str, Utterance] = {}
        for utterance in (utterance for folder in folders for utterance in self._utterances(folder)):
            if utterances.setdefault(utterance.id, utterance).text is None and utterance.text is not None:
                utterances[utterance.id] = utterance
        yield from (utterances[id] for id in sorted(utterances))

    def _utterances(self, reader: Path) -> Iterator[Utterance]:
        """Yield the utterances of one reader in one subset."""
        speaker = Speaker(reader.name, sex=self.sexes[reader.name])
        for chapter in sorted(folder for folder in reader.iterdir() if folder.is_dir()):
            transcripts = chapter / f"{reader.name}-{chapter.name}.trans.txt"
            rows = [line.partition(" ") for line in lines(transcripts)] if transcripts.is_file() else []
            texts = {name: text.strip() for name, _, text in rows}
            for audio in sorted(file for file in chapter.iterdir() if file.suffix in (".flac", ".opus")):
                yield Utterance(audio.stem, speaker, texts.get(audio.stem) or None, audio)


def _readers(subset: Path) -> list[Path]:
    """Return the folders of the readers of a subset, whose names are numbers."""
    return sorted(f for f in subset.iterdir() if f.name.isdecimal() and f.is_dir()) if subset.is_dir() else []


def _sexes(file: Path) -> dict[str, str]:
    """Reader -> "F" or "M", from lines such as `14 | F | train-clean-360 | 25.03 | Kristin LeMoine`."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: every archive of LibriSpeech has it, with the readers' sex")
    rows = [line.split("|") for line in lines(file) if not line.startswith(";")]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}
