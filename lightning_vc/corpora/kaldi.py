"""A corpus in the layout of a Kaldi data directory: wav.scp, utt2spk and optional files."""

from collections.abc import Iterator
from pathlib import Path

from lightning_vc.corpora.base import Corpus, existing_folder, lines, name_some
from lightning_vc.types import Speaker, Utterance


class KaldiCorpus(Corpus):
    """A Kaldi data directory with one recording per utterance.

    wav.scp (paths absolute or relative to the directory) and utt2spk are required; text, spk2gender and spk2age are
    optional. An utterance without a line in text, or with its id only, is untranscribed. Commands in wav.scp and a
    segments file are refused. Raises FileNotFoundError for missing files, ValueError for inconsistent or invalid lines,
    naming file and utterances.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = existing_folder(root, "wav.scp and utt2spk")
        for name in ("wav.scp", "utt2spk"):
            if not (self.root / name).is_file():
                raise FileNotFoundError(f"{self.root / name} is missing: a Kaldi directory needs it")
        if (self.root / "segments").exists():
            raise ValueError(f"{self.root / 'segments'} splits recordings: write each piece into a file of its own")

    def __iter__(self) -> Iterator[Utterance]:
        """Yield every utterance of wav.scp, sorted by id."""
        audio, speakers, texts = self._table("wav.scp"), self._speakers(), self._table("text", empty=True)
        if commands := [name for name in audio if audio[name].endswith("|")]:
            raise ValueError(
                f"{self.root / 'wav.scp'}: utterances {name_some(commands)} are commands ({audio[commands[0]]}), which "
                "are not run: write their output into files and name the files"
            )
        if missing := [name for name in audio if name not in speakers]:
            raise ValueError(
                f"{self.root / 'utt2spk'} has no line for utterances {name_some(missing)} of wav.scp: add them"
            )
        for name in sorted(audio):
            yield Utterance(name, speakers[name], texts.get(name) or None, self.root / audio[name])

    def _speakers(self) -> dict[str, Speaker]:
        """Utterance id -> speaker."""
        sexes, ages = self._table("spk2gender"), self._table("spk2age")
        for name, sex in sexes.items():
            if sex not in {"f", "m", "F", "M"}:
                raise ValueError(f"{self.root / 'spk2gender'}: speaker {name} is {sex!r}: write f or m")
        for name, age in ages.items():
            if not age.isdecimal() or len(age) > 3:
                raise ValueError(f"{self.root / 'spk2age'}: speaker {name} is {age!r:.60}: write whole years")
        return {
            name: Speaker(
                speaker,
                sex=sexes[speaker].upper() if speaker in sexes else None,
                age=int(ages[speaker]) if speaker in ages else None,
            )
            for name, speaker in self._table("utt2spk").items()
        }

    def _table(self, name: str, empty: bool = False) -> dict[str, str]:
        """Read lines of a key and a value, which may be empty if `empty`; a missing file is an empty table."""
        file = self.root / name
        table: dict[str, str] = {}
        for number, line in enumerate(lines(file) if file.exists() else [], 1):
            if not line.strip():
                continue
            key, *rest = line.split(maxsplit=1)
            if key in table:
                raise ValueError(f"{file}, line {number}: {key!r} is a duplicate: keep one of the lines")
            table[key] = rest[0].strip() if rest else ""
        if (incomplete := [key for key, value in table.items() if not value]) and not empty:
            raise ValueError(f"{file}: no value after {name_some(incomplete)}: complete or remove these lines")
        return table
