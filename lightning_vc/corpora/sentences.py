"""Sentences that nobody wrote: short templates filled from words.txt."""

import random
from functools import cache
from importlib import resources

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


@cache
def words() -> dict[str, tuple[str, ...]]:
    """The word list by kind; a word that stands twice is drawn twice as often."""
    text = resources.files("lightning_vc.corpora").joinpath("words.txt").read_text(encoding="utf-8")
    paragraphs = "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip().split("\n\n")
    return {kind: tuple(rest.split()) for kind, _, rest in (p.partition(":") for p in paragraphs)}


def sentence(rng: random.Random) -> str:
    """Draw a sentence, capitalised and with its full stop or question mark; no word but "the" stands in it twice."""
    said: set[str] = set()
    filled = []
    for part in rng.choice(TEMPLATES).split():
        opening, _, rest = part.partition("{")
        kind, _, mark = rest.partition("}")
        word = part
        if kind:
            fresh = [w for w in words()[kind] if w == "the" or w not in said]
            word = opening + rng.choice(fresh) + mark
        said.add(word.strip(".?"))
        filled.append(word)
    return " ".join(filled).capitalize()
