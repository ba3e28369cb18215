"""Clone held-out speakers by every method, measure the clones, and write a page to listen to."""

from pathlib import Path

from jsonargparse import ArgumentParser

from lightning_vc.cloning import Cloner, read_lines
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.data.index import Index
from lightning_vc.evaluation.clones import ClonesFolder
from lightning_vc.evaluation.report import write_report


def evaluate(
    model: str,
    shards: str,
    sentences: str,
    out: str,
    clips: int = 5,
    methods: list[str] | None = None,
    corpus: GeneratedCorpus | None = None,
) -> None:
    """Write recordings, clones, judge.tsv and report.html into a folder.

    Args:
        model: folder of a run (tts/last.ckpt, encoder/last.ckpt).
        shards: folder whose test speakers are cloned.
        sentences: file with a sentence a line.
        out: folder to write to.
        clips: recordings to clone each speaker from.
        methods: of cloning; if none is given, all that the model can do.
        corpus: the generated corpus that the shards were made from, so that the real voices say the sentences too.
    """
    index = Index.load(shards)
    cloner = Cloner.load(model)
    folder = ClonesFolder(Path(out), cloner, index, read_lines(sentences), clips, corpus)
    speakers = index.speakers_of("test")
    if not speakers:
        raise ValueError(f"{shards} holds no test speaker to clone: prepare the corpus with --test 6 or the like")
    scores = folder.make(speakers, methods or cloner.methods)
    write_report(Path(out, "report.html"), folder, scores, speakers)


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
