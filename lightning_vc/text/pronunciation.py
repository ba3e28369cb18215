"""Markup in braces: the pronunciation of a word, {R EH1 D} or {ɹ ˈɛ d}, or the length of a pause, {/} or {%}."""

import re
from collections.abc import Iterable, Iterator

from lightning_vc.console import short
from lightning_vc.text.symbols import LONG_PAUSE, PHONEMES, PUNCTUATION, SHORT_PAUSE, SLURRED
from lightning_vc.text.tables import any_of, rows
from lightning_vc.types import Word

ARPABET = dict(rows("phonemes.tsv"))  # phoneme without stress -> ARPAbet, the alphabet of the CMU dictionary
PAUSES = {f"{{{mark}}}": mark for mark in (SLURRED, SHORT_PAUSE, LONG_PAUSE)}  # text of the word -> symbol

_BRACES = re.compile(r"(\{[^{}]*\})")
_SOUNDS = {name: phoneme for phoneme, name in ARPABET.items()}
_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}
_ARPA = re.compile(r"[A-Z]{1,2}\d?")
_IPA = re.compile(any_of((*ARPABET, "ˈ", "ˌ")))
_SPELLINGS = {"ː": "", "ˑ": "", ".": " "} | dict(rows("spellings.tsv"))  # variants of IPA -> the phonemes of ARPABET
_SPELLING = re.compile(any_of(_SPELLINGS))
_IPA_LETTERS = frozenset(letter for letter in "".join((*ARPABET, *_SPELLINGS, "ˈ", "ˌ")) if not letter.isascii())


def is_spoken(word: Word) -> bool:
    """Whether a word is neither punctuation nor a pause."""
    return word.text not in PUNCTUATION and word.text not in PAUSES


def split_braces(text: str) -> list[str | Word]:
    """Split a text into plain parts (str) and parts in braces (Word).

    Raises ValueError for unbalanced or nested braces, and whatever `in_braces` raises.
    """
    parts: list[str | Word] = [""]
    for piece in _BRACES.split(text):
        whole = piece.startswith("{") and piece.endswith("}")
        if not whole and (brace := re.search("[{}]", piece)):
            near = piece[max(0, brace.start() - 20) : brace.start() + 20]
            raise ValueError(
                f"the text has a {brace[0]} that is unbalanced, or nested braces, at {near!r}: "
                "write sounds as {HH AH0 L OW1}, and no other braces"
            )
        if whole and (word := in_braces(piece)):
            parts += [word, ""]
        else:
            parts[-1] = f"{parts[-1]}{piece}"
    return parts


def in_braces(text: str) -> Word | None:
    """Parse `{...}` as a pause or as phonemes; the text of the word keeps the braces. None for any other content.

    Phonemes are ARPAbet, with stress 0, 1 or 2 after a vowel, or IPA with ˈ and ˌ before a syllable. In lower
    case, ARPAbet needs two phonemes or a stress. Raises ValueError for an unknown phoneme or a stress without a vowel.
    """
    if text in PAUSES:
        return Word(text)
    inner = text.strip("{} ")
    phonemes = _arpabet(inner, text) or _ipa(inner, text)
    if phonemes is None:
        return None
    if not any(phoneme[0] in "ˈˌ" for phoneme in phonemes):
        phonemes = _stressed(phonemes)
    return Word(f"{{{inner}}}", phonemes)


def _arpabet(inner: str, text: str) -> tuple[str, ...] | None:
    """Parse phonemes in ARPAbet; None for any other notation."""
    names = inner.upper().split()
    valid = [name.rstrip("012") in _SOUNDS for name in names]
    if not all(map(_ARPA.fullmatch, names)) or not any(valid):
        return None
    if not inner.isupper() and (len(names) == 1 or (not all(valid) and _is_ipa(inner))) and not inner[-1].isdigit():
        return None
    return tuple(_sound(name, text) for name in names)


def _ipa(inner: str, text: str) -> tuple[str, ...] | None:
    """Parse phonemes in IPA; None for any other notation."""
    ipa = _spelled(inner)
    if not any(letter in _IPA_LETTERS for letter in inner) and not _is_ipa(inner):
        return None
    marks = _IPA.findall(ipa)
    if unknown := _IPA.sub(" ", ipa).split():
        raise ValueError(
            f"unknown sound {short(unknown[0])} in {short(text)}: write IPA of {' '.join(ARPABET)}, ˈ and ˌ"
        )
    phonemes = tuple(_sounds(marks))
    if not phonemes or sum(mark in "ˈˌ" for mark in marks) > sum(phoneme[0] in "ˈˌ" for phoneme in phonemes):
        raise ValueError(
            f"a stress in {short(text)} has no vowel after it: write it before its syllable, as in {{ɹˈɛd}}"
        )
    return phonemes


def _is_ipa(inner: str) -> bool:
    """Whether a text consists of single letters of IPA separated by spaces, as in {b e d}."""
    return all(len(name) == 1 and _IPA.fullmatch(_spelled(name)) for name in inner.split()) and " " in inner


def _spelled(ipa: str) -> str:
    """Convert IPA to the phonemes of `ARPABET`."""
    return _SPELLING.sub(lambda match: _SPELLINGS[match[0]], ipa)


def _sounds(marks: Iterable[str]) -> Iterator[str]:
    """Move each stress mark of IPA from the start of its syllable to the vowel."""
    stress = ""
    for mark in marks:
        if mark in ("ˈ", "ˌ"):
            stress = mark
        elif stress + mark in PHONEMES:
            yield stress + mark
            stress = ""
        else:
            yield mark


def _sound(name: str, text: str) -> str:
    """Convert an ARPAbet symbol with its stress to a phoneme."""
    plain = name.rstrip("012")
    phoneme, stress = _SOUNDS.get(plain), name[len(plain) :]
    if phoneme is None or (stress and f"ˈ{phoneme}" not in PHONEMES):
        raise ValueError(
            f"unknown sound {short(name)} in {short(text)}: write ARPAbet such as {{R EH1 D}}, or IPA, or no braces"
        )
    return "ə" if name == "AH0" else _STRESS.get(stress, "") + phoneme


def _stressed(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    """Put primary stress on the first vowel that can carry it."""
    for i, phoneme in enumerate(phonemes):
        if f"ˈ{phoneme}" in PHONEMES:
            return (*phonemes[:i], f"ˈ{phoneme}", *phonemes[i + 1 :])
    return phonemes
