"""What the project's own speaker classifier and verifier say of sounds (section 3.4 of the paper)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rich.progress import track
from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.evaluation.folder import EvaluationFolder, Scores, Sound
from lightning_vc.evaluation.systems import TRAITS
from lightning_vc.tasks.classifier import SpeakerClassifierTask
from lightning_vc.tasks.verifier import SpeakerVerifierTask

ENROLMENTS = (1, 5)  # recordings that a speaker is enrolled with (the paper's appendix and main text)

Trials = dict[str, list[float]]  # "trials_5" -> the score against the sound's own speaker, then those against others


def classify(
    classifier: SpeakerClassifierTask, folder: EvaluationFolder, sounds: Sequence[Sound]
) -> dict[Sound, Scores]:
    """`accuracy`: whether each sound is taken for its speaker; `sex` and `accent`: whether for one of the same.

    Of an edited voice it is what the voice has become. A sex is as probable as all its speakers together. Recordings
    that the classifier has learnt from are left out, and so is the accuracy of speakers that it does not know.
    """
    entries = {entry.id: entry for entry in folder.index.speakers}
    traits = {
        trait: [getattr(entries[id], trait) if id in entries else None for id in classifier.speakers]
        for trait in TRAITS
    }
    scores: dict[Sound, Scores] = {}
    for sound in track([sound for sound in sounds if sound.recording not in classifier.learnt], "classification"):
        probabilities = classifier.probabilities(io.read(sound.path, folder.rate))
        scores[sound] = {}
        if sound.speaker in classifier.speakers and not sound.edited:
            scores[sound]["accuracy"] = float(classifier.speakers[int(probabilities.argmax())] == sound.speaker)
        true = dict([sound.edited] if sound.edited else [(t, getattr(entries[sound.speaker], t)) for t in TRAITS])
        for trait, value in true.items():
            if value in traits[trait] and len({*traits[trait]} - {None}) > 1:
                scores[sound][trait] = float(_likeliest(probabilities, traits[trait]) == value)
    return scores


def _likeliest(probabilities: Tensor, values: Sequence[str | None]) -> str:
    """The value whose speakers are together the most probable."""
    shares: dict[str, float] = {}
    for share, value in zip(probabilities.tolist(), values, strict=True):
        if value is not None:
            shares[value] = shares.get(value, 0) + share
    return max(shares, key=lambda value: shares[value])


def verify(verifier: SpeakerVerifierTask, folder: EvaluationFolder, sounds: Sequence[Sound]) -> dict[Sound, Trials]:
    """The scores of all trials, from which the tables compute equal error rates.

    Speakers are enrolled with the last of their real recordings, which are not tried themselves. Held-out speakers are
    tried against each other, and the model's own against each other.
    """

    @cache
    def wave(path: Path) -> Tensor:  # the same tensor each time, which the verifier hears once
        return io.read(path, folder.rate)

    trials: dict[Sound, Trials] = {}
    for speakers in (folder.speakers, [speaker for speaker in folder.real if speaker not in folder.speakers]):
        for count in ENROLMENTS:
            if any(len(folder.real[speaker]) <= count for speaker in speakers):
                continue  # nothing would be left to try
            enrolled = {speaker: folder.real[speaker][-count:] for speaker in speakers}
            used = {sound.recording for sounds in enrolled.values() for sound in sounds}
            enrolments = [[wave(recording.path) for recording in enrolled[speaker]] for speaker in speakers]
            tried = [sound for sound in sounds if sound.speaker in enrolled and sound.recording not in used]
            pairs = [(enrolment, wave(sound.path)) for sound in tried for enrolment in enrolments]
            if len(speakers) < 2 or not tried:
                continue
            scores = verifier.verify(*zip(*pairs, strict=True)).view(len(tried), len(speakers))
            for sound, row in zip(tried, scores.tolist(), strict=True):
                own = row.pop(speakers.index(sound.speaker))
                trials.setdefault(sound, {})[f"trials_{count}"] = [own, *row]
    return trials
