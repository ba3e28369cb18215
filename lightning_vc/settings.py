"""YAML from others, read within bounds: nothing in it can grow, and it can interpolate its own settings only.

Settings may be composed: `include: [../../configs/optim/cosine.yaml]` names files, relative to the one that says so,
whose settings hold where it says nothing else, also within a mapping. A key `callbacks+` adds to the list that they
have.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lightning_vc.files import read_text

_LARGEST = 1 << 20  # letters, with all that is repeated
_DEEPEST = 50  # lists and mappings within each other
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REFERENCE = re.compile(r"\$\{(\.*)([\w-]+(?:\.[\w-]+|\[\w+\])*)\}")  # ${a.b[0]}, or ${..b} from where it stands


def check_yaml(text: str) -> None:
    """Refuse a text that is large, also once its aliases (`*name`) are replaced by what they repeat.

    Raises:
        yaml.YAMLError: for a text that is larger or more deeply nested than any configuration, or no YAML.
    """
    total = len(text)
    begun: list[tuple[str | None, int]] = []  # anchor of each open list or mapping, and where it began
    sizes: dict[str | None, int] = {}  # of what has an anchor
    for event in yaml.parse(text, _LOADER) if total <= _LARGEST else ():
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor, _LARGEST)  # within what it repeats, an alias has no end
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor] = len(event.value)
            total += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, start = begun.pop()
            sizes[anchor] = total - start
        if total > _LARGEST:
            break
        if len(begun) > _DEEPEST:
            raise yaml.YAMLError(f"it has more than {_DEEPEST} lists and mappings within each other: flatten it")
    if total > _LARGEST:
        raise yaml.YAMLError(f"it has more than {_LARGEST} letters, with what its aliases repeat: make it smaller")


def check_interpolation(content: Any) -> None:
    """Refuse settings, as YAML gives them, that interpolate anything but each other, or grow by that.

    `${oc.env:NAME}` and other functions of OmegaConf would put into records what is not in the settings.

    Raises:
        yaml.YAMLError: for the first that is refused.
    """
    try:
        _size(content, (), content, {})
    except RecursionError as error:
        raise yaml.YAMLError("its settings interpolate each other too often: write values instead") from error


def bounded(load: Callable[[str], Any], check: Callable[[Any], None] | None = None) -> Callable[[str], Any]:
    """A loader of YAML that composes it, and refuses what `check_yaml` refuses, and `check` of what was loaded.

    Files to include are looked up in the current folder, which is that of the YAML file when jsonargparse loads one.
    """

    def load_bounded(text: str) -> Any:
        content = compose(text, Path(), load)
        if check:
            check(content)
        return content

    return load_bounded


def compose(text: str, folder: Path, load: Callable[[str], Any]) -> Any:
    """Load YAML and what it includes.

    Args:
        text: the YAML.
        folder: where its `include` looks for files. These include no others.
        load: makes settings of the text of one file.

    Raises:
        yaml.YAMLError: for a text that `check_yaml` refuses, or a file that cannot be included.
    """
    check_yaml(text)
    return _included(load(text), folder, load, [_LARGEST])


def _included(content: Any, folder: Path, load: Callable[[str], Any], left: list[int]) -> Any:
    """Replace each `include` by the settings of the files that it names; `left` is the letters that they may have."""
    if not isinstance(content, dict):
        return content
    content = {key: _included(value, folder, load, left) for key, value in content.items()}
    if "include" not in content:
        return content
    names = content.pop("include")
    base: dict[str, Any] = {}
    for name in names if isinstance(names, list) else [names]:
        try:
            part = read_text(Path(folder, name), _LARGEST)
            left[0] -= len(part)
            check_yaml(part)
            settings = load(part)
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise yaml.YAMLError(f"include: {name!r} cannot be included: {error}") from error
        if not isinstance(settings, dict) or "include" in settings or left[0] < 0:
            raise yaml.YAMLError(f"include: {name} has to be a mapping of at most {_LARGEST} letters, without include")
        base = merge(base, settings)
    return merge(base, content)


def merge(base: Any, over: Any) -> Any:
    """Replace settings by others: mappings key by key unless their class changes; `key+` extends the list `key`."""
    mappings = isinstance(base, dict) and isinstance(over, dict)
    if not mappings or over.get("class_path", base.get("class_path")) != base.get("class_path"):
        return over
    result = dict(base)
    for key, value in over.items():
        name = str(key).removesuffix("+")
        if name != key and isinstance(result.get(name), list) and isinstance(value, list):
            result[name] = result[name] + value
        else:
            result[key] = merge(result.get(key), value)
    return result


def _size(value: Any, place: tuple[str, ...], root: Any, sizes: dict[tuple[str, ...], int]) -> int:
    """Letters of the value at a place, with those of everything that is interpolated there."""
    if place not in sizes:
        sizes[place] = _LARGEST + 1  # until it is known: what interpolates itself has no end
        if isinstance(value, dict):
            total = sum(_size(each, (*place, str(key)), root, sizes) for key, each in value.items())
        elif isinstance(value, list):
            total = sum(_size(each, (*place, str(number)), root, sizes) for number, each in enumerate(value))
        else:
            total = _interpolated_size(str(value), place, root, sizes)
        if total > _LARGEST:
            name = ".".join(place) or "the whole"
            raise yaml.YAMLError(f"{name} has more than {_LARGEST} letters with what it interpolates: write values")
        sizes[place] = total
    return sizes[place]


def _interpolated_size(text: str, place: tuple[str, ...], root: Any, sizes: dict[tuple[str, ...], int]) -> int:
    total, left = len(text), text
    while reference := _REFERENCE.search(left):  # the innermost, as in ${sizes.${size}.steps}
        found, value = _target(root, place, *reference.groups())
        plain = "" if value is None or isinstance(value, dict | list) or "${" in str(value) else str(value)
        total += len(plain) if plain or value is None else _size(value, found, root, sizes)
        left = left[: reference.start()] + plain + left[reference.end() :]
        if max(total, len(left)) > _LARGEST:
            return total + len(left)  # which the caller refuses
    if "${" in left:
        raise yaml.YAMLError(
            f"{'.'.join(place)} is {text!r}: it may interpolate other settings only, as in ${{dir}}; "
            "give other values on the command line"
        )
    return total


def _target(root: Any, place: tuple[str, ...], dots: str, path: str) -> tuple[tuple[str, ...], Any]:
    """The place that an interpolation names, and what stands there; None where nothing does."""
    steps = tuple(re.findall(r"[\w-]+", path))
    if len(dots) > len(place):  # it stands outside: this is a part of other settings
        return steps, None
    found = place[: len(place) - len(dots)] + steps if dots else steps
    value = root
    for step in found:
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return found, None
    return found, value
