import time

import pytest

from lightning_vc.text.normalize import normalize, written
from lightning_vc.text.pronunciation import in_braces
from lightning_vc.text.sentences import LONGEST, sentences
from lightning_vc.text.split import cut, segments
from lightning_vc.text.symbols import PUNCTUATION
from lightning_vc.types import Word


def size(word: Word) -> int:
    written = word.phonemes if word.text.startswith("{") else word.text
    return 1 if word.text in PUNCTUATION else max(len(word.phonemes), len(written)) + 1


def words(text: str) -> list[Word]:
    return [Word(item) for item in text.split()]


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


def test_a_word_longer_than_a_segment_is_split() -> None:
    parts = list(cut([Word("a" * 100, ("ə",) * 50), Word("{ɹ ɛ d}", ("ɹ", "ɛ", "d") * 20)], 24, size))
    assert all(sum(map(size, part)) <= 24 for part in parts)
    pieces = [word for part in parts for word in part if word.text != ","]
    assert "".join(word.text for word in pieces if word.text.isalpha()) == "a" * 100
    assert [sound for word in pieces for sound in word.phonemes] == ["ə"] * 50 + ["ɹ", "ɛ", "d"] * 20
    assert [in_braces(word.text) is not None for word in pieces if not word.text.isalpha()] == [True] * 3


def test_splitting_takes_linear_time() -> None:
    assert list(sentences("hello" + " " * 300_000 + "x")) == ["hello x"]
    assert sum(1 for _ in cut(words("word " * 20_000), 40, size)) > 2000


def test_marks_and_pauses_stay_with_their_word() -> None:
    for part in cut(words("one , {%} two ; {/} three four five six : seven"), 12, size):
        assert part[0].text not in ",;:{%}{/}"


def test_nothing_is_lost_and_nothing_is_long() -> None:
    text = "In 1990 the cat, which was fat; sat: on a mat and that, as I said before, was all of that. " * 5
    parts = list(segments(text, 60, size))
    output = [word.text for part in parts for word in part.words if word.text.isalpha()]
    assert output == [word.text for word in normalize(text) if word.text.isalpha()]
    assert all(sum(map(size, part.words)) <= 60 for part in parts)
    assert [part.pause for part in parts[:-1]].count(0.3) == 4
    assert parts[-1].pause == 0


def test_sentences_without_words_are_left_out() -> None:
    assert [part.text for part in segments("One. *** !!! Two.\n\n###", 99, size)] == ["one.", "two."]
    with pytest.raises(ValueError, match=r"text '\.\.\. \*\*\*' has nothing to speak"):
        list(segments("... ***", 99, size))


def test_ten_thousand_characters_come_a_sentence_at_a_time() -> None:
    parts = segments("The cat sat on the mat. " * 417, 99, size)
    assert next(parts).text == "the cat sat on the mat."
    assert sum(1 for _ in parts) == 416


REPEATED = {
    **{"digits": "7", "blanks": " ", "lines": "\n ", "dots": ".", "letters": "a", "commas": ",", "dashes": "-"},
    **{
        "letters and dots": "a.",
        "initials": "A. ",
        "digits and commas": "1,",
        "digits and dots": "1.",
        "money": "$1.5 ",
    },
    **{"sentences": "The old man met Dr. Smith at 5 p.m. He was late. ", "no marks": "the old man and the sea "},
    **{
        "money": "$1.5 ",
        "quotes": '"',
        "brackets": "(",
        "apostrophes": "a'",
        "hyphens": "a-",
        "slashes": "1/2/",
        "colons": "1:2:",
    },
    **{"pauses": "{%} a ", "numbers": "No. 7 ", "signs": "😀", "at": "a@", "marks": "?! ", "questions": '?" B'},
}


@pytest.mark.parametrize("unit", REPEATED.values(), ids=REPEATED)
def test_work_grows_as_the_text_does(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def stub(text: str, words: list[Word]) -> None:
        read.append(len(text))
        words.extend(Word(word, ("ə",)) for word in text.split())

    monkeypatch.setattr("lightning_vc.text.normalize._read", stub)  # what gruut reads is counted

    def work(length: int) -> tuple[int, float]:
        read.clear()
        started = time.process_time()
        parts = sum(1 for _ in segments("A. " + unit * (length // len(unit)) + " b", 60, size))
        assert parts > 0
        return sum(read), time.process_time() - started

    characters, seconds = work(2_000)
    more_characters, more_seconds = work(20_000)
    assert max(read) < 20 * LONGEST  # a digit or a sign may be a long word
    assert more_characters <= 12 * characters + LONGEST
    assert more_seconds <= 30 * max(seconds, 0.05)  # quadratic would be 100


def test_numbers_without_end_are_read() -> None:
    for text in ("7" * 1200, "1," * 600, "1." * 600, "1,000" * 250, "$1.2" * 300):
        words = [word.text for part in segments(text, 60, size) for word in part.words]
        assert sum(word.isalpha() for word in words) > 200


def test_a_million_characters_are_read_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        "lightning_vc.text.normalize._read", lambda text, words: (read.append(text), words.append(Word("a")))
    )
    parts = segments("The cat sat on the mat. " * 42_000, 99, size)
    next(parts)
    assert len(read) == 2
