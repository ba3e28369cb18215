"""Sentences that nobody wrote: short templates filled from words.txt."""

import random
import re
from pathlib import Path

from lightning_vc.text.tables import word_lists

# Each word in braces is a kind of word of words.txt. Three to eight words, one to two and a half seconds of speech.
TEMPLATES = (
    "{determiner} {adjective} {person} {carried} {number} {color} {things}.",
    "{determiner} {person} {carried} {determiner} {thing} {where} the {place}.",
    "{determiner} {adjective} {animal} {went} {where} the {place}.",
    "{number} {quality} {things} {went} {where} the {place}.",
    "{he} {can} {carry} {determiner} {quality} {thing} {today}.",
    "{he} {carried} {determiner} {color} {thing} {slowly}.",
    "{determiner} {animal} {carried} {number} {things} {today}.",
    "{he} {went} {slowly} {where} the {place}.",
    "{determiner} {place} was {quality} and {quality}.",
    "{person} and {animal} {went} {slowly}.",
    "please {carry} {determiner} {quality} {thing}.",
    "{determiner} {thing} is {color}.",
    "{why} did {determiner} {person} {carry} {determiner} {thing}?",
    "{can} {he} {carry} {number} {quality} {things} {today}?",
    "is {determiner} {adjective} {person} {where} the {place}?",
    "{why} {can} {he} {carry} the {color} {things}?",
)


def words() -> dict[str, tuple[str, ...]]:
    """The word list by kind; a word that stands twice is drawn twice as often."""
    return word_lists(Path(__file__).with_name("words.txt"))


def sentence(rng: random.Random) -> str:
    """Draw a sentence, capitalised and with its full stop or question mark; no word but "the" is drawn twice."""
    drawn: set[str] = set()

    def draw(kind: re.Match[str]) -> str:
        word = rng.choice([word for word in words()[kind[1]] if word == "the" or word not in drawn])
        drawn.add(word)
        return word

    return re.sub(r"\{(\w+)\}", draw, rng.choice(TEMPLATES)).capitalize()
