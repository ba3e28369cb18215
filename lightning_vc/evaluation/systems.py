"""The systems of an evaluation: clones, reference systems, edited voices, and external systems.

docs/evaluation.md lists their folders.
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
from lightning_vc.evaluation.folder import REAL, TRAITS, EvaluationFolder, Row, Scores, Sound, read_scores, score_line
from lightning_vc.files import sha256_of, write_file
from lightning_vc.morphing import is_trained_on, learned_embeddings, morph
from lightning_vc.voice import Voice

COSTS = ("cloning_seconds", "real_time_factor", "parameters", "bytes")
VOCODED, OTHER_SPEAKER = Row("real recordings through the vocoder"), Row("real recordings of another speaker")
TABLE, MEAN = Row("the model's own speakers"), Row("the mean speaker")
_EDITED = {"F": "male voices made female", "M": "female voices made male", "accent": "voices moved to another accent"}
_OURS = (REAL, VOCODED, OTHER_SPEAKER, TABLE, MEAN, *map(Row, _EDITED.values()))
_RECORD = "scores.jsonl"


class System:
    """The model that synthesises the sentences of an evaluation; sounds that exist already are reused.

    Args:
        folder: the evaluation.
        cloner: the model.
        joint: a jointly fine-tuned model, which clones by the method "joint".

    Attributes:
        attention: attention scores of each sound, for models with attention.
        costs: by row, the costs of its voices.
    """

    def __init__(self, folder: EvaluationFolder, cloner: Cloner, joint: Cloner | None = None) -> None:
        self.folder, self.cloner, self.joint = folder, cloner, joint
        if joint:
            joint.vocoder = cloner.vocoder  # systems must differ in the cloning method only
        self.attention: dict[Sound, Scores] = {}
        self.costs: dict[Row, list[Scores]] = {}

    def clone(self, method: str, clips: int, steps: int | None = None) -> list[Sound]:
        """Clone all held-out speakers from their first clips; raises as `Cloner.clone` does."""
        cloner, by = (self.joint, "encoder") if method == "joint" and self.joint else (self.cloner, method)
        kind = f"clones/{method}-{clips:02d}" if steps is None else f"steps/{method}-{clips:02d}-{steps}"
        encoder = cloner.encoder and fingerprint(cloner.encoder)
        adaptation = "" if by == "encoder" else repr(method_named(by))
        sounds = []
        for speaker in track(self.folder.speakers, kind):
            recordings = self.folder.clips[speaker][:clips]
            paths, texts = [clip.path for clip in recordings], [clip.text for clip in recordings]
            settings = [by, encoder, steps, adaptation, *map(sha256_of, paths), *texts]
            make = partial(cloner.clone, paths, by, texts, steps)
            sounds += self._speak(
                cloner, self.folder.sounds_of(kind, Row(method, clips, steps), speaker), settings, make
            )
        return sounds

    def speak(self, sounds: list[Sound], voice: Voice) -> list[Sound]:
        """Synthesise sentences with a voice that is not a clone."""
        return self._speak(self.cloner, sounds, voice.embedding.tolist(), lambda: voice)

    def mean_costs(self) -> dict[Row, Scores]:
        """Costs of each row of clones, averaged over the speakers."""
        clones = {row: costs for row, costs in self.costs.items() if row.clips and row.steps is None}
        return {row: {name: mean(item[name] for item in costs) for name in COSTS} for row, costs in clones.items()}

    def _speak(
        self, cloner: Cloner, sounds: list[Sound], settings: list[Any], make_voice: Callable[[], Voice]
    ) -> list[Sound]:
        """Write the sounds of a voice, and a record of costs and attention, with a hash of their inputs as key."""
        record, voice_file = (sounds[0].path.with_name(name) for name in (_RECORD, "voice.safetensors"))
        texts = [sound.text for sound in sounds]
        key = hashlib.sha256(json.dumps([_identity(cloner), texts, settings]).encode()).hexdigest()
        scores, files = read_scores(record), [voice_file, *(sound.path for sound in sounds)]
        if scores.get(key, {}).keys() != {*COSTS} or not all(file.is_file() for file in files):
            record.unlink(missing_ok=True)  # written again last, when all files exist
            start = time.perf_counter()
            voice = make_voice()
            end = time.perf_counter()
            speeches = cloner.say_all(texts, voice)
            factor = (time.perf_counter() - end) / sum(len(speech.wave) / speech.sample_rate for speech in speeches)
            voice.save(voice_file)
            parameters = voice.embedding.numel() + sum(value.numel() for value in voice.adapted_parameters.values())
            costs = (end - start, factor, parameters, voice_file.stat().st_size)
            scores = {key: dict(zip(COSTS, costs, strict=True))}
            for sound, speech in zip(sounds, speeches, strict=True):
                io.write(sound.path, speech.wave, speech.sample_rate)
                if cloner.tts.model.has_attention:
                    failed = float(bool(speech.problems))
                    scores[sound.path.name] = {"finished": float(speech.finished), "attention_failures": failed}
            write_file(record, "".join(score_line(*item) for item in scores.items()))
        self.costs.setdefault(sounds[0].row, []).append(scores[key])
        self.attention |= {sound: scores[sound.path.name] for sound in sounds if sound.path.name in scores}
        return sounds


@cache
def _identity(cloner: Cloner) -> list[str]:
    """Everything that the sounds of a model depend on, besides voice and text."""
    vocoder = f"{type(cloner.vocoder).__name__} {fingerprint(cloner.vocoder)}"
    settings = cloner.tts if cloner.vocoder.post_filter is None else cloner.vocoder
    return [cloner.tts_fingerprint, vocoder, str(settings.post_filter), str(settings.adapted_post_filter)]


@torch.no_grad()
def vocode(folder: EvaluationFolder, cloner: Cloner) -> list[Sound]:
    """The real recordings, converted to spectrograms and back by the vocoder, to measure its degradation."""
    sounds = []
    for sound in track(folder.recordings, VOCODED.system):
        path = folder.place("baselines/vocoded", sound.speaker) / sound.path.name
        wave = io.read(sound.path, folder.rate)
        spectra = cloner.tts.spectrograms(wave.unsqueeze(0).to(cloner.device))
        io.write(path, cloner.vocoder(spectra)[0], folder.rate)
        sounds.append(replace(sound, path=path, row=VOCODED))
    return sounds


def other_speakers(folder: EvaluationFolder) -> list[Sound]:
    """Real recordings, labelled as another speaker: the lower bound. Empty if there is one speaker."""
    speakers = folder.speakers
    return [
        replace(sound, row=OTHER_SPEAKER, speaker=speaker, references=folder.references(speaker))
        for speaker, other in zip(speakers, [*speakers[1:], speakers[0]], strict=True)
        for sound in folder.real_recordings[other]
        if speaker != other
    ]


def table_speakers(system: System, count: int) -> list[Sound]:
    """`count` speakers of the speaker table, an upper bound for clones. Empty if the shards have other speakers."""
    folder, cloner = system.folder, system.cloner
    if not is_trained_on(cloner, folder.index):
        return []
    voices = list(learned_embeddings(cloner, folder.index, split="train").items())
    sounds = []
    for speaker, voice in track(voices[:: max(1, len(voices) // count)][:count], TABLE.system):
        folder.add_training_speaker(speaker)
        sounds += system.speak(folder.sounds_of("baselines/table", TABLE, speaker), voice)
    return sounds


def mean_speaker(system: System) -> list[Sound]:
    """The mean of all embeddings of the speaker table: a baseline without cloning."""
    folder, cloner = system.folder, system.cloner
    voice = Voice(cloner.tts.table.weight.detach().mean(0), "mean", cloner.tts_fingerprint, 0)
    groups = [folder.sounds_of("baselines/mean", MEAN, speaker) for speaker in folder.speakers]
    return [sound for sounds in groups for sound in system.speak(sounds, voice)]


def edit_speakers(system: System, table: Iterable[Sound], amount: float) -> list[Sound]:
    """The speakers of the table, moved towards another sex or accent by `amount` times the difference of group means.

    A trait is skipped if all speakers share it or the corpus does not have it.
    """
    folder, voices = system.folder, learned_embeddings(system.cloner, system.folder.index)
    sounds, speakers = [], dict.fromkeys(sound.speaker for sound in table)
    for trait in TRAITS:
        values = {id: getattr(folder.entries[id], trait) for id in voices}
        choices = sorted({*filter(None, values.values())})
        for id in track([id for id in speakers if values[id] and len(choices) > 1], f"edited/{trait}"):
            new = choices[(choices.index(values[id]) + 1) % len(choices)]
            plus, minus = ([voices[key] for key in voices if values[key] == value] for value in (new, values[id]))
            row = Row(_EDITED.get(new if trait == "sex" else trait, f"voices made {new}"))
            targets = folder.sounds_of(f"edited/{trait}", row, id, (trait, new))
            sounds += system.speak(targets, morph(voices[id], plus, minus, amount))
    return sounds


def external_systems(folder: EvaluationFolder, paths: Sequence[str], methods: Iterable[str]) -> list[Sound]:
    """The sounds of external systems, folders with `<speaker>/<n>.wav` for the n-th sentence.

    Raises FileNotFoundError for a missing sound, and ValueError for a folder with the name of a method, of a reference
    system, or of another folder.
    """
    names = {name: f"the method {name}" for name in methods} | {name: f"the row {name!r}" for name, *_ in _OURS}
    sounds = []
    for path in paths:
        name = Path(path).resolve().name
        if name in names:
            raise ValueError(f"{path} has the same name as {names[name]} in the tables: rename it")
        names[name] = path
        for sound in [sound for speaker in folder.speakers for sound in folder.sounds_of("clones", Row(name), speaker)]:
            sounds.append(replace(sound, path=Path(path, sound.speaker, sound.path.name)))
            if not sounds[-1].path.is_file():
                raise FileNotFoundError(f"{sounds[-1].path} is missing: {sound.text!r} by {sound.speaker}")
    return sounds
