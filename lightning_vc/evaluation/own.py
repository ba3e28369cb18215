"""Speaker classification accuracy and verification scores of sounds, as in the paper (section 3.4)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.evaluation.bounds import COPIES, OTHERS
from lightning_vc.evaluation.folder import REAL, EvaluationFolder
from lightning_vc.evaluation.mixtures import TRAITS
from lightning_vc.evaluation.sounds import Opinions, Sound
from lightning_vc.tasks.speaker_recognition import SpeakerRecognitionTask

ENROLMENTS = (1, 5)  # recordings that a speaker is known by (the paper's appendix and main text)


def classify(task: SpeakerRecognitionTask, folder: EvaluationFolder, sounds: Sequence[Sound]) -> Opinions:
    """`accuracy`: whether each sound is taken for its speaker; `sex` and `accent`: whether for one of the same.

    Of a voice that was moved it is what the voice has become. A sex is as probable as all its speakers together.
    Recordings that the task was trained on are left out, and `accuracy` where it does not know the speaker or the voice
    was moved.
    """
    entries = {entry.id: entry for entry in folder.index.speakers}
    traits = {
        trait: [getattr(entries[id], trait) if id in entries else None for id in task.speakers] for trait in TRAITS
    }
    opinions: Opinions = {}
    for sound in track(sounds, "speaker classification"):
        if folder.sources.get(sound.path) in task.learnt:
            continue
        wave = io.read(sound.path, folder.rate).to(task.device)
        with torch.no_grad():
            probable = task.classify(wave[None], torch.tensor([len(wave)], device=task.device))[0].exp()
        said = opinions.setdefault(sound.path, {})
        if sound.speaker in task.speakers and not sound.changed:
            said["accuracy"] = task.speakers[int(probable.argmax())] == sound.speaker
        wanted = dict([sound.changed]) if sound.changed else {t: getattr(entries[sound.speaker], t) for t in traits}
        for trait, value in wanted.items():
            if value in traits[trait] and len({*traits[trait]} - {None}) > 1:
                said[trait] = _likeliest(probable, traits[trait]) == value
    return opinions


def _likeliest(probable: Tensor, values: Sequence[str | None]) -> str:
    """The value whose speakers are together the most probable."""
    shares: dict[str, float] = {}
    for share, value in zip(probable.tolist(), values, strict=True):
        if value is not None:
            shares[value] = shares.get(value, 0) + share
    return max(shares, key=lambda value: shares[value])


def verify(task: SpeakerRecognitionTask, folder: EvaluationFolder, sounds: Sequence[Sound]) -> Opinions:
    """`trials_1` and `trials_5`: the score against the own speaker, and those against the others.

    Speakers are enrolled with the last of their real recordings, which are not tried themselves. Those who are held
    out are tried against each other, and the model's own against each other.
    """
    opinions: Opinions = {}
    everybody = dict.fromkeys(sound.speaker for sound in sounds)
    held = [speaker for speaker in everybody if speaker in folder.held]
    for group in (held, [speaker for speaker in everybody if speaker not in folder.held]):
        for count in ENROLMENTS:
            enrolled = {speaker: folder.real_of(speaker)[-count:] for speaker in group}
            if any(len(folder.real_of(speaker)) <= count for speaker in group):
                continue  # nothing would be left to try
            used = {path.name for paths in enrolled.values() for path in paths}
            tried = [
                sound
                for sound in sounds
                if sound.speaker in enrolled and not (sound.row in (REAL, COPIES, OTHERS) and sound.path.name in used)
            ]
            for sound, scores in zip(tried, _scores(task, list(enrolled.values()), tried, folder.rate), strict=True):
                own = group.index(sound.speaker)
                others = scores[:own] + scores[own + 1 :]
                if others:
                    opinions.setdefault(sound.path, {})[f"trials_{count}"] = {"own": scores[own], "others": others}
    return opinions


def too_few(folder: EvaluationFolder) -> list[str]:
    """Which trials cannot be made of the held-out speakers, and why."""
    real = {speaker: len(folder.real_of(speaker)) for speaker in folder.held}
    fewest = min(real, key=lambda speaker: real[speaker])
    return [
        f"trials with {count} recordings enrolled: speaker {fewest} has {real[fewest]} real recordings"
        for count in ENROLMENTS
        if real[fewest] <= count
    ]


def _scores(
    task: SpeakerRecognitionTask, enrolled: Sequence[Sequence[Path]], sounds: Sequence[Sound], rate: int
) -> list[list[float]]:
    """Cosine of each sound and the mean embedding of each speaker's enrolled recordings."""

    @cache
    def embedding(path: Path) -> Tensor:
        wave = io.read(path, rate).to(task.device)
        with torch.no_grad():
            return task.embed(wave[None], torch.tensor([len(wave)], device=task.device))[0]

    if not (sounds and enrolled):
        return []
    speakers = F.normalize(torch.stack([torch.stack([*map(embedding, paths)]).mean(0) for paths in enrolled]))
    rows: list[list[float]] = (torch.stack([embedding(sound.path) for sound in sounds]) @ speakers.mT).tolist()
    return rows
