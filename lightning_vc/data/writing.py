"""One shard of a preparation: a tar file, and a record that it is finished and what is in it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import webdataset

from lightning_vc.corpora.base import Corpus
from lightning_vc.data.encoding import Limits, encode
from lightning_vc.data.fields import Fields, parse
from lightning_vc.data.index import Shard, SpeakerEntry
from lightning_vc.files import atomic_write, sha256_of, write_file
from lightning_vc.types import Utterance

# What is in <out>.partial: the shards, and a record of each that is finished.
SHARDS, RECORDS = "shards", "finished"


@dataclass(frozen=True)
class Job:
    """One shard to write."""

    set: str
    name: str
    utterances: list[Utterance]


@dataclass
class Written:
    """What became of the utterances of one shard."""

    set: str
    shard: Shard
    speakers: dict[str, SpeakerEntry] = field(default_factory=dict)  # what the shard has of each
    rejected: list[tuple[str, str]] = field(
        default_factory=list
    )  # (id of an utterance or its piece, `reason` or `reason: detail`)
    split: int = 0  # utterances that became several samples
    unaligned: int = 0  # utterances whose words should have been found in the sound, and were not
    events: int = 0  # utterances from whose text marks of events were removed
    untranscribed: list[str] = field(default_factory=list)  # ids of utterances without a text

    @property
    def unreadable(self) -> list[str]:
        """Why recordings could not be read: the details of their reasons."""
        return [reason.partition(": ")[2] for _, reason in self.rejected if ": " in reason]


def record_of(work: Path, job: Job) -> Path:
    """Where it stands that a shard is finished, and what is in it."""
    return work / RECORDS / f"{job.name}.json"


def read_record(file: Path) -> Written | None:
    """What is in a finished shard; None where it is not finished, or its record is broken."""
    try:
        content = dict(Fields(parse(file.read_bytes())).content)
        speakers = {id: SpeakerEntry(**entry) for id, entry in content.pop("speakers").items()}
        return Written(shard=Shard(**content.pop("shard")), speakers=speakers, **content)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep_or_write(corpus: Corpus, work: Path, limits: Limits, sample_rate: int, job: Job) -> int:
    """See to it that a shard is there; returns how many utterances it was made from."""
    if record := read_record(record_of(work, job)):
        shard, file = record.shard, work / SHARDS / job.name
        whole = not shard.samples or (file.exists() and sha256_of(file) == shard.sha256)
        if whole and not record.unreadable:
            return len(job.utterances)
    _write_shard(corpus, work, limits, sample_rate, job)
    return len(job.utterances)


def _write_shard(corpus: Corpus, work: Path, limits: Limits, sample_rate: int, job: Job) -> None:
    """Write one shard and its record, in whichever process; no file where all of its utterances are rejected."""
    written = Written(job.set, Shard(job.name))
    path = work / SHARDS / job.name
    # Plain headers are quick to read; a fixed time makes the bytes repeatable.
    with (
        atomic_write(path) as partial,
        partial.open("wb") as file,
        webdataset.TarWriter(file, mtime=0, format="USTAR_FORMAT") as tar,
    ):
        for utterance in job.utterances:
            made = encode(corpus, utterance, limits, sample_rate)
            written.rejected += made.rejected
            written.split += len(made.samples) + len(made.rejected) > 1
            written.unaligned += made.unaligned
            written.events += made.events
            if utterance.text is None:
                written.untranscribed.append(utterance.id)
            who = utterance.speaker
            for sample in made.samples:
                tar.write({"__key__": sample.key, "flac": sample.flac, "json": sample.json})
                entry = SpeakerEntry(
                    who.id, who.sex, who.accent, who.age, job.set.removesuffix("-held"),
                    utterances=1, transcribed=int(sample.transcribed), seconds=sample.seconds,
                )  # fmt: skip
                written.speakers[who.id] = entry + written.speakers.get(who.id)
    entries = written.speakers.values()
    written.shard = Shard(
        job.name,
        samples=sum(entry.utterances for entry in entries),
        transcribed=sum(entry.transcribed for entry in entries),
        seconds=round(sum(entry.seconds for entry in entries), 3),
        speakers=len(entries),
        bytes=path.stat().st_size if entries else 0,
        sha256=sha256_of(path) if entries else "",
    )
    if not entries:
        path.unlink(missing_ok=True)
    write_file(record_of(work, job), json.dumps(asdict(written), ensure_ascii=False))
