"""Untrusted YAML, read within bounds: without aliases, and only settings of the file itself are interpolated.

Settings may be composed: `include: [../../configs/optim/cosine.yaml]` names files, relative to the including file,
which overrides their settings key by key. A key `callbacks+` extends the included list `callbacks`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lightning_vc.console import short
from lightning_vc.files import read_text

_LARGEST = 1 << 20  # characters, also after interpolation
_DEEPEST = 50  # lists and mappings within each other
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REFERENCE = re.compile(r"\$\{(\.*)([\w-]+(?:\.[\w-]+)*)\}")  # ${a.b}, or relative, ${..b}


def check_yaml(text: str) -> None:
    """Check that a YAML text has no aliases (`*name`), which can grow without bounds, and check its size and depth.

    Raises:
        yaml.YAMLError: for a text that is too large, too deeply nested, has an alias, or is not YAML.
    """
    if len(text) > _LARGEST:
        raise yaml.YAMLError(f"it has more than {_LARGEST} characters: make it smaller")
    depth = 0
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"it has the alias *{event.anchor}: write the value again, or name it as ${{setting}}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"it nests more than {_DEEPEST} lists and mappings: flatten it")


def resolve(content: Any, allow_unknown: bool = False) -> Any:
    """Replace each `${a.b}` in settings by the setting of that name.

    Nothing else is interpolated: `${oc.env:NAME}` and other resolvers could copy the environment into records.

    Args:
        content: the settings, as loaded from YAML.
        allow_unknown: replace an unknown name by an empty text, because other files or flags may define it.

    Raises:
        yaml.YAMLError: for any other `${`, an unknown name, binary values, and settings that grow too large.
    """
    remaining = _LARGEST

    def resolved(value: Any, place: tuple[Any, ...], depth: int) -> Any:
        nonlocal remaining
        remaining -= 8 + (len(value) if isinstance(value, str) else 0)
        if remaining < 0 or depth > 2 * _DEEPEST:
            raise yaml.YAMLError(
                f"{_name(place)} has more than {_LARGEST} characters after interpolation: write values"
            )
        if isinstance(value, bytes) or (isinstance(value, str) and "\0" in value):
            raise yaml.YAMLError(f"{_name(place)} is {short(value)}, which is binary: write it as text")
        if isinstance(value, tuple | set):  # !!pairs, !!omap and !!set
            raise yaml.YAMLError(f"{_name(place)} is {short(value)}: write a list or a mapping, without a tag")
        if isinstance(value, dict):
            return {key: resolved(item, (*place, key), depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [resolved(item, (*place, number), depth + 1) for number, item in enumerate(value)]
        text = value
        while isinstance(text, str) and "${" in text:
            reference = _REFERENCE.search(text)  # the innermost, as in ${sizes.${size}.steps}
            if reference is None:
                raise yaml.YAMLError(
                    f"{_name(place)} is {value!r}: it may interpolate other settings only, as in ${{dir}}; "
                    "give other values on the command line"
                )
            up = len(place) - len(reference[1])  # each dot goes up by one mapping or list
            path = (*(place[: max(up, 0)] if reference[1] else ()), *reference[2].split("."))
            target = resolved(_setting(content, path, allow_unknown), path, depth + 1)
            if reference[0] == text:
                return target
            text = text[: reference.start()] + str(target) + text[reference.end() :]
            remaining -= len(text)
        return text

    return resolved(content, (), 0)


def _setting(content: Any, path: tuple[Any, ...], allow_unknown: bool) -> Any:
    """The setting at a path; raises yaml.YAMLError if there is none."""
    for part in path:
        if isinstance(content, dict) and part in content:
            content = content[part]
        elif isinstance(content, list) and str(part).isdecimal() and int(part) < len(content):
            content = content[int(part)]
        elif allow_unknown and not (isinstance(content, str) and "${" in content):
            return ""
        else:
            raise yaml.YAMLError(f"${{{_name(path)}}} names a setting that does not exist or is interpolated")
    return content


def _name(place: tuple[Any, ...]) -> str:
    return ".".join(map(str, place)) or "the whole"


def bounded(load: Callable[[str], Any], interpolated: bool = False) -> Callable[[str], Any]:
    """A YAML loader with `include` and the checks of `check_yaml`.

    Args:
        load: the underlying loader. Included files are relative to the current folder, which jsonargparse sets to the
            folder of the YAML file.
        interpolated: also apply the checks of `resolve`, for settings that OmegaConf interpolates.
    """

    def load_bounded(text: str) -> Any:
        content = compose(text, Path(), load)
        if interpolated:
            resolve(content, allow_unknown=True)
        return content

    return load_bounded


def compose(text: str, folder: Path, load: Callable[[str], Any]) -> Any:
    """Load YAML and the files that it includes.

    Args:
        text: the YAML.
        folder: folder of its `include` paths. Included files cannot include further files.
        load: text of one file to settings.

    Raises:
        yaml.YAMLError: for a text that fails `check_yaml`, or a file that cannot be included.
    """
    check_yaml(text)
    return _included(load(text), folder, load, [_LARGEST])


def _included(content: Any, folder: Path, load: Callable[[str], Any], remaining: list[int]) -> Any:
    """Replace each `include` by the settings of its files, which have at most `remaining` characters together."""
    if not isinstance(content, dict):
        return content
    content = {key: _included(value, folder, load, remaining) for key, value in content.items()}
    if "include" not in content:
        return content
    names = content.pop("include")
    base: dict[str, Any] = {}
    for name in names if isinstance(names, list) else [names]:
        try:
            part = read_text(Path(folder, name), _LARGEST)
            remaining[0] -= len(part)
            check_yaml(part)
            settings = load(part)
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise yaml.YAMLError(f"include: {name!r} cannot be included: {error}") from error
        if not isinstance(settings, dict) or "include" in settings or remaining[0] < 0:
            raise yaml.YAMLError(f"include: {name} must be a mapping of at most {_LARGEST} characters, without include")
        base = merge(base, settings)
    return merge(base, content)


def merge(base: Any, over: Any) -> Any:
    """Override settings: mappings key by key unless their class_path differs; `key+` extends the list `key`."""
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
