"""Stages of pipelines between reading and collating: lazy generators over samples.

webdataset shuffles and selects; its `FilterFunction` turns the generators below into stages.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lightning_vc.data.samples import Sample


def repeat(
    samples: Iterable[Sample], repeats: Mapping[str, float], min_distance: int, rng: random.Random
) -> Iterator[Sample]:
    """Repeat each sample `repeats[speaker]` times (default 1); a fraction is the probability of one more repetition.

    At least `min_distance` other samples lie between repetitions, except at the end of the epoch, so that no batch
    contains a sample twice.
    """
    waiting: deque[tuple[int, int, Sample]] = deque()  # earliest next position, repetitions left, sample
    position = 0
    for sample in samples:
        mean_count = repeats.get(sample.speaker.id, 1)
        count = int(mean_count) + (rng.random() < mean_count % 1)
        while count:
            yield sample
            position += 1
            if count > 1:
                waiting.append((position + min_distance, count - 1, sample))
            count = 0
            if waiting and waiting[0][0] <= position:
                _, count, sample = waiting.popleft()
    while waiting:
        _, count, sample = waiting.popleft()
        yield sample
        if count > 1:
            waiting.append((0, count - 1, sample))


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
    has_full_batch = False
    for sample in samples:
        of_speaker = waiting[sample.speaker.id]
        of_speaker.append(sample)
        if len(of_speaker) < clips:
            continue
        batch.append([of_speaker.popleft() for _ in range(clips)])
        if len(batch) == n_speakers:
            yield batch
            has_full_batch = True
            batch, clips = [], rng.choice(n_clips) if rng else max(n_clips)
    if batch and not (rng and has_full_batch):
        yield batch
