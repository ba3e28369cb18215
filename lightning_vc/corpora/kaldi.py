"""Any corpus that comes as a Kaldi data directory."""

from collections.abc import Iterator
from pathlib import Path

from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Speaker, Utterance


class KaldiCorpus(Corpus):
    """wav.scp and utt2spk, and as far as they are there text, spk2gender and spk2age.

    Paths in wav.scp are relative to the directory, or absolute. Without `text` nothing is transcribed.

    Raises:
        FileNotFoundError: if wav.scp or utt2spk is missing.
        ValueError: for `segments` and for commands in wav.scp (neither is supported), and for an utterance that one of
            the tables lacks.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        for name in ("wav.scp", "utt2spk"):
            if not (self.root / name).is_file():
                raise FileNotFoundError(f"{self.root / name} is missing: a Kaldi directory needs it")
        if (self.root / "segments").exists():
            raise ValueError(f"{self.root / 'segments'}: cut the recordings first, segments are not supported")
        self.sounds = self._table("wav.scp")
        if commands := [name for name, value in self.sounds.items() if value.endswith("|")]:
            raise ValueError(f"{self.root / 'wav.scp'}: {commands[0]} is a command; give the path of a sound file")
        self.speaker_of, self.texts = self._table("utt2spk"), self._table("text")
        sexes, ages = self._table("spk2gender"), self._table("spk2age")
        self.speakers = {
            name: Speaker(
                name, sexes[name].upper() if name in sexes else None, age=int(ages[name]) if name in ages else None
            )
            for name in sorted(set(self.speaker_of.values()))
        }

    def __iter__(self) -> Iterator[Utterance]:
        for name in sorted(self.sounds):
            for table, known in (("utt2spk", self.speaker_of), ("text", self.texts)):
                if known and name not in known:
                    raise ValueError(f"{self.root / table} has no line for utterance {name}")
            path = self.root / self.sounds[name]
            yield Utterance(name, self.speakers[self.speaker_of[name]], self.texts.get(name), path)

    def _table(self, name: str) -> dict[str, str]:
        """Lines `key value`; nothing if the file is not there."""
        file = self.root / name
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return {key: value.strip() for key, _, value in (line.partition(" ") for line in lines if line.strip())}
