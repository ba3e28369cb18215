"""Which classes a model file may name, and building them from the settings in the file.

Model files are untrusted, so their settings are treated as data. A module is imported only if it is part of this
package or of one that the user trusts; a class of any other module is used only where a subclass of a class of this
package is needed and the program has imported the module already. A class must be a subclass of the annotation of its
argument. Building stops if it registers far more parameters than the file has tensors.
"""

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from importlib import import_module
from inspect import Parameter, isabstract, signature
from threading import get_ident
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from torch import nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from lightning_vc.console import short

T = TypeVar("T")

_PARTS = ("lightning_vc.audio.", "lightning_vc.modules.", "lightning_vc.text.")
TRUST = "modules of your own whose classes model files may name, such as my_encoder"  # help of --trust
_PACKAGE = "lightning_vc"
_CLASS_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_NODE = {"class_path", "init_args", "dict_kwargs"}  # keys of an object in the format of jsonargparse
_LONGEST_PATH = 200  # letters
_MAX_TENSORS = 5000  # of a file; bounds the size of a model
_LONGEST_REASON = 300
_LARGEST = 10**6  # of an integer in settings
_trusted: set[str] = set()


class SettingsError(ValueError):
    """A wrong setting in a model file; the message names the field and its value."""


def trust(modules: Iterable[str]) -> None:
    """Allow model files to name classes of these top-level modules, from now on in this process.

    Such a module is imported when a model file names one of its classes.

    Raises:
        ValueError: if one is not the name of a top-level module.
    """
    names = [modules] if isinstance(modules, str) else list(modules)
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"trust names a top-level module such as my_encoder, got {name!r}")
    _trusted.update(names)


def find_class(path: object, needed: type[T], field: str) -> type[T]:
    """Return the class that a model file names.

    It has to be a subclass of `needed`, and be defined in `audio`, `modules` or `text` of this package, or in a module
    that was given to `trust`, or, where `needed` is a class of this package, in any module that is already imported.

    Args:
        path: import path, as in the file.
        needed: required base class.
        field: name of the setting, for the message.

    Raises:
        SettingsError: if it is no such class.
    """
    if not isinstance(path, str) or len(path) > _LONGEST_PATH or not _CLASS_PATH.fullmatch(path):
        raise SettingsError(f"{field} is {short(path)}, where the import path of a class is needed")
    module, _, name = path.rpartition(".")
    top, is_ours = module.partition(".")[0], needed.__module__.partition(".")[0] == _PACKAGE
    if top != _PACKAGE and top not in _trusted and not (module in sys.modules and is_ours):
        raise SettingsError(
            f"{field} names {path}, which is not a class of lightning_vc: if you trust the code of {top}, "
            f'allow it by --trust {top} (in Python: trust=("{top}",))'
        )
    if f"{module}.".startswith(_PARTS) or top in _trusted:
        try:
            import_module(module)
        except ImportError as error:
            raise SettingsError(f"{field} names {path}, which is not found ({error})") from error
    candidate = vars(sys.modules[module]).get(name) if module in sys.modules else None  # no module __getattr__ runs
    if not isinstance(candidate, type) or candidate.__module__.partition(".")[0] != top or isabstract(candidate):
        raise SettingsError(f"{field} names {path}, which is not found in this version of {top}")
    if not issubclass(candidate, needed) or (top == _PACKAGE and not candidate.__module__.startswith(_PARTS)):
        raise SettingsError(f"{field} names {path}, where a class derived from {needed.__name__} is needed")
    return candidate


def build(kind: type[T], settings: Any, field: str, positional: tuple[Any, ...] = ()) -> T:
    """Build an object from the settings of a model file.

    Settings are checked against the annotations of the constructor, at any depth.

    Args:
        kind: class of the object.
        settings: arguments by name.
        field: name of the settings, for messages.
        positional: positional arguments of the constructor that are no settings.

    Raises:
        SettingsError: if a setting is unknown or of a wrong kind, or the constructor fails.
    """
    if not isinstance(settings, dict):
        raise SettingsError(f"{field} is {short(settings)}, where the settings of {kind.__name__} are needed")
    parameters = dict(list(signature(kind.__init__).parameters.items())[1:])  # without self
    hints = _annotations(kind)
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
    arguments: dict[str, Any] = {}
    for name, value in settings.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise SettingsError(f"{field} has the setting {short(name)}, which is no name")
        if name not in parameters and not takes_any:
            raise SettingsError(f"{field}.{name} is no setting of {kind.__name__}")
        arguments[name] = _value(value, hints.get(name, Any), f"{field}.{name}")
    try:
        return kind(*positional, **arguments)
    except SettingsError:
        raise
    except Exception as error:  # a constructor may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingsError(f"{field} does not make a {kind.__name__}: {reason[:_LONGEST_REASON]}") from error


