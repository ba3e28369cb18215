"""What is broken in a shard is found and named; it ends the training, or is left out and counted."""

import io
import json
import random
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lightning_vc.audio.io import read
from lightning_vc.data.datamodule import Loading, TTSDataModule
from lightning_vc.data.fetch import sha256_of
from lightning_vc.data.index import Index, Shard, ShardFile
from lightning_vc.data.reading import read_shards
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


def signed(known: dict[str, object], flac: bytes) -> bytes:
    """A json as ours are: whoever makes shards by other means can sign nonsense too."""
    body = json.dumps(known).encode()[1:]
    return b'{"crc32": "%08x", ' % zlib.crc32(flac[:1024], zlib.crc32(body)) + body


KNOWN = {
    "speaker": "s",
    "sex": None,
    "accent": None,
    "age": None,
    "text": "hi",
    "words": [["hi", "h aɪ"]],
    "spans": [[0.1, 0.9]],
    "seconds": 1.0,
}
GOOD = sound(np.sin(np.arange(16000) * 0.1) / 2)
TONE = sound(np.sin(np.arange(8000) * 0.2) / 2)


def sample(name: str, flac: bytes = GOOD, **changes: object) -> Members:
    known = {"id": name, **KNOWN, **changes}
    known = {key: value for key, value in known.items() if value != "gone"}
    return [(f"{name}.flac", flac), (f"{name}.json", signed(known, flac))]


def flipped(members: Members, which: int, place: int) -> Members:
    name, data = members[which]
    changed = bytearray(data)
    changed[place] ^= 4
    return [*members[:which], (name, bytes(changed)), *members[which + 1 :]]


BROKEN: dict[str, tuple[Callable[[], Members], str]] = {
    "a flipped byte of the sound": (lambda: flipped(sample("b"), 0, 5000), "cannot be read as audio"),
    "a flipped byte of the json": (lambda: flipped(sample("b"), 1, 40), "checksum differs"),
    "a flipped byte of the header of the sound": (lambda: flipped(sample("b"), 0, 20), "checksum differs"),
    "the sound of another": (lambda: [sample("b", TONE)[0], sample("b")[1]], "checksum differs"),
    "another length": (lambda: sample("b", TONE), "has not the 1.0 seconds|holds 8000 samples"),
    "no length": (lambda: sample("b", seconds=None), "None seconds"),
    "an enormous length": (lambda: sample("b", seconds=1e12), "1000000000000.0 seconds"),
    "a length in words": (lambda: sample("b", seconds="1"), "'1' seconds"),
    "the name of another": (lambda: [(f"b.{n[2:]}", d) for n, d in sample("x")], "id is 'x'"),
    "not audio": (lambda: sample("b", b"hello" * 100), "cannot be read as audio"),
    "no samples": (lambda: sample("b", sound(np.zeros(0), "WAV")), "is empty|cannot be read as audio|holds 0 samples"),
    "NaN": (lambda: sample("b", sound(np.full(16000, np.nan), "WAV", "FLOAT")), "NaN"),
    "no text": (lambda: sample("b", text="gone"), "text"),
    "a word that ends before it begins": (lambda: sample("b", spans=[[0.5, 0.1]]), "no order"),
    "a word said at no time": (lambda: sample("b", spans=[[0.1, np.nan]]), "no order"),
    "a word said behind the end": (lambda: sample("b", spans=[[0.1, 1.1]]), "not within its 1.0"),
    "a word that was not said": (lambda: sample("b", spans=[[0.1, 0.2], [0.3, 0.4]]), "when 2 words are said"),
    "no sound": (lambda: sample("b")[1:], "it has no flac"),
    "a path that climbs out": (lambda: sample("../../b"), "which is not its name"),
}


def shard(path: Path, content: bytes, samples: int) -> list[ShardFile]:
    path.write_bytes(content)
    return [ShardFile(str(path), Shard(path.name, samples))]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_sample_is_named_or_left_out(tmp_path: Path, kind: str) -> None:
    make, complaint = BROKEN[kind]
    files = shard(tmp_path / "odd.tar", tar([*sample("a"), *make(), *sample("c")]), 3)
    with pytest.raises(ValueError, match=rf"odd\.tar is broken at sample .*b .*({complaint})"):
        [each.wave_into(np.empty(16000, np.float32)) for each in read_shards(files)]
    told: list[tuple[str, int]] = []
    left = [each.id for each in read_shards(files, skip=lambda *words: told.append(words))]
    assert left == ["a", "c"]
    [(message, lost)] = told
    assert "odd.tar" in message
    assert " b " in message or "/b " in message
    assert lost == 1


def test_a_name_that_comes_again(tmp_path: Path) -> None:
    files = shard(tmp_path / "twice.tar", tar([*sample("a"), *sample("b"), *sample("a")]), 3)
    with pytest.raises(ValueError, match=r"twice\.tar is broken at sample a \(it was there before\)"):
        list(read_shards(files))


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header whose checksum holds, whatever its size is."""
    data = bytearray(tarfile.TarInfo(name).tobuf())
    data[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 or size >= 8**11 else b"%011o\0" % size
    if size < 0 or size >= 8**11:
        data[124] |= 0x80
    data[156:157] = kind
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:]))
    return bytes(data)


@pytest.mark.parametrize("size", [8**11 - 1, 2**60, -1, -512])
@pytest.mark.parametrize("kind", [b"0", b"7", b"S", b"x", b"L", b"Z"])
def test_a_size_that_cannot_be(tmp_path: Path, size: int, kind: bytes) -> None:
    data = tar(sample("a"))[: -2 * tarfile.BLOCKSIZE]
    files = shard(tmp_path / "huge.tar", data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512), 2)
    with Path(files[0].url).open("ab") as file:
        file.write(header("b.flac", size, kind) + GOOD)
    with pytest.raises(ValueError, match=r"huge\.tar is broken after sample a"):
        list(read_shards(files))
    told: list[int] = []
    assert [each.id for each in read_shards(files, skip=lambda _, lost: told.append(lost))] == ["a"]
    assert told == [1]


def test_whatever_is_flipped_no_sample_is_another(tmp_path: Path) -> None:
    data = tar([*sample("a", TONE, seconds=0.5), *sample("b", TONE, seconds=0.5)])
    true = read(io.BytesIO(TONE), 16000)
    rng = random.Random(0)
    places = [*range(0, 512, 7), *range(512, 640), *(rng.randrange(len(data)) for _ in range(300))]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        lost: list[int] = []
        files = shard(tmp_path / "flipped.tar", bytes(changed), 2)
        left = list(read_shards(files, skip=lambda _, samples: lost.append(samples)))  # noqa: B023
        assert {each.id for each in left} <= {"a", "b"}
        assert len(left) + sum(lost) == 2, place
        for each in left:
            assert each.text == "hi"
            assert each.wave(16000).equal(true)


def test_a_sample_that_is_gone_without_a_trace(tmp_path: Path) -> None:
    files = shard(tmp_path / "short.tar", tar([*sample("a"), *sample("b")]), 3)
    with pytest.raises(ValueError, match=r"short\.tar is broken .*holds 2 samples, the index says 3"):
        list(read_shards(files))


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
    with pytest.warns(UserWarning, match=r"[1-9] samples of .* are broken and were left out"):
        skipping.teardown("fit")
