"""What is broken in a shard is found and named; it ends the training, or is left out and counted."""

import io
import json
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lightning_vc.data.datamodule import Loading, TTSDataModule
from lightning_vc.data.fetch import sha256_of
from lightning_vc.data.index import Index, Shard, ShardFile
from lightning_vc.data.pipeline import read_shards
from lightning_vc.text.frontend import Characters

Members = list[tuple[str, bytes]]


def tar(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sound(samples: np.ndarray, kind: str = "FLAC", subtype: str = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, 16000, format=kind, subtype=subtype)
    return out.getvalue()


def signed(known: dict[str, object]) -> bytes:
    """A json as ours are: whoever makes shards by other means can sign nonsense too."""
    body = json.dumps(known).encode()[1:]
    return b'{"crc32": "%08x", ' % zlib.crc32(body) + body


KNOWN = {
    "speaker": "s",
    "sex": None,
    "accent": None,
    "age": None,
    "text": "hi",
    "words": [["hi", "h aɪ"]],
    "seconds": 1.0,
}
GOOD = sound(np.sin(np.arange(16000) * 0.1) / 2)


def sample(name: str, flac: bytes = GOOD, **changes: object) -> Members:
    known = {"id": name, **KNOWN, **changes}
    known = {key: value for key, value in known.items() if value != "gone"}
    return [(f"{name}.flac", flac), (f"{name}.json", signed(known))]


def flipped(members: Members, which: int, place: int) -> Members:
    name, data = members[which]
    changed = bytearray(data)
    changed[place] ^= 4
    return [*members[:which], (name, bytes(changed)), *members[which + 1 :]]


BROKEN: dict[str, tuple[Callable[[], Members], str]] = {
    "a flipped byte of the sound": (lambda: flipped(sample("b"), 0, 5000), "cannot be read as audio"),
    "a flipped byte of the json": (lambda: flipped(sample("b"), 1, 40), "checksum differs"),
    "not audio": (lambda: sample("b", b"hello" * 100), "cannot be read as audio"),
    "no samples": (lambda: sample("b", sound(np.zeros(0), "WAV")), "is empty|cannot be read as audio"),
    "NaN": (lambda: sample("b", sound(np.full(100, np.nan), "WAV", "FLOAT")), "NaN"),
    "no text": (lambda: sample("b", text="gone"), "text"),
    "no sound": (lambda: sample("b")[1:], "flac"),
    "a path that climbs out": (lambda: sample("../../b"), "its name is a path"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_sample_is_named_or_left_out(tmp_path: Path, kind: str) -> None:
    make, complaint = BROKEN[kind]
    path = tmp_path / "odd.tar"
    path.write_bytes(tar([*sample("a"), *make(), *sample("c")]))
    file = ShardFile(str(path), Shard("odd.tar", 3))
    with pytest.raises(ValueError, match=rf"odd\.tar is broken at sample .*b .*({complaint})"):
        [each.wave(16000) for each in read_shards([file])]
    told: list[str] = []
    left = [each.id for each in read_shards([file], skip=told.append)]
    assert left == ["a", "c"]
    assert len(told) == 1
    assert "odd.tar" in told[0]
    assert " b " in told[0] or "/b " in told[0]


def test_a_size_that_cannot_be(tmp_path: Path) -> None:
    data = bytearray(tar([*sample("a"), *sample("b")]))
    start = data.index(b"b.flac")
    data[start + 124 : start + 136] = b"77777777777\0"  # 8 GiB
    checksum = sum(data[start : start + 148]) + 8 * 32 + sum(data[start + 156 : start + 512])
    data[start + 148 : start + 156] = b"%06o\0 " % checksum
    path = tmp_path / "huge.tar"
    path.write_bytes(data)
    file = ShardFile(str(path), Shard("huge.tar", 2))
    with pytest.raises(ValueError, match=r"huge\.tar is broken"):
        list(read_shards([file]))
    told: list[str] = []
    assert [each.id for each in read_shards([file], skip=told.append)] == ["a"]
    assert len(told) == 1


def test_a_sample_that_is_gone_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "short.tar"
    path.write_bytes(tar([*sample("a"), *sample("b")]))
    with pytest.raises(ValueError, match=r"short\.tar is broken .*holds 2 samples, the index says 3"):
        list(read_shards([ShardFile(str(path), Shard("short.tar", 3))]))


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_without_what_is_broken(index: Index, tmp_path: Path, workers: int) -> None:
    for file in Path(index.folder).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shard = tmp_path / "train-000002.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1  # in the first sample
    shard.write_bytes(data)
    assert len(data) == index.sets["train"][2].bytes
    assert sha256_of(shard) != index.sets["train"][2].sha256
    with pytest.raises(ValueError, match=r"train-000002\.tar is broken at sample"):
        list(TTSDataModule(str(tmp_path), Characters(), 4, loading=Loading(workers)).train_dataloader())
    skipping = TTSDataModule(str(tmp_path), Characters(), 4, loading=Loading(workers, broken="skip"))
    batches = list(skipping.train_dataloader())
    assert len(batches) == 12
    with pytest.warns(UserWarning, match=r"[1-9] broken samples or shards of .* were left out"):
        skipping.teardown("fit")
