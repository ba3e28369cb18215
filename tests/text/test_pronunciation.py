import random

import pytest

from lightning_vc.text.frontend import Characters, Mixed, Phonemes
from lightning_vc.text.normalize import normalize, unspoken
from lightning_vc.text.pronunciation import ARPABET, in_braces
from lightning_vc.text.symbols import PHONEMES
from lightning_vc.types import Word


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("{R EH1 D}", ("ɹ", "ˈɛ", "d")),
        ("{R EH D}", ("ɹ", "ˈɛ", "d")),  # nobody says where the stress is: on the first vowel
        ("{AH0 B AW1 T}", ("ə", "b", "ˈaʊ", "t")),
        ("{ AH B AW2 T }", ("ʌ", "b", "ˌaʊ", "t")),
        ("{ɹ ˈɛ d}", ("ɹ", "ˈɛ", "d")),
        ("{ɹˈɛd}", ("ɹ", "ˈɛ", "d")),
        ("{rɛd}", ("ɹ", "ˈɛ", "d")),
        ("{ʤəˈɹɑːf}", ("d͡ʒ", "ə", "ɹ", "ˈɑ", "f")),
        ("{AH0}", ("ə",)),
        ("{hh ah l ow}", ("h", "ˈʌ", "l", "oʊ")),
        ("{hh ah0 l ow1}", ("h", "ə", "l", "ˈoʊ")),
        ("{ah0}", ("ə",)),
        ("{Hh Ah0 L Ow1}", ("h", "ə", "l", "ˈoʊ")),
        ("{həˈləʊ}", ("h", "ə", "l", "ˈoʊ")),  # British vowels
        ("{lɒt}", ("l", "ˈɑ", "t")),
        ("{nɜːs}", ("n", "ˈɚ", "s")),
        ("{nɜːrs}", ("n", "ˈɚ", "s")),
        ("{bæθ}", ("b", "ˈæ", "θ")),
        ("{ˈtʃeɪndʒ}", ("t͡ʃ", "ˈeɪ", "n", "d͡ʒ")),
        ("{deə}", ("d", "ˈɛ", "ə")),
        ("{ˈbʌtn̩}", ("b", "ˈʌ", "t", "ə", "n")),
        ("{b e d}", ("b", "ˈɛ", "d")),
    ],
)
def test_sounds(text: str, phonemes: tuple[str, ...]) -> None:
    word = in_braces(text)
    assert word is not None
    assert word.phonemes == phonemes
    assert set(word.phonemes) <= set(PHONEMES)
    assert in_braces(word.text) == word  # so shards can keep the text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{R QX D}", "'QX'"),
        ("{R1 EH D}", "'R1'"),
        ("{R EH9 D}", "'EH9'"),
        ("{hh ah l qx}", "'QX'"),
        ("{ɹɛ5d}", "'5'"),
        ("{øʊl}", "'ø'"),
        ("{ɹɛß}", "'ß'"),
    ],
)
def test_sounds_that_nobody_knows(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=rf"unknown sound {named} in '\{{.*write"):
        normalize(f"say {text}")


@pytest.mark.parametrize("text", ["{ˈ}", "{ˈ b}", "{ɹɛdˈ}", "{ˈˌɹɛd}"])
def test_a_stress_needs_a_vowel(text: str) -> None:
    with pytest.raises(ValueError, match=rf"a stress in '{text}' has no vowel after it"):
        in_braces(text)


@pytest.mark.parametrize(
    "text",
    [
        *("{hello}", "{to be or not to be}", "{is it}", "{no}", "{ah}", "{}", "{ }", "{1 2}", '{"key": 1}', "{A}"),
        *("{II}", "{OK}", "{café}", "{“hello” he said}", "{…}"),
    ],
)
def test_other_braces_are_just_text(text: str) -> None:
    assert in_braces(text) is None
    assert all(word.text.isalpha() or word.text in ",.:-" for word in normalize(f"well {text} then"))


@pytest.mark.parametrize(
    "text", ["{HH AH0 L OW1", "HH AH0 L OW1}", "{{HH AH0 L OW1}}", "{HH {AH0} L}", "a {", "} a", "{R EH1 D} {R", "{{%}"]
)
def test_a_brace_without_its_partner_is_refused(text: str) -> None:
    for say in (normalize, unspoken):
        with pytest.raises(ValueError, match=r"a [{}] that is unbalanced, or nested braces, at '.*write"):
            say(f"Hello. It is {text}")


def test_a_long_text_is_not_repeated_where_a_brace_is_missing() -> None:
    with pytest.raises(ValueError, match="that is unbalanced") as error:
        normalize("word " * 5000 + "{" + " word" * 5000)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(("phoneme", "name"), ARPABET.items())
def test_every_phoneme_can_be_written_in_both_alphabets(phoneme: str, name: str) -> None:
    arpabet, ipa = in_braces(f"{{{name}}}"), in_braces(f"{{ð {phoneme}}}")
    assert arpabet is not None
    assert ipa is not None
    assert ipa.phonemes[1].lstrip("ˈ") == phoneme
    assert arpabet.phonemes[0].lstrip("ˈ") == ("ʌ" if phoneme == "ə" else phoneme)


def test_a_text_with_pronunciations_and_pauses() -> None:
    words = normalize("I {R EH1 D}, {%} then {/} I Left.")
    assert [word.text for word in words] == ["i", "{R EH1 D}", ",", "{%}", "then", "{/}", "i", "left", "."]
    spelt = Phonemes().symbols(words)
    assert "".join(spelt[1:6]) == " /ɹ//ˈɛ//d/,"
    assert spelt[6] == "%"
    assert spelt.count("/") == 1
    assert spelt.count(" ") == 2
    assert unspoken("{ɹɛd} да") == "да"


def test_capitals_in_braces_do_not_make_a_text_capital() -> None:
    assert [word.text for word in normalize("THE {HH EH1 D} OF IT")][-2:] == ["of", "it"]


def test_words_in_braces_are_always_phonemes() -> None:
    words = [Word("a", ("ə",)), Word("{R EH D}", ("ɹ", "ˈɛ", "d"))]
    for seed in range(20):
        assert Mixed(0.5).symbols(words, random.Random(seed))[-3:] == ["/ɹ/", "/ˈɛ/", "/d/"]
    with pytest.raises(ValueError, match=r"\{R EH D\} gives phonemes, and this model reads letters only"):
        Characters().symbols(words)


def test_pauses_stand_in_the_place_of_spaces() -> None:
    words = [Word("a"), Word("{/}"), Word("b"), Word(","), Word("{%}"), Word("c"), Word("{~}")]
    assert Characters().symbols(words) == ["a", "/", "b", ",", "%", "c", "~"]
    seen = {"".join(Characters().symbols(words, random.Random(seed))) for seed in range(50)}
    assert seen == {f"a{x}b,{y}c{z}" for x in "/ " for y in "% " for z in ("~", "")}


def test_only_pauses_are_nothing_to_speak() -> None:
    with pytest.raises(ValueError, match="has nothing to speak"):
        normalize("{/} {%}")
