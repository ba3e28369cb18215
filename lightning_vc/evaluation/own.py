"""What the project's own judges, the paper's classifier and verifier, say of sounds (section 3.4)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rich.progress import track
from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.evaluation.bounds import COPIES, OTHERS
from lightning_vc.evaluation.folder import REAL, EvaluationFolder
from lightning_vc.evaluation.sounds import Opinions, Sound
from lightning_vc.tasks.classifier import SpeakerClassifierTask
from lightning_vc.tasks.verifier import SpeakerVerifierTask

ENROLMENTS = (1, 5)  # recordings that a speaker is known by (the paper's appendix and main text)


def classify(classifier: SpeakerClassifierTask, folder: EvaluationFolder, sounds: Sequence[Sound]) -> Opinions:
    """`accuracy`: whether each sound is taken for its speaker.

    The classifier is not asked about recordings that it has learnt from, nor about speakers whom it does not know.
    """
    asked = [
        sound
        for sound in sounds
        if sound.speaker in classifier.speakers and folder.sources.get(sound.path) not in classifier.learnt
    ]
    return {
        sound.path: {"accuracy": classifier.classify(io.read(sound.path, folder.rate)) == sound.speaker}
        for sound in track(asked, "the classifier listens")
    }


def verify(verifier: SpeakerVerifierTask, folder: EvaluationFolder, sounds: Sequence[Sound]) -> Opinions:
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
            for sound, scores in zip(
                tried, _scores(verifier, list(enrolled.values()), tried, folder.rate), strict=True
            ):
                own = group.index(sound.speaker)
                others = scores[:own] + scores[own + 1 :]
                if others:
                    opinions.setdefault(sound.path, {})[f"trials_{count}"] = {"own": scores[own], "others": others}
    return opinions


def _scores(
    verifier: SpeakerVerifierTask, enrolled: Sequence[Sequence[Path]], sounds: Sequence[Sound], rate: int
) -> list[list[float]]:
    """Of each sound against everybody."""

    @cache
    def wave(path: Path) -> Tensor:  # the same tensor each time, which the verifier hears once
        return io.read(path, rate)

    known = [[wave(path) for path in paths] for paths in enrolled]
    trials = [(each, wave(sound.path)) for sound in sounds for each in known]
    if not trials:
        return []
    scores = verifier.verify([each for each, _ in trials], [sound for _, sound in trials])
    rows: list[list[float]] = scores.view(len(sounds), len(known)).tolist()
    return rows
