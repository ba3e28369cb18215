"""What a folder of shards holds: `index.json`, written last, so that its presence means a complete set."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

SCHEMA_VERSION = 2
INDEX_NAME = "index.json"
# Sets of shards, in the order of their training: a speaker is in one split, "-held" are utterances put aside.
SETS = ("train", "train-held", "validation", "validation-held", "test")


@dataclass(frozen=True)
class Shard:
    """One tar file and what is in it."""

    name: str
    samples: int = 0
    transcribed: int = 0  # samples with words
    seconds: float = 0.0
    speakers: int = 0
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class SpeakerEntry:
    """One speaker, and how much of him or her is in the shards."""

    id: str
    sex: str | None
    accent: str | None
    age: int | None
    split: str  # train, validation or test
    utterances: int
    transcribed: int
    seconds: float

    def __add__(self, other: "SpeakerEntry | None") -> "SpeakerEntry":
        """The same speaker, with what is in two shards; None is nothing."""
        if other is None:
            return self
        return replace(
            self,
            utterances=self.utterances + other.utterances,
            transcribed=self.transcribed + other.transcribed,
            seconds=round(self.seconds + other.seconds, 3),
        )


@dataclass(frozen=True)
class Index:
    """The table of contents of a folder of shards."""

    folder: Path
    sample_rate: int
    sets: dict[str, tuple[Shard, ...]]
    speakers: tuple[SpeakerEntry, ...]
    rejected: dict[str, int]  # reason -> utterances, or pieces of them, that were left out for it
    split: int  # utterances that became several samples
    unaligned: int  # utterances that stayed whole because their words were not found in the sound
    plan: str  # hash of corpus and options

    def urls(self, *sets: str) -> list[str]:
        """Paths of the shards of these sets."""
        return [str(self.folder / shard.name) for name in sets for shard in self.sets.get(name, ())]

    def samples(self, *sets: str) -> int:
        """How many samples these sets hold."""
        return sum(shard.samples for name in sets for shard in self.sets.get(name, ()))

    def transcribed(self, *sets: str) -> int:
        """How many samples of these sets have words."""
        return sum(shard.transcribed for name in sets for shard in self.sets.get(name, ()))

    def speakers_of(self, *splits: str) -> list[SpeakerEntry]:
        """The speakers of these splits, sorted by id."""
        return sorted((speaker for speaker in self.speakers if speaker.split in splits), key=lambda entry: entry.id)

    @property
    def speaker_table(self) -> list[str]:
        """Ids of the speakers whose voices are learnt, in the order of the rows of the speaker table.

        These are the speakers of train and validation; one who was never transcribed cannot be learnt.
        """
        return [speaker.id for speaker in self.speakers_of("train", "validation") if speaker.transcribed]

    def save(self) -> Path:
        """Write index.json into the folder of the shards."""
        path = self.folder / INDEX_NAME
        content = {"schema_version": SCHEMA_VERSION} | asdict(self)
        del content["folder"]
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Index":
        """Read the index of a folder of shards, given the folder or its index.json.

        Raises FileNotFoundError where there is none, ValueError for another schema version or a broken file.
        """
        path = Path(path)
        file = path if path.suffix == ".json" else path / INDEX_NAME
        if not file.is_file():
            raise FileNotFoundError(
                f"{file}: no shards here (an unfinished preparation has no index either); "
                f"write them with `python -m lightning_vc.recipes.prepare CORPUS --root DIR --out {file.parent}`"
            )
        again = "prepare the corpus again with `python -m lightning_vc.recipes.prepare`"
        try:
            content = dict(json.loads(file.read_text(encoding="utf-8")))
            version = content.pop("schema_version", None)
            if version == SCHEMA_VERSION:
                sets = {name: tuple(Shard(**each) for each in shards) for name, shards in content.pop("sets").items()}
                speakers = tuple(SpeakerEntry(**each) for each in content.pop("speakers"))
                return cls(folder=file.parent, sets=sets, speakers=speakers, **content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file} is not an index of shards ({error!r}); {again}") from error
        raise ValueError(
            f"{file} has schema version {version}, this version of lightning_vc reads {SCHEMA_VERSION}; {again}"
        )

    def __rich__(self) -> Table:
        """The index as a table for the terminal."""
        rejected = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items()) or "none"
        cut = f"split: {self.split}, of which the words were not found: {self.unaligned}"
        table = Table(caption=f"{self.sample_rate} Hz; left out: {rejected}; {cut}")
        for heading in ("set", "shards", "utterances", "transcribed", "hours", "speakers"):
            table.add_column(heading, justify="left" if heading == "set" else "right")
        for name in SETS:
            shards = self.sets.get(name, ())
            speakers = "" if name.endswith("-held") else str(len(self.speakers_of(name)))
            table.add_row(name, *_counts(shards), speakers)
        table.add_section()
        every = [shard for shards in self.sets.values() for shard in shards]
        table.add_row("all", *_counts(every), str(len(self.speakers)))
        return table

    def write_report(self, file: Path) -> None:
        """Write what is in the shards and what was left out as a text, speaker by speaker."""
        table = Table("speaker", "split", "sex", "accent", "age")
        for heading in ("utterances", "transcribed", "minutes"):
            table.add_column(heading, justify="right")
        for each in self.speakers:
            about = (each.id, each.split, each.sex or "", each.accent or "", "" if each.age is None else str(each.age))
            table.add_row(*about, str(each.utterances), str(each.transcribed), f"{each.seconds / 60:.1f}")
        with file.open("w", encoding="utf-8") as stream:
            Console(file=stream, width=120).print(self, table)


def _counts(shards: Sequence[Shard]) -> tuple[str, str, str, str]:
    """Shards, samples, transcribed samples and hours, as text."""
    samples, transcribed = (sum(shard.samples for shard in shards), sum(shard.transcribed for shard in shards))
    return str(len(shards)), str(samples), str(transcribed), f"{sum(shard.seconds for shard in shards) / 3600:.2f}"


def sha256_of(file: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
