import random
import re
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import chain
from pathlib import Path

import gruut_lang_en
import pytest

from lightning_vc.corpora.sentences import TEMPLATES, sentence, words


@pytest.fixture(scope="module")
def many() -> list[str]:
    """As many sentences as the corpus has by default."""
    return [sentence(random.Random(f"test {number}")) for number in range(2880)]


def test_a_draw_is_told_by_its_seed() -> None:
    assert sentence(random.Random("7")) == sentence(random.Random("7"))
    assert sentence(random.Random("7")) != sentence(random.Random("8"))


def test_three_to_eight_words_and_a_mark(many: list[str]) -> None:
    assert all(re.fullmatch(r"[A-Z][a-z]*( [a-z]+){2,7}[.?]", text) for text in many)
    assert {text[-1] for text in many} == {".", "?"}


def test_hardly_one_comes_twice(many: list[str]) -> None:
    assert len(set(many)) > 0.99 * len(many)


def test_every_word_is_heard_often(many: list[str]) -> None:
    counts = Counter(word for text in many for word in text.lower().strip(".?").split())
    assert min(counts[word] for word in chain.from_iterable(words().values())) >= 8


def test_every_kind_of_word_in_a_template_is_in_the_list() -> None:
    needed = {kind for template in TEMPLATES for kind in re.findall(r"\{(\w+)\}", template)}
    assert needed == set(words())


def test_some_hundreds_of_plain_words() -> None:
    plain = set(chain.from_iterable(words().values()))
    assert 300 <= len(plain) <= 400
    assert all(word.isascii() and word.isalpha() and word.islower() for word in plain)


def test_the_lexicon_says_every_word_in_one_way_and_they_need_many_sounds() -> None:
    with closing(sqlite3.connect(Path(gruut_lang_en.__file__).parent / "lexicon.db")) as lexicon:
        rows = lexicon.execute("SELECT word, role, phonemes FROM word_phonemes").fetchall()
    plain = set(chain.from_iterable(words().values()))
    pronunciations = [(word, role, phonemes) for word, role, phonemes in rows if word in plain]
    assert {word for word, *_ in pronunciations} == plain
    roles = Counter(word for word, role in {(word, role) for word, role, _ in pronunciations})
    assert [word for word in plain if roles[word] > 1] == []  # such as the noun and the verb "house"
    sounds = {sound.strip("ˈˌ") for *_, phonemes in pronunciations for sound in phonemes.split()}
    assert len(sounds) >= 38
