"""Any corpus in the layout of a Kaldi data directory: wav.scp, utt2spk, and what else is known."""

from collections.abc import Iterator
from pathlib import Path

from lightning_vc.corpora.base import Corpus, existing_folder, lines
from lightning_vc.types import Speaker, Utterance


class KaldiCorpus(Corpus):
    """A Kaldi data directory, one recording an utterance.

    wav.scp (paths absolute or relative to the directory) and utt2spk are needed; text, spk2gender and spk2age are used
    where they exist. Commands in wav.scp and a segments file are refused. Raises FileNotFoundError for missing files,
    ValueError for what contradicts itself, naming file and utterance.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = existing_folder(root, "wav.scp and utt2spk")
        for name in ("wav.scp", "utt2spk"):
            if not (self.root / name).is_file():
                raise FileNotFoundError(f"{self.root / name} is missing: a Kaldi directory needs it")
        if (self.root / "segments").exists():
            raise ValueError(f"{self.root / 'segments'} cuts recordings up: write each piece into a file of its own")

    def __iter__(self) -> Iterator[Utterance]:
        """Every utterance of wav.scp, sorted by id."""
        audio, speakers = _table(self.root / "wav.scp"), self._speakers()
        texts = _table(self.root / "text") if (self.root / "text").exists() else None
        for name in sorted(audio):
            if audio[name].endswith("|"):
                raise ValueError(
                    f"{self.root / 'wav.scp'}: utterance {name} is a command ({audio[name]}), which is not run: "
                    "write its sound into a file and name that"
                )
            if name not in speakers:
                raise ValueError(f"{self.root / 'utt2spk'} has no line for utterance {name} of wav.scp: add it")
            if texts is not None and name not in texts:
                raise ValueError(f"{self.root / 'text'} has no line for utterance {name} of wav.scp: add it")
            yield Utterance(name, speakers[name], texts[name] if texts is not None else None, self.root / audio[name])

    def _speakers(self) -> dict[str, Speaker]:
        """Who says each utterance."""
        sexes, ages = (
            _table(self.root / name) if (self.root / name).exists() else {} for name in ("spk2gender", "spk2age")
        )
        for name, sex in sexes.items():
            if sex not in {"f", "m", "F", "M"}:
                raise ValueError(f"{self.root / 'spk2gender'}: speaker {name} is {sex!r}: write f or m")
        for name, age in ages.items():
            if not age.isdecimal():
                raise ValueError(f"{self.root / 'spk2age'}: speaker {name} is {age!r}: write whole years")
        return {
            name: Speaker(
                speaker,
                sex=sexes[speaker].upper() if speaker in sexes else None,
                age=int(ages[speaker]) if speaker in ages else None,
            )
            for name, speaker in _table(self.root / "utt2spk").items()
        }


def _table(file: Path) -> dict[str, str]:
    """Lines of a key and the rest."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines(file), 1):
        if not line.strip():
            continue
        key, *rest = line.split(maxsplit=1)
        if not rest:
            raise ValueError(f"{file}, line {number}: nothing stands after {key!r}: complete or remove the line")
        if key in found:
            raise ValueError(f"{file}, line {number}: {key!r} was there before: keep one of the lines")
        found[key] = rest[0].strip()
    return found
