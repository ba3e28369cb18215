"""Stages of pipelines between reading and collating: generators that take samples, and read no further than they must.

Shuffling and selecting are webdataset's; its `FilterFunction` makes stages of these.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lightning_vc.data.samples import Sample


def repeat(samples: Iterable[Sample], times: Mapping[str, float], apart: int, rng: random.Random) -> Iterator[Sample]:
    """Repeat each sample `times[speaker]` times (default 1), on average where that is no whole number.

    It comes again when `apart` others have come, so that no batch has it twice; at the end sooner.
    """
    waiting: deque[tuple[int, int, Sample]] = deque()  # position from which on it comes again, how often still, sample
    position = 0
    for sample in samples:
        wanted = times.get(sample.speaker.id, 1)
        left = int(wanted) + (rng.random() < wanted % 1)
        while left:
            yield sample
            position += 1
            if left > 1:
                waiting.append((position + apart, left - 1, sample))
            left = 0
            if waiting and waiting[0][0] <= position:
                _, left, sample = waiting.popleft()
    while waiting:
        _, left, sample = waiting.popleft()
        yield sample
        if left > 1:
            waiting.append((0, left - 1, sample))


def bucket(
    samples: Iterable[Sample], batch_size: int, n_batches: int, rng: random.Random | None = None
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
        of_speaker = waiting[sample.speaker.id]
        of_speaker.append(sample)
        if len(of_speaker) < clips:
            continue
        batch.append([of_speaker.popleft() for _ in range(clips)])
        if len(batch) == n_speakers:
            yield batch
            full = True
            batch, clips = [], rng.choice(n_clips) if rng else max(n_clips)
    if batch and not (rng and full):
        yield batch
