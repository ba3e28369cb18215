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
from lightning_vc.data.datamodule import Loading
from lightning_vc.data.index import Index, Shard, ShardFile
from lightning_vc.data.reading import read_shards
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.files import sha256_of
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


def sound(samples: np.ndarray, kind: str = "FLAC", subtype: str = "PCM_16", rate: int = 16000) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


def announcing(samples: int) -> bytes:
    """A second of flac whose header says that it has so many samples."""
    packed = int.from_bytes(GOOD[18:26], "big") >> 36 << 36 | samples
    return GOOD[:18] + packed.to_bytes(8, "big") + GOOD[26:]


def nested(value: bytes) -> Members:
    """A sample whose text is such a JSON, rightly signed."""
    (_, flac), (_, known) = sample("b", text="TEXT")
    body = known[len(b'{"crc32": "00000000", ') :].replace(b'"TEXT"', value)
    return [("b.flac", flac), ("b.json", b'{"crc32": "%08x", ' % zlib.crc32(flac[:1024], zlib.crc32(body)) + body)]


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
    "another length": (
        lambda: sample("b", TONE),
        "holds 8000 samples of 1 channels at 16000 Hz, and should hold 16000",
    ),
    "another rate": (lambda: sample("b", sound(np.zeros(16000), rate=8000)), "at 8000 Hz, and should hold 16000"),
    "two channels": (lambda: sample("b", sound(np.zeros((16000, 2)))), "16000 samples of 2 channels"),
    "a header that lies": (lambda: sample("b", announcing(16000 * 3600 * 5)), "holds 288000000 samples"),
    "five hours, and a header that says so": (
        lambda: sample("b", announcing(16000 * 3600 * 5), seconds=18000.0),
        "seconds is 18000.0: .*less than or equal to 600",
    ),
    "a header of no length": (lambda: sample("b", announcing(0)), "holds 0 samples"),
    "too many bytes": (lambda: sample("b", GOOD + bytes(200_000)), "bytes, too many for 16000 samples"),
    "no length": (lambda: sample("b", seconds=None), "seconds is None: .*valid number"),
    "an enormous length": (lambda: sample("b", seconds=1e12), "seconds is 1000000000000.0"),
    "a tiny length": (lambda: sample("b", seconds=1e-9), "should hold 0 of one"),
    "a negative length": (lambda: sample("b", seconds=-1.0), "seconds is -1.0"),
    "a length that is no number": (lambda: sample("b", seconds=np.nan), "seconds is nan: "),
    "an infinite length": (lambda: sample("b", seconds=np.inf), "seconds is inf: "),
    "a true length": (lambda: sample("b", seconds=True), "seconds is True: .*valid number"),
    "a length in words": (lambda: sample("b", seconds="1"), "seconds is '1': .*valid number"),
    "a number for a text": (lambda: sample("b", text=5), "text is 5: .*valid string"),
    "half a character": (lambda: sample("b", text="\ud800"), "it is not JSON: .*hex escape"),
    "a number for a speaker": (lambda: sample("b", speaker=5), "speaker is 5: .*valid string"),
    "a path for a speaker": (lambda: sample("b", speaker="../x"), "speaker is '../x': .*not a plain name"),
    "no speaker": (lambda: sample("b", speaker=""), "speaker is '': .*not a plain name"),
    "a list for a speaker": (lambda: sample("b", speaker=["s"]), "speaker is of type list: .*valid string"),
    "an age in words": (lambda: sample("b", age="25"), "age is '25': .*valid integer"),
    "a text for words": (lambda: sample("b", words="hi"), "words is 'hi': .*valid"),
    "words without phonemes": (lambda: sample("b", words=[["hi"]]), r"words\[0\]\[1\] is missing"),
    "words that are numbers": (lambda: sample("b", words=[[1, "h"]]), r"words\[0\]\[0\] is 1: .*valid string"),
    "phonemes that nobody knows": (lambda: sample("b", words=[["hi", "h q"]]), "'h q' cannot be spoken"),
    "an empty word": (lambda: sample("b", words=[["", "h"]]), "'', 'h' cannot be spoken"),
    "spans that are texts": (lambda: sample("b", spans=[["0", "1"]]), r"spans\[0\]\[0\] is '0': .*valid number"),
    "a list": (lambda: [sample("b")[0], ("b.json", b"[1]")], "checksum differs"),
    "deep nesting": (lambda: nested(b"[" * 100_000 + b"]" * 100_000), "recursion limit"),
    "an enormous json": (lambda: sample("b", text="a" * (1 << 20)), "its json has .* bytes, more than 1048576"),
    "the name of another": (lambda: [(f"b.{n[2:]}", d) for n, d in sample("x")], "id is 'x'"),
    "not audio": (lambda: sample("b", b"hello" * 100), "cannot be read as audio"),
    "another format": (lambda: sample("b", sound(np.full(16000, np.nan), "WAV", "FLOAT")), "it is not a flac file"),
    "a header and nothing behind it": (lambda: sample("b", GOOD[:42]), "cannot be read as audio"),
    "no text": (lambda: sample("b", text="gone"), "text is missing"),
    "a word that ends before it begins": (lambda: sample("b", spans=[[0.5, 0.1]]), "no order"),
    "a word said at no time": (lambda: sample("b", spans=[[0.1, np.nan]]), "no order"),
    "a word said behind the end": (lambda: sample("b", spans=[[0.1, 1.1]]), "not within its 1.0"),
    "a word that was not said": (lambda: sample("b", spans=[[0.1, 0.2], [0.3, 0.4]]), "it has times for 2 words"),
    "no sound": (lambda: sample("b")[1:], "it has no flac"),
    "a path that climbs out": (lambda: sample("../../b"), "not a plain name"),
}


