"""Speak with a cloned voice: one text, or a file of lines."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.cloning import MODEL, Cloner
from lightning_vc.console import print_warning, reported
from lightning_vc.synthesis import warn, write_speech
from lightning_vc.text.transcripts import read_lines
from lightning_vc.trust import TRUST
from lightning_vc.types import Speech
from lightning_vc.voice import load_voice

_TOGETHER = 32  # texts of a file that are said at once: more would only cost memory


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.synthesize", description=__doc__)
    parser.add_argument("--model", help=MODEL)
    parser.add_argument("--vocoder", help="griffin_lim, or a checkpoint; default: the model's own, else griffin_lim")
    parser.add_argument("--trust", nargs="+", default=[], help=TRUST)
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
            cloner = Cloner.load(options.model, options.vocoder, options.trust)
            speak_at_once(cloner, options.voice, options.text, options.out)
            return
        if options.file is None:
            io.writable(options.out)  # before the work
        cloner = Cloner.load(options.model, options.vocoder, options.trust)
        if options.file is not None:
            speak_lines(cloner, options.voice, options.file, Path(options.out))
        else:
            write_speech(options.out, cloner.say(options.text, load_voice(options.voice)))


def speak_lines(cloner: Cloner, voice: str, file: str, out: Path) -> None:
    """Write a sound for each text of a file; those that cannot be said are named, and then the program ends with 1."""
    speaker, texts = load_voice(voice), list(enumerate(read_lines(file), 1))
    io.writable(out / _sound(1))
    spoken = [(number, text) for number, text in texts if _can_say(cloner, file, number, text)]
    for start in range(0, len(spoken), _TOGETHER):
        batch = spoken[start : start + _TOGETHER]
        speeches = cloner.say_all([text for _, text in batch], speaker)
        for (number, _), speech in zip(batch, speeches, strict=True):
            write_speech(out / _sound(number), speech)
    if len(spoken) < len(texts):
        raise SystemExit(1)


def _sound(number: int) -> str:
    return f"{number:03d}.wav"


def _can_say(cloner: Cloner, file: str, number: int, text: str) -> bool:
    try:
        cloner.check(text)
    except ValueError as error:
        print_warning(f"{file}, text {number} is left out, there is no {_sound(number)}: {error}")
        return False
    return True


def speak_at_once(cloner: Cloner, voice: str, text: str, out: str) -> None:
    """Write a text as it is being said."""
    parts = heard(cloner.stream(text, load_voice(voice)))
    if out != "-":
        io.write_parts(out, parts, cloner.sample_rate)
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
