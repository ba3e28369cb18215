"""Text to words with phonemes."""

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
_CLAUSE = re.compile(r"[.?!]+|[^.?!]+")  # the tagger sees what stands between marks that end sentences
_DASHES = re.compile("—+(?=[.?!])")
_TOKEN = re.compile(rf"[A-Za-z'{LETTER}]+|[.?!]+|[,;:—]+")


def normalize(text: str) -> list[Word]:
    """Split a text into lower-case words with their phonemes, and the punctuation marks , . ? ! ; : and -.

    Numbers, dates, money, abbreviations, initialisms and addresses become words. Accents, quotation marks, emoji and
    other scripts are dropped. Raises ValueError where nothing is left to speak, and what `split_braces` raises.
    """
    return [word for sentence in read_sentences(text) for word in sentence]


def read_sentences(text: str) -> Iterator[list[Word]]:
    """Normalise a text sentence by sentence, each when it is asked for; errors of braces come with the first."""
    plain = [part for part in split_braces(text) if isinstance(part, str)]
    capitals = not any(letter.islower() for part in plain for letter in part)
    speaks = False
    for sentence in sentences(text):
        if words := _read_sentence(sentence, capitals):
            speaks = speaks or any(map(is_spoken, words))
            yield words
    if not speaks:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise ValueError(f"text {shown!r} has nothing to speak: write at least one English word or number")


def _read_sentence(sentence: str, capitals: bool) -> list[Word]:
    """The words of a sentence, none where it has nothing to speak."""
    words: list[Word] = []
    for part in split_braces(sentence):
        if isinstance(part, Word):
            words.append(part)
        elif words or re.search("[A-Za-z0-9]", latin(part)):  # else a sign would speak: & is "and"
            plain = expand(latin(part))
            _read(spoken(lower_capitals(plain) if capitals else plain), words)
    return words


def written(words: Sequence[Word]) -> str:
    """A text that is normalised to these words."""
    return "".join(word.text if word.text in PUNCTUATION else f" {word.text}" for word in words).strip()


def unspoken(text: str) -> str:
    """The letters, digits, emoji and symbols that `normalize` leaves out, each once."""
    plain = (part for part in split_braces(text) if isinstance(part, str))
    return "".join(dict.fromkeys(sign for part in plain for sign in dropped(latin(part))))


def _read(text: str, words: list[Word]) -> None:
    """Add the words of what `spoken` returns, and one mark of punctuation at a time, to those before it."""
    for clause in _CLAUSE.findall(_DASHES.sub("", text)):
        tokens = _TOKEN.findall(clause)
        pronounced = iter(pronounce([token for token in tokens if token[0] not in _MARKS]))
        for token in tokens:
            if token[0] not in _MARKS:
                words += next(pronounced)
            elif words and words[-1].text not in PUNCTUATION:
                words.append(Word("?" if "?" in token else token[0].replace("—", "-")))
