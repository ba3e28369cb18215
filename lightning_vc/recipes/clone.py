"""Clone a voice from recordings, and let it say something."""

from argparse import ArgumentParser
from collections.abc import Sequence

from lightning_vc.audio import io
from lightning_vc.cloning import METHODS, Cloner, read_transcripts
from lightning_vc.synthesis import write_speech


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.clone", description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a run (with tts/last.ckpt), or one TTS checkpoint")
    parser.add_argument("--clips", required=True, nargs="+", help="recordings of one speaker, in any usual format")
    parser.add_argument("--method", required=True, choices=["encoder", *METHODS], help="how to clone")
    parser.add_argument(
        "--transcripts", help="what the clips say: a line `clip<tab>text` each, or a text a line in order"
    )
    parser.add_argument("--text", required=True, help="what to say")
    parser.add_argument("--out", required=True, help="sound file to write")
    parser.add_argument("--voice", help="voice file (.safetensors) to write, for recipes.synthesize")
    parser.add_argument("--steps", type=int, help="steps of adaptation; default: what suits the method")
    options = parser.parse_args(args)
    try:
        io.writable(options.out)  # first: cloning takes longer
        cloner = Cloner.load(options.model)
        cloner.check(options.text)
        transcripts = read_transcripts(options.transcripts, options.clips) if options.transcripts else None
        voice = cloner.clone(options.clips, options.method, transcripts, options.steps)
        if options.voice:
            voice.save(options.voice)
        write_speech(options.out, cloner.say(options.text, voice))
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
