"""Grapheme to phoneme: words of a sentence to their sounds in American English, with what gruut brings for it.

Which pronunciation a word such as read, live or bow has follows from its part of speech or the words around it.
"""

import re
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from itertools import chain
from pathlib import Path

from lightning_vc.text.letters import LETTER
from lightning_vc.text.tables import rows, rules
from lightning_vc.types import Word

_CAPITALS = re.compile(r"([A-Z]{2,})('?s)?$")  # FBI, FBI's, CDs
_SPELLED = re.compile(rf"(?:[A-Z]{LETTER})+(?:'s)?$")
# The roles of gruut's lexicon to look for, in their order, by a tag of the Penn treebank or its first letter; the empty
# one is that of words which are said in one way.
_ROLES = {
    "VBD": ("VBD", "VB", "", "NN", "JJ"),
    "VBN": ("VBD", "VB", "", "NN", "JJ"),
    "V": ("VB", "", "NN", "JJ"),
    "N": ("NN", "", "JJ", "VB"),
    "J": ("JJ", "", "NN", "VB"),
    "R": ("RB", "", "JJ", "NN", "VB"),
}
_AUXILIARIES = re.compile(
    "i|we|they|you|who|will|would|could|should|must|might|may|cannot|let's|(do|does|did|ca|wo|could|would|should)n't"
)
_DETERMINERS = re.compile("the|an?|my|your|its|our|their|his|every")
# word -> (role, what stands before, what stands behind)
_CONTEXTS: dict[str, list[tuple[str, re.Pattern[str], re.Pattern[str]]]] = defaultdict(list)
for _word, _role, _before, _behind in rules("contexts.tsv", {}):
    _CONTEXTS[_word].append((_role, re.compile(rf"(^|.*\s){_before}"), re.compile(rf"{_behind}(\s|$)")))
_LOCK = threading.Lock()  # the taggers of pycrfsuite are not made for several threads


def pronounce(words: Sequence[str]) -> list[list[Word]]:
    """Each word of a sentence in lower case with its phonemes; an initialism as its letters.

    Initialisms are words with `LETTER` behind each letter, and capitals that the lexicon lacks.
    """
    with _LOCK:
        return _G2P().pronounce(words)


@cache  # of one instance: its models load in a second
class _G2P:
    """A lexicon, a part-of-speech tagger that chooses among its pronunciations, and a model for words that it lacks."""

    def __init__(self) -> None:
        from gruut.g2p import GraphemesToPhonemes
        from gruut.pos import PartOfSpeechTagger
        from gruut.utils import find_lang_dir

        folder = find_lang_dir("en-us")
        assert folder  # gruut depends on its English models
        self.lexicon = _lexicon(folder / "lexicon.db")
        self.tag = PartOfSpeechTagger(folder / "pos" / "model.crf")
        self.guess = GraphemesToPhonemes(folder / "g2p" / "model.crf")

    def pronounce(self, words: Sequence[str]) -> list[list[Word]]:
        spelled = [self._is_spelled(word) for word in words]
        parts = [_letters(word) if letters else [word] for word, letters in zip(words, spelled, strict=True)]
        texts = list(chain.from_iterable(parts))
        tags = iter(roles(texts, self.tag(texts)))
        return [
            [self._word(text, "letter" if letters else tag) for text, tag in zip(part, tags)]  # noqa: B905
            for part, letters in zip(parts, spelled, strict=True)
        ]

    def _word(self, text: str, role: str) -> Word:
        """A word in lower case, with the phonemes of its role or else those that its letters suggest."""
        known = self._entry(text)
        phonemes = next((known[each] for each in candidates(role) if each in known), None)
        phonemes = phonemes or known.get("") or next(iter(known.values()), None)
        return Word(text.lower(), tuple(phonemes.split() if phonemes else self.guess(text.lower())))

    def _entry(self, text: str) -> dict[str, str]:
        """The phonemes of a word by role, also where the lexicon has it without its apostrophe; empty if it has not."""
        forms = (text, text.lower(), re.sub(r"\W", "", text.lower()))
        return next((self.lexicon[form] for form in forms if form in self.lexicon), {})

    def _is_spelled(self, text: str) -> bool:
        """Whether a word is spelled: marked ones and XPS, but not NASA or an emphasised NO, which the lexicon has."""
        if len(text) < 2 or text in self.lexicon:
            return False
        if match := _CAPITALS.match(text):
            capitals, ending = match.groups()
            return capitals.lower() not in self.lexicon or (bool(ending) and len(capitals) == 2)  # the last: TVs
        return bool(_SPELLED.match(text))


def _letters(initialism: str) -> list[str]:
    """Split XPS, FBI's or CDs into letters, the last with its ending: F, B, I's; C, D's."""
    initialism = initialism.replace(LETTER, "")
    *letters, last = re.findall(r"[A-Z](?:'?s$)?|[a-z]", initialism)
    return [*letters, re.sub("'?s$", "'s", last) if len(last) > 1 else last]


def _lexicon(file: Path) -> dict[str, dict[str, str]]:
    """Word -> role -> phonemes, from gruut's lexicon and from what `rules/readings.tsv` corrects in it."""
    lexicon: dict[str, dict[str, str]] = {}
    with closing(sqlite3.connect(file)) as database:
        for word, role, phonemes in database.execute(
            "SELECT word, role, phonemes FROM word_phonemes ORDER BY pron_order"
        ):
            lexicon.setdefault(word, {}).setdefault(role.removeprefix("gruut:"), phonemes)
    for word, role, phonemes in rows("readings.tsv"):
        known = lexicon.setdefault(word, {})
        known.pop(role, None)
        if phonemes != "-":
            known[role] = phonemes
    return lexicon


def roles(words: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The role of each word of a sentence: its tag, unless the words around it say better."""
    words = [word.lower() for word in words]
    return [
        (_in_context(words, place) if word in _CONTEXTS else None)
        or _corrected(tag, behind=words[place - 1] if place else "")
        for place, (word, tag) in enumerate(zip(words, tags, strict=True))
    ]


def candidates(tag: str) -> tuple[str, ...]:
    """The roles of the lexicon to look for, in their order, for the role or tag of a word."""
    return (tag, *_ROLES.get(tag, _ROLES.get(tag[:1], ("",))))


def _corrected(tag: str, behind: str) -> str:
    """The tag of a word, or what it has to be behind another word: the tagger errs on rare words."""
    if _DETERMINERS.fullmatch(behind) and tag in ("VB", "VBP", "VBZ"):
        return "NN"
    return "VB" if _AUXILIARIES.fullmatch(behind) and tag in ("NN", "NNS", "JJ") else tag


def _in_context(words: Sequence[str], place: int) -> str | None:
    """What the first context that fits a word says, None if none does."""
    before, behind = " ".join(words[max(0, place - 4) : place]), " ".join(words[place + 1 : place + 6])
    fits = (role for role, left, right in _CONTEXTS[words[place]] if left.fullmatch(before) and right.match(behind))
    return next(fits, None)
