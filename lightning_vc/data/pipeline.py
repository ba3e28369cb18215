"""Generators from shards to lists of samples: each takes an iterable, can be called by hand, and keeps order.

A sample stays coded until its batch is collated, so buffers for shuffling hold kilobytes and not seconds of sound.
"""

import io
import json
import random
import tarfile
import zlib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from torch import Tensor
from webdataset.tariterators import group_by_keys, tar_file_expander

from lightning_vc.audio.io import read
from lightning_vc.data.index import Index
from lightning_vc.types import Speaker, Word

A = TypeVar("A")


@dataclass(frozen=True)
class Sample:
    """One utterance as it comes out of a shard."""

    id: str
    speaker: Speaker
    text: str | None
    words: tuple[Word, ...] | None  # None where nobody transcribed it
    seconds: float
    flac: bytes

    def wave(self, sample_rate: int) -> Tensor:
        """The sound: (W,) float32."""
        try:
            return read(io.BytesIO(self.flac), sample_rate)
        except ValueError as error:
            raise ValueError(f"sample {self.id}: {error}") from error


def read_shards(urls: Iterable[str]) -> Iterator[Sample]:
    """Samples of tar files, in their order. Raises ValueError, with the shard's name, where one is broken."""
    for url in urls:
        key = None
        try:
            with open(url, "rb") as stream:  # by ourselves: a secured webdataset opens no local files
                for raw in group_by_keys(tar_file_expander([{"url": url, "stream": stream}])):
                    key = raw["__key__"]
                    yield _parse(raw["json"], raw["flac"])
        except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{url} is broken at sample {key} ({error!r}); prepare the corpus again") from error


def _parse(text: bytes, flac: bytes) -> Sample:
    """A sample from its members."""
    known = json.loads(text)
    words = known["words"]
    if words is not None:
        words = tuple(Word(word, tuple(phonemes.split())) for word, phonemes in words)
    speaker = Speaker(known["speaker"], known["sex"], known["accent"], known["age"])
    return Sample(known["id"], speaker, known["text"], words, known["seconds"], flac)


def clips_of(index: Index, speaker: str) -> list[Sample]:
    """All samples of one speaker, in a fixed order without meaning: the first n are the n clips to clone from.

    Raises ValueError for a speaker whom the index does not name.
    """
    entries = {entry.id: entry for entry in index.speakers}
    if speaker not in entries:
        heldout = ", ".join(entry.id for entry in index.speakers_of("test")) or "none"
        raise ValueError(f"{index.folder} has no speaker {speaker!r}; its test speakers are {heldout}")
    split = entries[speaker].split
    samples = read_shards(index.urls(split, f"{split}-held"))
    return sorted((each for each in samples if each.speaker.id == speaker), key=lambda each: _scattered(each.id))


def _scattered(id: str) -> tuple[int, str]:
    return zlib.crc32(id.encode()), id


def every(items: Iterable[A], first: int, step: int) -> Iterator[A]:
    """Every `step`-th item from number `first` on."""
    return islice(items, first, None, step)


def equally(items: Iterable[A], rank: int, world: int) -> Iterator[A]:
    """The items of one rank, dealt in turn; first items come again where the last round is short.

    So each rank has equally many, and no rank waits for ever for one that has finished.
    """
    head: list[A] = []
    count = 0
    for count, item in enumerate(items, 1):
        if len(head) < world:
            head.append(item)
        if (count - 1) % world == rank:
            yield item
    if rank >= count % world > 0:
        yield head[(rank - count % world) % len(head)]


def shuffle(items: Iterable[A], size: int, rng: random.Random) -> Iterator[A]:
    """Draw at random from a buffer that is kept at `size` items."""
    buffer: list[A] = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        chosen = rng.randrange(size)
        yield buffer[chosen]
        buffer[chosen] = item
    rng.shuffle(buffer)
    yield from buffer


def bucket(
    samples: Iterable[Sample], batch_size: int, n_batches: int, rng: random.Random | None = None
) -> Iterator[list[Sample]]:
    """Batches of similar length: `n_batches` batches at a time are sorted by length, cut, and emitted in random order.

    Without `rng` they come by length. The last batch can be smaller.
    """
    samples = iter(samples)
    while pool := list(islice(samples, batch_size * n_batches)):
        pool.sort(key=lambda sample: sample.seconds)
        batches = [pool[start : start + batch_size] for start in range(0, len(pool), batch_size)]
        if rng is not None:
            rng.shuffle(batches)
        yield from batches


def group_by_speaker(
    samples: Iterable[Sample], n_speakers: int, n_clips: Sequence[int], rng: random.Random | None = None
) -> Iterator[list[list[Sample]]]:
    """Batches of `n_speakers` groups of N clips of one speaker, N drawn for each batch (without `rng`, the largest).

    A group is made as soon as a speaker has N clips, so one who speaks often comes often, and may come twice in a
    batch. Clips that make no whole group are dropped at the end. So is, with `rng`, a last batch that is smaller than
    the others: its gradient would count as much as theirs.
    """
    waiting: dict[str, deque[Sample]] = defaultdict(deque)
    batch: list[list[Sample]] = []
    clips = rng.choice(n_clips) if rng else max(n_clips)
    full = False
    for sample in samples:
        own = waiting[sample.speaker.id]
        own.append(sample)
        if len(own) < clips:
            continue
        batch.append([own.popleft() for _ in range(clips)])
        if len(batch) == n_speakers:
            yield batch
            full = True
            batch, clips = [], rng.choice(n_clips) if rng else max(n_clips)
    if batch and not (rng and full):
        yield batch
