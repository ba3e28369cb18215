import random
from collections import Counter
from collections.abc import Iterator

from lightning_vc.data import stages
from lightning_vc.data.samples import Sample
from lightning_vc.types import Speaker


def sample(id: str, speaker: str = "s", seconds: float = 1.0) -> Sample:
    return Sample(id, Speaker(speaker), None, None, None, seconds, b"")


def ids(samples: list[Sample]) -> list[str]:
    return [each.id for each in samples]


def test_repetitions_have_a_minimum_distance() -> None:
    samples = [sample(f"{number}", "few" if number % 10 == 0 else "many") for number in range(200)]
    heard = ids(list(stages.repeat(samples, {"few": 3}, 50, random.Random(0))))
    assert Counter(heard) == {each.id: 3 if each.speaker.id == "few" else 1 for each in samples}
    assert [each for each in heard if int(each) % 10] == [each.id for each in samples if each.speaker.id == "many"]
    for id in ("0", "40"):
        first, second, third = (place for place, each in enumerate(heard) if each == id)
        assert second - first >= 50
        assert third - second >= 50
    assert ids(list(stages.repeat(samples, {}, 50, random.Random(0)))) == ids(samples)


def test_bucket_puts_similar_lengths_together() -> None:
    rng = random.Random(0)
    samples = [sample(str(number), seconds=rng.uniform(1, 10)) for number in range(100)]
    batches = list(stages.bucket(samples, 8, 5, rng))
    assert Counter(len(batch) for batch in batches) == {8: 12, 4: 1}
    assert sorted(each for batch in batches for each in ids(batch)) == sorted(ids(samples))
    spread = [max(each.seconds for each in batch) - min(each.seconds for each in batch) for batch in batches]
    assert sum(spread) / len(spread) < 3  # 7 by chance
    first = {each for batch in batches[:5] for each in ids(batch)}
    assert first == set(ids(samples[:40]))


def test_bucket_mixes_the_order_of_lengths_only_in_training() -> None:
    samples = [sample(str(number), seconds=100 - number) for number in range(60)]

    def lengths(rng: random.Random | None) -> list[float]:
        return [batch[0].seconds for batch in stages.bucket(samples, 4, 15, rng)]

    assert lengths(None) == sorted(lengths(None))
    assert lengths(random.Random(0)) != lengths(random.Random(1)) != lengths(None)


def voices(n_speakers: int, n_clips: int) -> Iterator[Sample]:
    numbers = [(speaker, clip) for speaker in range(n_speakers) for clip in range(n_clips)]
    random.Random(0).shuffle(numbers)
    return (sample(f"{speaker}-{clip}", str(speaker)) for speaker, clip in numbers)


def test_groups_are_of_one_speaker_and_no_clip_comes_twice() -> None:
    batches = list(stages.group_by_speaker(voices(10, 7), 6, [3]))
    assert [len(batch) for batch in batches] == [6, 6, 6, 2]
    groups = [group for batch in batches for group in batch]
    assert {len(group) for group in groups} == {3}
    assert all(len({clip.speaker.id for clip in group}) == 1 for group in groups)
    clips = [clip.id for group in groups for clip in group]
    assert len(clips) == len(set(clips)) == 60  # of 7 clips, 6 make two whole groups
    assert set(Counter(group[0].speaker.id for group in groups).values()) == {2}


def test_training_drops_the_last_small_batch_of_groups_unless_it_is_the_only_one() -> None:
    assert [len(batch) for batch in stages.group_by_speaker(voices(10, 7), 6, [3], random.Random(0))] == [6, 6, 6]
    assert [len(batch) for batch in stages.group_by_speaker(voices(3, 4), 6, [4], random.Random(0))] == [3]


def test_the_number_of_clips_is_drawn_for_each_batch() -> None:
    batches = list(stages.group_by_speaker(voices(10, 60), 5, [1, 4, 8], random.Random(0)))
    sizes = [{len(group) for group in batch} for batch in batches]
    assert all(len(size) == 1 for size in sizes)
    assert set.union(*sizes) == {1, 4, 8}
    assert {len(group) for batch in stages.group_by_speaker(voices(9, 9), 5, [1, 4, 8]) for group in batch} == {8}
