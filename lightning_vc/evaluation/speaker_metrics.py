"""Speaker classification and verification of sounds by a network of the project (section 3.4 of the paper)."""

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

ENROLMENTS = (1, 5)  # recordings that a speaker is enrolled with (the paper's appendix and main text)

Trials = dict[str, list[float]]  # "trials_5" -> the score against the sound's own speaker, then those against others


@dataclass(frozen=True)
class Recognition:
    """A network for speaker recognition, and the ids of the samples that it was trained on.

    Raises:
        ValueError: for a checkpoint that does not name those samples: it would be measured with what it has learnt.
    """

    network: SpeakerRecognizer
    learnt: frozenset[str]

    @classmethod
    def load(cls, path: str) -> "Recognition":
        """Load both from a checkpoint of `SpeakerRecognitionTask`."""
        saved = read_checkpoint(path)
        data = saved.get("SpeakerRecognitionDataModule")
        learnt = data.get("learnt") if isinstance(data, dict) else None
        if not learnt or not isinstance(learnt, list):
            raise ValueError(f"{path} does not say what it was trained on: train it again")
        return cls(model_of(saved, SpeakerRecognizer, path), frozenset(map(str, learnt)))

    @torch.no_grad()
    def classify(self, wave: Tensor) -> Tensor:
        """A sound (W,) -> probabilities of the speakers (speakers,)."""
        return self.network.classify(wave[None], torch.tensor([len(wave)]))[0].exp()

    @torch.no_grad()
    def embed(self, wave: Tensor) -> Tensor:
        """A sound (W,) -> its embedding of unit length (E,)."""
        return self.network.embed(wave[None], torch.tensor([len(wave)]))[0]


def classify(recognition: Recognition, folder: EvaluationFolder, sounds: Sequence[Sound]) -> dict[Sound, Scores]:
    """`accuracy`: whether each sound is taken for its speaker; `sex` and `accent`: whether for one of the same.

    Of an edited voice it is what the voice has become. A sex is as probable as all its speakers together. Recordings
    that the network was trained on are left out, and so is the accuracy of speakers that are none of its classes.
    """
    known = recognition.network.speakers
    traits = {trait: [getattr(folder.entries.get(id), trait, None) for id in known] for trait in TRAITS}
    scores: dict[Sound, Scores] = {}
    for sound in track([sound for sound in sounds if sound.recording not in recognition.learnt], "classification"):
        probabilities = recognition.classify(io.read(sound.path, folder.rate))
        scores[sound] = {}
        if sound.speaker in known and not sound.edited:
            scores[sound]["accuracy"] = float(known[int(probabilities.argmax())] == sound.speaker)
        for trait, value in (dict([sound.edited]) if sound.edited else folder.traits(sound)).items():
            shares: Counter[str | None] = Counter()
            for share, of in zip(probabilities.tolist(), traits[trait], strict=True):
                shares[of] += share
            del shares[None]
            if value in shares and len(shares) > 1:
                scores[sound][trait] = float(shares.most_common(1)[0][0] == value)
    return scores


def verify(recognition: Recognition, folder: EvaluationFolder, sounds: Sequence[Sound]) -> dict[Sound, Trials]:
    """The cosines of all trials, from which the tables compute equal error rates.

    Speakers are enrolled with the mean embedding of the last of their real recordings, which are not tried themselves.
    Held-out speakers are tried against each other, and the model's own against each other.
    """

    @cache
    def embedding(path: Path) -> Tensor:
        return recognition.embed(io.read(path, folder.rate))

    trials: dict[Sound, Trials] = {}
    for speakers in (folder.speakers, [speaker for speaker in folder.real if speaker not in folder.speakers]):
        for count in ENROLMENTS:
            if len(speakers) < 2 or any(len(folder.real[speaker]) <= count for speaker in speakers):
                continue  # nothing would be left to try
            enrolled = [folder.real[speaker][-count:] for speaker in speakers]
            used = {recording.recording for recordings in enrolled for recording in recordings}
            means = [torch.stack([embedding(each.path) for each in recordings]).mean(0) for recordings in enrolled]
            models = F.normalize(torch.stack(means), dim=-1)  # (speakers, E)
            for sound in sounds:
                if sound.speaker in speakers and sound.recording not in used:
                    row = (models @ embedding(sound.path)).tolist()
                    own = row.pop(speakers.index(sound.speaker))
                    trials.setdefault(sound, {})[f"trials_{count}"] = [own, *row]
    return trials
