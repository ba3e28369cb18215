from pathlib import Path

import pytest

from lightning_vc.text.normalize import normalize
from lightning_vc.text.sentences import LONGEST, expand, sentences
from lightning_vc.types import Word

TABLE = [line for line in Path(__file__).with_name("sentences.txt").read_text().splitlines() if line[0] != "#"]


@pytest.mark.parametrize("row", TABLE)
def test_sentences_of_the_table(row: str) -> None:
    parts = row.split(" | ")
    assert list(sentences(" ".join(parts))) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("No end\n\nA new paragraph", ["No end", "A new paragraph"]),
        ("By Dr.\n \nA new paragraph", ["By Dr.", "A new paragraph"]),
        ("See Fig. 3.\n\nNo. 7", ["See Fig. 3.", "No. 7"]),
        ("Wait... no. 5 of them", ["Wait... no.", "5 of them"]),
        ("One. {ˈhɛ. ˈloʊ} Two", ["One.", "{ˈhɛ. ˈloʊ} Two"]),
        ("He said {R EH1 D}. Then he left.", ["He said {R EH1 D}.", "Then he left."]),
        ("  \n ", []),
    ],
)
def test_paragraphs_and_braces(text: str, parts: list[str]) -> None:
    assert list(sentences(text)) == parts


@pytest.mark.parametrize("unit", ["word ", "7", "a.", "A. ", "1,", "{%} a ", "No. 7 ", "a" * 1500 + " "])
def test_no_sentence_is_longer_than_the_limit_and_nothing_is_lost(unit: str) -> None:
    text = unit * 2000
    parts = list(sentences(text))
    assert max(map(len, parts)) <= LONGEST
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(part.count("{") == part.count("}") for part in parts)


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("See Fig. 3 and Figs. 4, 5.", "See figure 3 and figures 4, 5."),
        ("On p. 5, pp. 6-7 of vol. 2.", "On page 5, pages 6-7 of volume 2."),
        ("No. 7, No 7 and no. 7; №5", "number 7, No 7 and number 7; number 5"),
        ("He lives at No 7.", "He lives at number 7."),
        ("Vol. I of it", "volume I of it"),
        ("to Ft. Worth and Mt. Fuji", "to Fort Worth and Mount Fuji"),
        ("Jan 3, 5 Feb and Mar. 7", "January 3, 5 February and March 7"),
        ("Mon. 5 May, Tues. 6, Sat 10 May", "Monday 5 May, Tuesday 6, Saturday 10 May"),
        ("I sat in the Sun. She may.", "I sat in the Sun. She may."),
        ("5 lb. 3 oz., 1 lb. and 6 ft. 2 in. tall", "5 pounds 3 ounces, 1 pound and 6 feet 2 inches tall"),
        ("He came in. It is 5 ft.", "He came in. It is 5 feet."),
        ("on Rodeo Dr. and Dr Who", "on Rodeo Drive and Doctor Who"),
        ("Dr. Hill of 5th St. and St. Louis", "Doctor Hill of 5th Street and Saint Louis"),
        ("Dr. and Mrs. Hill, Mr Hill, mr. hill", "Doctor and Missus Hill, Mister Hill, Mister hill"),
        ('Acme Inc. makes "pens, etc."', 'Acme Incorporated makes "pens, et cetera."'),
        ("bob@site.co.uk and fig.org, sec.gov", "bob@site.co.uk and fig.org, sec.gov"),
        ("The answer is no.", "The answer is no."),
        ("Wait... at 5 p.m. or 3 a.m.", "Wait... at 5 p.m. or 3 a.m."),
    ],
)
def test_abbreviations_are_written_in_full(text: str, long: str) -> None:
    assert expand(text) == long


def marks(text: str) -> str:
    return "".join(word.text for word in normalize(text) if word.text in (*".,?!",))


@pytest.mark.parametrize(
    "text",
    ["Fig. 3", "p. 5", "No. 7", "№5", "vol. 2", "Ft. Worth", "Tues. 5", "Mon. 5 May", "Jan. 3", "Mr. Hill", "Dr. No"],
)
def test_there_is_no_pause_behind_an_abbreviation(text: str) -> None:
    assert marks(f"It is {text}") == ""
    assert marks(f"{text} it is.") == "."


def test_a_text_reads_as_its_sentences_do() -> None:
    text = "Dr. Hill came at 5 p.m. He was late, etc. Then he left. See Fig. 3!"
    parts = list(sentences(text))
    assert len(parts) == 4
    assert normalize(text) == [word for part in parts for word in normalize(part)]
    assert Word(".") in normalize(text)
