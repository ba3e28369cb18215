"""What a folder of shards holds: `index.json`, written last, so that its presence means a complete set."""

import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lightning_vc.data.fetch import is_remote, local, read_bytes
from lightning_vc.data.fields import Fields, parse
from lightning_vc.files import plain_name, read_file, sha256_of, write_file

SCHEMA_VERSION = 5
INDEX_NAME = "index.json"
SAMPLE_RATES = (1000, 192_000)  # least and most, in hertz
LONGEST_SECONDS = 600.0  # of a sample
_LARGEST = 64 << 20  # bytes of an index: that of 10,000 shards and as many speakers has 5 MB
_AGAIN = "prepare the corpus again with `python -m lightning_vc.recipes.prepare`"
_REMEDY = "bring it from where the shards were written, or delete the folder and prepare the corpus again"
# Sets of shards, in the order of their training: a speaker is in one split, "-held" are utterances put aside.
SETS = ("train", "train-held", "validation", "validation-held", "test")
_SPLITS = ("train", "validation", "test")
_SAMPLE_BYTES = 4 * 512, 8 << 20  # of a tar, which a sample takes at least, and at most beside its sound


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

    @classmethod
    def parse(cls, fields: Fields) -> "Shard":
        """Check what an index says of a shard."""
        name, sha256 = fields.text("name"), fields.text("sha256")
        if not re.fullmatch(r"[a-z-]{1,40}-[0-9]{1,20}\.tar", name):
            raise fields.wrong("name", "the name of a shard")
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise fields.wrong("sha256", "a checksum of 64 hexadecimal digits")
        samples, seconds = fields.count("samples", least=1), fields.seconds("seconds")
        most = samples * _SAMPLE_BYTES[1] + int(seconds * SAMPLE_RATES[1] * 4)
        return cls(
            name,
            samples=samples,
            transcribed=fields.count("transcribed", most=samples),
            seconds=seconds,
            speakers=fields.count("speakers", least=1, most=samples),
            bytes=fields.count("bytes", least=samples * _SAMPLE_BYTES[0], most=most),
            sha256=sha256,
        )


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

    @classmethod
    def parse(cls, fields: Fields) -> "SpeakerEntry":
        """Check what an index says of a speaker."""
        split, utterances = fields.text("split"), fields.count("utterances", least=1)
        if split not in _SPLITS:
            raise fields.wrong("split", f"one of {', '.join(_SPLITS)}")
        return cls(
            plain_name(fields.value("id"), fields.path("id")),
            sex=fields.text_or_none("sex"),
            accent=fields.text_or_none("accent"),
            age=None if fields.value("age") is None else fields.count("age"),
            split=split,
            utterances=utterances,
            transcribed=fields.count("transcribed", most=utterances),
            seconds=fields.seconds("seconds"),
        )

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
    """A shard, its path or address, and the sample rate of its sounds in hertz."""

    url: str
    shard: Shard
    sample_rate: int


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
    events: int = 0  # utterances from whose text marks of events, such as [noise], were removed

    def files(self, *sets: str) -> list["ShardFile"]:
        """The shards of these sets, and where they are."""
        shards = [shard for name in sets for shard in self.sets.get(name, ())]
        return [ShardFile(f"{self.folder}/{shard.name}", shard, self.sample_rate) for shard in shards]

    def check(self, thorough: bool = False) -> None:
        """Raise ValueError, with its name, for a shard on this machine that is not as long as it was when written.

        With `thorough` every byte is read, and fetched where it lies elsewhere.
        """
        for url, shard, _ in self.files(*SETS):
            if not is_remote(url) and (not Path(url).is_file() or Path(url).stat().st_size != shard.bytes):
                found = f"{Path(url).stat().st_size} bytes" if Path(url).is_file() else "no such file"
                raise ValueError(f"{url} should have {shard.bytes} bytes, there is {found}; {_REMEDY}")
            if thorough:
                with local(url, shard.sha256, shard.bytes) as path:
                    if sha256_of(path) != shard.sha256:
                        raise ValueError(f"{url} is not what was written: its checksum differs; {_REMEDY}")

    def _check_sums(self) -> None:
        """Raise ValueError for an index that contradicts itself: somebody changed it."""
        shards = [file.shard for file in self.files(*SETS)]
        names = [shard.name for shard in shards]
        if len({*names}) < len(names):
            raise ValueError("a shard comes twice")
        if len({entry.id for entry in self.speakers}) < len(self.speakers):
            raise ValueError("a speaker comes twice")
        lengths = [(shard.name, shard.samples, shard.seconds) for shard in shards]
        for name, count, seconds in [*lengths, *((each.id, each.utterances, each.seconds) for each in self.speakers)]:
            if not count / self.sample_rate <= seconds <= count * LONGEST_SECONDS:
                raise ValueError(f"{name} cannot have {count} utterances in {seconds:g} seconds")
        for split in _SPLITS:
            entries, sets = self.speakers_of(split), (split, f"{split}-held")
            for field, held, tolerance in (
                ("utterances", self.samples(*sets), 0.0),
                ("transcribed", self.transcribed(*sets), 0.0),
                ("seconds", self.seconds(*sets), 0.001 * (self.samples(*sets) + 1)),  # each sum is rounded
            ):
                total = sum(getattr(entry, field) for entry in entries)
                if abs(total - held) > tolerance:
                    raise ValueError(f"its {split} speakers have {total:g} {field}, its shards {held:g}")

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
        content = asdict(self)
        del content["folder"]
        content = {"schema_version": SCHEMA_VERSION, "crc32": _crc32(content)} | content
        write_file(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
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
            if not is_remote(file) and Path(file).stat().st_size > _LARGEST:
                raise ValueError(f"{file} has more than {_LARGEST >> 20} MiB: it is no index of shards; {_AGAIN}")
            text = read_bytes(file, _LARGEST) if is_remote(file) else read_file(file, _LARGEST)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(
                f"{file}: no shards here (an unfinished preparation has no index either); "
                f"write them with `python -m lightning_vc.recipes.prepare CORPUS --root DIR --out {folder}`"
            ) from error
        try:
            fields = Fields(parse(text))
            version = fields.content.get("schema_version")
            if version == SCHEMA_VERSION:
                index = cls._parse(folder, fields)
                index._check_sums()
                expected = _crc32(fields.content)
                if fields.content.get("crc32", expected) != expected:
                    raise ValueError(
                        "its crc32 does not match its content; if you edited the file, delete the field crc32"
                    )
                return index
        except ValueError as error:
            raise ValueError(f"{file} is not an index of shards ({error}); {_AGAIN}") from error
        raise ValueError(
            f"{file} has schema version {version!r:.40}, this version of lightning_vc reads {SCHEMA_VERSION}; {_AGAIN}"
        )

    @classmethod
    def _parse(cls, folder: str, fields: Fields) -> "Index":
        """Check all fields of an index; raises ValueError for the first wrong one, with its name."""
        sets = fields.object("sets")
        if unknown := set(sets.content) - set(SETS):
            raise ValueError(f"it has a set {min(unknown)!r:.40}: known are {', '.join(SETS)}")
        rejected = fields.object("rejected")
        return cls(
            folder,
            sample_rate=fields.count("sample_rate", *SAMPLE_RATES),
            sets={name: tuple(map(Shard.parse, sets.objects(name))) for name in sets.content},
            speakers=tuple(map(SpeakerEntry.parse, fields.objects("speakers"))),
            rejected={reason: rejected.count(reason) for reason in rejected.content},
            split=fields.count("split"),
            unaligned=fields.count("unaligned"),
            plan=fields.text("plan"),
            events=fields.count("events") if "events" in fields.content else 0,  # an older index has none
        )

    def __rich__(self) -> Table:
        """The index as a table for the terminal."""
        rejected = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items()) or "none"
        cut = f"split: {self.split}; words not found in the sound of: {self.unaligned}"
        events = f"; marks of events such as [noise] removed from the texts of: {self.events}" if self.events else ""
        table = Table(caption=escape(f"{self.sample_rate} Hz; left out: {rejected}; {cut}{events}"))
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
        report = io.StringIO()
        Console(file=report, width=120, markup=False).print(self, table)
        write_file(file, report.getvalue())


def _crc32(content: Mapping[str, Any]) -> str:
    """Checksum of all fields but the schema version and the checksum itself."""
    rest = {name: value for name, value in content.items() if name not in ("schema_version", "crc32")}
    return f"{zlib.crc32(json.dumps(rest, sort_keys=True).encode()):08x}"


def _counts(shards: Sequence[Shard]) -> tuple[str, str, str, str]:
    """Shards, samples, transcribed samples and hours, as text."""
    samples, transcribed = (sum(shard.samples for shard in shards), sum(shard.transcribed for shard in shards))
    return str(len(shards)), str(samples), str(transcribed), f"{sum(shard.seconds for shard in shards) / 3600:.2f}"
