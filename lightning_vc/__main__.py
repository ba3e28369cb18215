"""`lightning-vc <verb> ...` is `python -m lightning_vc.recipes.<verb> ...`; without a verb it lists them."""

import ast
import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

RECIPES = "lightning_vc.recipes"


def verbs() -> dict[str, str]:
    """Map each verb to the first line of its docstring, read by `ast`, because imports would take seconds."""
    package = importlib.util.find_spec(RECIPES)
    folders = package.submodule_search_locations if package else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("[!_]*.py"))
    modules = {file.stem: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    return {name: (ast.get_docstring(module) or "").partition("\n")[0] for name, module in modules.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the verb named by the first argument with the other arguments; exit status 2 for an unknown verb."""
    verb, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if verb == "--version":
        from lightning_vc import __version__

        print(f"lightning_vc {__version__}")
        return
    available = verbs()
    if verb in ("-h", "--help"):
        lines = [f"  {name:{max(map(len, available))}}  {meaning}" for name, meaning in available.items()]
        print(
            "usage: lightning-vc <verb> ...",
            "",
            *lines,
            "",
            "lightning-vc <verb> --help lists options, lightning-vc --version the version.",
            sep="\n",
        )
        return
    if verb not in available:
        print(f"lightning-vc: there is no verb {verb!r}; choose one of: {', '.join(available)}", file=sys.stderr)
        raise SystemExit(2)
    sys.argv[1:] = rest
    sys.path.append(os.getcwd())  # for the user's modules; last, so that no file there replaces a module
    # As __main__ with the name of the verb's module, which worker processes then import.
    runpy.run_module(f"{RECIPES}.{verb}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
