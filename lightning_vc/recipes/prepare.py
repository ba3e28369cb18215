"""Write a corpus as shards, which everything else trains on.

`prepare verify DIR` reads a finished set, on this machine or elsewhere, and compares each byte with its index.

CORPUS, the first argument, is librispeech, vctk, kaldi, generated (which needs no --root), several (of them as one) or
the class path of a Corpus from anywhere; what its constructor takes is an option here. `--test` and `--validation` are
ids of speakers (A,B or A,), how many of them (8) or which share (0.1).
"""

import importlib
import inspect
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import Namespace, get_loader, set_loader
from rich.console import Console
from yaml import YAMLError

from lightning_vc.console import print_warning, printable, reported
from lightning_vc.corpora.base import Corpus
from lightning_vc.data.index import SETS, Index
from lightning_vc.data.shards import UNTRANSCRIBED, prepare
from lightning_vc.data.splits import Splits
from lightning_vc.data.utterance import Limits
from lightning_vc.settings import bounded
from lightning_vc.verbs import VerbParser

set_loader("yaml", bounded(get_loader("yaml")), (YAMLError,))

ALIASES = {
    "librispeech": "lightning_vc.corpora.librispeech.LibriSpeech",
    "vctk": "lightning_vc.corpora.vctk.VCTK",
    "kaldi": "lightning_vc.corpora.kaldi.KaldiCorpus",
    "generated": "lightning_vc.corpora.generated.GeneratedCorpus",
    "several": "lightning_vc.corpora.several.Several",
}


def main(argv: list[str] | None = None) -> None:
    """Prepare what the command line says, and print what came of it."""
    argv = sys.argv[1:] if argv is None else argv
    parser = VerbParser(prog="python -m lightning_vc.recipes.prepare", description=__doc__)
    with reported():
        if argv[:1] == ["verify"]:
            return _verify(argv[1:])
        corpus = _find(argv[0]) if argv and not argv[0].startswith("-") else Corpus
        _add_options(parser, corpus)
        options = parser.parse_args(argv)
        if corpus is Corpus:
            raise ValueError(f"the first argument must name the corpus: {', '.join(ALIASES)} or a class path")
        if options.root and "root" not in inspect.signature(corpus).parameters:
            print_warning(f"{options.corpus} makes its own sound: --root {options.root} is not used")
        options = parser.instantiate(options)  # corpora within a corpus
        if options.get("subsets"):
            options.subsets = _names(options.subsets)
        options.speeds = [float(speed) for speed in _names(options.speeds)]
        options.test, options.validation = _speakers(options.test), _speakers(options.validation)
        made, splits, limits = _call(corpus, options), _call(Splits, options), _call(Limits, options)
        index = _call(prepare, options, corpus=made, splits=splits, limits=limits)
        _show(index)
        _warn(index, splits)


def _show(index: Index) -> None:
    print(printable(index.folder))
    Console(markup=False).print(index)


def _warn(index: Index, splits: Splits) -> None:
    """Say what a set of shards lacks, and which option of `prepare` gives it."""
    if untranscribed := index.samples(*SETS) - index.transcribed(*SETS):
        print_warning(f"{untranscribed} samples have no transcript; see {index.folder}/{UNTRANSCRIBED}")
    if not index.transcribed("train-held", "validation-held"):
        least = (
            f", of which speakers with {math.ceil(1 / splits.held)} or more utterances have one" if splits.held else ""
        )
        print_warning(
            "no transcribed utterance is put aside, so `tts fit` has nothing to validate on: "
            f"prepare with a larger --held than {splits.held:g}{least}"
        )
    for split, uses in (
        ("validation", "`encoder fit`, `joint fit` and `vocoder fit` cannot validate"),
        ("test", "nobody is left to clone, and `evaluate` and `adapt` need somebody"),
    ):
        if not index.speakers_of(split):
            print_warning(f"there is no {split} speaker, so {uses}: prepare with --{split} 1 or more, or with ids")


def _verify(argv: list[str]) -> None:
    """Check all shards of a folder; raises ValueError with the name of one that is not what was written."""
    parser = VerbParser(
        prog="python -m lightning_vc.recipes.prepare verify",
        description="Compare shards with their index, byte for byte.",
    )
    parser.add_argument("folder", type=str, help="folder of shards, or its address")
    folder = parser.parse_args(argv).folder
    index = Index.load(folder)
    index.check(thorough=True)
    _show(index)
    print("all shards are what was written")


def _find(name: str) -> type[Corpus]:
    """The class behind a short name or a class path. Raises ValueError where there is none."""
    module, _, cls = ALIASES.get(name, name).rpartition(".")
    if os.getcwd() not in sys.path:  # as `python -m` has it, so that every way of starting finds a module of the user's
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), cls)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"no corpus {name!r} ({error}): give {', '.join(ALIASES)} or a class path") from error
    if not (isinstance(found, type) and issubclass(found, Corpus)):
        raise ValueError(f"{name} is no subclass of lightning_vc.corpora.base.Corpus")
    return found


def _add_options(parser: VerbParser, corpus: type[Corpus]) -> None:
    """Everything that can be said, from the signatures of what it is said to."""
    own = inspect.signature(corpus).parameters
    parser.add_argument("corpus", metavar="CORPUS", help="short name or class path")
    needs_root = "root" in own and own["root"].default is inspect.Parameter.empty
    parser.add_argument("--root", type=Path, required=needs_root, help="folder of the corpus")
    if "subsets" in own or corpus is Corpus:
        parser.add_argument("--subsets", type=str, metavar="NAME,NAME", help="parts of the corpus")
    parser.add_argument("--test", type=str, default=str(Splits.test), help="speakers to clone: never trained on")
    parser.add_argument("--validation", type=str, default=str(Splits.validation), help="speakers to validate on")
    parser.add_class_arguments(Splits, skip={"test", "validation"})
    parser.add_class_arguments(Limits)
    parser.add_function_arguments(prepare, skip={"corpus", "splits", "limits", "speeds"})
    parser.add_argument(
        "--speeds", type=str, default="", metavar="SPEED,SPEED",
        help="hear each transcribed training speaker at these speeds too, as others: 0.9,1.1",
    )  # fmt: skip
    parser.set_defaults(workers=os.cpu_count() or 1)
    parser.add_class_arguments(corpus, skip=set(own) & set(parser.get_defaults().keys()))  # one seed is for all


def _call(what: Callable[..., Any], options: Namespace, **given: Any) -> Any:
    """Call something with those options that it has parameters for."""
    named = {name: options.get(name) for name in inspect.signature(what).parameters if name not in given}
    return what(**given, **{name: value for name, value in named.items() if value is not None})


def _names(value: str) -> list[str]:
    return [name for name in value.split(",") if name]


def _speakers(value: str) -> list[str] | int | float:
    """`A,B` or `A,` as ids, `8` as a number of speakers, `0.1` as a share."""
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return _names(value)


if __name__ == "__main__":
    main()
