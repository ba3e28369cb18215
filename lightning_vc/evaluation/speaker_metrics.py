"""Speaker classification and verification of sounds by a network of this project (section 3.4 of the paper)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.checkpoint import model_of
from lightning_vc.evaluation.folder import TRAITS, EvaluationFolder, Scores, Sound
from lightning_vc.modules.speaker_recognition import SpeakerRecognizer
from lightning_vc.untrusted import read_checkpoint

ENROLMENTS = (1, 5)  # numbers of enrolment recordings (the paper's appendix and main text)

Trials = dict[str, list[float]]  # "trials_5" -> the score against the true speaker, then scores against other speakers


@dataclass(frozen=True)
class Recognition:
    """A network for speaker recognition, and the ids of the samples that it was trained on.

    Raises:
        ValueError: for a checkpoint without these ids: training samples could not be excluded from measurement.
    """

    network: SpeakerRecognizer
    training_ids: frozenset[str]

    @classmethod
    def load(cls, path: str) -> "Recognition":
        """Load network and ids from a checkpoint of `SpeakerRecognitionTask`."""
        saved = read_checkpoint(path)
        data = saved.get("SpeakerRecognitionDataModule")
        training_ids = data.get("training_ids") if isinstance(data, dict) else None
        if not training_ids or not isinstance(training_ids, list):
            raise ValueError(f"{path} does not name its training samples: train it again")
        return cls(model_of(saved, SpeakerRecognizer, path), frozenset(map(str, training_ids)))

    @torch.no_grad()
    def classify(self, wave: Tensor) -> Tensor:
        """A sound (W,) -> probabilities of the speakers (speakers,)."""
        return self.network.classify(wave[None], torch.tensor([len(wave)]))[0].exp()

    @torch.no_grad()
    def embed(self, wave: Tensor) -> Tensor:
        """A sound (W,) -> its embedding of unit length (E,)."""
        return self.network.embed(wave[None], torch.tensor([len(wave)]))[0]


def classify(recognition: Recognition, folder: EvaluationFolder, sounds: Sequence[Sound]) -> dict[Sound, Scores]:
    """Score sounds by `accuracy` (classified as their speaker), `sex` and `accent` (as a speaker of the same trait).

    For an edited voice, the new trait counts. The probability of a trait is the sum over its speakers. Recordings that
    the network was trained on are left out, and so is the accuracy of speakers that are not among its classes.
    """
    classes = recognition.network.speakers
    traits = {trait: [getattr(folder.entries.get(id), trait, None) for id in classes] for trait in TRAITS}
    scores: dict[Sound, Scores] = {}
    for sound in track(
        [sound for sound in sounds if sound.recording not in recognition.training_ids], "classification"
    ):
        probabilities = recognition.classify(io.read(sound.path, folder.rate))
        scores[sound] = {}
        if sound.speaker in classes and not sound.edited:
            scores[sound]["accuracy"] = float(classes[int(probabilities.argmax())] == sound.speaker)
        for trait, value in (dict([sound.edited]) if sound.edited else folder.traits(sound)).items():
            totals: Counter[str | None] = Counter()
            for probability, trait_value in zip(probabilities.tolist(), traits[trait], strict=True):
                totals[trait_value] += probability
            del totals[None]
            if value in totals and len(totals) > 1:
                scores[sound][trait] = float(totals.most_common(1)[0][0] == value)
    return scores


def verify(recognition: Recognition, folder: EvaluationFolder, sounds: Sequence[Sound]) -> dict[Sound, Trials]:
    """Cosine scores of all trials, from which the tables compute equal error rates.

    Speakers are enrolled with the mean embedding of their last real recordings, which are not used as trials. Trials
    are among the held-out speakers, and among the training speakers.
    """

    @cache
    def embedding(path: Path) -> Tensor:
        return recognition.embed(io.read(path, folder.rate))

    trials: dict[Sound, Trials] = {}
    for speakers in (
        folder.speakers,
        [speaker for speaker in folder.real_recordings if speaker not in folder.speakers],
    ):
        for count in ENROLMENTS:
            if len(speakers) < 2 or any(len(folder.real_recordings[speaker]) <= count for speaker in speakers):
                continue  # no trials would be left
            enrolled = [folder.real_recordings[speaker][-count:] for speaker in speakers]
            used = {recording.recording for recordings in enrolled for recording in recordings}
            means = [torch.stack([embedding(item.path) for item in recordings]).mean(0) for recordings in enrolled]
            models = F.normalize(torch.stack(means), dim=-1)  # (speakers, E)
            for sound in sounds:
                if sound.speaker in speakers and sound.recording not in used:
                    row = (models @ embedding(sound.path)).tolist()
                    target = row.pop(speakers.index(sound.speaker))
                    trials.setdefault(sound, {})[f"trials_{count}"] = [target, *row]
    return trials
