"""What a folder of shards holds: `index.json`, written last, so that its presence means a complete set."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from lightning_vc.data.fetch import is_remote, local, read_bytes, sha256_of

SCHEMA_VERSION = 5
INDEX_NAME = "index.json"
_AGAIN = "prepare the corpus again with `python -m lightning_vc.recipes.prepare`"
_REMEDY = "bring it from where the shards were written, or delete the folder and prepare the corpus again"
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


class ShardFile(NamedTuple):
    """A shard, and its path or address."""

    url: str
    shard: Shard


@dataclass(frozen=True)
class Index:
    """The table of contents of a folder of shards."""

    folder: str  # path or address
    sample_rate: int
    sets: dict[str, tuple[Shard, ...]]
    speakers: tuple[SpeakerEntry, ...]
    rejected: dict[str, int]  # reason -> utterances, or pieces of them, that were left out for it
    split: int  # utterances that became several samples
    unaligned: int  # utterances whose words were not found in the sound, and which stayed whole
    plan: str  # hash of corpus and options

    def files(self, *sets: str) -> list["ShardFile"]:
        """The shards of these sets, and where they are."""
        return [ShardFile(f"{self.folder}/{shard.name}", shard) for name in sets for shard in self.sets.get(name, ())]

    def check(self, thorough: bool = False) -> None:
        """Raise ValueError, with its name, for a shard on this machine that is not as long as it was when written.

        With `thorough` every byte is read, and fetched where it lies elsewhere.
        """
        for url, shard in self.files(*SETS):
            if not is_remote(url) and (not Path(url).is_file() or Path(url).stat().st_size != shard.bytes):
                found = f"{Path(url).stat().st_size} bytes" if Path(url).is_file() else "no such file"
                raise ValueError(f"{url} should have {shard.bytes} bytes, there is {found}; {_REMEDY}")
            if thorough:
                with local(url, shard.sha256) as path:
                    if sha256_of(path) != shard.sha256:
                        raise ValueError(f"{url} is not what was written: its checksum differs; {_REMEDY}")

    def _check_sums(self) -> None:
        """Raise ValueError for an index that contradicts itself: somebody changed it."""
        if unknown := set(self.sets) - set(SETS):
            raise ValueError(f"it has a set {min(unknown)!r}: known are {', '.join(SETS)}")
        names = [shard.name for _, shard in self.files(*SETS)]
        if odd := [name for name in names if not re.fullmatch(r"[a-z-]+-[0-9]+\.tar", name) or names.count(name) > 1]:
            raise ValueError(f"it names a shard {odd[0]!r}, which is no name of ours or comes twice")
        if len({entry.id for entry in self.speakers}) < len(self.speakers):
            raise ValueError("a speaker comes twice")
        for split in ("train", "validation", "test"):
            own = self.speakers_of(split)
            for field, held in (("utterances", self.samples), ("transcribed", self.transcribed)):
                said, there = sum(getattr(entry, field) for entry in own), held(split, f"{split}-held")
                if said != there:
                    raise ValueError(f"its {split} speakers have {said} {field}, its shards {there}")

    def samples(self, *sets: str) -> int:
        """How many samples these sets hold."""
        return sum(shard.samples for name in sets for shard in self.sets.get(name, ()))

    def seconds(self, *sets: str) -> float:
        """How long these sets are."""
        return sum(shard.seconds for name in sets for shard in self.sets.get(name, ()))

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

    def recording(self, sample: str) -> str:
        """Id of the recording of which a sample is a piece, or the whole."""
        return re.sub(r"_[0-9]{2}$", "", sample) if self.split else sample  # see `encoding.encode`

    def save(self) -> Path:
        """Write index.json into the folder of the shards."""
        path = Path(self.folder, INDEX_NAME)
        content = {"schema_version": SCHEMA_VERSION} | asdict(self)
        del content["folder"]
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Index":
        """Read the index of a folder of shards, given the folder or its index.json, as a path or an address.

        Raises FileNotFoundError where there is none, ValueError for another schema version or a broken file.
        """
        place = str(path).rstrip("/")
        folder = place.removesuffix(f"/{INDEX_NAME}")
        file = f"{folder}/{INDEX_NAME}"
        try:
            text = read_bytes(file) if is_remote(file) else Path(file).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(
                f"{file}: no shards here (an unfinished preparation has no index either); "
                f"write them with `python -m lightning_vc.recipes.prepare CORPUS --root DIR --out {folder}`"
            ) from error
        try:
            content = dict(json.loads(text))
            version = content.pop("schema_version", None)
            if version == SCHEMA_VERSION:
                sets = {name: tuple(Shard(**each) for each in shards) for name, shards in content.pop("sets").items()}
                speakers = tuple(SpeakerEntry(**each) for each in content.pop("speakers"))
                index = cls(folder=folder, sets=sets, speakers=speakers, **content)
                index._check_sums()
                return index
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file} is not an index of shards ({error!r}); {_AGAIN}") from error
        raise ValueError(
            f"{file} has schema version {version}, this version of lightning_vc reads {SCHEMA_VERSION}; {_AGAIN}"
        )

    def __rich__(self) -> Table:
        """The index as a table for the terminal."""
        rejected = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items()) or "none"
        cut = f"split: {self.split}; words not found in the sound of: {self.unaligned}"
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
