"""Shards and their index with something wrong in them: found and named, or left out and counted."""

import json
import random
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightning_vc.data.index import SETS, Index
from lightning_vc.data.reading import read_shards
from tests.fuzz import models
from tests.fuzz.room import Room
from tests.fuzz.trials import fail_with, generator
from tests.signed import signed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def stock(folder: Path) -> tuple[Any, ...]:
    """All that is in shards, as training gets it."""
    index = Index.load(folder)
    index.check()
    samples = []
    for sample in read_shards(index.files(*SETS)):
        wave = sample.wave(index.sample_rate)
        words = tuple(word.text for word in sample.words or ())
        samples.append((sample.id, sample.speaker.id, words, len(wave), zlib.crc32(wave.numpy().tobytes())))
    held = {name: (index.samples(name), index.transcribed(name), index.seconds(name)) for name in SETS}
    return index.sample_rate, index.speaker_table, [entry.split for entry in index.speakers], held, samples


def test_an_index_with_other_values_is_refused_or_the_same(room: Room) -> None:
    shards = room.folder / "shards"
    shutil.copytree(room.run.shards, shards)
    expected = room.answer(stock, shards)
    whole = (shards / "index.json").read_text()
    known = json.loads(whole)
    rng = generator("index")
    cases = [(name, json.dumps(content)) for name, content in models.other_values(rng, known, 2)]
    cases = rng.sample(cases, 150)
    for path in (
        ("sample_rate",),
        ("sets", "train", 0, "seconds"),
        ("sets", "train", 0, "bytes"),
        ("speakers", 0, "seconds"),
    ):
        for new in (0, None, "16000", 10**12, 1e-9, -5, True, [], float("nan"), 1e308):
            cases.append((f"{path} = {new!r}", json.dumps(models.replaced(known, path, new))))
    for name in (
        "",
        ".",
        "..",
        "../../victim/letter.txt",
        "/etc/passwd",
        "a\nb",
        "http://127.0.0.1:1/x.tar",
        "x" * 5000,
    ):
        cases.append((f"shard {name!r:.30}", json.dumps(models.replaced(known, ("sets", "train", 0, "name"), name))))
        cases.append((f"speaker {name!r:.30}", json.dumps(models.replaced(known, ("speakers", 0, "id"), name))))
    cases += [
        ("nested", "[" * 100_000),
        ("deep", '{"a":' * 100_000),
        ("empty", ""),
        ("null", "null"),
        ("bytes", "\0" * 99),
    ]
    cases += [
        (name, content.decode("latin-1")) for name, content in models.flips(rng, whole.encode(), 0, len(whole), 60)
    ]
    forged = [(name, signed(json.loads(text))) for name, text in cases if text.startswith('{"schema')]
    problems = []
    for name, text, by_whom in [(*case, "chance") for case in cases] + [(*case, "somebody") for case in forged]:
        (shards / "index.json").write_text(text, encoding="latin-1")
        outcome, problem = room.try_out(str(shards), stock, shards)
        if outcome.kind == "answer" and not problem and outcome.value != expected and by_whom == "chance":
            changed = [one for one, other in zip(outcome.value, expected, strict=True) if one != other]
            problem = f"accepted, and other than it was: {changed!r:.200}"
        problems += [f"{name}: {problem}"] if problem else []
    shutil.rmtree(shards)
    fail_with(problems, len(cases) + len(forged))


def read_rest(folder: Path) -> tuple[list[tuple[str, int]], int]:
    """Samples of broken shards, and how many were left out."""
    index, lost = Index.load(folder), []
    found = []
    for sample in read_shards(index.files("test"), skip=lambda message, count: lost.append((message, count))):
        found.append((sample.id, zlib.crc32(sample.wave(16000).numpy().tobytes())))
    assert all(len(message.splitlines()) == 1 for message, _ in lost), lost
    return found, sum(count for _, count in lost)


def broken_shards(rng: random.Random, whole: bytes) -> Iterator[tuple[str, bytes]]:
    """A tar file with other bits and headers, or cut off."""
    yield from models.flips(rng, whole, 0, len(whole), 40)
    headers = [place for place in range(0, len(whole), 512) if whole[place + 257 : place + 262] == b"ustar"]
    for place in rng.sample(headers, min(20, len(headers))):
        yield from models.flips(rng, whole, place, place + 512, 1)
        changed = bytearray(whole)
        name = rng.choice([b"../../victim/letter.txt", b"/etc/passwd.flac", b"\xff.json", b"", b"a/b.json"])
        changed[place : place + 100] = name.ljust(100, b"\0")
        total = sum(changed[place : place + 148]) + sum(changed[place + 156 : place + 512]) + 8 * 32
        changed[place + 148 : place + 156] = b"%06o\0 " % total
        yield f"header at {place} names {name!r}", bytes(changed)
        changed = bytearray(whole)
        changed[place + 124 : place + 136] = rng.choice([b"77777777777\0", b"-0000000001\0", b"\xff" * 12, b"0" * 12])
        yield f"size at {place}", bytes(changed)
    for _ in range(10):
        yield "cut", whole[: rng.randrange(len(whole))].ljust(len(whole), b"\0")
        yield "random", rng.randbytes(2000).ljust(len(whole), b"\0")


def test_a_broken_shard_is_refused_or_read_without_what_is_broken(room: Room) -> None:
    shards = room.folder / "shards"
    shutil.copytree(room.run.shards, shards)
    expected = room.answer(stock, shards)
    good, none = room.answer(read_rest, shards)
    assert none == 0
    file = shards / "test-000000.tar"
    whole = file.read_bytes()
    cases = list(broken_shards(generator("shards"), whole))
    problems = []
    for name, content in cases:
        file.write_bytes(content)
        outcome, problem = room.try_out(str(shards), stock, shards)
        if outcome.kind == "answer" and not problem and outcome.value != expected:
            problem = "read, and other than it was"
        problems += [f"{name}: {problem}"] if problem else []
        outcome, problem = room.try_out(str(shards), read_rest, shards)
        if outcome.kind == "answer" and not problem:
            found, lost = outcome.value
            if not set(found) <= set(good):
                problem = "with skip: a sample is other than it was"
            elif len(found) + lost < len(good):
                problem = f"with skip: {len(found)} samples and {lost} that are left out, of {len(good)}"
        problems += [f"{name}: {problem}"] if problem else []
    shutil.rmtree(shards)
    fail_with(problems, 2 * len(cases))
