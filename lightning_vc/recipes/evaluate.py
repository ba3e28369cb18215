"""Clone held-out speakers by every method, measure the clones as the paper does, and write a page to listen to."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, get_loader, set_loader
from yaml import YAMLError

from lightning_vc.cloning import Cloner
from lightning_vc.console import reported
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.evaluation import outside
from lightning_vc.evaluation.bounds import LEARNED, make_bounds
from lightning_vc.evaluation.clones import Clones, write_costs
from lightning_vc.evaluation.figures import draw_results
from lightning_vc.evaluation.folder import EvaluationFolder
from lightning_vc.evaluation.given import measure_given, read_given
from lightning_vc.evaluation.mixtures import make_mixtures
from lightning_vc.evaluation.own import classify, too_few, verify
from lightning_vc.evaluation.report import missing, write_report
from lightning_vc.evaluation.results import summarise, write_results
from lightning_vc.evaluation.sounds import merged, write_manifest
from lightning_vc.evaluation.space import draw_voices
from lightning_vc.evaluation.tracking import track_evaluation
from lightning_vc.morphing import learnt_from
from lightning_vc.settings import bounded
from lightning_vc.tasks.classifier import SpeakerClassifierTask
from lightning_vc.tasks.verifier import SpeakerVerifierTask
from lightning_vc.text.transcripts import read_lines
from lightning_vc.trust import trust as allow

set_loader("yaml", bounded(get_loader("yaml")), (YAMLError,))

_AT_ONCE = ("encoder", "joint")  # methods that do not adapt


def evaluate(
    model: str,
    shards: str,
    sentences: str,
    out: str,
    clips: int | list[int] = 5,
    methods: list[str] | None = None,
    speakers: list[str] | None = None,
    joint: str | None = None,
    vocoder: str | None = None,
    corpus: GeneratedCorpus | None = None,
    steps: list[int] | None = None,
    steps_clips: int | list[int] = 5,
    own: int | None = None,
    mixed: float | None = None,
    given: list[str] | None = None,
    classifier: str | None = None,
    verifier: str | None = None,
    objective_metrics: bool = False,
    metric_sentences: int | None = None,
    seed: int = 0,
    project: str | None = None,
    trust: str | list[str] | None = None,
) -> None:
    """Write recordings, clones, judge.tsv, results (md, csv, json), costs.md and report.html into a folder.

    Args:
        model: folder of a run (tts/last.ckpt, encoder/last.ckpt).
        shards: folder whose test speakers are cloned.
        sentences: file with a sentence a line.
        out: folder to write to.
        clips: recordings to clone each speaker from, or several counts to compare.
        methods: of cloning; if none is given, all that the models can do.
        speakers: ids of test speakers; if none is given, all are cloned.
        joint: folder of a joint fine-tuning, which is compared as the method "joint".
        vocoder: "griffin_lim", or a checkpoint; if none is given, vocoder/last.ckpt of the run, else Griffin-Lim.
        corpus: the generated corpus that the shards were made from, so that the real voices say the sentences too.
        steps: of adaptation, after each of which clones speak: of those of `methods` that adapt, or of embedding and
            whole_model where no methods are given; none if none are given.
        steps_clips: recordings that these are adapted to, or several counts.
        own: how many of the model's own speakers say the sentences; if none is given, as many as are cloned.
        mixed: how far these are moved, to say them once more with the other sex and with another accent: 1 is by the
            difference of the means of both groups; if none is given, they are not.
        given: folders with sounds of other systems, `<speaker>/<n>.wav`, each of which becomes a row of its name.
        classifier: checkpoint of a speaker classifier.
        verifier: checkpoint of a speaker verifier.
        objective_metrics: whether sounds are scored by third-party packages (docs/evaluation.md says how to install
            them): speaker similarity, predicted opinion scores, word error rate.
        metric_sentences: how many sentences of each voice they score; all if none is given.
        seed: of the bootstrap.
        project: of W&B, which gets tables, figures and sounds.
        trust: modules of your own whose classes model files may name, such as my_encoder.
    """
    allow(trust or [])
    if metric_sentences is not None and metric_sentences < 1:
        raise ValueError(f"metric_sentences must be 1 or more, got {metric_sentences}")
    if metric_sentences is not None and not objective_metrics:
        raise ValueError(f"metric_sentences {metric_sentences} needs --objective_metrics true")
    counts, steps_counts = (sorted([each] if isinstance(each, int) else each) for each in (clips, steps_clips))
    lists = {"clips": counts, "steps_clips": steps_counts, "steps": steps, "methods": methods, "speakers": speakers}
    for name, values in lists.items():
        _check_list(name, values)
    if min(counts) < 1:
        raise ValueError(f"clips to clone from must be 1 or more, got {counts}")
    if steps and min(*steps, *steps_counts) < 1:
        raise ValueError(f"steps and steps_clips must be 1 or more, got {steps} and {steps_counts}")
    adapted = ["embedding", "whole_model"] if methods is None else [each for each in methods if each not in _AT_ONCE]
    if steps and not adapted:
        raise ValueError(f"steps are of methods that adapt, got methods {methods}: add one, such as embedding")
    if own is not None and own < 1:
        raise ValueError(f"own is how many of the model's speakers speak, 1 or more, got {own}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if any(mark in str(Path(out).resolve()) for mark in ";\t\n"):
        raise ValueError(f"out is {out!r}: judge.tsv has no place for a path with ; or a tab, give another folder")
    index, cloner = Index.load(shards), Cloner.load(model, vocoder)
    knows = SpeakerClassifierTask.load(classifier) if classifier else None
    if knows and not knows.learnt:
        raise ValueError(f"{classifier} does not say what it has learnt from: train it again")
    verifies = SpeakerVerifierTask.load(verifier) if verifier else None
    fine_tuned = Cloner.load(joint) if joint else None
    most = max([*counts, *(steps_counts if steps else [])])
    if mixed is not None and not learnt_from(cloner, index):
        raise ValueError(f"mixed needs the shards that {model} was trained on, and {shards} holds other speakers")
    texts, cloned = _texts(sentences, cloner), _chosen(index, shards, speakers)
    _check_unlearnt(cloned, [cloner, *([fine_tuned] if fine_tuned else [])])

    folder = EvaluationFolder(Path(out), index, cloned, texts, most, cloner.sample_rate, corpus)
    clones = Clones(folder, cloner, fine_tuned)
    others = read_given(given or [], clones, methods or [])
    said = clones.make(methods or clones.methods, counts)
    bounds, measured = make_bounds(clones, own)
    sources = list(dict.fromkeys(sound.speaker for sound in bounds if sound.row == LEARNED))
    mixtures, read = make_mixtures(clones, sources, mixed) if mixed is not None else ([], {})
    along = clones.adapt(adapted, steps_counts, sorted(steps)) if steps else []
    sounds = [*folder.real(), *(folder.references() if corpus else []), *bounds, *said, *others]
    everything = [*sounds, *mixtures, *along]
    write_manifest(Path(out, "judge.tsv"), [*sounds, *mixtures])

    opinions = [clones.scores([*said, *along]), measured, read, measure_given(clones, others)]
    if objective_metrics:
        heard = [each for each in [*sounds, *mixtures] if int(each.path.stem) <= (metric_sentences or math.inf)]
        opinions.append(outside.score(Path(out), heard))
    if knows:
        opinions.append(classify(knows, folder, everything))
    if verifies:
        opinions.append(verify(verifies, folder, sounds))
    results = summarise(everything, merged(opinions), seed)

    lacking = [
        *missing(results),
        *(too_few(folder) if verifies else []),
        *(f"{each} is not installed" for each in outside.absent() if objective_metrics),
    ]
    if not learnt_from(cloner, index):
        lacking.append(
            f"the model's own speakers and the space of voices: {model} was trained on others than {shards} has"
        )
    about: dict[str, Any] = {"speakers": [each.id for each in cloned], "seed": seed, "not measured": lacking}
    write_results(Path(out), results, about)
    write_costs(Path(out, "costs.md"), said)
    drawn = draw_results(results) | draw_voices(clones, [*said, *mixtures])
    write_report(Path(out, "report.html"), clones, results, drawn, lacking)
    if project:
        track_evaluation(project, Path(out), results, drawn, everything, about)


def _check_list(name: str, values: Sequence[object] | None) -> None:
    """Refuse what would be counted twice, and an empty list, which could mean nobody or everybody."""
    if values is None:
        return
    if not values:
        raise ValueError(f"{name} is an empty list: leave the option out, or name one at least")
    if twice := [each for each in values if values.count(each) > 1]:
        raise ValueError(f"{name} has {twice[0]!r} more than once: name each once")


def _texts(sentences: str, cloner: Cloner) -> list[str]:
    """The sentences, all of which can be said."""
    texts = read_lines(sentences)
    for text in texts:
        if "\t" in text:
            raise ValueError(f"{sentences} has a tab in {text!r}: judge.tsv has no place for it, write a space")
        cloner.check(text)
    return texts


def _check_unlearnt(cloned: Sequence[SpeakerEntry], cloners: Sequence[Cloner]) -> None:
    """Refuse speakers whose voices a model has learnt: that it speaks like them would be no cloning."""
    for cloner in cloners:
        if learnt := [entry.id for entry in cloned if entry.id in cloner.tts.speakers]:
            raise ValueError(
                f"{cloner.path} was trained on {', '.join(learnt)}, who would not be cloned: name others by "
                "--speakers, or give shards whose test speakers it does not know"
            )


def _chosen(index: Index, shards: str, speakers: list[str] | None) -> list[SpeakerEntry]:
    """The test speakers to clone."""
    test = {entry.id: entry for entry in index.speakers_of("test")}
    if not test:
        raise ValueError(f"{shards} holds no test speaker to clone: prepare the corpus with --test 6 or the like")
    if unknown := [id for id in speakers or () if id not in test]:
        raise ValueError(f"{unknown[0]!r} is no test speaker of {shards}; they are {', '.join(test)}")
    return [test[id] for id in speakers or test]


def main(args: list[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.evaluate", description=__doc__)
    parser.add_function_arguments(evaluate, as_group=False)
    options = parser.parse_args(args)
    with reported():
        evaluate(**parser.instantiate(options).as_dict())


if __name__ == "__main__":
    main()
