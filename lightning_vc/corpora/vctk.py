"""VCTK (Yamagishi et al., University of Edinburgh): about 400 sentences from each of 110 speakers of many accents."""

from collections.abc import Iterator
from pathlib import Path

from lightning_vc.corpora.base import Corpus, existing_folder, lines
from lightning_vc.types import Speaker, Utterance

_NEW, _OLD = "wav48_silence_trimmed", "wav48"


class VCTK(Corpus):
    """The corpus as published: version 0.92 (trimmed flac of two microphones) or older versions (wav of one).

    Transcripts are in `txt/<speaker>/<utterance>.txt`; an utterance without one (speaker p315) is untranscribed. A
    speaker without a line in speaker-info.txt has no sex. Raises FileNotFoundError for a root without recordings or
    speaker-info.txt, ValueError for an unavailable microphone or a line of speaker-info.txt without a sex.

    Args:
        mic: microphone of 0.92, 1 or 2; two speakers lack the second one, so that 2 omits them.
    """

    def __init__(self, root: str | Path, mic: int = 1) -> None:
        self.root = existing_folder(root, f"speaker-info.txt, txt and {_NEW} (or {_OLD})")
        new, old = (self.root / name for name in (_NEW, _OLD))
        if not new.is_dir() and not old.is_dir():
            raise FileNotFoundError(f"neither {_NEW} nor {_OLD} in {self.root}: give the folder of VCTK that holds it")
        available = (1, 2) if new.is_dir() else (1,)
        if mic not in available:
            raise ValueError(f"mic is {mic}: this version of VCTK has {' and '.join(map(str, available))}")
        self.recordings = new if new.is_dir() else old
        self.ending = f"_mic{mic}.flac" if new.is_dir() else ".wav"
        self.speakers = _speakers(self.root / "speaker-info.txt")

    def __iter__(self) -> Iterator[Utterance]:
        """Yield every utterance, sorted by speaker and number."""
        for folder in sorted(self.recordings.iterdir()):
            speaker = self.speakers.get(folder.name, Speaker(folder.name))
            for audio in sorted(folder.glob(f"*{self.ending}")):
                name = audio.name.removesuffix(self.ending)
                text = self.root / "txt" / folder.name / f"{name}.txt"
                transcript = " ".join(lines(text)).strip() if text.is_file() else ""
                yield Utterance(name, speaker, transcript or None, audio)


def _speakers(file: Path) -> dict[str, Speaker]:
    """Folder -> speaker, from lines `p225  23  F    English    Southern  England`; older versions omit the p."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: it comes with VCTK and contains the speakers' sex, age and accent")
    speakers = {}
    for line in lines(file)[1:]:  # the first is the header
        match line.split():
            case []:
                continue
            case [name, age, "F" | "M" as sex, accent, *_] if age.isdecimal() and len(age) <= 3:
                name = f"p{name}" if name.isdecimal() else name
                speakers[name] = Speaker(name, sex, accent, int(age))
            case _:
                raise ValueError(f"{file}: the line {line!r} should hold id, age, F or M, and accent: correct it")
    return speakers
