from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Speaker, Utterance
from tests.corpora.conftest import Write


class OneFile(Corpus):
    """What a user writes for recordings of their own."""

    def __init__(self, audio: Path | None) -> None:
        self.audio = audio

    def __iter__(self) -> Iterator[Utterance]:
        yield Utterance("one", Speaker("me"), "Hello.", self.audio)


def test_a_corpus_is_its_iteration(tmp_path: Path, write_sound: Write) -> None:
    corpus = OneFile(write_sound(tmp_path / "one.wav", sample_rate=44100, seconds=1.0))
    assert [len(corpus.read(utterance, 16000)) for utterance in corpus] == [16000]


def test_a_corpus_without_files_has_to_read_itself() -> None:
    corpus = OneFile(None)
    with pytest.raises(ValueError, match="utterance one names no audio file: override read in OneFile"):
        corpus.read(next(iter(corpus)), 16000)
