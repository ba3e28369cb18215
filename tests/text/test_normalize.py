import logging
import random
import re
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest

from lightning_vc.text.frontend import Mixed
from lightning_vc.text.normalize import normalize, unspoken
from lightning_vc.text.symbols import PHONEMES, PUNCTUATION


def said(text):
    """Normalise a text, words and marks joined by spaces."""
    return " ".join(word.text for word in normalize(text))


def pronounced(text):
    return " ".join("".join(word.phonemes) for word in normalize(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", "hello , world !"),
        ("I have 5 dogs and 1,234 cats.", "i have five dogs and one thousand two hundred and thirty four cats ."),
        ("It is -5 or 3.14159.", "it is minus five or three point one four one five nine ."),
        ("The 2nd, 21st and 3rd of May", "the second , twenty first and third of may"),
        ("in 1999", "in nineteen ninety nine"),
        ("the 1990s, 90's, '80s and 2010s", "the nineteen nineties , nineties , eighties and twenty tens"),
        ("the 1900s and 2000s", "the nineteen hundreds and two thousands"),
        ("1,2,3", "one , two , three"),
        ("½ of it, 2½ cups, 1/3, 24/7", "one half of it , two and one half cups , one third , twenty four seven"),
        ("pages 5–10 and 5-10", "pages five to ten and five to ten"),
        ("12345678901234567", "one two three four five six seven eight nine zero one two three four five six seven"),
        ("version 1.2.3", "version one point two point three"),
        ("100km, 5 kg, 20°C at 3x", "one hundred kilometers , five kilograms , twenty degrees celsius at three x"),
        ("50% or 20 %", "fifty percent or twenty percent"),
        ("$3.50 and £20", "three dollars fifty cents and twenty pounds"),
        ("€5, ¥100 and 50¢", "five euros , one hundred yen and fifty cents"),
        ("US$5 million", "five million dollars"),
        ("on 1/2/2021", "on january second , twenty twenty one"),
        ("on 2020-12-25", "on december twenty fifth , twenty twenty"),
        ("at 10:30 p.m. or 3pm", "at ten thirty p m or three p m"),
        ("Jan. 5, 2020", "january fifth , twenty twenty"),
    ],
)
def test_numbers_dates_and_money_become_words(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith met Mrs. Jones.", "doctor smith met missus jones ."),
        ("Mr. and Mrs. Smith's", "mister and missus smith's"),
        ("Main St. is near St. James Park, No. 7", "main street is near saint james park , number seven"),
        ("DR. SMITH OF ST. LOUIS", "doctor smith of saint louis"),
        ("Acme Inc.", "acme incorporated ."),
        ("milk, eggs, etc.", "milk , eggs , et cetera ."),
        ("e.g. the U.S.A., i.e. A.I.", "e g the u s a , i e a i"),
        ("a Ph.D. in law", "a p h d in law"),
        ("NASA, the FBI, the US and NO TTS", "nasa , the f b i , the u s and no t t s"),
        ("the FBI's CDs and NASA's TVs", "the f b i's c d's and nasa's t v's"),
        ("World War II, Louis XIV", "world war two , louis the fourteenth"),
    ],
)
def test_abbreviations_and_initialisms(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("THIS IS AN UPPER CASE SENTENCE", "this is an upper case sentence"),
        ("AND SO IT'S CALLED XYZZYX", "and so it's called xyzzyx"),
        ("don't can't I'll we've o'clock", "don't can't i'll we've o'clock"),
        ("don’t “quote” ‘me’ 'now'", "don't quote me now"),
        ("dogs' bones", "dogs bones"),
        ("well-known mother-in-law", "well known mother in law"),
        ("ones—they're dashes – yes - no -- maybe", "ones - they're dashes - yes - no - maybe"),
        ('He said: "Go; now." (Maybe...)', "he said : go ; now . maybe ."),
        ("He left (it was late) at noon (yes).", "he left , it was late , at noon , yes ."),
        ("What?! Yes!!! wait... ok", "what ? yes ! wait . ok"),
        ("... and then, , so", "and then , so"),
        ("a,b;c:d end.Next I.am", "a , b ; c : d end . next i am"),
        ("one\ntwo\n\nthree\tfour\u200bfive", "one two three four five"),
        ("snake_case and/or *bold* [x] {y} #tag", "snake case and or bold , x , y , tag"),
        ("AT&T, C++, x = y @ z", "a t and t , c plus plus , x equals y at z"),
        ("See https://www.example.com/foo?x=1.", "see example dot com slash foo ."),
        ("Mail bob-b@site.co.uk", "mail bob dash b at site dot co dot uk"),
        ("example.org, ok", "example dot org , ok"),
        ("naïve café, Ångström œuvre Ørsted ﬁne ＦＵＬＬ", "naive cafe , angstrom oeuvre orsted fine full"),
        ("hello мир 日本 😀 smile", "hello smile"),
        ("~ stop % now", "stop now"),
    ],
)
def test_texts_become_words_and_punctuation(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    "text", ["", "  \n", "***", "...", "?!", "😀", "Привет, мир", "& @ + = %", "$£€", "日本 & 中国", "'", "-"]
)
def test_nothing_to_speak_is_refused(text):
    with pytest.raises(ValueError, match="has nothing to speak: write at least one English word or number") as error:
        normalize(text)
    assert str(error.value).startswith(f"text {text!r} ")


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("Hello, world! It's 5 o'clock (really) - “yes” … £5 & 50% @ home; naïve café", ""),
        ("Go 😀 now 👍🏽", "😀👍"),
        ("Привет, мир", "Приветм"),
        ("٣ apples, 五 pears", "五"),
        ("It is 5 ♥ or ♫, a → b", "♥♫→"),
        ("日本 and 日本", "日本"),
        ("cafe\u0301 ½ 5² 3×4 AT&T™ 20°C", ""),
        ("*bold* _it_ #tag 'x' `y` [z] • item", ""),
        ("a \\ b | c", "\\|"),
    ],
)
def test_unspoken_returns_dropped_characters(text, left_out):
    assert unspoken(text) == left_out


