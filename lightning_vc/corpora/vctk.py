"""VCTK (Yamagishi et al. 2019), version 0.92 or 0.80."""

from collections.abc import Iterator
from pathlib import Path

from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Speaker, Utterance


class VCTK(Corpus):
    """`wav48_silence_trimmed/<speaker>/<id>_mic1.flac` (0.92) or `wav48/<speaker>/<id>.wav` (0.80), texts in `txt/`.

    A recording whose text is missing (speaker p315 has none) has no text here either.

    Args:
        root: the folder that holds speaker-info.txt.
        mic: which of the two microphones of version 0.92.

    Raises:
        FileNotFoundError: if speaker-info.txt or the recordings are missing.
    """

    def __init__(self, root: Path, mic: int = 1) -> None:
        self.root = Path(root)
        table = self.root / "speaker-info.txt"
        if not table.is_file():
            raise FileNotFoundError(f"{table} is missing: give as root the folder of VCTK that holds it")
        if mic not in (1, 2):
            raise ValueError(f"VCTK was recorded with microphones 1 and 2, got mic={mic}")
        self.speakers = dict(_speakers(table))
        new, old = self.root / "wav48_silence_trimmed", self.root / "wav48"
        if not new.is_dir() and not old.is_dir():
            raise FileNotFoundError(f"{self.root} has neither {new.name} nor {old.name}: unpack the recordings there")
        self.sounds, self.ending = (new, f"_mic{mic}.flac") if new.is_dir() else (old, ".wav")

    def __iter__(self) -> Iterator[Utterance]:
        for sound in sorted(self.sounds.glob(f"*/*{self.ending}")):
            name, folder = sound.name.removesuffix(self.ending), sound.parent.name
            text = self.root / "txt" / folder / f"{name}.txt"
            said = text.read_text(encoding="utf-8").strip() if text.is_file() else None
            yield Utterance(name, self.speakers.get(folder, Speaker(folder)), said, sound)


def _speakers(table: Path) -> Iterator[tuple[str, Speaker]]:
    """Lines `ID AGE GENDER ACCENTS REGION`; version 0.80 writes the ids without their p."""
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        if line.strip():
            speaker, age, sex, accent, *_ = line.split()
            speaker = f"p{speaker}" if speaker.isdigit() else speaker
            yield speaker, Speaker(speaker, sex, accent, int(age))
