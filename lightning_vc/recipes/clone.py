"""Clone a voice from recordings, and synthesise a text with it."""

import os
from collections.abc import Sequence
from time import perf_counter
from typing import Literal

from lightning_vc.console import count, print_speech, print_warning, printable
from lightning_vc.verbs import call


def clone(
    clips: list[str],
    text: str,
    out: str,
    method: str = "encoder",
    model: str | None = None,
    vocoder: str | None = None,
    transcripts: str | None = None,
    clip_texts: list[str] | None = None,
    voice: str | None = None,
    consent: str = "",
    steps: int | None = None,
    init: Literal["mean", "encoder"] | None = None,
    speed: float = 1.0,
    device: str = "auto",
    trust: list[str] | None = None,
) -> None:
    """Clone a voice from recordings, and synthesise a text with it.

    Args:
        clips: recordings of one speaker, in any usual format.
        text: the text to synthesise.
        out: sound file to write.
        method: encoder, embedding, low_rank or whole_model, or a class of yours, module.Class.
        model: folder of a run (with tts/last.ckpt), or one TTS checkpoint; default: the model of the package.
        vocoder: griffin_lim, or a checkpoint; default: that of the model, else griffin_lim.
        transcripts: file with the texts of the clips: lines of `clip<tab>text`, or of texts in the order of the clips;
            default: the file a.txt beside a clip a.wav.
        clip_texts: transcripts of the clips, in their order.
        voice: name under which the voice is saved, for synthesize, or a file (.safetensors).
        consent: what the speaker has agreed to; it is stored in the voice file.
        steps: largest number of adaptation steps; default: that of the method.
        init: initial embedding of adaptation; default: that of the encoder, if there is one, else the mean.
        speed: of the speech, from 0.5 to 2.
        device: cpu, cuda, cuda:1, or auto: cuda if there is a GPU, else cpu.
        trust: modules whose classes a model may name.
    """
    from lightning_vc.audio import io
    from lightning_vc.cloning import Cloner
    from lightning_vc.synthesis import write_speech
    from lightning_vc.voice import place_for_voice

    io.writable(out)  # first, because cloning is slow
    if os.path.exists(out) and any(os.path.exists(clip) and os.path.samefile(out, clip) for clip in clips):
        raise ValueError(f"--out {out} is one of the clips, which it would write over: name another file")
    if clip_texts and transcripts:
        raise ValueError("--clip_texts and --transcripts both give what the clips say: leave one of them out")
    place = place_for_voice(voice) if voice else None
    texts = _texts(clips, method, transcripts, clip_texts)
    cloner = Cloner.load(model, vocoder, trust or (), device)
    cloner.check(text, speed)
    cloned = cloner.clone(clips, method, texts, steps, init, consent, progress=True)
    if place:
        cloned.save(place)
        print(printable(f"{place}: voice of {count(cloned.clips, 'clip')}, {cloned.seconds:.1f} s"))
    start = perf_counter()
    speech = cloner.say(text, cloned, speed)
    elapsed = perf_counter() - start
    write_speech(out, speech)
    print_speech(out, speech.duration, elapsed)


def _texts(clips: list[str], method: str, transcripts: str | None, clip_texts: list[str] | None) -> list[str] | None:
    """Return the transcripts of clips, None for the method encoder; ValueError as of `check_transcripts`."""
    from lightning_vc.text.transcripts import read_transcripts, transcripts_beside

    if method == "encoder":
        if clip_texts or transcripts:
            print_warning("the method encoder needs no transcripts, those given are not read")
        return None
    from lightning_vc.adaptation import check_transcripts  # Lightning takes seconds to import

    texts = read_transcripts(transcripts, clips) if transcripts else clip_texts or transcripts_beside(clips)
    check_transcripts(method, len(clips), texts)
    return texts


def main(args: Sequence[str] | None = None) -> None:
    call(clone, args)


if __name__ == "__main__":
    main()
