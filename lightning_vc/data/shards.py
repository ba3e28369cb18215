"""Write a corpus as shards: tar files of `<key>.flac` + `<key>.json`, and an index.

The same corpus and options give the same bytes, for any number of workers and interruptions.
"""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from lightning_vc.console import warn
from lightning_vc.corpora.base import Corpus, name_some
from lightning_vc.data.index import SAMPLE_RATES, SETS, Index, SpeakerEntry
from lightning_vc.data.shard_writer import RECORDS, SHARDS, Job, Record, ShardWriter
from lightning_vc.data.splits import Splits
from lightning_vc.data.utterance import Limits
from lightning_vc.files import plain_name, read_text, refuse_links, remove_folder, write_file
from lightning_vc.types import Utterance

_MOST_NAMED = 3  # unreadable recordings that a message names
_FORMAT = 8  # of shards and records: increased when the same corpus and options give other bytes
UNTRANSCRIBED = "untranscribed.txt"  # ids of the utterances that have no text
_LONGEST_ID = 180  # characters


def prepare(
    corpus: Corpus,
    out: str | Path,
    splits: Splits = Splits(),  # noqa: B008 (it is frozen)
    limits: Limits = Limits(),  # noqa: B008
    *,
    sample_rate: int = 16000,
    speeds: Sequence[float] = (),
    samples_per_shard: int = 256,
    workers: int = 1,
) -> Index:
    """Prepare the utterances of a corpus (read, check, trim, split, normalise), and write them as shards into `out`.

    Shards are written to `<out>.partial`, which is renamed to `out` when all are complete; the index is returned. An
    interrupted call can be repeated: complete shards are kept, and shards with unreadable recordings are written
    again. Utterances that are silent, clipped, too short, too long, unreadable or unspeakable are rejected,
    counted in the index and listed in rejected.tsv; a warning names the first unreadable recordings. Utterances
    without a text are listed in untranscribed.txt.

    Args:
        corpus: the utterances.
        out: folder of the shards.
        splits: which speakers and utterances are held out.
        limits: which utterances are kept, and how they are cut.
        sample_rate: of the shards, in hertz.
        speeds: speed perturbation (Yamamoto et al. 2019): factors such as 0.9 and 1.1. For each, copies
            of the transcribed utterances of every training speaker are added as those of a further speaker.
        samples_per_shard: largest number of utterances of a shard.
        workers: number of processes.

    Raises:
        FileExistsError: if `out` holds something else already.
        ValueError: for an empty corpus, a corpus whose utterances are all rejected, ids that occur twice or are not
            plain names, options out of range, and a `<out>.partial` of another corpus or other options.
    """
    out = Path(out).resolve()
    _check_options(sample_rate, speeds, samples_per_shard, workers)
    sets = splits.assign(_checked(corpus))
    transcribed = [utterance for utterance in sets["train"] if utterance.text is not None]
    perturbed = [_at_speed(speed, utterance) for speed in speeds for utterance in transcribed]
    sets["train"] = sorted([*sets["train"], *perturbed], key=lambda utterance: splits.order(utterance.id))
    jobs = list(_jobs(sets, samples_per_shard))
    plan = _plan(corpus, jobs, limits, sample_rate)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return _finished(out, plan)
    work = out.with_name(out.name + ".partial")
    _begin(work, plan)
    records = _write_all(ShardWriter(corpus, work, limits, sample_rate), jobs, workers)
    _finish(work, out, plan, sample_rate, [*track(records, "shards", len(jobs), console=Console(stderr=True))])
    return _finished(out, plan)


def _check_options(sample_rate: int, speeds: Sequence[float], samples_per_shard: int, workers: int) -> None:
    if samples_per_shard < 1 or workers < 1:
        raise ValueError(f"{samples_per_shard=} and {workers=} must be at least 1")
    if not SAMPLE_RATES[0] <= sample_rate <= SAMPLE_RATES[1]:
        raise ValueError(f"sample_rate is {sample_rate}: give {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz")
    if len({"1", *(f"{speed:g}" for speed in speeds)}) <= len(speeds) or not all(0.5 <= speed <= 2 for speed in speeds):
        raise ValueError(f"speeds are different numbers from 0.5 to 2, except 1, got {list(speeds)}")


