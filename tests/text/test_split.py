import pytest

from lightning_vc.text.normalize import normalize, written
from lightning_vc.text.pronunciation import in_braces
from lightning_vc.text.split import cut, sentences, stretches
from lightning_vc.text.symbols import PUNCTUATION
from lightning_vc.types import Word


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met J. R. Brown. They spoke.", ["Dr. Smith met J. R. Brown.", "They spoke."]),
        ("It cost 3.14 dollars, e.g. in the U.S. Army.", ["It cost 3.14 dollars, e.g. in the U.S. Army."]),
        ('"Go." He went. (Why?) Nobody knows.', ['"Go."', "He went.", "(Why?)", "Nobody knows."]),
        ("No end\n\nA new paragraph", ["No end", "A new paragraph"]),
        ("By Dr.\n \nA new paragraph", ["By Dr.", "A new paragraph"]),
        ("Wait... no. 5 of them", ["Wait... no.", "5 of them"]),
        ("He left. Élan came.", ["He left.", "Élan came."]),
        ("one. two. three", ["one. two. three"]),  # nobody begins a sentence so
        ("  \n ", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert list(sentences(text)) == parts


def size(word: Word) -> int:
    written = word.phonemes if word.text.startswith("{") else word.text
    return 1 if word.text in PUNCTUATION else max(len(word.phonemes), len(written)) + 1


def words(text: str) -> list[Word]:
    return [Word(each) for each in text.split()]


def test_a_short_sentence_stays_whole() -> None:
    assert list(cut(words("a b , c ."), 99, size)) == [tuple(words("a b , c ."))]


def test_a_long_sentence_is_cut_at_a_clause() -> None:
    parts = [written(part) for part in cut(words("aaa bbb ccc , ddd eee fff ggg hhh ."), 24, size)]
    assert parts == ["aaa bbb ccc,", "ddd eee fff ggg hhh."]


def test_without_clauses_it_is_cut_into_equal_parts_that_go_on() -> None:
    parts = list(cut(words(" ".join(["word"] * 30)), 40, size))
    assert [len(part) for part in parts] == [8, 8, 8, 5, 5]  # with their commas
    assert all(part[-1].text == "," for part in parts[:-1])
    assert sum(word.text == "word" for part in parts for word in part) == 30


def test_it_is_cut_where_a_phrase_begins() -> None:
    text = "the old dog slept under a tree and nobody saw the small cat in the garden"
    parts = [written(part) for part in cut(words(text), 44, size)]
    assert parts == ["the old dog slept under a tree,", "and nobody saw the small cat in the garden"]
    parts = [written(part) for part in cut(words("dogs see the very old cats of this town"), 24, size)]
    assert parts == ["dogs see the very old,", "cats of this town"]  # not behind "the", "of" or "this"


def test_a_word_that_is_too_long_is_not_cut() -> None:
    assert [written(part) for part in cut(words("a" * 8 + " b"), 10, size)] == ["a" * 8 + ",", "b"]


def test_a_word_that_no_model_could_say_is_cut() -> None:
    parts = list(cut([Word("a" * 100, ("ə",) * 50), Word("{ɹ ɛ d}", ("ɹ", "ɛ", "d") * 20)], 24, size))
    assert all(sum(map(size, part)) <= 24 for part in parts)
    pieces = [word for part in parts for word in part if word.text != ","]
    assert "".join(word.text for word in pieces if word.text.isalpha()) == "a" * 100
    assert [sound for word in pieces for sound in word.phonemes] == ["ə"] * 50 + ["ɹ", "ɛ", "d"] * 20
    assert [in_braces(word.text) is not None for word in pieces if not word.text.isalpha()] == [True] * 3


def test_what_takes_long_to_cut_does_not_take_longer_than_it_must() -> None:
    assert list(sentences("hello" + " " * 300_000 + "x")) == ["hello x"]
    assert sum(1 for _ in cut(words("word " * 20_000), 40, size)) > 2000


def test_marks_and_pauses_stay_with_their_word() -> None:
    for part in cut(words("one , {%} two ; {/} three four five six : seven"), 12, size):
        assert part[0].text not in ",;:{%}{/}"


def test_nothing_is_lost_and_nothing_is_long() -> None:
    text = "In 1990 the cat, which was fat; sat: on a mat and that, as I said before, was all of that. " * 5
    parts = list(stretches(text, 60, size))
    said = [word.text for part in parts for word in part.words if word.text.isalpha()]
    assert said == [word.text for word in normalize(text) if word.text.isalpha()]
    assert all(sum(map(size, part.words)) <= 60 for part in parts)
    assert [part.pause for part in parts[:-1]].count(0.3) == 4
    assert parts[-1].pause == 0


def test_sentences_without_words_are_left_out() -> None:
    assert [part.text for part in stretches("One. *** !!! Two.\n\n###", 99, size)] == ["one.", "two."]
    with pytest.raises(ValueError, match=r"text '\.\.\. \*\*\*' has nothing to speak"):
        list(stretches("... ***", 99, size))


def test_ten_thousand_characters_come_a_sentence_at_a_time() -> None:
    parts = stretches("The cat sat on the mat. " * 417, 99, size)
    assert next(parts).text == "the cat sat on the mat."
    assert sum(1 for _ in parts) == 416
