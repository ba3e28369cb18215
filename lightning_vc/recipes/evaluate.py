"""Clone held-out speakers by every method, measure the clones, and write a page to listen to."""

from pathlib import Path

from jsonargparse import ArgumentParser

from lightning_vc.cloning import Cloner, read_lines
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.data.index import Index
from lightning_vc.evaluation.clones import ClonesFolder
from lightning_vc.evaluation.judge import ask, command, write_table
from lightning_vc.evaluation.report import write_report


def evaluate(
    model: str,
    shards: str,
    sentences: str,
    out: str,
    clips: int | list[int] = 5,
    methods: list[str] | None = None,
    speakers: list[str] | None = None,
    joint: str | None = None,
    corpus: GeneratedCorpus | None = None,
    judge: str | None = None,
    judged: int | None = None,
) -> None:
    """Write recordings, clones, judge.tsv and report.html into a folder, and results.md if there is a judge.

    Args:
        model: folder of a run (tts/last.ckpt, encoder/last.ckpt).
        shards: folder whose test speakers are cloned.
        sentences: file with a sentence a line.
        out: folder to write to.
        clips: recordings to clone each speaker from, or several counts to compare.
        methods: of cloning; if none is given, all that the models can do.
        speakers: ids of test speakers; if none is given, all are cloned.
        joint: folder of a joint fine-tuning, which is compared as the method "joint".
        corpus: the generated corpus that the shards were made from, so that the real voices say the sentences too.
        judge: command line of an outside judge: given a manifest, it prints a line of JSON for each sound.
        judged: how many sentences of each voice the judge hears; all if none is given.
    """
    if judge:
        command(judge)  # before the work of hours
    if judged is not None and (judged < 1 or not judge):
        raise ValueError(f"judged is how many sentences the judge hears, 1 or more, got {judged} and judge {judge}")
    index = Index.load(shards)
    counts = [clips] if isinstance(clips, int) else clips
    fine_tuned = Cloner.load(joint) if joint else None
    folder = ClonesFolder(Path(out), Cloner.load(model), index, read_lines(sentences), counts, corpus, fine_tuned)
    test = {entry.id: entry for entry in index.speakers_of("test")}
    if not test:
        raise ValueError(f"{shards} holds no test speaker to clone: prepare the corpus with --test 6 or the like")
    if unknown := [id for id in speakers or () if id not in test]:
        raise ValueError(f"{unknown[0]!r} is no test speaker of {shards}; they are {', '.join(test)}")
    cloned = [test[id] for id in speakers or test]
    scores = folder.make(cloned, methods or folder.methods)
    write_report(Path(out, "report.html"), folder, scores, cloned)
    if judge:
        write_table(Path(out, "results.md"), folder, scores, ask(judge, Path(out), judged))


def main(args: list[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.evaluate", description=__doc__)
    parser.add_function_arguments(evaluate, as_group=False)
    options = parser.parse_args(args)
    try:
        evaluate(**parser.instantiate(options).as_dict())
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
