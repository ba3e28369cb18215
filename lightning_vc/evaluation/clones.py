"""Clone speakers by every method, let the clones speak, and measure what can be measured without a judge.

clones/<method>-<clips>/<speaker>/<n>.wav           the sentences, with voice.safetensors and a plot of the first
                                  scores.json       what was measured of each
                                  costs.json        and how long it took
steps/<method>-<clips>/<steps>/<speaker>/<n>.wav    the same after so many steps of adaptation
"""

import json
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from lightning_vc.adapting import method_named
from lightning_vc.audio import io
from lightning_vc.audio.pitch import pitch
from lightning_vc.checkpoint import fingerprint
from lightning_vc.cloning import Cloner
from lightning_vc.evaluation import paper
from lightning_vc.evaluation.folder import EvaluationFolder
from lightning_vc.evaluation.sounds import Opinion, Opinions, Row, Sound
from lightning_vc.files import read_text, write_file
from lightning_vc.metrics import attention_coverage, attention_focus, pitch_error, time_warp
from lightning_vc.plots import draw_speech, save_figure
from lightning_vc.types import Speech
from lightning_vc.voice import Voice


class Clones:
    """Everything that is cloned in one evaluation; what is there already is not done again.

    Args:
        folder: where to.
        cloner: the model.
        joint: encoder and model that were fine-tuned together, for the method "joint".

    Raises ValueError for a joint model without an encoder.
    """

    def __init__(self, folder: EvaluationFolder, cloner: Cloner, joint: Cloner | None = None) -> None:
        if joint and not joint.encoder:
            raise ValueError(f"{joint.path} has no speaker encoder: give the folder of a joint fine-tuning")
        self.folder, self.cloner, self.joint = folder, cloner, joint
        self.vocoder = [
            [type(each).__name__, fingerprint(each), str(each.sharpening)]
            for each in (cloner.vocoder, cloner.vocoder_of_adapted)
        ]
        if joint:
            joint.vocoder = cloner.vocoder  # what is compared differs in the method alone

    @property
    def methods(self) -> list[str]:
        """Names of all that can be compared here."""
        return [*self.cloner.methods, *(["joint"] if self.joint else [])]

    def make(self, methods: Sequence[str], clips: Sequence[int]) -> list[Sound]:
        """Clone everybody by these methods from these counts of clips; raises ValueError for an unknown method."""
        if "joint" in methods and not self.joint:
            raise ValueError("method 'joint' needs the folder of a joint fine-tuning: give it as joint")
        for method in set(methods) - {"encoder", "joint"}:
            method_named(method)
        jobs = list(product(methods, clips, [speaker.id for speaker in self.folder.speakers]))
        sounds = []
        for method, count, speaker in track(jobs, "cloning and speaking"):
            self._clone(method, count, speaker)
            sounds += self.folder.said(cloned_by(method, count), Row(method, count), speaker)
        return sounds

    def adapt(self, methods: Sequence[str], clips: Sequence[int], steps: Sequence[int]) -> list[Sound]:
        """Adapt to everybody and let them speak after so many steps each (the paper's figure of iterations).

        Raises what `Cloner.clone_along` raises.
        """
        jobs = list(product(methods, clips, [speaker.id for speaker in self.folder.speakers]))
        sounds = []
        for method, count, speaker in track(jobs, "adapting, step by step"):
            self._adapt(method, count, speaker, steps)
            for step in steps:
                sounds += self.folder.said(after(method, count, step), Row(method, count, step), speaker)
        return sounds

    def scores(self, sounds: Sequence[Sound]) -> Opinions:
        """What was measured of them when they were made."""
        scores: Opinions = {}
        for place in dict.fromkeys(sound.path.parent for sound in sounds):
            measured = json.loads(read_text(place / "scores.json"))["sounds"]
            scores |= {place / f"{number:02d}.wav": said for number, said in enumerate(measured, 1)}
        return scores

    def _clone(self, method: str, clips: int, speaker: str) -> None:
        kind = cloned_by(method, clips)
        cloner, how = (self.joint, "encoder") if method == "joint" and self.joint else (self.cloner, method)
        origin = [*self._origin(cloner, clips, speaker), *_how(cloner, how, clips)]
        if self._known(kind, speaker, origin, "costs.json"):
            return
        paths, texts = self._clips(clips, speaker)
        started = time.perf_counter()
        voice = cloner.clone(paths, how, texts)
        self._speak(cloner, kind, speaker, voice, origin, time.perf_counter() - started)

    def _adapt(self, method: str, clips: int, speaker: str, steps: Sequence[int]) -> None:
        origin = [*self._origin(self.cloner, clips, speaker), *_how(self.cloner, method)]
        left = [step for step in steps if not self._known(after(method, clips, step), speaker, origin)]
        if not left:
            return
        paths, texts = self._clips(clips, speaker)
        for step, voice in zip(left, self.cloner.clone_along(paths, method, texts, left), strict=True):
            self._speak(self.cloner, after(method, clips, step), speaker, voice, origin)

    def speak(self, kind: str, row: Row, speaker: str, voice: Voice) -> list[Sound]:
        """Let a voice that is no clone say the sentences; `speaker` is who it should sound like."""
        origin = [*self._origin(self.cloner, 0, speaker), voice.vector.tolist()]
        if not self._known(kind, speaker, origin):
            self._speak(self.cloner, kind, speaker, voice, origin)
        return self.folder.said(kind, row, speaker)

    def _origin(self, cloner: Cloner, clips: int, speaker: str) -> list[Any]:
        """All that a clone depends on, but for the method."""
        # The one that clones, and the one that compares.
        ears = [[each.heard_by, each.encoder and each.encoder.stretch] for each in (cloner, self.cloner)]
        # What clones are compared with. Its seed is all that a speaker and what he says depend on.
        corpus = self.folder.corpus is not None and f"seed {self.folder.corpus.seed}"
        recordings, sentences = self.folder.recordings[speaker], list(self.folder.sentences)
        return [cloner.base, *ears, self.vocoder, corpus, clips, recordings, sentences]

    def _known(self, kind: str, speaker: str, origin: list[Any], *also: str) -> bool:
        """Whether all is there, as it would be made again; `also` are files that not every voice has."""
        place = self.folder.place(kind, speaker)
        try:
            known: Any = json.loads(read_text(place / "scores.json"))
        except (OSError, ValueError):  # never written, or killed while it was
            return False
        sounds = [self.folder.sentence(kind, speaker, number) for number in range(len(self.folder.sentences))]
        files = [*sounds, *(place / name for name in ("voice.safetensors", "01.png", *also))]
        return bool(known.get("origin") == origin) and all(file.is_file() for file in files)

    def _clips(self, clips: int, speaker: str) -> tuple[list[Path], list[str]]:
        return self.folder.clips_of(speaker)[:clips], self.folder.transcripts("clips", speaker)[:clips]

    def _speak(
        self, cloner: Cloner, kind: str, speaker: str, voice: Voice, origin: list[Any], seconds: float | None = None
    ) -> None:
        """Let a voice say the sentences, and write them with what is measured of them, and costs if they are known."""
        place, sentences = self.folder.place(kind, speaker), self.folder.sentences
        started = time.perf_counter()
        speeches = cloner.say_all(sentences, voice)
        speaking = time.perf_counter() - started
        scores = place / "scores.json"
        scores.unlink(missing_ok=True)  # until all that it speaks of is there
        voice.save(place / "voice.safetensors")
        for number, speech in enumerate(speeches):
            io.write(self.folder.sentence(kind, speaker, number), speech.wave, speech.sample_rate)
        save_figure(draw_speech(speeches[0]), place / "01.png")
        if seconds is not None:
            costs = {
                "cloning_seconds": seconds,
                "real_time_factor": speaking / sum(len(speech.wave) / speech.sample_rate for speech in speeches),
                "parameters": voice.vector.numel() + sum(moved.numel() for moved in voice.moved.values()),
                "bytes": (place / "voice.safetensors").stat().st_size,
            }
            write_file(place / "costs.json", json.dumps(costs, indent=1))
        own = self.voice_of(speaker)
        said = [
            (_attention(speech) if cloner.tts.model.attends else {}) | self.measure(speaker, number, speech.wave, own)
            for number, speech in enumerate(speeches)
        ]
        write_file(scores, json.dumps({"sounds": said, "origin": origin}, indent=1))

    def voice_of(self, speaker: str) -> Tensor | None:
        """What the encoder makes of a speaker's real recordings, (E,); None where there is no encoder."""
        if not self.cloner.encoder:
            return None
        return self.cloner.hear([io.read(path, self.folder.rate) for path in self.folder.real_of(speaker)])

    def measure(self, speaker: str, number: int, wave: Tensor, own: Tensor | None) -> Opinion:
        """A sentence (W,), by its number, beside the speaker's: what the corpus would say, and the encoder's voice."""
        said: Opinion = {}
        if self.folder.corpus:
            real = io.read(self.folder.sentence("references", speaker, number), self.folder.rate)
            said |= compared(wave, real, self.folder.rate, self.cloner.tts.spectrograms.mel)
        if own is not None:
            said["likeness"] = float(torch.cosine_similarity(own, self.cloner.hear([wave]), dim=0))
        return said


