"""What clones are worth at most and at least: the floor and the ceiling of every table.

Below the folder of the evaluation there are then

    bounds/copies/<speaker>/<n>.wav     the real recordings, through spectrogram and vocoder
    bounds/others/<speaker>/<n>.wav     real recordings of somebody else in the place of this speaker's
    bounds/learned/<speaker>/<n>.wav    speakers that the model was trained on, saying the sentences
    bounds/mean/<speaker>/<n>.wav       the mean of all voices that the model has learned, saying them
"""

import torch
from rich.progress import track

from lightning_vc.audio import io
from lightning_vc.evaluation.clones import Clones, compared
from lightning_vc.evaluation.sounds import Opinions, Row, Sound
from lightning_vc.files import write_file
from lightning_vc.morphing import learned_by_speaker, learnt_from
from lightning_vc.voice import Voice

COPIES, OTHERS = Row("real recordings through the vocoder"), Row("real recordings of another speaker")
LEARNED, MEAN = Row("the model's own speakers"), Row("the mean voice")


def make_bounds(clones: Clones, own: int | None = None) -> tuple[list[Sound], Opinions]:
    """Make all of them that can be made here, with what was measured of them.

    Args:
        clones: beside which they stand.
        own: how many of the model's own speakers, no more than it has; if None is given, as many as are cloned.
    """
    sounds = [*_learned(clones, own or len(clones.folder.speakers)), *_mean(clones)]
    copies, measured = _copies(clones)
    return [*copies, *sounds, *_others(clones)], measured | clones.scores(sounds)


@torch.no_grad()
def _copies(clones: Clones) -> tuple[list[Sound], Opinions]:
    folder, cloner = clones.folder, clones.cloner
    sounds, measured = [], {}
    for sound in track(folder.real(), "copies of real recordings"):
        path = folder.place("bounds/copies", sound.speaker) / sound.path.name
        wave = io.read(sound.path, folder.rate)
        copy = cloner.vocoder(cloner.tts.spectrograms(wave.unsqueeze(0)))[0]
        io.write(path, copy, folder.rate)
        folder.sources[path] = folder.sources[sound.path]
        sounds.append(Sound(path, COPIES, sound.speaker, sound.text, sound.references))
        measured[path] = compared(copy, wave, folder.rate, cloner.tts.spectrograms.mel)
    return sounds, measured


def _others(clones: Clones) -> list[Sound]:
    """Nothing where there is but one speaker."""
    folder, sounds = clones.folder, []
    ids = [speaker.id for speaker in folder.speakers]
    if len(ids) == 1:
        return []
    for speaker, other in zip(ids, ids[1:] + ids[:1], strict=True):
        for number, text in enumerate(folder.transcripts("real", other), 1):
            path = folder.place("bounds/others", speaker) / f"{number:02d}.wav"
            source = folder.place("real", other) / path.name
            write_file(path, source.read_bytes())
            folder.sources[path] = folder.sources[source]
            sounds.append(Sound(path, OTHERS, speaker, text, tuple(folder.real_of(speaker))))
    return sounds


def _learned(clones: Clones, count: int) -> list[Sound]:
    """So many speakers, from all over the model's table; nothing where the shards are of other ones."""
    folder, cloner = clones.folder, clones.cloner
    if not learnt_from(cloner, folder.index):
        return []
    voices = list(learned_by_speaker(cloner, folder.index, split="train").items())
    chosen = voices[:: max(1, len(voices) // count)][:count]
    sounds = []
    for speaker, voice in track(chosen, "the model's own speakers"):
        folder.add_known(speaker)
        sounds += clones.speak("bounds/learned", LEARNED, speaker, voice)
    return sounds


def _mean(clones: Clones) -> list[Sound]:
    cloner = clones.cloner
    voice = Voice(cloner.tts.table.voices.detach().mean(0), "mean", cloner.base, 0)
    ids = [speaker.id for speaker in clones.folder.speakers]
    return [sound for speaker in ids for sound in clones.speak("bounds/mean", MEAN, speaker, voice)]
