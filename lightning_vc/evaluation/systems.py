"""What speaks in an evaluation: clones, the reference systems that bound them, edited voices, and external systems.

clones/<method>-<clips>/<speaker>/<sentence>.wav         with voice.safetensors and scores.jsonl
steps/<method>-<clips>-<steps>/<speaker>/<sentence>.wav  the same, after a given number of steps of adaptation
baselines/vocoded/<speaker>/<n>.wav                      the real recordings, through spectrogram and vocoder
baselines/table/<speaker>/<sentence>.wav                 speakers that the model was trained on
baselines/mean/<speaker>/<sentence>.wav                  the mean of their embeddings
edited/<trait>/<speaker>/<sentence>.wav                  the model's speakers with another sex or accent (section 5.5)
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from rich.progress import track

from lightning_vc.adaptation import method_named
from lightning_vc.audio import io
from lightning_vc.checkpoint import fingerprint
from lightning_vc.cloning import Cloner
from lightning_vc.evaluation.folder import (
    REAL,
    TRAITS,
    EvaluationFolder,
    Row,
    Scores,
    Sound,
    read_scores,
    score_line,
)
from lightning_vc.files import sha256_of, write_file
from lightning_vc.morphing import learned_by_speaker, learnt_from, morph
from lightning_vc.voice import Voice

COSTS = ("cloning_seconds", "real_time_factor", "parameters", "bytes")
VOCODED, OTHERS = Row("real recordings through the vocoder"), Row("real recordings of another speaker")
TABLE, MEAN = Row("the model's own speakers"), Row("the mean speaker")
_EDITED = {"F": "male voices made female", "M": "female voices made male", "accent": "voices moved to another accent"}
_OURS = (REAL, VOCODED, OTHERS, TABLE, MEAN, *map(Row, _EDITED.values()))
_RECORD = "scores.jsonl"


class System:
    """A model whose voices say the sentences of an evaluation; what is there already is not made again.

    Args:
        folder: the evaluation.
        cloner: the model.
        joint: whether encoder and model were fine-tuned together: what the encoder clones is then the row "joint".
    """

    def __init__(self, folder: EvaluationFolder, cloner: Cloner, joint: bool = False) -> None:
        self.folder, self.cloner, self.joint = folder, cloner, joint
        settings = cloner.tts if cloner.vocoder.post_filter is None else cloner.vocoder
        vocoder = f"{type(cloner.vocoder).__name__} {fingerprint(cloner.vocoder)}"
        self.model = [cloner.base, vocoder, str(settings.post_filter), str(settings.adapted_post_filter)]

    def clone(self, method: str, clips: int, steps: int | None = None) -> list[Sound]:
        """Clone all held-out speakers from their first clips; raises what `Cloner.clone` raises."""
        name = "joint" if self.joint else method
        kind = f"clones/{name}-{clips:02d}" if steps is None else f"steps/{name}-{clips:02d}-{steps}"
        encoder = self.cloner.encoder and fingerprint(self.cloner.encoder)
        how = [method, encoder, steps, "" if method == "encoder" else repr(method_named(method))]
        sounds = []
        for speaker in track(self.folder.speakers, kind):
            heard = self.folder.clips[speaker][:clips]
            paths, texts = [clip.path for clip in heard], [clip.text for clip in heard]
            settings = [*how, *map(sha256_of, paths), *texts]
            make = partial(self.cloner.clone, paths, method, texts, steps)
            sounds += self._make(self.folder.spoken(kind, Row(name, clips, steps), speaker), settings, make)
        return sounds

    def speak(self, sounds: list[Sound], voice: Voice) -> list[Sound]:
        """Let a voice that is no clone say sentences."""
        return self._make(sounds, voice.vector.tolist(), lambda: voice)

    def _make(self, sounds: list[Sound], settings: list[Any], make_voice: Callable[[], Voice]) -> list[Sound]:
        """Write the sounds of a voice, and a record with a hash of all that they depend on, costs, and attention."""
        texts, place = [sound.text for sound in sounds], sounds[0].path.parent
        origin = hashlib.sha256(json.dumps([self.model, texts, settings]).encode()).hexdigest()
        known, files = read_scores(place / _RECORD), [place / "voice.safetensors", *(sound.path for sound in sounds)]
        if origin in known and {*COSTS} == known.get("costs", {}).keys() and all(file.is_file() for file in files):
            return sounds
        (place / _RECORD).unlink(missing_ok=True)  # until all that it speaks of is there
        started = time.perf_counter()
        voice = make_voice()
        cloned = time.perf_counter()
        speeches = self.cloner.say_all(texts, voice)
        factor = (time.perf_counter() - cloned) / sum(len(speech.wave) / speech.sample_rate for speech in speeches)
        voice.save(files[0])
        for sound, speech in zip(sounds, speeches, strict=True):
            io.write(sound.path, speech.wave, speech.sample_rate)
        parameters = voice.vector.numel() + sum(moved.numel() for moved in voice.moved.values())
        costs = (cloned - started, factor, parameters, files[0].stat().st_size)
        scores = {origin: {}, "costs": dict(zip(COSTS, costs, strict=True))}
        if self.cloner.tts.model.attends:
            for sound, speech in zip(sounds, speeches, strict=True):
                scores[sound.path.name] = {"finished": speech.finished, "attention_failures": bool(speech.problems)}
        write_file(place / _RECORD, "".join(score_line(*item) for item in scores.items()))
        return sounds


def attention_scores(sounds: Iterable[Sound]) -> dict[Sound, Scores]:
    """How well the sentences of a `System` that attends were read."""
    read = cache(read_scores)
    return {sound: read(sound.path.parent / _RECORD).get(sound.path.name, {}) for sound in sounds}


def mean_costs(sounds: Iterable[Sound]) -> dict[Row, Scores]:
    """What each row of clones cost, means over the speakers."""
    places: dict[Row, set[Path]] = {}
    for sound in sounds:
        places.setdefault(sound.row, set()).add(sound.path.parent)
    costs = {row: [read_scores(place / _RECORD)["costs"] for place in places[row]] for row in places}
    return {row: {name: mean(each[name] for each in costs[row]) for name in COSTS} for row in costs}


@torch.no_grad()
def vocode(folder: EvaluationFolder, cloner: Cloner) -> list[Sound]:
    """The real recordings through spectrogram and vocoder: what the vocoder costs."""
    sounds = []
    for sound in track(folder.recordings(), VOCODED.system):
        path = folder.place("baselines/vocoded", sound.speaker) / sound.path.name
        wave = io.read(sound.path, folder.rate)
        io.write(path, cloner.vocoder(cloner.tts.spectrograms(wave.unsqueeze(0)))[0], folder.rate)
        sounds.append(replace(sound, path=path, row=VOCODED))
    return sounds


def other_speakers(folder: EvaluationFolder) -> list[Sound]:
    """Real recordings in the place of another speaker's: the floor. None where there is one speaker."""
    speakers = folder.speakers
    return [
        replace(sound, row=OTHERS, speaker=speaker, references=folder.references(speaker))
        for speaker, other in zip(speakers, [*speakers[1:], speakers[0]], strict=True)
        for sound in folder.real[other]
        if speaker != other
    ]


