"""Texts of every kind: each is read, word for word, or refused in one line, in time that grows with its length."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_vc.text.frontend import Characters, Mixed
from lightning_vc.text.normalize import normalize
from lightning_vc.text.pronunciation import PAUSES
from lightning_vc.text.split import segments
from lightning_vc.text.symbols import PUNCTUATION
from lightning_vc.text.transcripts import read_lines, read_transcripts
from lightning_vc.types import Word
from tests.fuzz import texts
from tests.fuzz.trials import SEED, Outcome, Worker, fail_with, generator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LONGEST = 120  # symbols of a stretch
_SPELLED = re.compile(r"[a-z]+(?:'+[a-z]+)*'?")


def size(word: Word) -> int:
    return len(Mixed().symbols([word])) + (word.text not in PUNCTUATION)


def read(text: str) -> list[str]:
    """The words of a text as a whole, having checked that a model can read it cut into stretches."""
    words = normalize(text)
    for word in words:
        assert word.text in PUNCTUATION or word.text in PAUSES or word.text[0] == "{" or _SPELLED.fullmatch(word.text)
    for stretch in segments(text, LONGEST, size):
        symbols = Mixed()(stretch.words)
        assert 0 < len(symbols) <= LONGEST + 2, (len(symbols), stretch.text)
        assert "{" in text or Characters()(stretch.words)
    return [word.text for word in words]


def said_at_once(text: str) -> int:
    """How many symbols a text has in stretches, in bounded memory."""
    return sum(len(Mixed()(stretch.words)) for stretch in segments(text, LONGEST, size))


def problem_of(outcome: Outcome, text: str, words: list[str], may_be_refused: bool = False) -> str | None:
    """What is wrong with what became of reading a text that has these plain words in it."""
    if problem := outcome.problem(seconds=2 + 1e-3 * len(text)):
        return problem
    if outcome.kind == "refusal":
        return None if may_be_refused else f"refused: {outcome.message}"
    if may_be_refused:  # a word that ended up in braces is sounds
        words = [word for word in words if word not in " ".join(re.findall("{[^{}]*}", text))]
    spoken = iter(word.removesuffix("'s") for word in outcome.value)
    if missing := [word for word in words if word not in spoken]:
        return f"{missing[0]!r} is not said: {' '.join(outcome.value)}"
    rest = [word for word in outcome.value if word.removesuffix("'s") not in words and word not in PUNCTUATION]
    if re.search("[0-9]", re.sub("\x1b.[0-9]*m", "", text)) and not rest:
        return f"no number is said: {' '.join(outcome.value)}"
    return None


@pytest.mark.parametrize("kind", texts.KINDS)
def test_every_plain_word_is_said(kind: str, worker: Worker) -> None:
    make, count = texts.KINDS[kind]
    rng = generator(kind)
    problems = []
    for _ in range(count):
        text, words = make(rng)
        problem = problem_of(worker.call(read, text), text, words, may_be_refused=kind == "braces")
        problems.append(f"{text!r}: {problem}" if problem else "")
    fail_with(filter(None, problems), count)


def test_there_are_a_thousand_texts_or_more() -> None:
    assert sum(count for _, count in texts.KINDS.values()) >= 1000


@pytest.mark.parametrize("text", ["\ud800", "yellow \udcff garden", "\ud83d yellow", "a\0b", "\x00", "\ufeffyellow"])
def test_invalid_unicode_is_read_or_refused(text: str, worker: Worker) -> None:
    assert not worker.call(read, text).problem()


@pytest.mark.parametrize("shape", texts.LONG)
def test_time_grows_with_the_length(shape: str, worker: Worker) -> None:
    problems = []
    for length in (1_000, 10_000, 100_000):
        outcome = worker.call(said_at_once, texts.LONG[shape](length))
        if problem := outcome.problem(seconds=2 + 2e-4 * length):
            problems.append(f"{shape} of {length} characters: {problem}")
            break
    assert not problems, problems


@pytest.mark.parametrize("shape", ["sentences", "one sentence"])
def test_a_book_is_read_or_refused_in_bounded_memory(shape: str, tmp_path: Path) -> None:
    worker = Worker(tmp_path, seconds=240)
    problem = worker.call(said_at_once, texts.LONG[shape](1_000_000)).problem(seconds=240)
    worker.close()
    assert not problem


def lines_of(path: str) -> int:
    return len(read_lines(path))


def transcripts_of(path: str) -> int:
    return len(read_transcripts(path, ["a.wav", "b1.wav"]))


def contents(rng: random.Random) -> Iterator[bytes]:
    """What may be in a file that is said to have texts."""
    plain = "a.wav\tyellow garden\nb1.wav\tsummer river\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp037"):
        yield plain.encode(encoding)
    yield from (b"", b"\n\n", b"\t\t\n", b"\0" * 100, b"\xff" * 100, b"a.wav\t\n", b"a.wav", b"\xef\xbb\xbf", b"\r\r\r")
    yield b"a|" * 100_000 + b"\n" + b"b1|x|y"
    yield b"a.wav\tyellow\n" * 2 + b"b1.wav\tred\nb1.wav\tgreen"
    for _ in range(40):
        changed = bytearray(plain.encode())
        for _ in range(rng.randint(1, 6)):
            changed[rng.randrange(len(changed))] = rng.choice(b"\0\t\n\r |\xff\xe2{<" + bytes([rng.randrange(256)]))
        yield bytes(changed)


@pytest.mark.parametrize("reader", [lines_of, transcripts_of])
def test_files_of_texts_are_read_or_refused(reader, worker: Worker, tmp_path: Path) -> None:
    problems = []
    made = list(contents(generator("files of texts")))
    for number, content in enumerate(made):
        file = tmp_path / f"{number}.txt"
        file.write_bytes(content)
        if problem := worker.call(reader, str(file)).problem(str(file)):
            problems.append(f"{content[:200]!r}: {problem}")
    fail_with(problems, len(made))


def test_the_seed_decides() -> None:
    make, _ = texts.KINDS["numbers"]
    assert make(generator("x")) == make(generator("x")) != make(generator("y"))
    assert SEED
