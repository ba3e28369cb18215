import copy
import gc
import os
import pickle
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from lightning_vc.data import pipeline
from lightning_vc.data.index import Index, Shard, ShardFile
from lightning_vc.data.pipeline import Sample
from lightning_vc.types import Speaker


def sample(id: str, speaker: str = "s", seconds: float = 1.0) -> Sample:
    return Sample(id, Speaker(speaker), None, None, seconds, b"")


def ids(samples: list[Sample]) -> list[str]:
    return [each.id for each in samples]


def test_shards_are_read_in_their_order(index: Index) -> None:
    files = index.files("train", "test")
    samples = list(pipeline.read_shards(files))
    assert len(samples) == 52
    again = [each for file in files for each in pipeline.read_shards([file])]
    assert [each.id for each in samples] == [each.id for each in again]
    assert all(one.wave(8000).equal(two.wave(8000)) for one, two in zip(samples, again, strict=True))
    assert samples[0].wave(8000).shape == (round(samples[0].seconds * 8000),)
    assert samples[0].wave(16000).shape == (round(samples[0].seconds * 16000),)


def test_a_shard_is_open_as_long_as_a_sample_of_it_is_there(index: Index, tmp_path: Path) -> None:
    file = index.files("train")[0]
    copied = tmp_path / "copy.tar"
    copied.write_bytes(Path(file.url).read_bytes())
    [first, *rest] = pipeline.read_shards([file._replace(url=str(copied))])
    copied.unlink()
    assert first.wave(8000).any()
    opened = [Path(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    assert any(str(copied) in os.readlink(each) for each in opened if each.is_symlink())
    del first, rest
    gc.collect()
    opened = [Path(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    assert not any(str(copied) in os.readlink(each) for each in opened if each.is_symlink())


def test_copies_of_a_sample_have_its_bytes(index: Index) -> None:
    first, *_ = pipeline.read_shards(index.files("train"))
    for copied in (copy.deepcopy(first), pickle.loads(pickle.dumps(first)), first.held()):
        assert isinstance(copied.flac, bytes)
        assert copied.wave(8000).equal(first.wave(8000))
    del copied
    assert first.wave(8000).any()  # its file is still open


def test_clips_that_wait_keep_no_shard_open(index: Index) -> None:
    waiting = [each for each in pipeline.read_shards(index.files("train"))][:1]
    [[group]] = pipeline.group_by_speaker(waiting, 1, [1])
    assert isinstance(group[0].flac, bytes)


def test_a_shard_that_becomes_shorter_is_named(index: Index, tmp_path: Path) -> None:
    file = index.files("train")[0]
    copied = tmp_path / "copy.tar"
    copied.write_bytes(Path(file.url).read_bytes())
    *_, last = pipeline.read_shards([file._replace(url=str(copied))])
    os.truncate(copied, 5000)
    with pytest.raises(ValueError, match=rf"copy\.tar is broken at sample {last.id} \(the file ends before it\)"):
        last.wave(8000)


@pytest.mark.parametrize("keep", [700, 0.5])
def test_a_truncated_shard_is_named(index: Index, tmp_path: Path, keep: float) -> None:
    shard = tmp_path / "cut.tar"
    file = index.files("train")[0]
    data = Path(file.url).read_bytes()
    shard.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(ValueError, match=r"cut\.tar is broken (after sample|from the beginning)"):
        list(pipeline.read_shards([file._replace(url=str(shard))]))


def test_what_is_no_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("hello " * 500)
    with pytest.raises(ValueError, match=r"text\.tar is broken"):
        list(pipeline.read_shards([ShardFile(str(tmp_path / "text.tar"), Shard("text.tar", 1))]))
    with pytest.raises(FileNotFoundError, match=r"gone\.tar: no such file"):
        list(pipeline.read_shards([ShardFile(str(tmp_path / "gone.tar"), Shard("gone.tar", 1))]))


def test_a_sample_that_is_no_audio_is_named() -> None:
    with pytest.raises(ValueError, match=r"memory is broken at sample s1-004 \(.*cannot be read as audio"):
        sample("s1-004").wave(16000)


def test_clips_of_a_speaker_come_in_a_fixed_order(index: Index) -> None:
    speaker = index.speakers_of("train")[0].id
    clips = pipeline.clips_of(index, speaker)
    assert {clip.speaker.id for clip in clips} == {speaker}
    assert len(clips) == 8  # those put aside are among them
    assert ids(clips) == ids(pipeline.clips_of(index, speaker)) != sorted(ids(clips))


def test_clips_of_nobody_are_refused(index: Index) -> None:
    test = ", ".join(entry.id for entry in index.speakers_of("test"))
    with pytest.raises(ValueError, match=f"no speaker 'zoe'; its test speakers are {test}"):
        pipeline.clips_of(index, "zoe")


def test_every() -> None:
    assert [list(pipeline.every(range(7), first, 3)) for first in range(3)] == [[0, 3, 6], [1, 4], [2, 5]]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_equally(n: int, world: int) -> None:
    shares = [list(pipeline.equally(iter(range(n)), rank, world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert set().union(*shares) == set(range(n))
    assert sum(len(share) for share in shares) - n < world


def test_shuffle_keeps_everything_once() -> None:
    shuffled = list(pipeline.shuffle(range(100), 10, random.Random(0)))
    assert sorted(shuffled) == list(range(100))
    assert shuffled != list(range(100))
    assert shuffled == list(pipeline.shuffle(range(100), 10, random.Random(0)))
    assert shuffled != list(pipeline.shuffle(range(100), 10, random.Random(1)))
    assert all(number <= place + 10 for place, number in enumerate(shuffled))  # nothing from beyond the buffer


def test_shuffle_reads_no_further_than_its_buffer() -> None:
    assert len(list(islice(pipeline.shuffle(count(), 10, random.Random(0)), 50))) == 50


def test_bucket_puts_similar_lengths_together() -> None:
    rng = random.Random(0)
    samples = [sample(str(number), seconds=rng.uniform(1, 10)) for number in range(100)]
    batches = list(pipeline.bucket(samples, 8, 5, rng))
    assert Counter(len(batch) for batch in batches) == {8: 12, 4: 1}
    assert sorted(each for batch in batches for each in ids(batch)) == sorted(ids(samples))
    spread = [max(each.seconds for each in batch) - min(each.seconds for each in batch) for batch in batches]
    assert sum(spread) / len(spread) < 3  # 7 by chance
    first = {each for batch in batches[:5] for each in ids(batch)}
    assert first == set(ids(samples[:40]))


def test_bucket_mixes_the_order_of_lengths_only_in_training() -> None:
    samples = [sample(str(number), seconds=100 - number) for number in range(60)]

    def lengths(rng: random.Random | None) -> list[float]:
        return [batch[0].seconds for batch in pipeline.bucket(samples, 4, 15, rng)]

    assert lengths(None) == sorted(lengths(None))
    assert lengths(random.Random(0)) != lengths(random.Random(1)) != lengths(None)


def voices(n_speakers: int, n_clips: int) -> Iterator[Sample]:
    numbers = [(speaker, clip) for speaker in range(n_speakers) for clip in range(n_clips)]
    random.Random(0).shuffle(numbers)
    return (sample(f"{speaker}-{clip}", str(speaker)) for speaker, clip in numbers)


def test_groups_are_of_one_speaker_and_no_clip_comes_twice() -> None:
    batches = list(pipeline.group_by_speaker(voices(10, 7), 6, [3]))
    assert [len(batch) for batch in batches] == [6, 6, 6, 2]
    groups = [group for batch in batches for group in batch]
    assert {len(group) for group in groups} == {3}
    assert all(len({clip.speaker.id for clip in group}) == 1 for group in groups)
    clips = [clip.id for group in groups for clip in group]
    assert len(clips) == len(set(clips)) == 60  # of 7 clips, 6 make two whole groups
    assert set(Counter(group[0].speaker.id for group in groups).values()) == {2}


def test_training_drops_the_last_small_batch_of_groups_unless_it_is_the_only_one() -> None:
    assert [len(batch) for batch in pipeline.group_by_speaker(voices(10, 7), 6, [3], random.Random(0))] == [6, 6, 6]
    assert [len(batch) for batch in pipeline.group_by_speaker(voices(3, 4), 6, [4], random.Random(0))] == [3]


def test_the_number_of_clips_is_drawn_for_each_batch() -> None:
    batches = list(pipeline.group_by_speaker(voices(10, 60), 5, [1, 4, 8], random.Random(0)))
    sizes = [{len(group) for group in batch} for batch in batches]
    assert all(len(size) == 1 for size in sizes)
    assert set.union(*sizes) == {1, 4, 8}
    assert {len(group) for batch in pipeline.group_by_speaker(voices(9, 9), 5, [1, 4, 8]) for group in batch} == {8}


def test_batches_can_be_as_long_as_one_likes() -> None:
    samples = [sample(f"s1-{number:03d}", seconds=0.5 + number % 7) for number in range(50)]
    batches = list(pipeline.bucket(samples, 16, 4, random.Random(0), batch_seconds=12.0))
    assert sorted(ids([each for batch in batches for each in batch])) == sorted(ids(samples))
    lengths = [len(batch) * max(each.seconds for each in batch) for batch in batches]
    assert max(lengths) <= 12.0
    assert sum(lengths) / len(lengths) > 8.0
    assert [len(batch) for batch in pipeline.bucket(samples[:2], 16, 4, batch_seconds=0.1)] == [1, 1]  # one at least


def test_a_shard_is_read_from_wherever_it_lies(index: Index, tmp_path: Path) -> None:
    odd = tmp_path / "a folder: with #odd {name}?.tar"
    file = index.files("test")[0]
    shutil.copy(file.url, odd)
    assert ids(list(pipeline.read_shards([file._replace(url=str(odd))]))) == ids(list(pipeline.read_shards([file])))
