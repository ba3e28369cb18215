"""Clone a voice from recordings, and let it say something."""

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import get_args

from lightning_vc.adapting import METHODS
from lightning_vc.audio import io
from lightning_vc.cloning import MODEL, Cloner
from lightning_vc.console import print_warning, reported
from lightning_vc.synthesis import write_speech
from lightning_vc.tasks.adaptation import Start
from lightning_vc.text.transcripts import read_transcripts, transcripts_beside
from lightning_vc.trust import TRUST
from lightning_vc.voice import place_for_voice


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.clone", description=__doc__)
    parser.add_argument("--model", help=MODEL)
    parser.add_argument("--vocoder", help="griffin_lim, or a checkpoint; default: the model's own, else griffin_lim")
    parser.add_argument("--trust", nargs="+", default=[], help=TRUST)
    parser.add_argument("--clips", required=True, nargs="+", help="recordings of one speaker, in any usual format")
    known = ", ".join(["encoder", *METHODS])
    parser.add_argument("--method", required=True, help=f"how to clone: {known}, or a class of your own, module.Class")
    said = parser.add_mutually_exclusive_group()
    said.add_argument(
        "--transcripts",
        help="file of what the clips say: a line `clip<tab>text` each, or a text a line in order; "
        "default: the file a.txt beside a clip a.wav",
    )
    said.add_argument("--said", nargs="+", metavar="TEXT", help="what the clips say, a text each, in order")
    parser.add_argument("--text", required=True, help="what to say")
    parser.add_argument("--out", required=True, help="sound file to write")
    parser.add_argument("--voice", help="name to keep the voice by, for recipes.synthesize, or a file (.safetensors)")
    parser.add_argument("--consent", default="", help="what the speaker has agreed to; it stands in the voice")
    parser.add_argument("--steps", type=int, help="steps of adaptation, at most; default: what suits the method")
    starts = get_args(Start)
    parser.add_argument(
        "--start",
        choices=starts,
        help="voice that adaptation begins with; default: what the encoder hears, where there is one, else the mean",
    )
    options = parser.parse_args(args)
    with reported(parser):
        io.writable(options.out)  # first: cloning takes longer
        if any(_same(options.out, clip) for clip in options.clips):
            raise ValueError(f"--out {options.out} is one of the clips, which it would write over: name another file")
        place = place_for_voice(options.voice) if options.voice else None
        cloner = Cloner.load(options.model, options.vocoder, options.trust)
        cloner.check(options.text)
        transcripts: list[str] | None = options.said
        if options.method == "encoder":
            if options.said or options.transcripts:
                print_warning("the method encoder needs no transcripts, those given are not read")
        elif options.transcripts:
            transcripts = read_transcripts(options.transcripts, options.clips)
        elif not transcripts:
            transcripts = transcripts_beside(options.clips)
        voice = cloner.clone(
            options.clips, options.method, transcripts, options.steps, options.start, options.consent, progress=True
        )
        if place:
            voice.save(place)
        write_speech(options.out, cloner.say(options.text, voice))


def _same(one: str, other: str) -> bool:
    """Whether two names are those of one file that is there."""
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


if __name__ == "__main__":
    main()
