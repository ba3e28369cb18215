"""Contents of a folder of shards, `index.json`; it is written last, so that its presence means a complete set."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field
from rich.markup import escape
from rich.table import Table

from lightning_vc.console import printable
from lightning_vc.data.fetch import is_remote, local_copy, read_bytes
from lightning_vc.data.fields import Count, PlainName, Positive, Seconds, load
from lightning_vc.files import read_file, sha256_of, write_file

SCHEMA_VERSION = 5
INDEX_NAME = "index.json"
SAMPLE_RATES = (1000, 192_000)  # least and most, in hertz
LONGEST_SECONDS = 600.0  # of a sample
_LARGEST = 64 << 20  # bytes of an index; one of 10,000 shards and 10,000 speakers has 5 MB
_AGAIN = "prepare the corpus again with `lightning-vc prepare`"
_REMEDY = "copy it from where the shards were written, or delete the folder and prepare the corpus again"
# Sets of shards. A speaker is in one split; "-held" are utterances of its speakers that are held out for validation.
Set = Literal["train", "train-held", "validation", "validation-held", "test"]
Split = Literal["train", "validation", "test"]
SETS: tuple[Set, ...] = get_args(Set)
_SAMPLE_BYTES = 4 * 512, 8 << 20  # minimum of a sample in a tar, and maximum without its audio


@dataclass(frozen=True)
class Shard:
    """One tar file and its contents."""

    name: Annotated[str, Field(pattern=r"^[a-z-]{1,40}-[0-9]{1,20}\.tar$")]
    samples: Positive
    transcribed: Count  # samples with words
    seconds: Seconds
    bytes: Positive
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class SpeakerEntry:
    """One speaker, and the amount of their speech in the shards."""

    id: PlainName
    sex: str | None
    accent: str | None
    age: Count | None
    split: Split
    utterances: Positive
    transcribed: Count
    seconds: Seconds

    def __add__(self, other: "SpeakerEntry | None") -> "SpeakerEntry":
        """The sum of two entries of the same speaker; None counts as empty."""
        if other is None:
            return self
        return replace(
            self,
            utterances=self.utterances + other.utterances,
            transcribed=self.transcribed + other.transcribed,
            seconds=round(self.seconds + other.seconds, 3),
        )


class ShardFile(NamedTuple):
    """A shard, its path or address, its sample rate in hertz, and its samples to read: every `step`-th from `first`."""

    url: str
    shard: Shard
    sample_rate: int
    first: int = 0
    step: int = 1


@dataclass(frozen=True)
class Index:
    """The table of contents of a folder of shards."""

    sample_rate: Annotated[int, Field(ge=SAMPLE_RATES[0], le=SAMPLE_RATES[1])]
    sets: Mapping[Set, tuple[Shard, ...]]
    speakers: tuple[SpeakerEntry, ...]
    rejected: dict[str, Count]  # reason -> number of rejected utterances or pieces
    split: Count  # utterances that were cut into several samples
    unaligned: Count  # utterances that could not be aligned, and were not cut
    plan: str  # hash of corpus and options: see `shards._plan`
    events: Count = 0  # utterances whose text had event marks such as [noise], which were removed
    folder: str = ""  # path or address

    def files(self, *sets: str) -> list[ShardFile]:
        """The shards of these sets, with their paths or addresses."""
        return [ShardFile(f"{self.folder}/{shard.name}", shard, self.sample_rate) for shard in self.shards(*sets)]

    def shards(self, *sets: str) -> list[Shard]:
        """The shards of these sets."""
        return [shard for name, shards in self.sets.items() if name in sets for shard in shards]

    def samples(self, *sets: str) -> int:
        """Number of samples of these sets."""
        return sum(shard.samples for shard in self.shards(*sets))

    def seconds(self, *sets: str) -> float:
        """Duration of these sets in seconds."""
        return sum(shard.seconds for shard in self.shards(*sets))

    def transcribed(self, *sets: str) -> int:
        """Number of samples of these sets that have words."""
        return sum(shard.transcribed for shard in self.shards(*sets))

    def speakers_of(self, *splits: str) -> list[SpeakerEntry]:
        """The speakers of these splits, sorted by id."""
        return sorted((speaker for speaker in self.speakers if speaker.split in splits), key=lambda entry: entry.id)

    @property
    def speaker_table(self) -> list[str]:
        """Ids of the speakers whose embeddings are learned, in the order of the rows of the speaker table.

        These are the train and validation speakers that have transcribed utterances.
        """
        return [speaker.id for speaker in self.speakers_of("train", "validation") if speaker.transcribed]

    def recording(self, sample: str) -> str:
        """Id of the recording that a sample is, or is a piece of."""
        return re.sub(r"_[0-9]{2}$", "", sample) if self.split else sample  # see `utterance.encode`

    def check(self, thorough: bool = False) -> None:
        """Raise ValueError, naming the shard, if a local shard is missing or has another size than the index gives.

        With `thorough`, checksums are compared too, of remote shards as well, which are fetched.
        """
        for url, shard, *_ in self.files(*SETS):
            size = Path(url).stat().st_size if Path(url).is_file() else None
            if size != shard.bytes and not is_remote(url):
                actual = "no such file" if size is None else f"{size} bytes"
                raise ValueError(f"{url} should have {shard.bytes} bytes, found {actual}; {_REMEDY}")
            if thorough:
                with local_copy(url, shard.sha256, shard.bytes) as path:
                    if sha256_of(path) != shard.sha256:
                        raise ValueError(f"{url} does not have the checksum of its index; {_REMEDY}")

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
        """Read the index of a folder of shards; `path` is a path or address of the folder or of its index.json.

        Raises FileNotFoundError if there is none, ValueError for another schema version or a damaged file.
        """
        folder = str(path).rstrip("/").removesuffix(f"/{INDEX_NAME}")
        file = f"{folder}/{INDEX_NAME}"
        try:
            text = read_bytes(file, _LARGEST) if is_remote(file) else read_file(file, _LARGEST)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(
                f"{file}: no shards here (an unfinished preparation has no index either); "
                f"write them with `lightning-vc prepare CORPUS --root DIR --out {folder}`"
            ) from error
        try:
            content = load(dict[str, Any], text)
            if (version := content.get("schema_version")) != SCHEMA_VERSION:
                raise ValueError(f"it has schema version {version!r:.40}, and lightning_vc reads {SCHEMA_VERSION}")
            index = load(cls, text)
            index._check_sums()
            if content.get("crc32") != _crc32(content):
                raise ValueError("its crc32 does not match: it was changed or is damaged")
        except ValueError as error:
            raise ValueError(f"{file} is not an index of shards ({error}); {_AGAIN}") from error
        return replace(index, folder=folder)

    def _check_sums(self) -> None:
        """Raise ValueError for numbers that are impossible or contradict each other."""
        shards = self.shards(*SETS)
        if len({shard.name for shard in shards}) < len(shards):
            raise ValueError("a shard is listed twice")
        if len({entry.id for entry in self.speakers}) < len(self.speakers):
            raise ValueError("a speaker is listed twice")
        for shard in shards:
            most = shard.samples * _SAMPLE_BYTES[1] + int(shard.seconds * SAMPLE_RATES[1] * 4)
            if not shard.samples * _SAMPLE_BYTES[0] <= shard.bytes <= most:
                raise ValueError(f"{shard.name} cannot have {shard.bytes} bytes")
        counts = [(shard.name, shard.samples, shard.transcribed, shard.seconds) for shard in shards]
        counts += [(entry.id, entry.utterances, entry.transcribed, entry.seconds) for entry in self.speakers]
        for name, count, transcribed, seconds in counts:
            if not count / self.sample_rate <= seconds <= count * LONGEST_SECONDS or transcribed > count:
                raise ValueError(f"{name} cannot have {count} utterances, {transcribed} with text, in {seconds:g} s")
        for split in get_args(Split):
            entries, sets = self.speakers_of(split), (split, f"{split}-held")
            for field, total, tolerance in (
                ("utterances", self.samples(*sets), 0.0),
                ("transcribed", self.transcribed(*sets), 0.0),
                ("seconds", self.seconds(*sets), 0.001 * (self.samples(*sets) + 1)),  # each sum is rounded
            ):
                of_speakers = sum(getattr(entry, field) for entry in entries)
                if abs(of_speakers - total) > tolerance:
                    raise ValueError(f"its {split} speakers have {of_speakers:g} {field}, its shards {total:g}")

    def __rich__(self) -> Table:
        """The index as a table for the terminal."""
        rejected = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items()) or "none"
        alignment = f"split: {self.split}; alignment failed: {self.unaligned}"
        events = f"; texts with event marks such as [noise], which were removed: {self.events}" if self.events else ""
        table = Table(caption=escape(printable(f"{self.sample_rate} Hz; left out: {rejected}; {alignment}{events}")))
        for heading in ("set", "shards", "utterances", "transcribed", "hours", "speakers"):
            table.add_column(heading, justify="left" if heading == "set" else "right")
        for name, sets in [*((name, [name]) for name in SETS), ("all", list(SETS))]:
            speakers = len(self.speakers if name == "all" else self.speakers_of(name))
            hours = f"{self.seconds(*sets) / 3600:.2f}"
            counts = (len(self.shards(*sets)), self.samples(*sets), self.transcribed(*sets))
            table.add_row(name, *map(str, counts), hours, "" if name.endswith("-held") else str(speakers))
        return table


def _crc32(content: Mapping[str, Any]) -> str:
    """Checksum of all fields but the schema version and the checksum itself."""
    rest = {name: value for name, value in content.items() if name not in ("schema_version", "crc32")}
    return f"{zlib.crc32(json.dumps(rest, sort_keys=True).encode()):08x}"
