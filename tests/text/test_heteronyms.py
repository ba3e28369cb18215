from collections import Counter
from pathlib import Path

import pytest

from lightning_vc.text.g2p import candidates, roles
from lightning_vc.text.normalize import normalize

# Word, phonemes and sentence. They were written before the rules ran on them; the rules were made with each other
# sentence of a reading and were then right in 96 of the 98 that had been put aside.
ROWS = [line.split("\t") for line in Path(__file__).with_name("heteronyms.txt").read_text().splitlines()]
WRONG = {  # what the tagger takes for another part of speech
    "Metals contract when they cool.",
    "Bees produce honey.",
    "She seems quite content.",
}


def sounds(word: str, sentence: str) -> list[str]:
    return ["".join(item.phonemes) for item in normalize(sentence) if item.text == word]


@pytest.mark.parametrize(("word", "phonemes", "sentence"), [row for row in ROWS if row[2] not in WRONG])
def test_a_heteronym_in_its_sentence(word: str, phonemes: str, sentence: str) -> None:
    assert sounds(word, sentence) == [phonemes]


def test_both_readings_of_most_words_are_tried_in_several_sentences() -> None:
    readings = Counter((word, phonemes) for word, phonemes, _ in ROWS)
    words = Counter(word for word, _ in readings)
    assert sum(count >= 2 for count in words.values()) >= 38
    assert sum(count >= 2 for count in readings.values()) >= 70


def test_without_capitals_and_marks_it_is_the_same() -> None:
    for text in ("we watched it live on television", "THEY LIVE IN A SMALL TOWN", "I must record a record"):
        plain, other = (["".join(word.phonemes) for word in normalize(item)] for item in (text.lower(), text + "."))
        assert plain == other[:-1]
    assert sounds("record", "I must record a record") == ["ɹɪkˈɔɹd", "ɹˈɛkɚd"]


def test_readings_that_hardly_anybody_means_are_not_read() -> None:
    assert sounds("number", "a large number of them") == ["nˈʌmbɚ"]
    assert sounds("nice", "How nice!") == ["nˈaɪs"]
    assert sounds("proceed", "We can proceed.") == ["pɹəsˈid"]


def test_a_tag_leads_to_the_roles_of_the_lexicon() -> None:
    assert candidates("NNS")[:2] == ("NNS", "NN")
    assert candidates("VBD")[:3] == ("VBD", "VBD", "VB")
    assert candidates("letter") == ("letter", "")
    assert roles(["a", "lead", "pipe"], ["DT", "JJ", "NN"]) == ["DT", "NN", "NN"]
    assert roles(["the", "lead", "singer"], ["DT", "NN", "NN"]) == ["DT", "VB", "NN"]