def test_a_long_text_is_not_repeated_in_the_error():
    with pytest.raises(ValueError, match=r"text '\*{60}\.\.\.' has nothing"):
        normalize("*" * 500)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world.", "hɛlˈoʊ  wˈɚld "),
        ("HELLO WORLD", "hɛlˈoʊ wˈɚld"),
        ("a cat, the A.I. at 3 a.m.", "ə kˈæt  ðə ˈeɪ ˈaɪ ˈæt θɹˈi ˈeɪ ˈɛm"),
        ("the FBI's NASA", "ðə ˈɛf bˈi ˈaɪz nˈæsə"),
        ("THE FBI'S NASA", "ðə ˈɛf bˈi ˈaɪz nˈæsə"),
        ("a plan A", "ə plˈæn ˈeɪ"),
        ("I must record a record", "ˈaɪ mˈʌst ɹɪkˈɔɹd ə ɹˈɛkɚd"),
        ("5 kg of xyzzyx", "fˈaɪv kˈɪləɡɹˌæmz əv ksˈɪzɪks"),
    ],
)
def test_words_have_phonemes_and_marks_have_none(text, expected):
    assert pronounced(text) == expected


def test_phonemes_are_units_with_their_stress():
    assert normalize("Judge!") == [("judge", ("d͡ʒ", "ˈʌ", "d͡ʒ")), ("!", ())]


def test_any_text_gives_words_that_frontends_can_write():
    rng = random.Random(0)
    signs = "abcAZ019 .,;:!?-'\"/$%&@#()é—–…½£¥°\n"
    refused = 0
    for _ in range(150):
        text = "".join(rng.choice(signs) for _ in range(rng.randrange(1, 25)))
        try:
            words = normalize(text)
        except ValueError:
            refused += 1
            assert not re.search("[A-Za-z0-9]", unicodedata.normalize("NFKD", text)), text
            continue
        assert all(re.fullmatch("[a-z]+('+[a-z]+)*", word.text) or word.text in PUNCTUATION for word in words), text
        assert all(word.phonemes or word.text in PUNCTUATION for word in words), text
        assert {phoneme for word in words for phoneme in word.phonemes} <= set(PHONEMES)
        assert Mixed()(words, rng)[-1] == 1
    assert refused < 50


def test_gruut_does_not_log(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    normalize("192.168.1.1 and ₹5 at 25:61 on 99/99/9999 for 1e400")
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_several_threads_may_normalise():
    texts = [f"Thread {number} says hello to {number} others." for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(said, texts)) == [said(text) for text in texts]


def test_gruut_is_loaded_on_first_use_only():
    code = "import sys, lightning_vc.text.frontend, lightning_vc.text.normalize as n; assert 'gruut' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{code}; n.normalize('a'); assert 'gruut' in sys.modules"], check=True)


def test_transcripts_of_librispeech_stay_the_words_they_are(shared_data):
    transcripts = sorted(shared_data.glob("LibriSpeech/*/*/*/*.trans.txt"))[:2]
    lines = [line.split(" ", 1)[1].strip() for file in transcripts for line in file.read_text().splitlines()]
    assert len(lines) > 20
    for line in lines[:40]:
        assert said(line) == line.lower()
        assert all(word.phonemes for word in normalize(line))