def shard(path: Path, content: bytes, samples: int, seconds: float = 0.0) -> list[ShardFile]:
    path.write_bytes(content)
    return [ShardFile(str(path), Shard(path.name, samples, samples, seconds or samples, len(content), ""), 16000)]


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


def test_a_sample_without_a_name(tmp_path: Path) -> None:
    files = shard(tmp_path / "odd.tar", tar([*sample("a"), *sample("")]), 2)
    with pytest.raises(ValueError, match=r"odd\.tar is broken"):
        list(read_shards(files))
    told: list[int] = []
    assert [each.id for each in read_shards(files, skip=lambda _, lost: told.append(lost))] == ["a"]
    assert told == [1]


def test_a_name_that_comes_again(tmp_path: Path) -> None:
    files = shard(tmp_path / "twice.tar", tar([*sample("a"), *sample("b"), *sample("a")]), 3)
    with pytest.raises(ValueError, match=r"twice\.tar is broken at sample a \(it occurs twice\)"):
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


def test_a_flipped_byte_never_gives_a_different_sample(tmp_path: Path) -> None:
    data = tar([*sample("a", TONE, seconds=0.5, spans=None), *sample("b", TONE, seconds=0.5, spans=None)])
    true = read(io.BytesIO(TONE), 16000)
    rng = random.Random(0)
    whole = 0
    places = [*range(0, 512, 7), *range(512, 640), *(rng.randrange(len(data)) for _ in range(300))]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        lost: list[int] = []
        files = shard(tmp_path / "flipped.tar", bytes(changed), 2, seconds=1.0)
        left = list(read_shards(files, skip=lambda _, samples: lost.append(samples)))  # noqa: B023
        assert {each.id for each in left} <= {"a", "b"}
        assert len(left) + sum(lost) == 2, place
        whole += len(left)
        for each in left:
            assert each.text == "hi"
            assert each.wave(16000).equal(true)
    assert whole > len(places)  # most often one of the two is left


def test_a_sample_that_is_gone_without_a_trace(tmp_path: Path) -> None:
    files = shard(tmp_path / "short.tar", tar([*sample("a"), *sample("b")]), 3)
    with pytest.raises(ValueError, match=r"short\.tar is broken .*holds 2 samples, the index says 3"):
        list(read_shards(files))


def test_an_index_that_lies_about_the_length_of_a_shard(tmp_path: Path) -> None:
    files = shard(tmp_path / "long.tar", tar([*sample("a"), *sample("b")]), 2, seconds=9.0)
    with pytest.raises(ValueError, match=r"long\.tar is broken .*holds 2\.000 seconds, the index says 9\.0"):
        list(read_shards(files))
    told: list[tuple[str, int]] = []
    assert len(list(read_shards(files, skip=lambda *words: told.append(words)))) == 2
    assert [lost for _, lost in told] == [0]


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


@pytest.mark.parametrize("workers", [0, 2])
def test_what_all_workers_of_a_validation_find_counts_once(index: Index, tmp_path: Path, workers: int) -> None:
    for file in Path(index.folder).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (shard,) = index.sets["train-held"][:1]
    data = bytearray((tmp_path / shard.name).read_bytes())
    data[600] ^= 1  # in the first sample
    (tmp_path / shard.name).write_bytes(data)
    skipping = TTSDataModule(str(tmp_path), Characters(), 1, loading=Loading(workers, broken="skip"))
    loader = skipping.val_dataloader()
    for _ in range(2):
        list(loader)
    with pytest.warns(UserWarning, match=r"^1 samples of .* are broken and were left out"):
        skipping.teardown("fit")
