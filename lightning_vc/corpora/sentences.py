"""Random sentences: the templates of templates.txt, filled with words of words.txt."""

import random
import re
from pathlib import Path

from lightning_vc.text.tables import word_lists

# Names in braces are kinds of words in words.txt. Sentences have 3 to 8 words, 1 to 2.5 seconds of speech.
TEMPLATES = Path(__file__).with_name("templates.txt").read_text(encoding="utf-8").splitlines()


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
