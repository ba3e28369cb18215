"""Write a corpus as shards: tar files of `<id>.flac` + `<id>.json`, and an index.

The same corpus and options give the same bytes, whatever the number of workers. A sample's json holds id, speaker,
sex, accent, age, text, words ([["the", "ð ə"], [",", ""]]; null where nobody transcribed it) and seconds.
"""

import json
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import torch
import webdataset
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lightning_vc.audio.io import encode_flac, is_silent, trim
from lightning_vc.corpora.base import Corpus
from lightning_vc.data.index import SETS, Index, Shard, SpeakerEntry
from lightning_vc.data.splits import Splits
from lightning_vc.text.normalize import normalize
from lightning_vc.types import Speaker, Utterance


@dataclass(frozen=True)
class Limits:
    """Which recordings are kept: seconds after trimming; the ends are trimmed where `top_db` below the loudest."""

    min_seconds: float = 0.5
    max_seconds: float = 20.0
    top_db: float = 40.0

    def __post_init__(self) -> None:
        """Refuse limits that keep nothing."""
        if not 0 <= self.min_seconds < self.max_seconds:
            raise ValueError(
                f"min_seconds {self.min_seconds} must be 0 or more, and below max_seconds {self.max_seconds}"
            )


class Rejected(ValueError):
    """An utterance that is left out; its message is the reason."""


@dataclass
class _Said:
    """What is kept of one speaker."""

    speaker: Speaker
    utterances: int = 0
    transcribed: int = 0
    seconds: float = 0.0


@dataclass
class _Written:
    """What became of the utterances of one shard."""

    set: str
    shard: Shard
    speakers: dict[str, _Said] = field(default_factory=dict)
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (utterance id, reason)


