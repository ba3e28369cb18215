"""Sound files of every kind, whole and broken: each is a sound of bounded length, or refused in one line."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_vc.audio import io
from lightning_vc.cloning import Cloner
from lightning_vc.console import printable
from lightning_vc.corpora.kaldi import KaldiCorpus
from lightning_vc.data.reading import read_shards
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from tests.fuzz import sounds
from tests.fuzz.trials import Outcome, Worker, fail_with, generator
from tests.tiny import TinyRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LONGEST = 600  # seconds of a recording that are used
CUT = "cut off|incomplete|truncated|missing|damaged|ends"
KINDS = {make.__name__: make for make in (
    sounds.whole, sounds.usual, sounds.cut, sounds.stumps, sounds.flipped, sounds.headers, sounds.absurd,
    sounds.samples, sounds.other_files, sounds.bombs,
)}  # fmt: skip


def listen(path: str) -> tuple[int, bool]:
    """How many samples a file has, and whether all are finite."""
    wave = io.read(path, sounds.RATE)
    return len(wave), bool(wave.isfinite().all())


_cloner = lru_cache(Cloner.load)


def clone(model: Path, path: str) -> bool:
    """Whether the voice of a file is finite."""
    return bool(_cloner(model).clone([path]).embedding.isfinite().all())


def problem_of(outcome: Outcome, path: str) -> str | None:
    """What is wrong with what became of listening to a file."""
    if (problem := outcome.problem(path)) or outcome.kind == "refusal":
        return problem
    length, finite = outcome.value
    if not finite:
        return "not finite"
    return None if 0 < length <= (LONGEST + 1) * sounds.RATE else f"{length / sounds.RATE:.1f} s long"


@pytest.fixture(scope="module", params=KINDS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of one kind after the other."""
    return written(request.param, tmp_path_factory.mktemp(request.param))


def written(kind: str, folder: Path) -> list[Path]:
    """The files of a kind."""
    files = []
    for number, (name, content) in enumerate(KINDS[kind](generator(kind))):
        file = folder / f"{number:03d}-{name}"
        file.write_bytes(content)
        files.append(file)
    return files


def test_each_file_is_a_bounded_sound_or_refused(files: list[Path], worker: Worker) -> None:
    problems = [(file, problem_of(worker.call(listen, str(file)), str(file))) for file in files]
    fail_with((f"{file.name}: {problem}" for file, problem in problems if problem), len(files))


def test_each_file_gives_a_finite_voice_or_is_refused(files: list[Path], worker: Worker, tiny_run: TinyRun) -> None:
    problems = []
    for file in files:
        outcome = worker.call(clone, tiny_run.folder, str(file))
        problem = outcome.problem(str(file))
        if outcome.kind == "answer" and not outcome.value:
            problem = "a voice that is not finite"
        problems.append(f"{file.name}: {problem}" if problem else "")
    fail_with(filter(None, problems), len(files))


def test_there_are_five_hundred_files_or_more() -> None:
    assert sum(1 for kind, make in KINDS.items() if kind != "bombs" for _ in make(generator(kind))) >= 500


def test_usual_files_are_read_whole(worker: Worker, tmp_path: Path) -> None:
    problems = []
    files = written("usual", tmp_path)
    for file in files:
        outcome = worker.call(listen, str(file))
        padding = 0.15 if file.suffix in (".mp3", ".ogg", ".opus") else 0.001  # encoders have blocks
        if outcome.kind != "answer" or abs(outcome.value[0] / sounds.RATE - 1.5) > padding or outcome.stderr:
            problems.append(f"{file.name}: {outcome}")
    fail_with(problems, len(files))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("streamed.flac", lambda: sounds.flac(total=0)),
        ("streamed.wav", lambda: sounds.wav(length=0, riff=0)),
        ("streamed.wav", lambda: sounds.wav(length=2**32 - 1, riff=2**32 - 1)),
    ],
)
def test_files_of_streaming_encoders_are_read_whole(
    name: str, content: Callable[[], bytes], worker: Worker, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content())
    outcome = worker.call(listen, str(tmp_path / name))
    assert outcome.kind == "answer", outcome
    assert outcome.value == (len(sounds.voiced()), True)


def test_truncated_sounds_are_reported(worker: Worker, tiny_run: TinyRun, tmp_path: Path) -> None:
    files = written("cut", tmp_path)
    untold = []
    for file in files:
        outcome = worker.call(clone, tiny_run.folder, str(file))
        told = [line for line in outcome.stderr.splitlines() if str(file) in line and re.search(CUT, line)]
        if outcome.kind == "answer" and not told:
            untold.append(f"{file.name}: {outcome.stderr}")
    fail_with(untold, len(files))


