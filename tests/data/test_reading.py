import os
import shutil
import tarfile
from pathlib import Path

import pytest

from lightning_vc.data import reading
from lightning_vc.data.index import Index, Shard, ShardFile
from lightning_vc.data.samples import Sample
from lightning_vc.types import Speaker


def ids(samples: list[Sample]) -> list[str]:
    return [item.id for item in samples]


def test_shards_are_read_in_their_order(index: Index) -> None:
    files = index.files("train", "test")
    samples = list(reading.read_shards(files))
    assert len(samples) == 52
    again = [item for file in files for item in reading.read_shards([file])]
    assert [item.id for item in samples] == [item.id for item in again]
    assert all(one.wave(8000).equal(two.wave(8000)) for one, two in zip(samples, again, strict=True))
    assert samples[0].wave(8000).shape == (round(samples[0].seconds * 8000),)
    assert samples[0].wave(16000).shape == (round(samples[0].seconds * 16000),)


@pytest.mark.parametrize("keep", [700, 0.5])
def test_a_truncated_shard_is_named(index: Index, tmp_path: Path, keep: float) -> None:
    shard = tmp_path / "cut.tar"
    file = index.files("train")[0]
    data = Path(file.url).read_bytes()
    shard.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(ValueError, match=r"cut\.tar is broken (after sample|from the beginning)"):
        list(reading.read_shards([file._replace(url=str(shard))]))


@pytest.mark.parametrize("name", ["a.flac", "a.json", "a.txt"])
def test_a_file_that_is_too_large_for_a_sample_is_not_read(name: str, tmp_path: Path) -> None:
    path, header = tmp_path / "sparse.tar", tarfile.TarInfo(name)
    header.size = 8_000_000_000
    path.write_bytes(header.tobuf(tarfile.USTAR_FORMAT))
    os.truncate(path, 512 + header.size)  # a hole, which takes no place on the disk
    shard = Shard(path.name, 1, 1, 1.0, path.stat().st_size, "")
    with pytest.raises(
        ValueError, match=rf"sparse\.tar is broken .*{name} of 8000000000 bytes is not a file that `prepare` writes"
    ):
        list(reading.read_shards([ShardFile(str(path), shard, 8000)]))


def test_errors_name_a_file_that_is_not_a_shard(tmp_path: Path) -> None:
    shard = Shard("text.tar", 1, 1, 1.0, 3000, "")
    (tmp_path / "text.tar").write_text("hello " * 500)
    with pytest.raises(ValueError, match=r"text\.tar is broken"):
        list(reading.read_shards([ShardFile(str(tmp_path / "text.tar"), shard, 8000)]))
    with pytest.raises(FileNotFoundError, match=r"gone\.tar: no such file"):
        list(reading.read_shards([ShardFile(str(tmp_path / "gone.tar"), shard, 8000)]))


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
