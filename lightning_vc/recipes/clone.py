"""Clone a voice from recordings, and let it say something."""

import os
from collections.abc import Sequence
from typing import Literal

from lightning_vc.verbs import call


def clone(
    clips: list[str],
    method: str,
    text: str,
    out: str,
    model: str | None = None,
    vocoder: str | None = None,
    transcripts: str | None = None,
    clip_texts: list[str] | None = None,
    voice: str | None = None,
    consent: str = "",
    steps: int | None = None,
    init: Literal["mean", "nearest", "encoder"] | None = None,
    trust: list[str] | None = None,
) -> None:
    """Clone a voice from recordings, and let it say something.

    Args:
        clips: recordings of one speaker, in any usual format.
        method: encoder, embedding, low_rank or whole_model, or a class of your own, module.Class.
        text: what to say.
        out: sound file to write.
        model: folder of a run (with tts/last.ckpt), or one TTS checkpoint; default: the model of the package.
        vocoder: griffin_lim, or a checkpoint; default: the model's own, else griffin_lim.
        transcripts: file of what the clips say: a line `clip<tab>text` each, or a text a line in order; default: the
            file a.txt beside a clip a.wav.
        clip_texts: transcripts of the clips, in their order.
        voice: name to keep the voice by, for recipes.synthesize, or a file (.safetensors).
        consent: what the speaker has agreed to; it stands in the voice.
        steps: of adaptation, at most; default: what suits the method.
        init: initial embedding of adaptation; default: that of the encoder, where there is one, else the mean.
        trust: modules whose classes a model may name.
    """
    from lightning_vc.audio import io
    from lightning_vc.cloning import Cloner
    from lightning_vc.console import print_warning
    from lightning_vc.synthesis import write_speech
    from lightning_vc.text.transcripts import read_transcripts, transcripts_beside
    from lightning_vc.voice import place_for_voice

    io.writable(out)  # first: cloning takes longer
    if any(_same(out, clip) for clip in clips):
        raise ValueError(f"--out {out} is one of the clips, which it would write over: name another file")
    if clip_texts and transcripts:
        raise ValueError("--clip_texts and --transcripts both give what the clips say: leave one of them out")
    place = place_for_voice(voice) if voice else None
    cloner = Cloner.load(model, vocoder, trust or ())
    cloner.check(text)
    if method == "encoder":
        if clip_texts or transcripts:
            print_warning("the method encoder needs no transcripts, those given are not read")
    elif transcripts:
        clip_texts = read_transcripts(transcripts, clips)
    elif not clip_texts:
        clip_texts = transcripts_beside(clips)
    cloned = cloner.clone(clips, method, clip_texts, steps, init, consent, progress=True)
    if place:
        cloned.save(place)
    write_speech(out, cloner.say(text, cloned))


def _same(one: str, other: str) -> bool:
    """Whether two names are those of one file that is there."""
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def main(args: Sequence[str] | None = None) -> None:
    call(clone, args)


if __name__ == "__main__":
    main()
