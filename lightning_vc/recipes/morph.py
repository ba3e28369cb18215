"""Edit voices: move one from one group of speakers towards another, interpolate two, or average several."""

from collections.abc import Sequence

import yaml

from lightning_vc.console import printable
from lightning_vc.settings import check_yaml
from lightning_vc.verbs import call


def morph(
    voice: list[str],
    save: str,
    plus: str | None = None,
    minus: str | None = None,
    model: str | None = None,
    shards: str | None = None,
    toward: str | None = None,
    amount: float | None = None,
    trust: list[str] | None = None,
) -> None:
    """Edit voices: move one from one group of speakers towards another, interpolate two, or average several.

    Args:
        voice: names or files of voices; several are averaged.
        save: name under which the voice is saved, or a file (.safetensors).
        plus: attributes of the speakers to move towards, as in "{sex: F}".
        minus: attributes of the speakers to move away from, as in "{sex: M}".
        model: for plus: folder of a run (with tts/last.ckpt), or one TTS checkpoint.
        shards: for plus: the shards of its training, which describe the speakers.
        toward: name or file of a second voice, to interpolate.
        amount: factor of the difference; default: 1 for plus, 0.5 for toward.
        trust: modules whose classes a model may name.
    """
    from lightning_vc import morphing
    from lightning_vc.cloning import Cloner
    from lightning_vc.data.index import Index
    from lightning_vc.voice import load_voice, place_for_voice

    place = place_for_voice(save)
    voices = [load_voice(name) for name in voice]
    groups = {"--plus": plus, "--minus": minus, "--model": model, "--shards": shards}
    named = [name for name, value in groups.items() if value is not None]
    if toward is not None and named:
        raise ValueError(f"--toward mixes two voices and takes no {named[0]}: leave one of them out")
    if (toward is not None or named) and len(voices) > 1:
        option = (named or ["--toward"])[0]
        raise ValueError(f"--voice names {len(voices)} voices, which are averaged: give one for {option}")
    if toward is not None:
        result = morphing.interpolate(voices[0], load_voice(toward), 0.5 if amount is None else amount)
    elif not named:
        if amount is not None or len(voices) < 2:
            raise ValueError("nothing to do: give --plus and --minus, --toward, or several --voice without --amount")
        result = morphing.average(voices)
    elif model is None or shards is None or plus is None or minus is None:
        missing_options = [name for name, value in groups.items() if value is None]
        raise ValueError(f"{named[0]} needs {', '.join(missing_options)} too")
    else:
        selections = [attributes("--plus", plus), attributes("--minus", minus)]
        cloner, index = Cloner.load(model, trust=trust or (), device="cpu"), Index.load(shards)
        added, removed = ([*morphing.learned_embeddings(cloner, index, **group).values()] for group in selections)
        result = morphing.morph(voices[0], added, removed, 1.0 if amount is None else amount)
    result.save(place)
    print(printable(f"{place}: voice by {result.method}"))


def attributes(option: str, text: str) -> dict[str, object]:
    """Attributes of speakers from the value of an option; raises ValueError if it is not a YAML mapping."""
    try:
        check_yaml(text)
        read = yaml.load(text, yaml.BaseLoader)  # values stay text: the id 0017, the accent "no"
    except yaml.YAMLError:
        read = None
    words = [word for pair in read.items() for word in pair] if isinstance(read, dict) else []
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f'{option} is {text[:200]!r}: write attributes of speakers, as in "{{sex: F}}"')
    return dict(read)


def main(args: Sequence[str] | None = None) -> None:
    call(morph, args)


if __name__ == "__main__":
    main()
