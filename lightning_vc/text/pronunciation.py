"""What a user writes between braces: how a word is said, {R EH1 D} or {ɹ ˈɛ d}, or how long to pause, {/} or {%}."""

import re
from collections.abc import Iterable, Iterator

from lightning_vc.console import short
from lightning_vc.text.symbols import LONG_PAUSE, PHONEMES, PUNCTUATION, SHORT_PAUSE, SLURRED
from lightning_vc.text.tables import any_of, rows
from lightning_vc.types import Word

ARPABET = dict(rows("phonemes.tsv"))  # phoneme without stress -> its name in the alphabet of the CMU dictionary
PAUSES = {f"{{{mark}}}": mark for mark in (SLURRED, SHORT_PAUSE, LONG_PAUSE)}  # as words, and their symbols

_BRACES = re.compile(r"(\{[^{}]*\})")
_SOUNDS = {name: phoneme for phoneme, name in ARPABET.items()}
_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}
_ARPA = re.compile(r"[A-Z]{1,2}[012]?")
_IPA = re.compile(any_of((*ARPABET, "ˈ", "ˌ")))
_SPELLINGS = {"ː": "", "ˑ": "", ".": " "} | dict(rows("spellings.tsv"))  # IPA -> the same in phonemes of ARPABET
_SPELLING = re.compile(any_of(_SPELLINGS))
_IPA_LETTERS = frozenset(letter for letter in "".join((*ARPABET, *_SPELLINGS, "ˈ", "ˌ")) if not letter.isascii())


def is_spoken(word: Word) -> bool:
    """Whether it is no mark of punctuation and no pause."""
    return word.text not in PUNCTUATION and word.text not in PAUSES


def split_braces(text: str) -> list[str | Word]:
    """The plain parts of a text, and the words of what is in braces between them.

    Raises ValueError for a brace without its partner, for braces in braces, and what `in_braces` raises.
    """
    parts: list[str | Word] = [""]
    for piece in _BRACES.split(text):
        whole = piece.startswith("{") and piece.endswith("}")
        if not whole and (brace := re.search("[{}]", piece)):
            near = piece[max(0, brace.start() - 20) : brace.start() + 20]
            raise ValueError(
                f"the text has a {brace[0]} without its partner, or braces in braces, at {near!r}: "
                "write sounds as {HH AH0 L OW1}, and no other braces"
            )
        if whole and (word := in_braces(piece)):
            parts += [word, ""]
        else:
            parts[-1] = f"{parts[-1]}{piece}"
    return parts


def in_braces(text: str) -> Word | None:
    """The word of `{...}`: a pause, or phonemes, with the braces as its text; None for any other text in braces.

    Phonemes are ARPAbet, with 0, 1 or 2 behind a vowel for its stress, or IPA with ˈ and ˌ before a syllable. In lower
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
    """The phonemes of sounds in ARPAbet, None where it is something else."""
    names = inner.upper().split()
    known = [name.rstrip("012") in _SOUNDS for name in names]
    if not all(map(_ARPA.fullmatch, names)) or not any(known):
        return None
    if not inner.isupper() and (len(names) == 1 or (not all(known) and _is_ipa(inner))) and not inner[-1].isdigit():
        return None
    return tuple(_sound(name, text) for name in names)


def _ipa(inner: str, text: str) -> tuple[str, ...] | None:
    """The phonemes of sounds in IPA, None where it is something else."""
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
            f"a stress in {short(text)} has no vowel behind it: write it before its syllable, as in {{ɹˈɛd}}"
        )
    return phonemes


def _is_ipa(inner: str) -> bool:
    """Whether ASCII letters with a blank between each are all sounds of IPA, as in {b e d}."""
    return all(len(name) == 1 and _IPA.fullmatch(_spelled(name)) for name in inner.split()) and " " in inner


def _spelled(ipa: str) -> str:
    """IPA in the spelling of `ARPABET`."""
    return _SPELLING.sub(lambda match: _SPELLINGS[match[0]], ipa)


def _sounds(marks: Iterable[str]) -> Iterator[str]:
    """Phonemes from IPA, in which the stress of a vowel stands before the consonants of its syllable."""
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
    """The phoneme of a name in ARPAbet with its stress."""
    plain = name.rstrip("012")
    phoneme, stress = _SOUNDS.get(plain), name[len(plain) :]
    if phoneme is None or (stress and f"ˈ{phoneme}" not in PHONEMES):
        raise ValueError(
            f"unknown sound {short(name)} in {short(text)}: write ARPAbet such as {{R EH1 D}}, or IPA, or no braces"
        )
    return "ə" if name == "AH0" else _STRESS.get(stress, "") + phoneme


def _stressed(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    """The same with primary stress on the first vowel that can carry it."""
    for i, phoneme in enumerate(phonemes):
        if f"ˈ{phoneme}" in PHONEMES:
            return (*phonemes[:i], f"ˈ{phoneme}", *phonemes[i + 1 :])
    return phonemes