ODD_NAMES = [
    b"\xff\xfe.wav", b"caf\xe9.wav", b"new\nline.wav", b"cr\rlf\n.wav", b"\x1b[2Jscreen.wav", b"tab\t.wav", b"\x7f.wav",
    "\u202egnp.wav".encode(), "\u2028line.wav".encode(), b"%s%n.wav", b"{0}.wav", b"$(touch canary).wav", b"; ls.wav",
    b"-rf.wav", b" .wav", b"'\".wav", b"\\n.wav", "мир 😀.wav".encode(), b"a" * 251 + b".wav", b"no suffix", b".wav",
]  # fmt: skip


@pytest.mark.parametrize("broken", [False, True])
def test_any_name_is_read_or_named(broken: bool, worker: Worker, tmp_path: Path) -> None:
    content = b"RIFF" if broken else sounds.coded(sounds.MAIN["wav"])
    problems = []
    for name in ODD_NAMES:
        file = os.path.join(os.fsencode(tmp_path), name)
        Path(os.fsdecode(file)).write_bytes(content)
        path = os.fsdecode(file)
        outcome = worker.call(listen, path)
        problem = problem_of(outcome, path)
        if not broken and outcome.kind != "answer":
            problem = f"{outcome.kind} of a good recording: {outcome.message[-300:]}"
        problems.append(f"{name!r}: {problem}" if problem else "")
    fail_with(filter(None, problems), len(ODD_NAMES))


def no_paths(folder: Path) -> Iterator[tuple[Any, str]]:
    """What is no path of a recording, and what the refusal has to name."""
    os.mkfifo(folder / "pipe.wav")
    os.symlink(folder / "loop.wav", folder / "loop.wav")
    os.symlink(folder / "gone.wav", folder / "dangling.wav")
    (folder / "folder.wav").mkdir()
    for name in ("pipe.wav", "loop.wav", "dangling.wav", "folder.wav", "missing.wav"):
        yield str(folder / name), name
    for place in ("/dev/zero", "/dev/null", "/proc/self/mem", "/", "", ".", "a\0b.wav", "x" * 5000 + ".wav"):
        yield place, place[:50]


def listen_to_object(value: Any) -> str:
    """The message about an object that is neither a path nor an open file."""
    try:
        listen(value)
    except TypeError as error:
        return str(error)
    return "taken for a sound"


@pytest.mark.parametrize(
    "value", [None, 7, 1.5, True, [], ["a.wav"], {}, np.zeros(16000, np.float32), b"a.wav", object], ids=repr
)
def test_an_object_that_is_no_path_is_refused(value: Any, worker: Worker) -> None:
    assert "must be a path or an open binary file" in worker.call(listen_to_object, value).value


def test_values_that_are_not_paths_of_recordings_are_refused(worker: Worker, tmp_path: Path) -> None:
    cases = list(no_paths(tmp_path))
    problems = []
    for value, name in cases:
        outcome = worker.call(listen, value)
        problem = outcome.problem(name) or ("" if outcome.kind == "refusal" else f"taken for a sound: {outcome}")
        problems.append(f"{value!r:.80}: {problem}" if problem else "")
    fail_with(filter(None, problems), len(cases))


def prepared(root: Path, out: Path) -> tuple[set[str], dict[str, int]]:
    """Which utterances of a Kaldi folder are in shards, and why others are not."""
    index = prepare(KaldiCorpus(root), out, Splits(test=1, validation=0, held=0.0), samples_per_shard=64)
    assert index is not None
    found = {index.recording(sample.id) for sample in read_shards(index.files("train", "test"))}
    return found, index.rejected


def test_a_corpus_with_broken_recordings_is_prepared_without_them(worker: Worker, tmp_path: Path) -> None:
    rng = generator("corpus")
    root = tmp_path / "corpus"
    root.mkdir()
    good = {f"s{number % 4}-good{number}" for number in range(12)}
    recordings = {name: sounds.coded(sounds.MAIN["wav"]) for name in good}
    broken = [each for kind in ("stumps", "headers", "absurd", "flipped") for each in KINDS[kind](rng)]
    for number, (name, content) in enumerate(rng.sample(broken, 60)):
        recordings[f"s{number % 4}-broken{number}-{name}"] = content
    for name, content in recordings.items():
        (root / f"{name}.wav").write_bytes(content)
    (root / "wav.scp").write_text("".join(f"{name} {name}.wav\n" for name in recordings))
    (root / "utt2spk").write_text("".join(f"{name} {name[:2]}\n" for name in recordings))
    outcome = worker.call(prepared, root, tmp_path / "shards")
    assert outcome.kind == "answer", outcome.message
    found, rejected = outcome.value
    assert good <= found
    assert len(found) + sum(rejected.values()) >= len(recordings)
    listed = (tmp_path / "shards" / "rejected.tsv").read_text().splitlines()
    assert all(line == printable(line.replace("\t", "")) or "\t" in line for line in listed)
    shutil.rmtree(tmp_path / "shards")
