"""Synthesise a text, or the lines of a file, with a cloned voice or that of a training speaker."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from lightning_vc.console import print_speech, print_warning
from lightning_vc.verbs import call

if TYPE_CHECKING:
    from torch import Tensor

    from lightning_vc.cloning import Cloner
    from lightning_vc.voice import Voice

_TOGETHER = 32  # texts of a file in a batch: more would only cost memory


def synthesize(
    out: str,
    voice: str = "",
    speaker: str = "",
    text: str = "",
    file: str = "",
    stream: bool = False,
    model: str | None = None,
    vocoder: str | None = None,
    speed: float = 1.0,
    device: str = "auto",
    trust: list[str] | None = None,
) -> None:
    """Synthesise a text, or the lines of a file, with a cloned voice or that of a training speaker.

    Args:
        out: sound file, or folder for the lines of a file, which gets 001.wav, 002.wav, ...
        voice: name or file of a voice that clone saved, or a training speaker of the model.
        speaker: instead of voice: a training speaker of the model, such as ls-19; needs no recordings.
        text: the text to synthesise.
        file: file with one text per line, instead of text.
        stream: write each sentence of the text as soon as it is ready; with --out - to standard output, as raw 16-bit
            samples (... --out - | aplay -f S16_LE -r 16000).
        model: folder of a run (with tts/last.ckpt), or one TTS checkpoint; default: the model of the package.
        vocoder: griffin_lim, or a checkpoint; default: that of the model, else griffin_lim.
        speed: of the speech, from 0.5 to 2.
        device: cpu, cuda, cuda:1, or auto: cuda if there is a GPU, else cpu.
        trust: modules whose classes a model may name.
    """
    from lightning_vc.audio import io
    from lightning_vc.cloning import Cloner
    from lightning_vc.speakers import find_voice

    if stream and not text:
        raise ValueError("--stream speaks one --text, not the lines of a --file")
    if (text == "") == (file == ""):
        raise ValueError("give either --text, which is not empty, or --file")
    if (voice == "") == (speaker == ""):
        raise ValueError("give either --voice or --speaker")
    if not file and not stream:
        io.writable(out)  # first, because synthesis is slow
    cloner = Cloner.load(model, vocoder, trust or (), device)
    found = find_voice(cloner.tts, cloner.tts_fingerprint, voice) if voice else cloner.speaker(speaker)
    if file:
        _speak_lines(cloner, found, file, Path(out), speed)
    elif stream:
        cloner.check(text, speed)
        _speak_stream(cloner, found, text, out, speed)
    else:
        cloner.check(text, speed)  # which reads the lexicon: no part of the real-time factor
        _speak(cloner, found, {Path(out): text}, speed)


def _speak(cloner: "Cloner", voice: "Voice", texts: dict[Path, str], speed: float) -> None:
    """Write the sounds of texts, and print each with the mean real-time factor of all."""
    from lightning_vc.synthesis import write_speech

    start = perf_counter()
    speeches = cloner.say_all(list(texts.values()), voice, speed)
    elapsed, duration = perf_counter() - start, sum(speech.duration for speech in speeches)
    for sound, speech in zip(texts, speeches, strict=True):
        write_speech(sound, speech)
        print_speech(sound, speech.duration, elapsed * speech.duration / duration)


def _speak_lines(cloner: "Cloner", voice: "Voice", file: str, out: Path, speed: float) -> None:
    """Write a sound for each text of a file; warn of texts that cannot be spoken, and exit with 1 if there are any."""
    from lightning_vc.audio import io
    from lightning_vc.text.transcripts import read_lines

    texts = {out / f"{number:03d}.wav": text for number, text in enumerate(read_lines(file), 1)}
    io.writable(out / "001.wav")
    left_out = 0
    for number, (sound, text) in enumerate(list(texts.items()), 1):
        try:
            cloner.check(text)
        except ValueError as error:
            print_warning(f"{file}, text {number} is left out, there is no {sound.name}: {error}")
            left_out += texts.pop(sound) is not None
    sounds = list(texts)
    for start in range(0, len(sounds), _TOGETHER):
        _speak(cloner, voice, {sound: texts[sound] for sound in sounds[start : start + _TOGETHER]}, speed)
    if left_out:
        raise SystemExit(1)


def _speak_stream(cloner: "Cloner", voice: "Voice", text: str, out: str, speed: float) -> None:
    """Write a text sentence by sentence, during synthesis."""
    from lightning_vc.audio import io
    from lightning_vc.synthesis import warn

    start, samples = perf_counter(), 0

    def waves() -> Iterator["Tensor"]:
        nonlocal samples
        for speech in cloner.stream(text, voice, speed):
            warn(speech)
            samples += len(speech.wave)
            yield speech.wave

    if out != "-":
        io.write_parts(out, waves(), cloner.sample_rate)
        print_speech(out, samples / cloner.sample_rate, perf_counter() - start)
        return
    try:
        for wave in waves():
            sys.stdout.buffer.write((wave.clamp(-1, 1) * 32767).short().numpy().tobytes())
            sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails again when it exits


def main(args: Sequence[str] | None = None) -> None:
    call(synthesize, args)


if __name__ == "__main__":
    main()
