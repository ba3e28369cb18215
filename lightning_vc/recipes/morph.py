"""Make a voice out of others: move it from one group of speakers to another, mix two, or average several."""

from argparse import ArgumentParser
from collections.abc import Sequence

import yaml

from lightning_vc.cloning import Cloner
from lightning_vc.console import reported
from lightning_vc.data.index import Index
from lightning_vc.morphing import average, interpolate, learned_voices, morph
from lightning_vc.settings import check_yaml
from lightning_vc.trust import TRUST
from lightning_vc.voice import Voice, load_voice, place_for_voice


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.morph", description=__doc__)
    parser.add_argument("--voice", required=True, nargs="+", help="names or files of voices; several are averaged")
    parser.add_argument("--plus", help='what the voice shall have, as in "{sex: F}"')
    parser.add_argument("--minus", help='what it shall lose, as in "{sex: M}"')
    parser.add_argument("--model", help="for --plus: folder of a run (with tts/last.ckpt), or one TTS checkpoint")
    parser.add_argument("--trust", nargs="+", default=[], help=TRUST)
    parser.add_argument("--shards", help="for --plus: the shards of its training, which say who the speakers are")
    parser.add_argument("--toward", help="name or file of another voice to mix in")
    parser.add_argument("--amount", type=float, help="how far to go; default: 1 for --plus, 0.5 for --toward")
    parser.add_argument("--save", required=True, help="name to keep the voice by, or a file (.safetensors)")
    options = parser.parse_args(args)
    with reported(parser):
        place = place_for_voice(options.save)
        voices = [load_voice(name) for name in options.voice]
        made(voices, **{key: value for key, value in vars(options).items() if key not in ("voice", "save")}).save(place)


def made(
    voices: Sequence[Voice],
    plus: str | None = None,
    minus: str | None = None,
    model: str | None = None,
    trust: Sequence[str] = (),
    shards: str | None = None,
    toward: str | None = None,
    amount: float | None = None,
) -> Voice:
    """The voice that the options ask for; raises OSError or ValueError where they do not go together."""
    groups = {"--plus": plus, "--minus": minus, "--model": model, "--shards": shards}
    given = [name for name, value in groups.items() if value is not None]
    if toward is not None and given:
        raise ValueError(f"--toward mixes two voices and takes no {given[0]}: leave one of them out")
    if (toward is not None or given) and len(voices) > 1:
        raise ValueError(
            f"--voice names {len(voices)} voices, which are averaged: give one for {(given or ['--toward'])[0]}"
        )
    if toward is not None:
        return interpolate(voices[0], load_voice(toward), 0.5 if amount is None else amount)
    if not given:
        if amount is not None or len(voices) < 2:
            raise ValueError("nothing to do: give --plus and --minus, --toward, or several --voice without --amount")
        return average(voices)
    if model is None or shards is None or plus is None or minus is None:
        missing = [name for name, value in groups.items() if value is None]
        raise ValueError(f"{given[0]} needs {', '.join(missing)} too")
    wanted = {name: attributes(name, text) for name, text in (("--plus", plus), ("--minus", minus))}
    cloner, index = Cloner.load(model, trust=trust), Index.load(shards)
    more, less = (learned_voices(cloner, index, **each) for each in wanted.values())
    return morph(voices[0], more, less, 1.0 if amount is None else amount)


def attributes(option: str, text: str) -> dict[str, object]:
    """What an option says of speakers; raises ValueError for what is no YAML mapping."""
    try:
        check_yaml(text)
        read = yaml.load(text, yaml.BaseLoader)  # all is text: an id 0017 is no number, an accent "no" no truth value
    except yaml.YAMLError:
        read = None
    words = [each for pair in read.items() for each in pair] if isinstance(read, dict) else []
    if not words or not all(isinstance(each, str) for each in words):
        raise ValueError(f'{option} is {text[:200]!r}: write what the speakers have in common, as in "{{sex: F}}"')
    return dict(read)


if __name__ == "__main__":
    main()