def _how(cloner: Cloner, method: str, clips: int | None = None) -> list[Any]:
    """How a method adapts: what it is called, what it begins with, and for how many steps where it says so itself."""
    if method == "encoder":
        return []
    how = method_named(method)
    return [how.task.__qualname__, cloner.start, how.batch_size, clips and how.steps_for(clips, cloner.tts.model)]


def _attention(speech: Speech) -> Opinion:
    return {
        "finished": speech.finished,
        "attention_failures": bool(speech.problems),
        "focus": _mean([attention_focus(each) for each in speech.alignments]),
        "coverage": _mean([attention_coverage(each) for each in speech.alignments]),
    }


def compared(wave: Tensor, real: Tensor, sample_rate: int, mel: Callable[[Tensor], Tensor]) -> Opinion:
    """How far a wave is from a real one that says the same: mel-cepstral distortion in dB, pitch error in semitones."""
    first, second = mel(wave), mel(real)  # (T, M), (T', M)
    warp = time_warp(first, second)
    highs = []
    for place, sound, frames in ((warp.rows, wave, len(first)), (warp.columns, real, len(second))):
        heard = pitch(sound, sample_rate)
        highs.append(heard[(place * len(heard) / frames).long()])
    error = pitch_error(*highs)
    return {"distortion": warp.distortion} | ({} if error is None else {"pitch_error": error})


