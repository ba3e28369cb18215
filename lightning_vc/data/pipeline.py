"""Generators from samples to what goes into a batch: each takes an iterable, can be called by hand, and keeps order."""

import math
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from lightning_vc.data.reading import Sample

A = TypeVar("A")


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


def repeat(samples: Iterable[Sample], times: Mapping[str, int], apart: int) -> Iterator[Sample]:
    """Each sample as often as its speaker has times, once where he has none.

    It comes again when `apart` others have come, so that no batch has it twice; at the end sooner.
    """
    again: deque[tuple[int, Sample, int]] = deque()  # at which place, what, and how often still
    place = 0
    for sample in samples:
        yield sample
        place += 1
        if left := times.get(sample.speaker.id, 1) - 1:
            again.append((place + apart, sample.held(), left))
        while again and again[0][0] <= place:
            yield _again(again, place + apart)
            place += 1
    while again:
        yield _again(again, 0)


def _again(again: deque[tuple[int, Sample, int]], place: int) -> Sample:
    """What waits longest, which waits for `place` then if it is to come once more."""
    _, sample, left = again.popleft()
    if left > 1:
        again.append((place, sample, left - 1))
    return sample


def thin(samples: Iterable[Sample], shares: Mapping[str, float], rng: random.Random) -> Iterator[Sample]:
    """Each sample with the probability that is the share of its speaker, 1 where he has none."""
    return (sample for sample in samples if rng.random() < shares.get(sample.speaker.id, 1.0))


def balanced(samples: Iterable[Sample], times: Mapping[str, float], apart: int, rng: random.Random) -> Iterator[Sample]:
    """Each sample as often as its speaker has times, on average: see `repeat` and `thin`."""
    often = {speaker: math.ceil(number) for speaker, number in times.items()}
    shares = {speaker: number / often[speaker] for speaker, number in times.items()}
    return thin(repeat(samples, often, apart), shares, rng)


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
    samples: Iterable[Sample],
    batch_size: int,
    n_batches: int,
    rng: random.Random | None = None,
) -> Iterator[list[Sample]]:
    """Batches of similar length: as many samples as `n_batches` batches have are sorted by length, cut, and emitted.

    They come in random order, without `rng` by length. A batch has `batch_size` samples, the last of a pool maybe
    fewer.
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
        own.append(sample.held())  # clips of who speaks seldom wait, each from another shard
        if len(own) < clips:
            continue
        batch.append([own.popleft() for _ in range(clips)])
        if len(batch) == n_speakers:
            yield batch
            full = True
            batch, clips = [], rng.choice(n_clips) if rng else max(n_clips)
    if batch and not (rng and full):
        yield batch
