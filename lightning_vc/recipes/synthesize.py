"""Speak with a cloned voice: one text, or a file of lines."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from lightning_vc.cloning import Cloner, Voice, read_lines, write_speech


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.synthesize", description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a run (with tts/last.ckpt), or one TTS checkpoint")
    parser.add_argument("--voice", required=True, help="voice file that recipes.clone wrote")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", help="what to say; --out is a sound file")
    what.add_argument("--file", help="a text a line; --out is a folder, which gets 001.wav, 002.wav, ...")
    parser.add_argument("--out", required=True, help="sound file, or folder for --file")
    options = parser.parse_args(args)
    try:
        texts = [options.text] if options.file is None else read_lines(options.file)
        speeches = Cloner.load(options.model).say_all(texts, Voice.load(options.voice))
        for number, speech in enumerate(speeches, 1):
            path = Path(options.out) if options.file is None else Path(options.out, f"{number:03d}.wav")
            write_speech(path, speech)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
