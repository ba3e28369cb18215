"""List, show, export, import and delete saved voices."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_vc.console import count, printable, reported
from lightning_vc.verbs import VerbParser
from lightning_vc.voice import Voice, VoiceLibrary, place_for_voice, read_about

_ARGS = {"list": (), "show": ("name",), "delete": ("name",), "export": ("name", "file"), "import": ("name", "file")}


def main(args: Sequence[str] | None = None) -> None:
    parser = VerbParser(prog="lightning-vc voices", description=__doc__)
    parser.add_argument("--library", help="folder of the voices; default: LIGHTNING_VC_VOICES, or one in your home")
    parser.add_argument("verb", choices=list(_ARGS), help="show, delete NAME; export, import NAME FILE")
    parser.add_argument("name", nargs="?", help="name of a voice")
    parser.add_argument("file", nargs="?", help="voice file (.safetensors)")
    options = parser.parse_args(args)
    arguments = tuple(key for key in ("name", "file") if options[key] is not None)
    if arguments != _ARGS[options.verb]:
        parser.error(f"{options.verb} takes {' and '.join(_ARGS[options.verb]).upper() or 'no arguments'}")
    with reported():
        run(options.library, options.verb, options.name or "", options.file or "")


def run(folder: str | None, verb: str, name: str, file: str) -> None:
    """Run one verb; raises OSError or ValueError for a missing or invalid name or file."""
    library = VoiceLibrary(folder)
    if verb == "list":
        files = library.files()
        if not files:
            hint = f"no voices in {library.folder}: make one with `lightning-vc clone ... --voice NAME`"
            print(printable(hint), file=sys.stderr)
        for path in files:
            try:
                texts = read_about(path)
            except (OSError, ValueError) as error:
                line = f"{path.stem:16} {error}"
            else:
                clips = count(int(texts["clips"]), "clip")
                line = f"{path.stem:16} {texts['method']:12} {clips:9} {texts['made']}  tts {texts['tts_fingerprint']}"
            print(printable(line))
    elif verb == "show":
        voice = Voice.load(library.known(name))
        about = {"name": name, "file": library.path(name), **voice.about}
        about["consent"] = voice.consent or "not stated"
        n_adapted = sum(value.numel() for value in voice.adapted_parameters.values())
        about["numbers"] = f"{voice.embedding.numel()} of the voice, {n_adapted} of the model"
        for key, value in about.items():
            print(printable(f"{key:15} {value}"))
    elif verb == "export":
        target = place_for_voice(str(Path(file).absolute()))  # absolute: a bare name would be a name in the library
        Voice.load(library.known(name)).save(target)
        print(printable(f"{target}: voice {name}"))
    elif verb == "import":
        target = library.free(name)
        Voice.load(file).save(target)
        print(printable(f"{target}: voice {name}"))
    else:
        library.known(name).unlink()
        print(printable(f"voice {name} is deleted"))


if __name__ == "__main__":
    main()