def _checked(corpus: Corpus) -> list[Utterance]:
    """All utterances of a corpus; raises ValueError if there are none, or for ids that repeat or cannot name files."""
    utterances, name = list(corpus), type(corpus).__name__
    if not utterances:
        raise ValueError(f"{name} has no utterances; check its root and subsets")
    id, count = Counter(utterance.id for utterance in utterances).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{name} has {count} utterances with the id {id!r}; ids must be unique")
    names = [("speaker", id) for id in {utterance.speaker.id for utterance in utterances}]
    names += [("utterance", utterance.id) for utterance in utterances]
    if invalid := [f"{kind} {id!r:.60}" for kind, id in names if not _is_plain(id)]:
        raise ValueError(
            f"{name} has {len(invalid)} ids that cannot be names of files: {name_some(invalid)}; rename them in the "
            f"corpus, such as a/b to a-b: use up to {_LONGEST_ID} letters, digits, '_', '-' and '.', and begin with "
            "a letter, a digit or '_'"
        )
    return utterances


def _is_plain(id: str) -> bool:
    """Whether an id can name a file, and is short enough for the number of a piece to be appended."""
    try:
        return len(plain_name(id, "id")) <= _LONGEST_ID
    except ValueError:
        return False


def _at_speed(speed: float, utterance: Utterance) -> Utterance:
    speaker = replace(utterance.speaker, id=f"{utterance.speaker.id}@{speed:g}")
    return replace(utterance, id=f"{utterance.id}@{speed:g}", speaker=speaker, recorded=utterance, speed=speed)


