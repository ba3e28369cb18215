"""Stages of pipelines between reading and collating: lazy generators over samples.

webdataset shuffles and selects; its `FilterFunction` turns the generators below into stages.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lightning_vc.data.samples import Sample


def repeat(samples: Iterable[Sample], times: Mapping[str, float], apart: int, rng: random.Random) -> Iterator[Sample]:
    """Repeat each sample `times[speaker]` times (default 1), on average if that is not a whole number.

    At least `apart` other samples lie between repetitions, except at the end, so that no batch has a sample twice.
    """
    waiting: deque[tuple[int, int, Sample]] = deque()  # earliest next position, repetitions left, sample
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
    """Batches of samples of similar length: pools of the size of `n_batches` batches are sorted by length and cut.

    The batches of a pool are in random order, without `rng` sorted by length. The last batch may be smaller than
    `batch_size`.
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

    A group is complete as soon as a speaker has N clips, so speakers with more clips are more frequent, and may be
    twice in a batch. Incomplete groups are dropped at the end. With `rng`, an incomplete last batch is dropped too: its
    gradient would have the weight of a full batch.
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
