"""Text normalisation: text to words with phonemes."""

import re
from collections.abc import Iterator, Sequence

from lightning_vc.text.characters import latin
from lightning_vc.text.g2p import pronounce
from lightning_vc.text.letters import LETTER, lower_capitals
from lightning_vc.text.pronunciation import is_spoken, split_braces
from lightning_vc.text.sentences import expand, sentences
from lightning_vc.text.symbols import PUNCTUATION
from lightning_vc.text.tokens import dropped, spoken
from lightning_vc.types import Word

_MARKS = ".?!,;:—"
_CLAUSE = re.compile(r"[.?!]+|[^.?!]+")  # the tagger works on the text between sentence-final marks
_DASHES = re.compile("—+(?=[.?!])")
_TOKEN = re.compile(rf"[A-Za-z'{LETTER}]+|[.?!]+|[,;:—]+")


def normalize(text: str) -> list[Word]:
    """Split a text into lower-case words with their phonemes, and the punctuation marks , . ? ! ; : and -.

    Numbers, dates, money, abbreviations, initialisms and addresses become words. Accents, quotation marks, emoji and
    other scripts are dropped. Raises ValueError if no word is left, and whatever `split_braces` raises.
    """
    return [word for sentence in read_sentences(text) for word in sentence]


def read_sentences(text: str) -> Iterator[list[Word]]:
    """Normalise a text lazily, sentence by sentence; errors about braces are raised before the first sentence."""
    plain = [part for part in split_braces(text) if isinstance(part, str)]
    capitals = not any(letter.islower() for part in plain for letter in part)
    has_words = False
    for sentence in sentences(text):
        if words := _read_sentence(sentence, capitals):
            has_words = has_words or any(map(is_spoken, words))
            yield words
    if not has_words:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise ValueError(f"text {shown!r} has nothing to speak: write at least one English word or number")


def _read_sentence(sentence: str, capitals: bool) -> list[Word]:
    """Normalise a sentence; empty if it has nothing to speak."""
    words: list[Word] = []
    for part in split_braces(sentence):
        if isinstance(part, Word):
            words.append(part)
        elif words or re.search("[A-Za-z0-9]", latin(part)):  # otherwise a lone symbol would become a word: & is "and"
            plain = expand(latin(part))
            _read(spoken(lower_capitals(plain) if capitals else plain), words)
    return words


def written(words: Sequence[Word]) -> str:
    """Return a text that `normalize` turns into these words."""
    return "".join(word.text if word.text in PUNCTUATION else f" {word.text}" for word in words).strip()


def unspoken(text: str) -> str:
    """Return the letters, digits, emoji and symbols that `normalize` drops, without repetitions."""
    plain = (part for part in split_braces(text) if isinstance(part, str))
    return "".join(dict.fromkeys(sign for part in plain for sign in dropped(latin(part))))


def _read(text: str, words: list[Word]) -> None:
    """Append the words and punctuation of a text from `spoken`; of consecutive marks only the first is kept."""
    for clause in _CLAUSE.findall(_DASHES.sub("", text)):
        tokens = _TOKEN.findall(clause)
        pronounced = iter(pronounce([token for token in tokens if token[0] not in _MARKS]))
        for token in tokens:
            if token[0] not in _MARKS:
                words += next(pronounced)
            elif words and words[-1].text not in PUNCTUATION:
                words.append(Word("?" if "?" in token else token[0].replace("—", "-")))
