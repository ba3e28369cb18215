"""What is evaluated: sounds, who should be heard in each, and what was said of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_vc.files import write_file


@dataclass(frozen=True)
class Row:
    """A line of a table: who speaks, cloned from how many clips, after how many steps of adaptation."""

    voice: str  # a method of cloning, or one of the bounds
    clips: int | None = None
    steps: int | None = None  # None where the method chooses


@dataclass(frozen=True)
class Sound:
    """One of the sounds of a row."""

    path: Path
    row: Row
    speaker: str  # who it should sound like
    text: str  # what it should say
    references: tuple[Path, ...]  # recordings of the speaker, it not among them
    changed: tuple[str, str] | None = None  # where the voice was moved: "sex" or "accent", and what it has become


Opinion = dict[str, Any]  # name -> number, true or false, or words
Opinions = dict[Path, Opinion]  # of the sounds


def merged(all_opinions: Iterable[Opinions]) -> Opinions:
    """What several have said of the same sounds."""
    together: Opinions = {}
    for opinions in all_opinions:
        for path, said in opinions.items():
            together.setdefault(path, {}).update(said)
    return together


def write_manifest(path: Path, sounds: Sequence[Sound]) -> None:
    """Write `sound <tab> recordings of the speaker, separated by ; <tab> text` a line, paths absolute, - for none."""
    lines = []
    for sound in sounds:
        others = ";".join(str(each.resolve()) for each in sound.references)
        lines.append(f"{sound.path.resolve()}\t{others or '-'}\t{sound.text}\n")
    write_file(path, "".join(lines))
