"""Text files and transcript files."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from lightning_vc.files import read_text


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file that are not blank; raises ValueError if there are none."""
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file: write one in UTF-8, one text per line") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty: write one text per line")
    return lines


def read_transcripts(path: str | Path, clips: Sequence[str | Path]) -> list[str]:
    """Read the transcript of each clip, from lines `clip<tab>text`, or one text per line in the order of the clips.

    The suffix of a clip may be omitted; a space may then replace the tab if its name has a digit, as in LibriSpeech
    and Kaldi. Of LJSpeech's lines `id|text|normalised text`, the last non-empty text is used.

    Raises ValueError for a clip without a transcript, naming it, and for other lines.
    """
    lines = read_lines(path)
    names = [_name(clip) for clip in clips]
    stems = [Path(name).stem for name in names]
    if all("|" in line for line in lines):
        pairs = [_split_bars(line, path) for line in lines]
    elif any("\t" in line or any(_plain(line).startswith(name) for name in names) for line in lines):
        pairs = [line.partition("\t")[::2] for line in lines]
    elif any(_is_id(line.split()[0], stems) for line in lines):
        pairs = [(line.split()[0], line.partition(" ")[2]) for line in lines]
    elif invalid := [line for line in lines if "|" in line or _begins_with_id(line, stems)]:
        raise ValueError(f"{path} has the line {invalid[0]!r}: write the clip, a tab, and its transcript")
    elif len(lines) != len(clips):
        raise ValueError(f"{path} has {len(lines)} lines for {len(clips)} clips: write one for each, in their order")
    else:
        return lines
    transcripts: dict[str, str] = {}
    for line, (clip, text) in zip(lines, pairs, strict=True):
        if not text.strip():
            raise ValueError(f"{path} has the line {line!r}: write the clip, a tab, and its transcript")
        if transcripts.setdefault(_name(clip), text.strip()) != text.strip():
            raise ValueError(f"{path} has two transcripts of {clip}: leave one of them")
    keys = [name if name in transcripts else stem for name, stem in zip(names, stems, strict=True)]
    if len(set(keys)) < len(keys):
        raise ValueError(f"clips of the same name ({', '.join(keys)}) are ambiguous in {path}: rename them")
    if missing := [str(clip) for clip, key in zip(clips, keys, strict=True) if key not in transcripts]:
        raise ValueError(f"{path} has no transcript of {', '.join(missing)}")
    return [transcripts[key] for key in keys]


def _split_bars(line: str, path: str | Path) -> tuple[str, str]:
    """Return clip and text of a line of LJSpeech; raises ValueError for more than three fields."""
    clip, *texts = line.split("|")
    if len(texts) > 2:
        raise ValueError(f"{path} has the line {line!r}: write id|text|normalised text, with two bars at most")
    return clip, next((text for text in reversed(texts) if text.strip()), "")


def _begins_with_id(line: str, stems: Sequence[str]) -> bool:
    """Whether a line begins with the id of a clip and a comma, semicolon or colon."""
    word = re.split("[,;:]", line.lstrip("\"'"), maxsplit=1)[0]
    return word != line and _is_id(word, stems, "\"'")


def _is_id(word: str, stems: Sequence[str], quotes: str = "") -> bool:
    """Whether a word is the id of a clip; only ids with a digit count, as others may be words of the text."""
    return any(letter.isdigit() for letter in word) and _name(word.strip(quotes)) in stems


def _name(clip: str | Path) -> str:
    return Path(_plain(str(clip))).name


def _plain(text: str) -> str:
    """Normalise accents (NFC), whose encoding in file names depends on the operating system."""
    return unicodedata.normalize("NFC", text).strip()


def transcripts_beside(clips: Sequence[str | Path]) -> list[str] | None:
    """Read the transcript of each clip from a text file of the same name beside it; None if no clip has one.

    Raises FileNotFoundError if only some clips have one, and ValueError if two clips would share one.
    """
    files = [Path(clip).with_suffix(".txt") for clip in clips]
    if shared := [file for file in files if file.exists() and files.count(file) > 1]:
        raise ValueError(f"{shared[0]} belongs to two clips: rename one, or give the transcripts in a table")
    missing = [file for file in files if not file.exists()]
    if len(missing) == len(files):
        return None
    if missing:
        raise FileNotFoundError(f"{missing[0]}: no such transcript, but other clips have one: write it")
    return [" ".join(read_lines(file)) for file in files]
