"""Sounds of another system, measured beside the clones."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import track

from lightning_vc.audio import io
from lightning_vc.audio.loudness import level
from lightning_vc.evaluation.bounds import COPIES, LEARNED, MEAN, OTHERS
from lightning_vc.evaluation.clones import Clones
from lightning_vc.evaluation.folder import REAL, REFERENCES
from lightning_vc.evaluation.mixtures import MIXTURES
from lightning_vc.evaluation.sounds import Opinions, Row, Sound

_OURS = (REAL, REFERENCES, COPIES, OTHERS, LEARNED, MEAN, *MIXTURES)


def read_given(folders: Sequence[str], clones: Clones, methods: Sequence[str]) -> list[Sound]:
    """What stands in folders as `<speaker>/<n>.wav`, of each speaker the sentences in their order.

    Raises FileNotFoundError for a sound that is missing, and ValueError for a folder that is named like a method, like
    a row that every evaluation may have, or like another one.
    """
    taken = {row.voice: f"our row {row.voice!r}" for row in _OURS}
    taken |= {name: f"the method {name}" for name in (*clones.methods, *methods)}
    sounds = []
    for folder in folders:
        name = Path(folder).resolve().name
        if name in taken:
            raise ValueError(f"{folder} would stand in the tables as {taken[name]} does: give it another name")
        taken[name] = folder
        sounds += _sounds(folder, Row(name), clones)
    return sounds


def _sounds(folder: str, row: Row, clones: Clones) -> list[Sound]:
    sounds = []
    for speaker in clones.folder.speakers:
        real = tuple(clones.folder.real_of(speaker.id))
        for number, text in enumerate(clones.folder.sentences, 1):
            path = Path(folder, speaker.id, f"{number:02d}.wav")
            if not path.is_file():
                raise FileNotFoundError(f"{path} is missing, where {speaker.id} says {text!r}")
            sounds.append(Sound(path, row, speaker.id, text, real))
    return sounds


@torch.no_grad()
def measure_given(clones: Clones, sounds: Sequence[Sound]) -> Opinions:
    """Of what is measured of clones, all that needs no attention."""
    voices = {speaker: clones.voice_of(speaker) for speaker in {sound.speaker for sound in sounds}}
    measured = {}
    for sound in track(sounds, "given sounds", disable=not sounds):
        wave, number = level(io.read(sound.path, clones.folder.rate)), int(sound.path.stem) - 1
        measured[sound.path] = clones.measure(sound.speaker, number, wave, voices[sound.speaker])
    return measured
