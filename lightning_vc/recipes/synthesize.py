"""Speak with a cloned voice: one text, or a file of lines."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.cloning import MODEL, Cloner
from lightning_vc.console import reported
from lightning_vc.synthesis import warn, write_speech
from lightning_vc.text.transcripts import read_lines
from lightning_vc.types import Speech
from lightning_vc.voice import load_voice


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.synthesize", description=__doc__)
    parser.add_argument("--model", help=MODEL)
    parser.add_argument("--vocoder", help="griffin_lim, or a checkpoint; default: the model's own, else griffin_lim")
    parser.add_argument("--voice", required=True, help="name or file of a voice that recipes.clone kept")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", help="what to say; --out is a sound file")
    what.add_argument("--file", help="a text a line; --out is a folder, which gets 001.wav, 002.wav, ...")
    parser.add_argument("--out", required=True, help="sound file, or folder for --file")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="write each sentence of --text as soon as it is made; with --out - to standard output, as raw 16-bit "
        "samples (... --out - | aplay -f S16_LE -r 16000)",
    )
    options = parser.parse_args(args)
    with reported(parser):
        if options.stream and options.text is None:
            raise ValueError("--stream speaks one --text, not the lines of a --file")
        if options.stream:
            speak_at_once(Cloner.load(options.model, options.vocoder), options.voice, options.text, options.out)
            return
        texts = [options.text] if options.file is None else read_lines(options.file)
        out = Path(options.out)
        paths = [out] if options.file is None else [out / f"{number:03d}.wav" for number in range(1, len(texts) + 1)]
        io.writable(paths[0])  # before the work
        speeches = Cloner.load(options.model, options.vocoder).say_all(texts, load_voice(options.voice))
        for path, speech in zip(paths, speeches, strict=True):
            write_speech(path, speech)


def speak_at_once(cloner: Cloner, voice: str, text: str, out: str) -> None:
    """Write a text as it is being said."""
    parts = heard(cloner.stream(text, load_voice(voice)))
    if out != "-":
        io.write(io.writable(out), parts, cloner.sample_rate)
        return
    try:
        for part in parts:
            sys.stdout.buffer.write((part.clamp(-1, 1) * 32767).short().numpy().tobytes())
            sys.stdout.buffer.flush()
    except BrokenPipeError:  # nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more when it ends


def heard(speeches: Iterable[Speech]) -> Iterator[Tensor]:
    """The waves of what is said, and on stderr what seems to have gone wrong."""
    for speech in speeches:
        warn(speech)
        yield speech.wave


if __name__ == "__main__":
    main()
