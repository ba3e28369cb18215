"""Voices that the model has learned, moved to the other sex and to another accent (section 5.5).

mixtures/<trait>/<speaker>/<n>.wav      the sentences, as a speaker of the model would say them with that trait changed
"""

from collections.abc import Sequence
from dataclasses import replace

from rich.progress import track

from lightning_vc.evaluation.clones import Clones
from lightning_vc.evaluation.sounds import Opinions, Row, Sound
from lightning_vc.morphing import learned_by_speaker, morph

TRAITS = ("sex", "accent")
_READING = ("finished", "attention_failures", "focus", "coverage")
_SEXES = {"F": "male voices made female", "M": "female voices made male"}
_ACCENT = "voices moved to another accent"
MIXTURES = tuple(Row(name) for name in (*_SEXES.values(), _ACCENT))


def make_mixtures(clones: Clones, sources: Sequence[str], amount: float) -> tuple[list[Sound], Opinions]:
    """Move speakers of the model: voice + amount * (mean of the other sex - mean of its own), and so by accent.

    What each is to be heard as stands in `changed`. Nothing is done for a trait that all share, or that the
    corpus does not tell. Beside the sounds: how well they were read; how like they are to who they were is no aim.
    """
    entries = {entry.id: entry for entry in clones.folder.index.speakers}
    voices = learned_by_speaker(clones.cloner, clones.folder.index)
    sounds = []
    for trait in TRAITS:
        values = sorted({getattr(entries[id], trait) or "" for id in voices} - {""})
        groups = {
            value: [voice for id, voice in voices.items() if getattr(entries[id], trait) == value] for value in values
        }
        moved = [id for id in sources if len(values) > 1 and getattr(entries[id], trait)]
        for id in track(moved, f"moved to another {trait}", disable=not moved):
            own = getattr(entries[id], trait)
            other = values[(values.index(own) + 1) % len(values)]
            row = Row(_SEXES.get(other, f"to {other}") if trait == "sex" else _ACCENT)
            said = clones.speak(f"mixtures/{trait}", row, id, morph(voices[id], groups[other], groups[own], amount))
            sounds += [replace(sound, changed=(trait, other)) for sound in said]
    scores = clones.scores(sounds)
    return sounds, {path: {name: said[name] for name in _READING if name in said} for path, said in scores.items()}