def prepare(
    corpus: Corpus,
    out: str | Path,
    splits: Splits = Splits(),  # noqa: B008 (it is frozen)
    limits: Limits = Limits(),
    *,
    sample_rate: int = 16000,
    samples_per_shard: int = 256,
    workers: int = 1,
) -> Index:
    """Read, trim, check and number a corpus into shards in the folder `out`; returns its index, which is written last.

    Everything is made in `<out>.partial`, which becomes `out` when complete. What is silent, too short, too long,
    unreadable or unspeakable is left out, counted in the index and listed in rejected.tsv. Raises FileExistsError where
    `out` holds something already, ValueError for an empty corpus, ids that occur twice and options out of range.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is there already; delete it or give another folder to write the shards to")
    if sample_rate < 1 or samples_per_shard < 1 or workers < 1:
        raise ValueError(f"{sample_rate=}, {samples_per_shard=} and {workers=} must all be at least 1")
    jobs = list(_jobs(splits.assign(_checked(corpus)), samples_per_shard))
    partial_out = out.with_name(out.name + ".partial")
    shutil.rmtree(partial_out, ignore_errors=True)  # of an attempt that was killed
    partial_out.mkdir(parents=True)
    write = partial(_write_shard, corpus, partial_out, limits, sample_rate)
    written = list(_progress(_run(write, jobs, workers), jobs))
    index = _index(partial_out, sample_rate, written)
    if not index.speakers:
        reasons = ", ".join(f"{count} {reason}" for reason, count in index.rejected.items())
        raise ValueError(f"nothing of the corpus can be used ({reasons}); see {partial_out / 'rejected.tsv'}")
    index.save()
    partial_out.replace(out)
    return Index.load(out)


def encode(corpus: Corpus, utterance: Utterance, limits: Limits, sample_rate: int) -> tuple[bytes, dict[str, object]]:
    """One utterance as the members of its sample: flac, and what is known of it. Raises Rejected with the reason."""
    try:
        wave = corpus.read(utterance, sample_rate)  # (W,)
    except ValueError as error:
        raise Rejected("unreadable") from error
    if is_silent(wave):
        raise Rejected("silent")
    wave = trim(wave, sample_rate, limits.top_db)
    seconds = len(wave) / sample_rate
    if seconds < limits.min_seconds:
        raise Rejected("too short")
    if seconds > limits.max_seconds:
        raise Rejected("too long")
    words = None
    if utterance.text is not None:
        try:
            words = [[word.text, " ".join(word.phonemes)] for word in normalize(utterance.text)]
        except ValueError as error:
            raise Rejected("unspeakable text") from error
    who = utterance.speaker
    known = {"id": utterance.id, "speaker": who.id, "sex": who.sex, "accent": who.accent, "age": who.age}
    return encode_flac(wave, sample_rate), known | {"text": utterance.text, "words": words, "seconds": seconds}


def _checked(corpus: Corpus) -> list[Utterance]:
    """All utterances of a corpus that has some, each once."""
    utterances = list(corpus)
    if not utterances:
        raise ValueError(f"{type(corpus).__name__} has no utterances; check its root and subsets")
    id, count = Counter(utterance.id for utterance in utterances).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{type(corpus).__name__} has {count} utterances with the id {id!r}; ids must be unique")
    return utterances


def _jobs(sets: dict[str, list[Utterance]], samples_per_shard: int) -> Iterator[tuple[str, str, list[Utterance]]]:
    """What to write: (set, name of the shard, its utterances). The shards of a set are about equally long."""
    for name in SETS:
        utterances = sets.get(name, [])
        count = -(-len(utterances) // samples_per_shard)
        for number in range(count):
            start, end = (len(utterances) * each // count for each in (number, number + 1))
            yield name, f"{name}-{number:06d}.tar", utterances[start:end]


def _write_shard(
    corpus: Corpus, folder: Path, limits: Limits, sample_rate: int, job: tuple[str, str, list[Utterance]]
) -> _Written:
    """Write one shard, in whichever process; no file where all of its utterances are rejected."""
    set_name, name, utterances = job
    speakers: dict[str, _Said] = {}
    rejected: list[tuple[str, str]] = []
    path = folder / name
    # PAX allows long and non-ASCII ids; a fixed time makes the bytes repeatable.
    with path.open("wb") as file, webdataset.TarWriter(file, mtime=0, format="PAX_FORMAT") as tar:
        for utterance in utterances:
            try:
                flac, known = encode(corpus, utterance, limits, sample_rate)
            except Rejected as reason:
                rejected.append((utterance.id, str(reason)))
                continue
            # webdataset takes all that follows the first dot for the suffix.
            key = quote(utterance.id, safe="").replace(".", "%2E")
            tar.write({"__key__": key, "flac": flac, "json": json.dumps(known, ensure_ascii=False).encode()})
            said = speakers.setdefault(utterance.speaker.id, _Said(utterance.speaker))
            said.utterances += 1
            said.transcribed += known["words"] is not None
            said.seconds += float(known["seconds"])  # type: ignore[arg-type]
    if not speakers:
        path.unlink()
    samples = sum(said.utterances for said in speakers.values())
    transcribed = sum(said.transcribed for said in speakers.values())
    shard = Shard(name, samples, transcribed, round(sum(said.seconds for said in speakers.values()), 3))
    return _Written(set_name, shard, speakers, rejected)


def _run(
    write: "partial[_Written]", jobs: Sequence[tuple[str, str, list[Utterance]]], workers: int
) -> Iterator[_Written]:
    """Do the jobs in order, in this process or in several, each with one thread: utterances are too short for more."""
    if workers == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from map(write, jobs)
        finally:
            torch.set_num_threads(threads)
        return
    # spawn: a forked process inherits torch's threads in a state in which they can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        yield from pool.map(write, jobs)


def _start_worker() -> None:
    """No process may be left to write into the folder of whoever tries again."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _progress(written: Iterable[_Written], jobs: Sequence[tuple[str, str, list[Utterance]]]) -> Iterator[_Written]:
    """Pass results on and draw a progress bar in utterances."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("utterances"), *columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=sum(len(utterances) for *_, utterances in jobs))
        for result in written:
            progress.advance(task, result.shard.samples + len(result.rejected))
            yield result


def _index(folder: Path, sample_rate: int, written: Sequence[_Written]) -> Index:
    """Add up what was written, and list what was rejected."""
    sets = {name: tuple(each.shard for each in written if each.set == name and each.shard.samples) for name in SETS}
    total: dict[str, SpeakerEntry] = {}
    for each in written:
        for id, said in each.speakers.items():
            who, before = said.speaker, total.get(id)
            total[id] = SpeakerEntry(
                id, who.sex, who.accent, who.age, each.set.removesuffix("-held"),
                said.utterances + (before.utterances if before else 0),
                said.transcribed + (before.transcribed if before else 0),
                round(said.seconds + (before.seconds if before else 0.0), 3),
            )  # fmt: skip
    rejected = [line for each in written for line in each.rejected]
    lines = "".join(f"{id}\t{reason}\n" for id, reason in rejected)
    (folder / "rejected.tsv").write_text("utterance\treason\n" + lines, encoding="utf-8")
    reasons = dict(sorted(Counter(reason for _, reason in rejected).items()))
    return Index(folder, sample_rate, sets, tuple(total[id] for id in sorted(total)), reasons)