def table_speakers(system: System, count: int) -> list[Sound]:
    """So many speakers from all over the model's table: what the model costs. None where the shards are of others."""
    folder, cloner = system.folder, system.cloner
    if not learnt_from(cloner, folder.index):
        return []
    voices = list(learned_by_speaker(cloner, folder.index, split="train").items())
    sounds = []
    for speaker, voice in track(voices[:: max(1, len(voices) // count)][:count], TABLE.system):
        folder.add_training_speaker(speaker)
        sounds += system.speak(folder.spoken("baselines/table", TABLE, speaker), voice)
    return sounds


def mean_speaker(system: System) -> list[Sound]:
    """The mean of all embeddings of the model's table: cloning nobody."""
    folder, cloner = system.folder, system.cloner
    voice = Voice(cloner.tts.table.voices.detach().mean(0), "mean", cloner.base, 0)
    spoken = [folder.spoken("baselines/mean", MEAN, speaker) for speaker in folder.speakers]
    return [sound for sounds in spoken for sound in system.speak(sounds, voice)]


def edit_speakers(system: System, table: Iterable[Sound], amount: float) -> list[Sound]:
    """The speakers of the table, moved to the other sex and to another accent: by `amount` of the difference of means.

    Nothing is done for a trait that all share, or that the corpus does not tell.
    """
    index = system.folder.index
    entries, voices = {entry.id: entry for entry in index.speakers}, learned_by_speaker(system.cloner, index)
    sounds, speakers = [], dict.fromkeys(sound.speaker for sound in table)
    for trait in TRAITS:
        groups: dict[str, list[Voice]] = {}
        for id in voices:
            groups.setdefault(getattr(entries[id], trait) or "", []).append(voices[id])
        values = sorted({*groups} - {""})
        moved = [id for id in speakers if len(values) > 1 and getattr(entries[id], trait)]
        for id in track(moved, f"edited/{trait}", disable=not moved):
            old = getattr(entries[id], trait)
            new = values[(values.index(old) + 1) % len(values)]
            row = Row(_EDITED.get(new if trait == "sex" else trait, f"voices made {new}"))
            spoken = system.folder.spoken(f"edited/{trait}", row, id, (trait, new))
            sounds += system.speak(spoken, morph(voices[id], groups[new], groups[old], amount))
    return sounds


def external_systems(folder: EvaluationFolder, paths: Sequence[str], methods: Iterable[str]) -> list[Sound]:
    """The sounds of other systems: in each folder `<speaker>/<n>.wav`, the sentences of each speaker in their order.

    Raises FileNotFoundError for a sound that is missing, and ValueError for a folder that is named like a method, like
    a row that every evaluation may have, or like another one.
    """
    taken = {row.system: f"our row {row.system!r}" for row in _OURS} | {name: f"the method {name}" for name in methods}
    sounds = []
    for path in paths:
        name = Path(path).resolve().name
        if name in taken:
            raise ValueError(f"{path} would stand in the tables as {taken[name]} does: give it another name")
        taken[name] = path
        for sound in [sound for speaker in folder.speakers for sound in folder.spoken("clones", Row(name), speaker)]:
            sounds.append(replace(sound, path=Path(path, sound.speaker, sound.path.name)))
            if not sounds[-1].path.is_file():
                raise FileNotFoundError(f"{sounds[-1].path} is missing, where {sound.speaker} says {sound.text!r}")
    return sounds