def write_costs(path: Path, sounds: Sequence[Sound]) -> None:
    """Write what each row of clones cost, means over the speakers, as Markdown, and below it the paper's Table 1.

    Times are never the same twice, so these have a file of their own.
    """
    places = {row: {s.path.parent for s in sounds if s.row == row} for row in dict.fromkeys(s.row for s in sounds)}
    lines = ["| voice | clips | cloning, s | real-time factor | numbers of a voice | bytes |", "| --- |" + " --- |" * 5]
    for row, folders in places.items():
        costs = [json.loads(read_text(each / "costs.json")) for each in sorted(folders)]
        seconds, factor, numbers, size = (_mean([each[name] for each in costs]) for name in costs[0])
        lines.append(f"| {row.voice} | {row.clips} | {seconds:.2f} | {factor:.3f} | {numbers:.0f} | {size:.0f} |")
    lines += ["", "The paper's, not ours (its Table 1):", ""]
    lines += ["| voice, the paper | cloning | saying a sentence | numbers of a voice |", "| --- |" + " --- |" * 3]
    lines += [f"| {method} | {' | '.join(costs)} |" for method, costs in paper.COSTS.items()]
    write_file(path, "\n".join(lines) + "\n")


def cloned_by(method: str, clips: int) -> str:
    """The folder, below that of the evaluation, of what a method has cloned from so many clips."""
    return f"clones/{method}-{clips:02d}"


def after(method: str, clips: int, steps: int) -> str:
    """The folder of what it has cloned after so many steps."""
    return f"steps/{method}-{clips:02d}/{steps}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
