"""Grapheme-to-phoneme conversion for American English with gruut's lexicon and models.

The pronunciation of a homograph such as read, live or bow depends on its part of speech or the words around it.
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
# Roles of gruut's lexicon in order of preference, by Penn Treebank tag or its first letter. The empty role is that of
# words with a single pronunciation.
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
# word -> (role, pattern of the words before, pattern of the words after)
_CONTEXTS: dict[str, list[tuple[str, re.Pattern[str], re.Pattern[str]]]] = defaultdict(list)
for _word, _role, _before, _after in rules("contexts.tsv", {}):
    _CONTEXTS[_word].append((_role, re.compile(rf"(^|.*\s){_before}"), re.compile(rf"{_after}(\s|$)")))
_LOCK = threading.Lock()  # the taggers of pycrfsuite are not thread-safe


def pronounce(words: Sequence[str]) -> list[list[Word]]:
    """Return the words of a sentence in lower case with their phonemes; an initialism becomes a word per letter.

    Initialisms are words with `LETTER` after each letter, and capitals that the lexicon lacks.
    """
    with _LOCK:
        return _G2P().pronounce(words)


@cache  # a single instance, as loading the models takes a second
class _G2P:
    """A lexicon, a part-of-speech tagger to choose among pronunciations, and a model for out-of-vocabulary words."""

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
        """Return a word in lower case with the phonemes of its role, or those that the model predicts."""
        entry = self._entry(text)
        phonemes = next((entry[candidate] for candidate in candidates(role) if candidate in entry), None)
        phonemes = phonemes or entry.get("") or next(iter(entry.values()), None)
        return Word(text.lower(), tuple(phonemes.split() if phonemes else self.guess(text.lower())))

    def _entry(self, text: str) -> dict[str, str]:
        """Look up the phonemes of a word by role, if necessary without its apostrophe; empty for an unknown word."""
        forms = (text, text.lower(), re.sub(r"\W", "", text.lower()))
        return next((self.lexicon[form] for form in forms if form in self.lexicon), {})

    def _is_spelled(self, text: str) -> bool:
        """Whether a word is spelled: marked words and XPS, but not words of the lexicon such as NASA or NO."""
        if len(text) < 2 or text in self.lexicon:
            return False
        if match := _CAPITALS.match(text):
            capitals, ending = match.groups()
            return capitals.lower() not in self.lexicon or (bool(ending) and len(capitals) == 2)  # such as TVs
        return bool(_SPELLED.match(text))


def _letters(initialism: str) -> list[str]:
    """Split XPS, FBI's or CDs into letters; the last keeps its ending: F, B, I's; C, D's."""
    initialism = initialism.replace(LETTER, "")
    *letters, last = re.findall(r"[A-Z](?:'?s$)?|[a-z]", initialism)
    return [*letters, re.sub("'?s$", "'s", last) if len(last) > 1 else last]


def _lexicon(file: Path) -> dict[str, dict[str, str]]:
    """Word -> role -> phonemes, from gruut's lexicon with the corrections of `rules/readings.tsv`."""
    lexicon: dict[str, dict[str, str]] = {}
    with closing(sqlite3.connect(file)) as database:
        for word, role, phonemes in database.execute(
            "SELECT word, role, phonemes FROM word_phonemes ORDER BY pron_order"
        ):
            lexicon.setdefault(word, {}).setdefault(role.removeprefix("gruut:"), phonemes)
    for word, role, phonemes in rows("readings.tsv"):
        entry = lexicon.setdefault(word, {})
        entry.pop(role, None)
        if phonemes != "-":
            entry[role] = phonemes
    return lexicon


def roles(words: Sequence[str], tags: Sequence[str]) -> list[str]:
    """Return the role of each word of a sentence: from the words around it if a rule matches, else its tag."""
    words = [word.lower() for word in words]
    return [
        (_in_context(words, i) if word in _CONTEXTS else None) or _corrected(tag, previous=words[i - 1] if i else "")
        for i, (word, tag) in enumerate(zip(words, tags, strict=True))
    ]


def candidates(tag: str) -> tuple[str, ...]:
    """Return the roles to look up in the lexicon for the role or tag of a word, in order of preference."""
    return (tag, *_ROLES.get(tag, _ROLES.get(tag[:1], ("",))))


def _corrected(tag: str, previous: str) -> str:
    """Correct the tag of a word that cannot follow the previous word, as the tagger errs on rare words."""
    if _DETERMINERS.fullmatch(previous) and tag in ("VB", "VBP", "VBZ"):
        return "NN"
    return "VB" if _AUXILIARIES.fullmatch(previous) and tag in ("NN", "NNS", "JJ") else tag


def _in_context(words: Sequence[str], index: int) -> str | None:
    """Return the role from the first rule that matches the words around a word; None if there is none."""
    before, after = " ".join(words[max(0, index - 4) : index]), " ".join(words[index + 1 : index + 6])
    matches = (role for role, left, right in _CONTEXTS[words[index]] if left.fullmatch(before) and right.match(after))
    return next(matches, None)
