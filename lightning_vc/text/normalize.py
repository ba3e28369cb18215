"""Text to words with phonemes: our own normalisation, then gruut's lexicon, tagger and letter-to-sound model."""

import functools
import logging
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_vc.text.abbreviations import expand
from lightning_vc.text.characters import latin
from lightning_vc.text.heteronyms import candidates, readings, roles
from lightning_vc.text.letters import LETTER, lower_capitals
from lightning_vc.text.pronunciation import PAUSES, split_braces
from lightning_vc.text.sentences import sentences
from lightning_vc.text.symbols import PUNCTUATION
from lightning_vc.text.tokens import dropped, spoken
from lightning_vc.types import Word

if TYPE_CHECKING:
    from gruut import TextProcessor

_LANGUAGE = "en_US"
_DETECT = ("detect_numbers", "detect_currency", "detect_dates", "detect_times")
_CAPITALS = re.compile(r"([A-Z]{2,})('?s)?$")  # FBI, FBI's, CDs
_SPELLED = re.compile(rf"(?:[A-Z]{LETTER})+(?:'s)?$")
_LOCK = threading.Lock()  # gruut's taggers are not made for several threads


def normalize(text: str) -> list[Word]:
    """Split a text into lower-case words with their phonemes, and the punctuation marks , . ? ! ; : and -.

    Numbers, dates, money, abbreviations, initialisms and addresses become words; a text that is all capitals is read
    as if it were not; accents, quotation marks, emoji and other scripts are dropped. Raises ValueError where nothing
    is left to speak, and what `split_braces` raises.
    """
    return [word for sentence in read_sentences(text) for word in sentence]


def read_sentences(text: str) -> Iterator[list[Word]]:
    """The same a sentence at a time, each read when it is asked for; errors of braces come with the first."""
    plain = [part for part in split_braces(text) if isinstance(part, str)]
    capitals = not any(letter.islower() for part in plain for letter in part)
    speaks = False
    for sentence in sentences(text):
        if words := _read_sentence(sentence, capitals):
            speaks = speaks or any(word.text not in PUNCTUATION and word.text not in PAUSES for word in words)
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
    """Words as one writes them: a text that is read as these words."""
    return "".join(word.text if word.text in PUNCTUATION else f" {word.text}" for word in words).strip()


def unspoken(text: str) -> str:
    """The letters, digits, emoji and symbols that `normalize` leaves out, each once."""
    plain = (part for part in split_braces(text) if isinstance(part, str))
    return "".join(dict.fromkeys(sign for part in plain for sign in dropped(latin(part))))


def _read(text: str, words: list[Word]) -> None:
    """Have gruut read a text, and add its words and one mark of punctuation at a time to those before it."""
    with _LOCK:
        gruut = _gruut()
        graph, root = gruut(text, **dict.fromkeys(_DETECT, False))  # there are only words left
        sentences = list(gruut.sentences(graph, root))
    for sentence in sentences:
        for token in sentence:
            if token.is_spoken:
                words.extend(_spoken(token.text, tuple(token.phonemes or ())))
            elif words and words[-1].text not in PUNCTUATION and (mark := _mark(token.text)):
                words.append(Word(mark))


def _spoken(text: str, phonemes: tuple[str, ...]) -> list[Word]:
    """Clean a word of what no frontend can spell."""
    text = text.lower()
    parts = re.findall(r"\d|[a-z']+", text)
    if parts != [text] or text.isdigit():  # gruut took several for one, or could not read a number: 1.2.3
        said: list[Word] = []
        _read(" ".join(parts), said)
        return said
    text = text.strip("'")
    return [Word(text, phonemes)] if text else []


def _spell(initialism: str) -> list[str]:
    """Split XPS, FBI's or CDs into letters, the last with its ending: F, B, I's; C, D's."""
    initialism = initialism.replace(LETTER, "")
    *letters, last = re.findall(r"[A-Z](?:'?s$)?|[a-z]", initialism)
    return [*letters, re.sub("'?s$", "'s", last) if len(last) > 1 else last]


def _mark(text: str) -> str | None:
    """Choose the mark that decides how a run of them sounds: ? before all others, else the first."""
    marks = ["-" if mark == "—" else mark for mark in text]
    return "?" if "?" in marks else next((mark for mark in marks if mark in PUNCTUATION), None)


@functools.cache
def _gruut() -> "TextProcessor":
    """Load gruut, on first use: it takes a second."""
    from gruut import TextProcessor
    from gruut.lang import DelayedSqlitePhonemizer, get_settings
    from gruut.phonemize import SqlitePhonemizer

    logging.getLogger("gruut").setLevel(logging.CRITICAL)  # it logs a traceback for each number it cannot read
    settings = get_settings(
        _LANGUAGE,
        minor_breaks={",", ";", ":", "—"},
    )
    delayed = settings.lookup_phonemes
    assert isinstance(delayed, DelayedSqlitePhonemizer)
    lexicon = SqlitePhonemizer(_indexed(delayed.db_path), **delayed.phonemizer_args)

    def look_up(text: str, role: str | None = None, do_transforms: bool = True) -> Sequence[str] | None:
        """Look up all but the two words with dots, a.m. and p.m., which are read as the initialisms that they are."""
        if "." in text:
            return None
        phonemes = lexicon(text, None, do_transforms)
        by_role = lexicon.lexicon.get(text, {})
        wanted = candidates((role or "").removeprefix("gruut:"))
        keys = (f"gruut:{each}" if each else "" for each in wanted)
        return next((by_role[key] for key in keys if key in by_role), phonemes)

    def is_initialism(text: str) -> bool:
        """Whether a word is spelled: marked ones and XPS, but not NASA or an emphasised NO, which the lexicon has."""
        if match := _CAPITALS.match(text):
            capitals, ending = match.groups()
            in_lexicon = lexicon(capitals.lower(), do_transforms=False)
            return not in_lexicon or (bool(ending) and len(capitals) == 2)  # the last: TVs
        return bool(_SPELLED.match(text))

    tagger = settings.get_parts_of_speech
    assert tagger
    settings.get_parts_of_speech = lambda words: roles(words, tagger(words))
    settings.lookup_phonemes, settings.is_initialism, settings.split_initialism = look_up, is_initialism, _spell
    return TextProcessor(default_lang=_LANGUAGE, settings={_LANGUAGE: settings})


def _indexed(lexicon: Path) -> sqlite3.Connection:
    """Copy gruut's lexicon to memory with an index: without one, as it comes, each word takes 10 ms to find."""
    memory = sqlite3.connect(":memory:", check_same_thread=False)  # _LOCK serves one thread at a time
    memory.execute("ATTACH ? AS file", (str(lexicon),))
    memory.execute("CREATE TABLE word_phonemes AS SELECT * FROM file.word_phonemes")
    for word, role, phonemes in readings():
        memory.execute("DELETE FROM word_phonemes WHERE word = ? AND role = ?", (word, f"gruut:{role}"))
        if phonemes:
            row = (word, 99, phonemes, f"gruut:{role}")
            memory.execute("INSERT INTO word_phonemes (word, pron_order, phonemes, role) VALUES (?, ?, ?, ?)", row)
    memory.execute("CREATE INDEX word ON word_phonemes (word)")
    memory.execute("DETACH file")
    return memory
