"""Clone voices with the model that comes with the package: of your clips, or of two speakers that espeak-ng makes."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from lightning_vc.audio import io
from lightning_vc.cloning import Cloner
from lightning_vc.console import printable, reported
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.synthesis import write_speech

TEXT = "Nobody has ever said this, and now my voice has."
_SPEAKERS, _CLIPS = ("f000", "m000"), 5


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.demo", description=__doc__)
    parser.add_argument("--clips", nargs="+", help="recordings of one speaker, in any usual format")
    parser.add_argument("--text", default=TEXT, help="what to say")
    parser.add_argument("--out", default="runs/demo", help="folder to write to")
    options = parser.parse_args(args)
    out = Path(options.out)
    with reported(parser):
        cloner = Cloner.from_pretrained()
        cloner.check(options.text)
        voices = {"clone": list(map(Path, options.clips))} if options.clips else dict(made(out, cloner.sample_rate))
        for name, clips in voices.items():
            sound = out / f"{name}.wav"
            write_speech(sound, cloner.say(options.text, cloner.clone(clips)))
            print(printable(f"{sound}: {options.text!r} in the voice of {', '.join(map(str, clips))}"))


def made(folder: Path, sample_rate: int) -> Iterator[tuple[str, list[Path]]]:
    """A few speakers of the generated corpus, and clips of theirs; raises ImportError without the extra `demo`."""
    corpus = GeneratedCorpus(n_speakers=2, utterances=_CLIPS)
    for speaker in _SPEAKERS:
        said = (utterance for utterance in corpus if utterance.speaker.id == speaker)
        clips = []
        for number, utterance in enumerate(islice(said, _CLIPS), 1):
            clips.append(folder / "clips" / speaker / f"{number:02d}.wav")
            io.write(clips[-1], corpus.read(utterance, sample_rate), sample_rate)
        yield speaker, clips


if __name__ == "__main__":
    main()
