"""What a user writes between braces: how a word is said, {R EH1 D} or {ɹ ˈɛ d}, or how long to pause, {/} or {%}."""

import re
from collections.abc import Iterable, Iterator

from lightning_vc.text.symbols import LONG_PAUSE, PHONEMES, SHORT_PAUSE, SLURRED
from lightning_vc.types import Word

# The phonemes of text/symbols, without stress, in the alphabet of the CMU dictionary.
ARPABET = {
    **{"b": "B", "d": "D", "d͡ʒ": "JH", "f": "F", "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N"},
    **{"p": "P", "s": "S", "t": "T", "t͡ʃ": "CH", "v": "V", "w": "W", "z": "Z", "ð": "DH", "ŋ": "NG", "ɡ": "G"},
    **{"ɹ": "R", "ʃ": "SH", "ʒ": "ZH", "θ": "TH", "ə": "AH", "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "i": "IY"},
    **{"oʊ": "OW", "u": "UW", "æ": "AE", "ɑ": "AA", "ɔ": "AO", "ɔɪ": "OY", "ɚ": "ER", "ɛ": "EH", "ɪ": "IH"},
    **{"ʊ": "UH", "ʌ": "AH"},
}
PAUSES = {f"{{{mark}}}": mark for mark in (SLURRED, SHORT_PAUSE, LONG_PAUSE)}  # as words, and their symbols
BRACES = re.compile(r"(\{[^{}]*\})")

_SOUNDS = {name: phoneme for phoneme, name in ARPABET.items()}
_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}
_ARPA = re.compile(r"([A-Z]{1,2})([012]?)")
_IPA = re.compile("|".join(map(re.escape, sorted((*ARPABET, "ˈ", "ˌ"), key=len, reverse=True))))
# Other ways to write the same sounds: g as on a keyboard, affricates and r without their marks, length.
_SPELLINGS = str.maketrans({"g": "ɡ", "r": "ɹ", "ʧ": "t͡ʃ", "ʤ": "d͡ʒ", "ː": "", "ɝ": "ɚ", "'": "ˈ", ".": " "})


def in_braces(text: str) -> Word | None:
    """The word that stands for `{...}`: a pause, or sounds, with their braces for its text.

    Sounds are ARPAbet in capitals, with 0, 1 or 2 behind a vowel for its stress, or IPA with ˈ and ˌ before a syllable.
    None where it is neither, but just a text in braces. Raises ValueError for sounds of which one is unknown, and for a
    stress without its vowel.
    """
    if text in PAUSES:
        return Word(text)
    inner = text.strip("{} ")
    names = inner.split()
    if names and all(map(_ARPA.fullmatch, names)) and any(name.strip("012") in _SOUNDS for name in names):
        phonemes = tuple(_sound(name, text) for name in names)
    else:
        ipa = inner.translate(_SPELLINGS)
        marks = _IPA.findall(ipa)
        if inner.isascii() or all(mark.isascii() for mark in marks if mark in inner):
            return None
        if unknown := _IPA.sub(" ", ipa).split():
            raise ValueError(f"unknown sound {unknown[0]!r} in {text}: write IPA of {' '.join(ARPABET)}, ˈ and ˌ")
        phonemes = tuple(_sounds(marks))
        if not phonemes or sum(mark in "ˈˌ" for mark in marks) > sum(phoneme[0] in "ˈˌ" for phoneme in phonemes):
            raise ValueError(f"a stress in {text} has no vowel behind it: write it before its syllable, as in {{ɹˈɛd}}")
    if not any(phoneme[0] in "ˈˌ" for phoneme in phonemes):
        phonemes = _stressed(phonemes)
    return Word(f"{{{inner}}}", phonemes)


def _sounds(marks: Iterable[str]) -> Iterator[str]:
    """Phonemes from IPA, in which the stress stands before the consonants of a syllable: it belongs to the vowel."""
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
    match = _ARPA.fullmatch(name)
    assert match
    plain, stress = match.groups()
    phoneme = _SOUNDS.get(plain)
    if phoneme is None or (stress and f"ˈ{phoneme}" not in PHONEMES):
        raise ValueError(f"unknown sound {name!r} in {text}: write ARPAbet such as {{R EH1 D}}, or IPA, or no braces")
    return "ə" if name == "AH0" else _STRESS.get(stress, "") + phoneme


def _stressed(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    """The same with stress on the first vowel that can have it, as in nearly every English word."""
    for i, phoneme in enumerate(phonemes):
        if f"ˈ{phoneme}" in PHONEMES:
            return (*phonemes[:i], f"ˈ{phoneme}", *phonemes[i + 1 :])
    return phonemes
