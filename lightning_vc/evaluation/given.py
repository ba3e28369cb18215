"""Sounds of another system, measured beside the clones."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import track

from lightning_vc.audio import io
from lightning_vc.evaluation.clones import Clones
from lightning_vc.evaluation.sounds import Opinions, Row, Sound


def read_given(folder: str, clones: Clones) -> list[Sound]:
    """What stands in a folder as `<speaker>/<n>.wav`, of each speaker the sentences in their order.

    Raises FileNotFoundError for a sound that is missing, and ValueError for a folder that is named like a method.
    """
    name = Path(folder).resolve().name
    if name in clones.methods:
        raise ValueError(f"{folder} would stand in the tables as the method {name}: give it another name")
    sounds = []
    for speaker in clones.folder.speakers:
        real = tuple(clones.folder.real_of(speaker.id))
        for number, text in enumerate(clones.folder.sentences, 1):
            path = Path(folder, speaker.id, f"{number:02d}.wav")
            if not path.is_file():
                raise FileNotFoundError(f"{path} is missing, where {speaker.id} says {text!r}")
            sounds.append(Sound(path, Row(name), speaker.id, text, real))
    return sounds


@torch.no_grad()
def measure_given(clones: Clones, sounds: Sequence[Sound]) -> Opinions:
    """Of what is measured of clones, all that needs no attention."""
    voices = {speaker: clones.voice_of(speaker) for speaker in {sound.speaker for sound in sounds}}
    measured = {}
    for sound in track(sounds, "given sounds", disable=not sounds):
        wave, number = io.read(sound.path, clones.folder.rate), int(sound.path.stem) - 1
        measured[sound.path] = clones.measure(sound.speaker, number, wave, voices[sound.speaker])
    return measured
