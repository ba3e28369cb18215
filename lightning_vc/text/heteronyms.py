"""Which pronunciation a word has in its sentence: by its part of speech, or by the words around it."""

import re
from collections import defaultdict
from collections.abc import Sequence

from lightning_vc.text.tables import rules

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
