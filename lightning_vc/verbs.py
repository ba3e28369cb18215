"""Functions as commands: parameters are the options, docstrings the help."""

import inspect
import json
import re
import sys
from argparse import Action
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from lightning_vc.console import printable, reported
from lightning_vc.settings import check_yaml

_PLAIN = {  # parts of the names of types, and how the help writes them
    r"\bOptional\[(.+)\]": r"\1",
    r"\bLiteral\[(.+?)\]": r"\1",
    r"( \||,) null\b": "",
    r"(str \| )?\bPath\b|<class 'Path'>": "path",
}


class HelpFormatter(DefaultHelpFormatter):
    """Help with plain names of types, and without empty defaults, as the help texts say what those mean."""

    def _get_type_str(self, action: Action) -> str | None:
        name: str | None = super()._get_type_str(action)
        for pattern, plain in _PLAIN.items():
            name = name and re.sub(pattern, plain, name)
        return name

    def _get_help_string(self, action: Action) -> str:
        text: str = super()._get_help_string(action)
        return re.sub(r", default: %\(default\)s| \(default: .*", "", text) if action.default in (None, "") else text


class VerbParser(ArgumentParser):
    """A parser whose errors are two lines: how to list the options, and what is wrong.

    Options cannot be abbreviated, so that a recipe cannot hide an output path.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": HelpFormatter, **kwargs})

    def parse_args(self, args: Any = None, *further: Any, **options: Any) -> Any:
        """Parse a command line; a value with an anchor and an alias of YAML is an error."""
        words = sys.argv[1:] if args is None else args
        for word in words:
            try:
                if "&" in word and "*" in word:  # an anchor and its alias
                    check_yaml(word.partition("=")[2] if word.startswith("--") else word)
            except yaml.MarkedYAMLError:
                pass  # it is any other text
            except yaml.YAMLError as error:
                self.error(f"the value {word[:40]}... cannot be read: {error}")
        return super().parse_args(args, *further, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        prog = self.prog.replace(" [options]", "")  # of a subcommand
        print(f"usage: {prog} --help lists the options", file=sys.stderr)
        print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
        self.exit(2)


def call(verb: Callable[..., object], args: Sequence[str] | None = None) -> None:
    """Call a function with the options of a command line.

    A parameter of type `list[str]` takes one word or more. A parameter for any text has to be `str`: jsonargparse reads
    `str | None` as YAML, where `#1` and `null` are None. The function should import torch in its body, so that
    `--help` is fast.

    Args:
        verb: the function, which has the name of its module in `recipes`.
        args: the command line; by default that of this process.

    Raises:
        SystemExit: with status 2 for wrong options, and 1 for bad input.
    """
    parser = VerbParser(prog=f"lightning-vc {verb.__name__}", description=(verb.__doc__ or "").partition("\n")[0])
    parser.add_function_arguments(verb, as_group=False)
    types = {f"--{name}": str(parameter) for name, parameter in inspect.signature(verb).parameters.items()}
    for action in parser._actions:
        if "list[str]" in types.get(f"--{action.dest}", ""):
            action.option_strings, action.metavar = [f"--{action.dest}"], f"{action.dest.upper()} ..."
    options = parser.parse_args(_with_json(sys.argv[1:] if args is None else args, types))
    with reported():
        verb(**options.as_dict())


def _with_json(words: Sequence[str], types: dict[str, str]) -> list[str]:
    """Rewrite `--clips a b` to `--clips=["a", "b"]` and `--stream` to `--stream=true` for jsonargparse."""
    result: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if "list[str]" in types.get(option, ""):
            values = [value] if equals else []
            while rest and rest[0].partition("=")[0] not in types and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            result.append(f"{option}={json.dumps(values)}" if values else option)
        else:
            result.append(f"{word}=true" if ": bool" in types.get(word, "") else word)
    return result
