"""Voices by name: list, show, export, import and delete them."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from lightning_vc.console import printable, reported
from lightning_vc.voice import Voice, VoiceLibrary, place_for_voice


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.voices", description=__doc__)
    parser.add_argument("--library", help="folder of the voices; default: LIGHTNING_VC_VOICES, or one in your home")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="all voices, one a line")
    for verb, meaning in (("show", "all that is known of one"), ("delete", "remove one")):
        verbs.add_parser(verb, help=meaning).add_argument("name")
    for verb, meaning in (("export", "write one to a file"), ("import", "take one from a file")):
        which = verbs.add_parser(verb, help=meaning)
        which.add_argument("name")
        which.add_argument("file", help="voice file (.safetensors)")
    options = parser.parse_args(args)
    given = {key: getattr(options, key) for key in ("name", "file") if hasattr(options, key)}
    with reported(parser):
        run(VoiceLibrary(options.library), options.verb, **given)


def run(library: VoiceLibrary, verb: str, name: str = "", file: str = "") -> None:
    """One verb; raises OSError or ValueError for a name or file that does not do."""
    if verb == "list":
        for path in library.files():
            try:
                voice = Voice.load(path)
            except (OSError, ValueError) as error:
                line = f"{path.stem:16} {error}"
            else:
                line = f"{path.stem:16} {voice.method:12} {voice.clips:3} clips  {voice.made}  base {voice.base}"
            print(printable(line))
    elif verb == "show":
        voice = Voice.load(library.known(name))
        about = {"name": name, "file": library.path(name), **voice.about}
        about["consent"] = voice.consent or "nobody said"
        moved = sum(value.numel() for value in voice.moved.values())
        about["numbers"] = f"{voice.vector.numel()} of the voice, {moved} of the model"
        for key, value in about.items():
            print(printable(f"{key:8} {value}"))
    elif verb == "export":
        file = str(Path(file).absolute())  # a bare name would be one of the library
        Voice.load(library.known(name)).save(place_for_voice(file))
    elif verb == "import":
        Voice.load(file).save(library.free(name))
    else:
        library.known(name).unlink()


if __name__ == "__main__":
    main()