@contextmanager
def limited(tensors: int) -> Iterator[None]:
    """Raise SettingsError in a constructor that makes far more layers than a file with `tensors` tensors can hold."""
    tensors = min(tensors, _MAX_TENSORS)
    left = {"parameters": 4 * tensors + 100, "modules": 20 * tensors + 1000}
    thread = get_ident()

    def count(what: str) -> None:
        if get_ident() == thread:
            left[what] -= 1
            if left[what] < 0:
                raise SettingsError(f"the settings ask for far more layers than the {tensors} tensors of the file")

    hooks = [
        register_module_parameter_registration_hook(lambda *_: count("parameters")),
        register_module_module_registration_hook(lambda *_: count("modules")),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _annotations(kind: type) -> dict[str, Any]:
    """Annotations of the arguments of a class and its base classes."""
    hints: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if "__init__" in vars(base) and base is not object:
            hints |= get_type_hints(base.__init__)  # type: ignore[misc]
    return hints


def _value(value: Any, hint: Any, field: str) -> Any:
    """A setting converted to its annotation: a number, text, list, part, or function that builds a part."""
    hint = type(value) if hint is Any else hint
    kind, options = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return _one_of(value, options, field)
    if kind is Literal:
        if not any(type(value) is type(option) and value == option for option in options):
            raise SettingsError(f"{field} is {short(value)}, where one of {', '.join(map(repr, options))} is needed")
        return value
    if kind is Callable:
        return _factory(value, options[-1], field)
    if not isinstance(kind, type):
        raise SettingsError(f"{field} cannot be taken from a model file: its annotation is {hint}")
    if kind in (NoneType, bool, int, float, str):
        return _scalar(value, kind, field)
    if kind in (list, tuple, Sequence, Iterable):
        return _sequence(value, kind, options, field)
    return build(kind, value, field) if is_dataclass(kind) else build(*_node(value, kind, field), field)


def _one_of(value: Any, options: tuple[Any, ...], field: str) -> Any:
    """A setting whose annotation is a union; the error is that of its first option."""
    if value is None and NoneType in options:
        return None
    errors: list[SettingsError] = []
    for option in options:
        try:
            return _value(value, option, field)
        except SettingsError as error:
            errors.append(error)
    raise errors[0]


def _scalar(value: Any, kind: Any, field: str) -> Any:
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise SettingsError(f"{field} is {short(value)}, where {kind.__name__} is needed")
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{field} is {value}, where a finite number is needed")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise SettingsError(f"{field} is {short(value)}, where a number up to {_LARGEST} is needed")
    return value if value is None else kind(value)


def _sequence(value: Any, kind: type, options: tuple[Any, ...], field: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise SettingsError(f"{field} is {short(value)}, where a list is needed")
    fixed = kind is tuple and options and Ellipsis not in options
    hints = options if fixed else [options[0] if options else Any] * len(value)
    if len(value) != len(hints):
        raise SettingsError(f"{field} has {len(value)} values, where {len(hints)} are needed")
    items = [_value(item, hint, f"{field}[{i}]") for i, (item, hint) in enumerate(zip(value, hints, strict=True))]
    return tuple(items) if kind is tuple else items


def _node(value: Any, needed: type[T], field: str) -> tuple[type[T], dict[str, Any]]:
    """The class and the settings of a part."""
    if not isinstance(value, dict) or not value.keys() <= _NODE:
        raise SettingsError(f"{field} is {short(value)}, where the class_path and init_args of a part are needed")
    kind = find_class(value.get("class_path"), needed, f"{field}.class_path")
    settings: dict[str, Any] = {}
    for key in ("dict_kwargs", "init_args"):
        part = value.get(key) or {}
        if not isinstance(part, dict):
            raise SettingsError(f"{field}.{key} is {short(part)}, where a mapping is needed")
        settings |= part
    return kind, settings


def _factory(value: Any, part_class: Any, field: str) -> Callable[..., Any]:
    """A function that builds a part from the sizes that it shares with other parts."""
    if not isinstance(part_class, type) or not issubclass(part_class, nn.Module):
        raise SettingsError(f"{field} is a function, which a model file cannot hold")
    kind, settings = _node(value, part_class, field)
    return lambda *positional: build(kind, settings, field, positional)