def _jobs(sets: dict[str, list[Utterance]], samples_per_shard: int) -> Iterator[Job]:
    """The shards to write; those of a set have about equally many utterances."""
    for name in SETS:
        utterances = sets.get(name, [])
        count = -(-len(utterances) // samples_per_shard)
        for number in range(count):
            start, end = (len(utterances) * i // count for i in (number, number + 1))
            yield Job(name, f"{name}-{number:06d}.tar", utterances[start:end])


def _plan(corpus: Corpus, jobs: Sequence[Job], limits: Limits, sample_rate: int) -> str:
    """Hash of everything that determines the bytes of the shards except the audio; independent of the corpus' path."""
    options = {name: value for name, value in vars(corpus).items() if isinstance(value, str | int | float | None)}
    digest = hashlib.sha256(f"{_FORMAT} {type(corpus).__qualname__} {options} {limits} {sample_rate}".encode())
    for job in jobs:
        for item in job.utterances:
            file = item.audio and item.audio.name
            digest.update(f"{job.name} {item.id} {item.speaker} {item.text} {file}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _begin(work: Path, plan: str) -> None:
    """Make the folder `<out>.partial`, or check that an existing one can be continued."""
    if work.is_symlink() or work.is_file():
        kind = "a symbolic link" if work.is_symlink() else "a file"
        raise FileExistsError(f"{work} is {kind}, and preparation needs this name for its folder: move it away")
    refuse_links(work)
    if foreign := {path.name for path in work.glob("*")} - {SHARDS, RECORDS, "plan"}:
        raise FileExistsError(f"{work} holds {min(foreign)}, which preparation did not write: move it away")
    for name in (SHARDS, RECORDS):
        (work / name).mkdir(parents=True, exist_ok=True)
    if not (work / "plan").exists():
        write_file(work / "plan", plan)
    if read_text(work / "plan") != plan:
        raise ValueError(
            f"{work} is of another corpus or other options: finish it with those, or delete it to start again"
        )


def _write_all(write: Callable[[Job], Record], jobs: Sequence[Job], workers: int) -> Iterator[Record]:
    """Yield the records in order, from this process or several; each has one thread, as utterances are short."""
    if workers == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from map(write, jobs)
        finally:
            torch.set_num_threads(threads)
        return
    # spawn: torch's threads can hang in a forked process.
    context = multiprocessing.get_context("spawn")
    earlier_children = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _start_worker)
    try:
        with _interrupts_deferred():  # workers inherit the blocked signal: on Ctrl-C this process ends them
            results = pool.map(write, jobs)
        yield from results
        pool.shutdown()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a worker process ended unexpectedly, usually for lack of memory: take fewer workers (a script of your own "
            'needs `if __name__ == "__main__":`); finished shards are kept'
        ) from error
    finally:
        for worker in set(multiprocessing.active_children()) - earlier_children:  # after an error or Ctrl-C
            worker.terminate()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Defer SIGINT to the end of the block; processes that are started in the block never get it."""
    signals: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    # Another thread, such as that of the progress bar, may receive the signal; the handler still runs in this thread.
    handler = signal.signal(signal.SIGINT, lambda number, _: signals.append(number)) if in_main else None
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)
        if in_main:
            signal.signal(signal.SIGINT, handler)
    if signals:
        raise KeyboardInterrupt


def _start_worker() -> None:
    """Use one thread, and end with the parent process, so that no worker writes when the call is repeated."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _finish(work: Path, out: Path, plan: str, sample_rate: int, records: Sequence[Record]) -> None:
    """Write the index, and rename the folder of shards to `out`."""
    folder = work / SHARDS
    index = _index(folder, plan, sample_rate, records)
    details = [detail for record in records for detail in record.unreadable]
    more = [f"{len(details) - _MOST_NAMED} more"] if len(details) > _MOST_NAMED else []
    unreadable = f"; {len(details)} cannot be read ({'; '.join(details[:_MOST_NAMED] + more)})" if details else ""
    if not index.speakers:
        reasons = ", ".join(f"{count} {reason}" for reason, count in index.rejected.items())
        raise ValueError(f"nothing of the corpus can be used ({reasons}){unreadable}; see {folder / 'rejected.tsv'}")
    if unreadable:
        warn(f"recordings are left out{unreadable}; {out / 'rejected.tsv'} lists all of them")
    index.check(thorough=True)  # shards may be of an earlier, interrupted call
    index.save()
    for path in folder.glob(".*.partial"):  # left by a process that was killed
        path.unlink()
    folder.replace(out)


def _index(folder: Path, plan: str, sample_rate: int, records: Sequence[Record]) -> Index:
    """Sum up the records of all shards, and list what was rejected."""
    sets: Any = {name: tuple(item.shard for item in records if item.set == name and item.shard) for name in SETS}
    total: dict[str, SpeakerEntry] = {}
    for record in records:
        for id, entry in record.speakers.items():
            total[id] = entry + total.get(id)
    rejected = [line for record in records for line in record.rejected]
    lines = "".join(f"{id}\t{reason}\n" for id, reason in rejected)
    write_file(folder / "rejected.tsv", "utterance\treason\n" + lines)
    write_file(folder / UNTRANSCRIBED, "".join(f"{id}\n" for record in records for id in record.untranscribed))
    return Index(
        sample_rate,
        sets,
        speakers=tuple(total[id] for id in sorted(total)),
        rejected=dict(sorted(Counter(reason.partition(": ")[0] for _, reason in rejected).items())),
        split=sum(record.split for record in records),
        unaligned=sum(record.unaligned for record in records),
        plan=plan,
        events=sum(record.events for record in records),
        folder=str(folder),
    )


def _finished(out: Path, plan: str) -> Index:
    """The index of a finished folder; raises FileExistsError if it is of another corpus or other options."""
    try:
        index = Index.load(out)
        if index.plan != plan:
            raise ValueError(f"it has the plan {index.plan}")
    except (FileNotFoundError, ValueError) as error:
        raise FileExistsError(
            f"{out} exists, and does not contain the shards of this corpus and these options: "
            "delete it, or give another folder"
        ) from error
    index.check()
    work = out.with_name(out.name + ".partial")
    if (work / "plan").is_file() and read_text(work / "plan") == plan:  # it belongs to this preparation
        remove_folder(out.parent, work.name)
    return index
