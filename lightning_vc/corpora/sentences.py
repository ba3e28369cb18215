"""Random sentences: short templates filled with words of words.txt."""

import random
import re
from pathlib import Path

from lightning_vc.text.tables import word_lists

# Names in braces are kinds of words in words.txt. Sentences have 3 to 8 words, 1 to 2.5 seconds of speech.
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
    """Return the words by kind; a word that is listed twice is drawn twice as often."""
    return word_lists(Path(__file__).with_name("words.txt"))


def sentence(rng: random.Random) -> str:
    """Draw a sentence, capitalised and with final punctuation; no word except "the" is drawn twice."""
    drawn: set[str] = set()

    def draw(kind: re.Match[str]) -> str:
        word = rng.choice([word for word in words()[kind[1]] if word == "the" or word not in drawn])
        drawn.add(word)
        return word

    return re.sub(r"\{(\w+)\}", draw, rng.choice(TEMPLATES)).capitalize()
