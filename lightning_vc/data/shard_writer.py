"""Writing one shard: a tar file, and a record of its contents that marks it as finished."""

import json
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import webdataset as wds

from lightning_vc.corpora.base import Corpus
from lightning_vc.data.fields import load
from lightning_vc.data.index import Shard, SpeakerEntry
from lightning_vc.data.utterance import Limits, encode
from lightning_vc.files import atomic_write, read_file, sha256_of, write_file
from lightning_vc.types import Utterance

# Folders in <out>.partial: the shards, and a record of each finished one.
SHARDS, RECORDS = "shards", "finished"
_LARGEST_RECORD = 1 << 24  # bytes


@dataclass(frozen=True)
class Job:
    """One shard to write."""

    set: str
    name: str
    utterances: list[Utterance]


@dataclass
class Record:
    """The results of preparing the utterances of one shard."""

    set: str
    shard: Shard | None = None  # None if every utterance was rejected
    speakers: dict[str, SpeakerEntry] = field(default_factory=dict)  # by id, the amount of speech in this shard
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (id of an utterance or its piece, reason[: detail])
    split: int = 0  # utterances that were cut into several samples
    unaligned: int = 0  # utterances whose alignment failed
    events: int = 0  # utterances whose text had marks of events, which were removed
    untranscribed: list[str] = field(default_factory=list)  # ids of utterances without a text

    @property
    def unreadable(self) -> list[str]:
        """Error messages of the recordings that could not be read."""
        return [reason.partition(": ")[2] for _, reason in self.rejected if ": " in reason]


@dataclass(frozen=True)
class ShardWriter:
    """Writes shards into the folder `work`, from any process; complete shards in it are kept."""

    corpus: Corpus
    work: Path
    limits: Limits
    sample_rate: int

    def __call__(self, job: Job) -> Record:
        """Write a shard, unless a complete one exists."""
        path, file = self.work / SHARDS / job.name, self.work / RECORDS / f"{job.name}.json"
        try:
            record = _finished(file, path)
            if record is None or record.unreadable:
                record = self._write(job, path)
                write_file(file, json.dumps(asdict(record), ensure_ascii=False))
            return record
        except Exception as error:
            raise _portable(error) from error

    def _write(self, job: Job, path: Path) -> Record:
        """Write one shard; no file if all of its utterances are rejected."""
        record = Record(job.set)
        split: Any = job.set.removesuffix("-held")
        # `reading` reads plain headers only; a fixed time makes the bytes reproducible.
        with (
            atomic_write(path) as partial,
            partial.open("wb") as file,
            wds.TarWriter(file, mtime=0, format="USTAR_FORMAT") as tar,
        ):
            for utterance in job.utterances:
                outcome = encode(self.corpus, utterance, self.limits, self.sample_rate)
                record.rejected += outcome.rejected
                record.split += len(outcome.samples) + len(outcome.rejected) > 1
                record.unaligned += outcome.unaligned
                record.events += outcome.events
                record.untranscribed += [utterance.id] if utterance.text is None else []
                for sample in outcome.samples:
                    tar.write(sample.encode())
                    entry = SpeakerEntry(
                        **asdict(utterance.speaker), split=split, utterances=1,
                        transcribed=int(sample.words is not None), seconds=sample.seconds,
                    )  # fmt: skip
                    record.speakers[entry.id] = entry + record.speakers.get(entry.id)
        entries = record.speakers.values()
        if not entries:
            path.unlink()
            return record
        record.shard = Shard(
            job.name,
            samples=sum(entry.utterances for entry in entries),
            transcribed=sum(entry.transcribed for entry in entries),
            seconds=round(sum(entry.seconds for entry in entries), 3),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        return record


def _finished(file: Path, shard: Path) -> Record | None:
    """The record of a shard if the shard is finished and undamaged, else None."""
    try:
        record = load(Record, read_file(file, _LARGEST_RECORD))
        undamaged = record.shard is None or sha256_of(shard) == record.shard.sha256
        return record if undamaged else None
    except (OSError, ValueError):
        return None


def _portable(error: Exception) -> Exception:
    """The error itself, or a ChildProcessError if it cannot be pickled, which would break the process pool."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return ChildProcessError(f"{type(error).__name__}: {error}")
    return error
