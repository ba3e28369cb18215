import copy
import gc
import os
import pickle
import shutil
from pathlib import Path

import pytest

from lightning_vc.data import reading
from lightning_vc.data.index import Index, Shard, ShardFile
from lightning_vc.data.reading import Sample
from lightning_vc.types import Speaker


def ids(samples: list[Sample]) -> list[str]:
    return [each.id for each in samples]


def test_shards_are_read_in_their_order(index: Index) -> None:
    files = index.files("train", "test")
    samples = list(reading.read_shards(files))
    assert len(samples) == 52
    again = [each for file in files for each in reading.read_shards([file])]
    assert [each.id for each in samples] == [each.id for each in again]
    assert all(one.wave(8000).equal(two.wave(8000)) for one, two in zip(samples, again, strict=True))
    assert samples[0].wave(8000).shape == (round(samples[0].seconds * 8000),)
    assert samples[0].wave(16000).shape == (round(samples[0].seconds * 16000),)


def test_a_shard_is_open_as_long_as_a_sample_of_it_is_there(index: Index, tmp_path: Path) -> None:
    file = index.files("train")[0]
    copied = tmp_path / "copy.tar"
    copied.write_bytes(Path(file.url).read_bytes())
    [first, *rest] = reading.read_shards([file._replace(url=str(copied))])
    copied.unlink()
    assert first.wave(8000).any()
    opened = [Path(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    assert any(str(copied) in os.readlink(each) for each in opened if each.is_symlink())
    del first, rest
    gc.collect()
    opened = [Path(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    assert not any(str(copied) in os.readlink(each) for each in opened if each.is_symlink())


def test_copies_of_a_sample_have_its_bytes(index: Index) -> None:
    first, *_ = reading.read_shards(index.files("train"))
    for copied in (copy.deepcopy(first), pickle.loads(pickle.dumps(first)), first.held()):
        assert isinstance(copied.flac, bytes)
        assert copied.wave(8000).equal(first.wave(8000))
    del copied
    assert first.wave(8000).any()  # its file is still open


def test_a_shard_that_becomes_shorter_is_named(index: Index, tmp_path: Path) -> None:
    file = index.files("train")[0]
    copied = tmp_path / "copy.tar"
    copied.write_bytes(Path(file.url).read_bytes())
    *_, last = reading.read_shards([file._replace(url=str(copied))])
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
        list(reading.read_shards([file._replace(url=str(shard))]))


def test_what_is_no_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("hello " * 500)
    with pytest.raises(ValueError, match=r"text\.tar is broken"):
        list(reading.read_shards([ShardFile(str(tmp_path / "text.tar"), Shard("text.tar", 1), 8000)]))
    with pytest.raises(FileNotFoundError, match=r"gone\.tar: no such file"):
        list(reading.read_shards([ShardFile(str(tmp_path / "gone.tar"), Shard("gone.tar", 1), 8000)]))


def test_a_sample_that_is_no_audio_is_named() -> None:
    with pytest.raises(ValueError, match=r"memory is broken at sample s1-004 \(.*cannot be read as audio"):
        Sample("s1-004", Speaker("s"), None, None, None, 1.0, b"").wave(16000)


def test_clips_of_a_speaker_come_in_a_fixed_order(index: Index) -> None:
    speaker = index.speakers_of("train")[0].id
    clips = reading.clips_of(index, speaker)
    assert {clip.speaker.id for clip in clips} == {speaker}
    assert len(clips) == 8  # those put aside are among them
    assert ids(clips) == ids(reading.clips_of(index, speaker)) != sorted(ids(clips))


def test_clips_of_nobody_are_refused(index: Index) -> None:
    test = ", ".join(entry.id for entry in index.speakers_of("test"))
    with pytest.raises(ValueError, match=f"no speaker 'zoe'; its test speakers are {test}"):
        reading.clips_of(index, "zoe")


def test_a_shard_is_read_from_wherever_it_lies(index: Index, tmp_path: Path) -> None:
    odd = tmp_path / "a folder: with #odd {name}?.tar"
    file = index.files("test")[0]
    shutil.copy(file.url, odd)
    assert ids(list(reading.read_shards([file._replace(url=str(odd))]))) == ids(list(reading.read_shards([file])))
