"""Removal of marks for non-speech events from transcripts of corpora: [noise], <unk>, (laughs), {SL}."""

import re
from contextlib import suppress

from lightning_vc.text.pronunciation import in_braces
from lightning_vc.text.tables import rows

_EVENT = "|".join(pattern for [pattern] in rows("events.tsv"))
_MARK = re.compile(
    r"\[laughter-(?P<laughed_word>[\w']+)\]"  # a word spoken while laughing
    r"|\[[^\[\]]*\]"
    r"|</?[A-Za-z][^<>]*>"
    r"|(?P<braces>\{[^{}]*\})"
    rf"|\(\s*(?:{_EVENT})\s*\)|\*\s*(?:{_EVENT})\s*\*"
    r"|(?<=\w)\(\d\)"  # number of a pronunciation variant, as in TED-LIUM's "the(2)"
    r"|(?<!\S)[!%][A-Za-z]+(?!\S)",  # Kaldi's !SIL, %hesitation
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"unk|spn|xxx|spoken.?noise|unintelligible|inaudible|indistinct|indiscernible", re.IGNORECASE)


def without_events(text: str) -> str:
    """Remove event marks from the transcript of a recording; phonemes and pauses in braces (`in_braces`) are kept.

    A text without marks is returned unchanged. Raises ValueError for a mark of a word that was not understood, such as
    <unk>, as the transcript is incomplete there.
    """
    cleaned = _MARK.sub(_replacement, text)
    return text if cleaned == text else " ".join(cleaned.split())


def _replacement(match: re.Match[str]) -> str:
    mark = match[0]
    if match["braces"]:
        with suppress(ValueError):
            if in_braces(mark):
                return mark
    if _UNKNOWN.fullmatch(mark.strip("[]<>{}()*!%/ ")):
        raise ValueError(f"the text has {mark}, where a word was not understood")
    return match["laughed_word"] or ""
