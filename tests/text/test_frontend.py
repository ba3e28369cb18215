import pickle
import random

import pytest
from jsonargparse import ArgumentParser

from lightning_vc.text.frontend import Characters, Frontend, Mixed, Phonemes
from lightning_vc.text.normalize import normalize
from lightning_vc.text.symbols import SYMBOLS
from lightning_vc.types import Word

WORDS = [
    Word("it's", ("ˈɪ", "t", "s")),
    Word("-"),
    Word("oh", ("ˈoʊ",)),
    Word(","),
    Word("be", ("b", "ˈi")),
    Word("."),
]
SPELLED = ["i", "t", "'", "s", "-", " ", "o", "h", ",", " ", "b", "e", "."]
PRONOUNCED = ["/ˈɪ/", "/t/", "/s/", "-", " ", "/ˈoʊ/", ",", " ", "/b/", "/ˈi/", "."]
UNKNOWN = [Word("be", ("b", "ˈi")), Word("qu")]


def test_characters_spell():
    assert Characters().symbols(WORDS) == SPELLED
    assert Characters().symbols(UNKNOWN) == ["b", "e", " ", "q", "u"]


def test_phonemes_pronounce():
    assert Phonemes().symbols(WORDS) == PRONOUNCED


def test_phonemes_name_a_word_that_has_none():
    with pytest.raises(ValueError, match="no phonemes are known for the word 'qu': use the frontend Mixed"):
        Phonemes().symbols(UNKNOWN)


@pytest.mark.parametrize("frontend", [Characters(), Phonemes(), Mixed()])
def test_numbers_are_those_of_the_symbols_and_the_end(frontend):
    numbers = frontend(WORDS)
    assert numbers[-1] == 1
    assert [SYMBOLS[number] for number in numbers[:-1]] == frontend.symbols(WORDS)


def test_numbers_of_a_known_word():
    assert Characters()([Word("a", ("ə",)), Word("!")]) == [14, 6, 1]
    assert Phonemes()([Word("a", ("ə",)), Word("!")]) == [64, 6, 1]


@pytest.mark.parametrize("frontend", [Characters(), Phonemes(), Mixed()])
def test_no_words_are_refused(frontend):
    with pytest.raises(ValueError, match="there are no words to read"):
        frontend([])


def test_a_word_outside_the_table_is_refused():
    with pytest.raises(ValueError, match="unknown symbols 'É'"):
        Characters()([Word("É")])


def test_the_mixture_without_a_generator_is_phonemes():
    assert Mixed(0.0).symbols(WORDS) == PRONOUNCED
    assert Mixed().symbols(UNKNOWN) == ["/b/", "/ˈi/", " ", "q", "u"]


@pytest.mark.parametrize(("probability", "expected"), [(0.0, SPELLED), (1.0, PRONOUNCED)])
def test_the_ends_of_the_mixture(probability, expected):
    assert all(Mixed(probability).symbols(WORDS, random.Random(seed)) == expected for seed in range(20))


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.9])
def test_the_mixture_decides_for_each_word(probability):
    words = [Word("be", ("b", "ˈi"))] * 4000
    written = " ".join(Mixed(probability).symbols(words, random.Random(1))).split("   ")
    assert set(written) == {"b e", "/b/ /ˈi/"}
    assert written.count("/b/ /ˈi/") / 4000 == pytest.approx(probability, abs=0.03)


def test_the_mixture_repeats_with_its_seed():
    first, again, other = (Mixed().symbols(WORDS * 5, random.Random(seed)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("probability", [-0.1, 1.5])
def test_a_mixture_of_no_probability_is_refused(probability):
    with pytest.raises(
        ValueError, match=f"phoneme_probability {probability} is not a probability: give one from 0 to 1"
    ):
        Mixed(probability)


def test_frontends_reach_worker_processes():
    copy = pickle.loads(pickle.dumps(Mixed(0.3)))
    assert copy.phoneme_probability == 0.3
    assert copy(WORDS, random.Random(3)) == Mixed(0.3)(WORDS, random.Random(3))


def test_a_class_path_chooses_the_frontend():
    parser = ArgumentParser()
    parser.add_argument("--frontend", type=Frontend)
    chosen = ["--frontend=lightning_vc.text.frontend.Mixed", "--frontend.phoneme_probability=0.25"]
    frontend = parser.instantiate(parser.parse_args(chosen)).frontend
    assert isinstance(frontend, Mixed)
    assert frontend.phoneme_probability == 0.25


def test_another_frontend_is_one_method():
    class Initials(Frontend):
        def symbols(self, words, rng=None):
            return [word.text[0] for word in words]

    assert Initials()([Word("be"), Word("at")]) == [15, 14, 1]


def test_a_sentence_from_text_to_symbols():
    words = normalize("Hi, B!")
    assert "".join(Phonemes().symbols(words)) == "/h//ˈaɪ/, /b//ˈi/!"
    assert "".join(Characters().symbols(words)) == "hi, b!"
