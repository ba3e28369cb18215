"""One evaluation of a tiny model, which the tests of this folder share."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lightning_vc.adaptation import METHODS
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.evaluation.folder import Scores, Sound
from lightning_vc.evaluation.metrics import DNSMOS, Metric, Resemblyzer, Whisper
from lightning_vc.recipes import evaluate, speaker_recognition
from tests.evaluation.command import SENTENCES, evaluate_flags
from tests.evaluation.external import write_external
from tests.tiny import TinyRun


@dataclass
class Evaluated:
    """An evaluation that all that there is took part in.

    Attributes:
        out: its folder.
        flags: its command line.
        speakers: who was cloned.
        scored: the sounds that an objective metric was asked about, in order.
    """

    out: Path
    flags: list[str]
    speakers: list[str]
    scored: list[Sound] = field(default_factory=list)

    def run(self, out: Path) -> None:
        """Evaluate into a folder, with one step of adaptation and made-up objective metrics."""

        def made_up(metric: Metric, sound: Sound) -> Scores:
            self.scored.append(sound)
            return {"similarity": 0.1 * (sound.row.clips or 9), "words": len(sound.text.split()), "word_errors": 1}

        with pytest.MonkeyPatch.context() as patch:
            for name, method in METHODS.items():
                patch.setitem(METHODS, name, replace(method, steps=1))
            for metric in (DNSMOS, Resemblyzer, Whisper):
                patch.setattr(metric, "missing", lambda metric: [])
                patch.setattr(metric, "__call__", made_up if metric is Whisper else lambda metric, sound: {})
            evaluate.main([*self.flags, "--out", str(out)])


@pytest.fixture(scope="session")
def recognition(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a network for speaker recognition."""
    folder = tmp_path_factory.mktemp("recognition")
    speaker_recognition.main(tiny_run.recognition_flags(folder))
    return folder / "last.ckpt"


@pytest.fixture(scope="session")
def evaluated(tiny_run: TinyRun, recognition: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("evaluation")
    speakers = [entry.id for entry in tiny_run.index.speakers_of("test")]
    external = ",".join(map(str, write_external(folder / "theirs", GeneratedCorpus(8, 7), speakers, SENTENCES)))
    joint = folder / "joint"  # any model with an encoder will do
    shutil.copytree(tiny_run.folder, joint, ignore=shutil.ignore_patterns("shards"))
    flags = [*evaluate_flags(tiny_run, folder / "out"), "--systems.methods=[encoder,whole_model,joint]"]
    flags += [f"--systems.joint={joint}", "--systems.steps=[2]", "--systems.steps_clips=[1]"]
    flags += ["--systems.table_speakers=4", "--systems.edit=1.0", f"--systems.external=[{external}]"]
    flags += [f"--metrics.speaker_recognition={recognition}"]
    flags += ["--metrics.objective=true", "--metrics.sentences=1", "--project=clones"]
    evaluation = Evaluated(folder / "out", flags, speakers)
    evaluation.run(evaluation.out)
    return evaluation
