"""Clone held-out speakers by every method, let the clones speak, and measure them.

The layout of a folder of clones, which outside judges read too:

    clips/<speaker>/<n>.wav + transcripts.tsv     what the voices were cloned from
    real/<speaker>/<n>.wav + transcripts.tsv      other recordings of the same speakers
    references/<speaker>/<sentence>.wav           the real voices saying the sentences, where the corpus can make them
    clones/<method>-<clips>/<speaker>/<n>.wav     the sentences, with voice.safetensors, a plot and scores.json
    judge.tsv                                     sound <tab> other recordings of the speaker <tab> text
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from lightning_vc.adapting import method_named
from lightning_vc.audio import io
from lightning_vc.cloning import Cloner
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.data.reading import clips_of
from lightning_vc.metrics import attention_coverage, attention_focus, mel_cepstral_distortion
from lightning_vc.plots import plot_speech
from lightning_vc.types import Speech

_KINDS = ("clips", "real", "references", "clones")
_MARK = ".evaluation"  # that the folder is one of ours, in which folders of other speakers may be deleted
_REAL = 15  # other recordings of each speaker, whose mean is what the clones are compared with


@dataclass(frozen=True)
class Scores:
    """What was measured of one speaker cloned by one method from so many clips; means over the sentences."""

    method: str
    clips: int
    speaker: str
    cloning_seconds: float
    real_time_factor: float
    finished: float
    focus: float
    coverage: float
    distortion: float | None  # decibels to the real voice saying the same, None where it cannot be had
    likeness: float | None  # cosine of the encoder's voices of clones and of real recordings, None without an encoder


class ClonesFolder:
    """Everything that is cloned in one evaluation; what is there already is not done again.

    Args:
        folder: where to write.
        cloner: the model.
        index: shards whose test speakers are cloned.
        sentences: what the clones say.
        clips: recordings of each speaker to clone from; of several counts each, the fewer being among the more.
        corpus: where the test speakers are generated ones, the corpus that can let them say the sentences.
        joint: encoder and model that were fine-tuned together, for the method "joint".
    """

    def __init__(
        self,
        folder: Path,
        cloner: Cloner,
        index: Index,
        sentences: Sequence[str],
        clips: Sequence[int] = (5,),
        corpus: GeneratedCorpus | None = None,
        joint: Cloner | None = None,
    ) -> None:
        if not clips or min(clips) < 1:
            raise ValueError(f"clips to clone from must be 1 or more, got {list(clips)}")
        if joint and not joint.encoder:
            raise ValueError(f"{joint.path} has no speaker encoder: give the folder of a joint fine-tuning")
        self.folder, self.cloner, self.joint, self.sentences = folder, cloner, joint, sentences
        self.index, self.clips, self.corpus = index, sorted(set(clips)), corpus
        self.rate = cloner.sample_rate
        self.recordings: dict[str, list[str]] = {}  # speaker -> ids of what the shards have and is used

    @property
    def methods(self) -> list[str]:
        """Names of all that can be compared here."""
        return [*self.cloner.methods, *(["joint"] if self.joint else [])]

    def make(self, speakers: Sequence[SpeakerEntry], methods: Sequence[str]) -> list[Scores]:
        """Clone these speakers by these methods, and write the judge's manifest."""
        if "joint" in methods and not self.joint:
            raise ValueError("method 'joint' needs the folder of a joint fine-tuning: give it as joint")
        for method in set(methods) - {"encoder", "joint"}:
            method_named(method)
        for speaker in speakers:
            if speaker.transcribed <= self.clips[-1]:
                raise ValueError(
                    f"speaker {speaker.id} has {speaker.transcribed} transcribed clips: cloning from {self.clips[-1]} "
                    "needs more"
                )
        self._clear({speaker.id for speaker in speakers})
        for speaker in track(speakers, "recordings of the held-out speakers"):
            self._write_real(speaker.id)
        ways = [(method, clips) for method in methods for clips in self.clips]
        jobs = [(*way, speaker.id) for way in ways for speaker in speakers]
        scores = [self._clone(*job) for job in track(jobs, "cloning and speaking")]
        self._write_manifest([speaker.id for speaker in speakers], [cloned_by(*way) for way in ways])
        return scores

    def sentence(self, kind: str, speaker: str, number: int) -> Path:
        """Where a sentence stands; kind is "references" or what `cloned_by` gives."""
        return self.folder / kind / speaker / f"{number + 1:02d}.wav"

    def clips_of(self, speaker: str) -> list[Path]:
        """The recordings that a speaker is cloned from."""
        return sorted((self.folder / "clips" / speaker).glob("*.wav"))

    def real_of(self, speaker: str) -> list[Path]:
        """Other recordings of a speaker."""
        return sorted((self.folder / "real" / speaker).glob("*.wav"))

    def _clear(self, speakers: set[str]) -> None:
        """Delete what an evaluation of other speakers has left: judges would take them for speakers of this one.

        Raises FileExistsError for a folder that no evaluation has made.
        """
        mark = self.folder / _MARK
        if not mark.exists() and any((self.folder / kind).exists() for kind in _KINDS):
            raise FileExistsError(f"{self.folder} holds {', '.join(_KINDS)} of something else: give another folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
        for kind in ("clips", "real", "references", "clones/*"):
            for folder in self.folder.glob(f"{kind}/*"):
                if folder.is_dir() and folder.name not in speakers:
                    shutil.rmtree(folder)

    def _write_real(self, speaker: str) -> None:
        samples = [sample for sample in clips_of(self.index, speaker) if sample.text]
        most = self.clips[-1]
        own, others = samples[:most], samples[most : most + _REAL]
        self.recordings[speaker] = [sample.id for sample in own + others]
        for kind, chosen in (("clips", own), ("real", others)):
            shutil.rmtree(self.folder / kind / speaker, ignore_errors=True)  # of an evaluation with other clips
            for number, sample in enumerate(chosen, 1):
                io.write(self.folder / kind / speaker / f"{number:02d}.wav", sample.wave(self.rate), self.rate)
            table = [f"{number:02d}.wav\t{sample.text}\n" for number, sample in enumerate(chosen, 1)]
            (self.folder / kind / speaker / "transcripts.tsv").write_text("".join(table), encoding="utf-8")
        if self.corpus:
            for number, text in enumerate(self.sentences):
                said = io.level(io.trim(self.corpus.say(speaker, text, self.rate), self.rate))
                io.write(self.sentence("references", speaker, number), said, self.rate)

    def _clone(self, method: str, clips: int, speaker: str) -> Scores:
        kind = cloned_by(method, clips)
        folder = self.folder / kind / speaker
        done = folder / "scores.json"
        cloner, how = (self.joint, "encoder") if method == "joint" and self.joint else (self.cloner, method)
        ears = [cloner.heard_by, self.cloner.heard_by]  # the one that clones, and the one that compares
        origin = [cloner.base, *ears, clips, self.recordings[speaker], list(self.sentences)]
        if done.exists():
            try:
                known = json.loads(done.read_text(encoding="utf-8"))
            except ValueError:
                known = {}  # killed while it was written
            if known.pop("origin", None) == origin:
                return Scores(**known)
        table = (self.folder / "clips" / speaker / "transcripts.tsv").read_text(encoding="utf-8").splitlines()
        texts = [line.split("\t")[1] for line in table]
        started = time.perf_counter()
        voice = cloner.clone(self.clips_of(speaker)[:clips], how, texts[:clips])
        cloned = time.perf_counter()
        speeches = cloner.say_all(self.sentences, voice)
        spoken = time.perf_counter()
        done.unlink(missing_ok=True)  # until all that it speaks of is there
        voice.save(folder / "voice.safetensors")
        for number, speech in enumerate(speeches):
            io.write(self.sentence(kind, speaker, number), speech.wave, speech.sample_rate)
        plot_speech(speeches[0], folder / "01.png")
        scores = Scores(
            method=method,
            clips=clips,
            speaker=speaker,
            cloning_seconds=cloned - started,
            real_time_factor=(spoken - cloned) / sum(len(speech.wave) / self.rate for speech in speeches),
            finished=_mean([speech.finished for speech in speeches]),
            focus=_mean([attention_focus(each) for speech in speeches for each in speech.alignments]),
            coverage=_mean([attention_coverage(each) for speech in speeches for each in speech.alignments]),
            distortion=self._distortion(speaker, speeches) if self.corpus else None,
            likeness=self._likeness(speaker, speeches) if self.cloner.encoder else None,
        )
        done.write_text(json.dumps({**asdict(scores), "origin": origin}, indent=1), encoding="utf-8")
        return scores

    def _distortion(self, speaker: str, speeches: Sequence[Speech]) -> float:
        def mel(wave: Tensor) -> Tensor:
            spectrum: Tensor = self.cloner.tts.spectrograms.mel(wave)
            return spectrum

        real = [io.read(self.sentence("references", speaker, i), self.rate) for i in range(len(speeches))]
        pairs = zip(speeches, real, strict=True)
        return _mean([mel_cepstral_distortion(mel(speech.wave), mel(wave)) for speech, wave in pairs])

    def _likeness(self, speaker: str, speeches: Sequence[Speech]) -> float:
        real = [io.read(path, self.rate) for path in self.real_of(speaker)]
        said = [speech.wave for speech in speeches]
        return float(torch.cosine_similarity(self.cloner.hear(real), self.cloner.hear(said), dim=0))

    def _write_manifest(self, speakers: Sequence[str], kinds: Sequence[str]) -> None:
        lines = []
        for speaker in speakers:
            real = [path.resolve() for path in self.real_of(speaker)]
            table = (self.folder / "real" / speaker / "transcripts.tsv").read_text(encoding="utf-8").splitlines()
            for own, line in zip(real, table, strict=True):  # what the judge makes of real speech is its ceiling
                others = ";".join(str(path) for path in real if path != own)
                lines.append(f"{own}\t{others or '-'}\t{line.split(chr(9))[1]}\n")
            for kind in [*kinds, *(["references"] if self.corpus else [])]:
                for number, text in enumerate(self.sentences):
                    said = self.sentence(kind, speaker, number).resolve()
                    lines.append(f"{said}\t{';'.join(map(str, real))}\t{text}\n")
        (self.folder / "judge.tsv").write_text("".join(lines), encoding="utf-8")


def cloned_by(method: str, clips: int) -> str:
    """The folder, below that of the evaluation, of what a method has cloned from so many clips."""
    return f"clones/{method}-{clips:02d}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
