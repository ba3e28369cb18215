"""Write a corpus as shards, for training and evaluation.

`prepare verify DIR` compares all bytes of a folder of shards, local or remote, with its index.

CORPUS, the first argument, is librispeech, vctk, kaldi, generated (which needs no --root), several (a union of corpora)
or the class path of a Corpus; the arguments of its constructor are options here. `--test` and `--validation` are ids of
speakers (A,B or A,), their number (8) or their share (0.1).
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
    "several": "lightning_vc.corpora.combined.CombinedCorpus",
}


def main(argv: list[str] | None = None) -> None:
    """Prepare a corpus, and print its index."""
    argv = sys.argv[1:] if argv is None else argv
    parser = VerbParser(prog="lightning-vc prepare", description=__doc__)
    with reported():
        if argv[:1] == ["verify"]:
            return _verify(argv[1:])
        corpus = _find(argv[0]) if argv and not argv[0].startswith("-") else Corpus
        _add_options(parser, corpus)
        options = parser.parse_args(argv)
        if corpus is Corpus:
            raise ValueError(f"the first argument must name the corpus: {', '.join(ALIASES)} or a class path")
        if options.root and "root" not in inspect.signature(corpus).parameters:
            print_warning(f"{options.corpus} generates its recordings: --root {options.root} is not used")
        options = parser.instantiate(options)  # builds the corpora of a union of corpora
        if options.get("subsets"):
            options.subsets = _names(options.subsets)
        options.speeds = [float(speed) for speed in _names(options.speeds)]
        options.test, options.validation = _speakers(options.test), _speakers(options.validation)
        instance, splits, limits = _call(corpus, options), _call(Splits, options), _call(Limits, options)
        index = _call(prepare, options, corpus=instance, splits=splits, limits=limits)
        _show(index)
        _warn(index, splits)


def _show(index: Index) -> None:
    print(printable(index.folder))
    Console(markup=False).print(index)


def _warn(index: Index, splits: Splits) -> None:
    """Warn about sets that are missing from a folder of shards, and name the option of `prepare` that adds them."""
    if untranscribed := index.samples(*SETS) - index.transcribed(*SETS):
        print_warning(f"{untranscribed} samples have no transcript; see {index.folder}/{UNTRANSCRIBED}")
    if not index.transcribed("train-held", "validation-held"):
        note = (
            f" (speakers with {math.ceil(1 / splits.held)} or more utterances have held-out ones)"
            if splits.held
            else ""
        )
        print_warning(
            "no transcribed utterance is held out, so `tts fit` cannot validate: "
            f"prepare with a larger --held than {splits.held:g}{note}"
        )
    for split, uses in (
        ("validation", "`encoder fit`, `joint fit` and `vocoder fit` cannot validate"),
        ("test", "`evaluate` and `adapt` have nobody to clone"),
    ):
        if not index.speakers_of(split):
            print_warning(f"there is no {split} speaker, so {uses}: prepare with --{split} 1 or more, or with ids")


def _verify(argv: list[str]) -> None:
    """Check all shards of a folder; raises ValueError with the name of a damaged one."""
    parser = VerbParser(
        prog="lightning-vc prepare verify",
        description="Compare shards with their index, byte for byte.",
    )
    parser.add_argument("folder", type=str, help="folder of shards, or its address")
    folder = parser.parse_args(argv).folder
    index = Index.load(folder)
    index.check(thorough=True)
    _show(index)
    print("all shards match their index")


def _find(name: str) -> type[Corpus]:
    """The class with a short name or a class path. Raises ValueError if there is none."""
    module, _, cls = ALIASES.get(name, name).rpartition(".")
    if os.getcwd() not in sys.path:  # so that the user's modules are found
        sys.path.append(os.getcwd())
    try:
        candidate = getattr(importlib.import_module(module), cls)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"no corpus {name!r} ({error}): give {', '.join(ALIASES)} or a class path") from error
    if not (isinstance(candidate, type) and issubclass(candidate, Corpus)):
        raise ValueError(f"{name} is not a subclass of lightning_vc.corpora.base.Corpus")
    return candidate


def _add_options(parser: VerbParser, corpus: type[Corpus]) -> None:
    """Add options from the signatures of the corpus, `Splits`, `Limits` and `prepare`."""
    parameters = inspect.signature(corpus).parameters
    parser.add_argument("corpus", metavar="CORPUS", help="short name or class path")
    needs_root = "root" in parameters and parameters["root"].default is inspect.Parameter.empty
    parser.add_argument("--root", type=Path, required=needs_root, help="folder of the corpus")
    if "subsets" in parameters or corpus is Corpus:
        parser.add_argument("--subsets", type=str, metavar="NAME,NAME", help="parts of the corpus")
    parser.add_argument("--test", type=str, default=str(Splits.test), help="speakers to clone: held out of training")
    parser.add_argument("--validation", type=str, default=str(Splits.validation), help="speakers to validate on")
    parser.add_class_arguments(Splits, skip={"test", "validation"})
    parser.add_class_arguments(Limits)
    parser.add_function_arguments(prepare, skip={"corpus", "splits", "limits", "speeds"})
    parser.add_argument(
        "--speeds", type=str, default="", metavar="SPEED,SPEED",
        help="speed perturbation: add each transcribed training speaker at these speeds: 0.9,1.1",
    )  # fmt: skip
    parser.set_defaults(workers=os.cpu_count() or 1)
    parser.add_class_arguments(corpus, skip=set(parameters) & set(parser.get_defaults().keys()))  # one --seed for all


def _call(function: Callable[..., Any], options: Namespace, **fixed: Any) -> Any:
    """Call a function with those options that it has parameters for."""
    named = {name: options.get(name) for name in inspect.signature(function).parameters if name not in fixed}
    return function(**fixed, **{name: value for name, value in named.items() if value is not None})


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
