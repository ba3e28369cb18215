"""JSON that somebody else may have written, read field by field with the type and range of each."""

import json
from typing import Any

_MOST = 2**53  # the largest count that every program reads as a whole number
_SHOWN = 40  # characters of a wrong value in a message


class Fields:
    """An object of a JSON text.

    Args:
        content: the parsed value.
        name: how messages call it, such as "speakers[3]"; "" for the whole text.

    Raises:
        ValueError: if `content` is no object, and in each method for a field that is missing or has another type, with
            the name of the field and its value.
    """

    def __init__(self, content: object, name: str = "") -> None:
        if not isinstance(content, dict):
            raise ValueError(f"{name or 'the JSON text'} is {_shown(content)}, not an object")
        self.content, self.name = content, name

    def value(self, field: str) -> Any:
        """The value of a field, whatever it is."""
        if field not in self.content:
            raise ValueError(f"{self.path(field)} is missing")
        return self.content[field]

    def text(self, field: str) -> str:
        """A string that can be written as UTF-8."""
        value = self.value(field)
        if not isinstance(value, str):
            raise self.wrong(field, "a string")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise self.wrong(field, "a string without half characters")
        return value

    def text_or_none(self, field: str) -> str | None:
        """A string or null."""
        return None if self.value(field) is None else self.text(field)

    def count(self, field: str, least: int = 0, most: int = _MOST) -> int:
        """A whole number from `least` to `most`."""
        value = self.value(field)
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(field, f"a whole number from {least} to {most}")
        return value

    def seconds(self, field: str, most: float = _MOST) -> float:
        """A number above 0 and at most `most`."""
        value = self.value(field)
        if type(value) not in (int, float) or not 0 < value <= most:
            raise self.wrong(field, f"a number of seconds above 0 and up to {most:g}")
        return float(value)

    def items(self, field: str) -> list[Any]:
        """A list."""
        value = self.value(field)
        if not isinstance(value, list):
            raise self.wrong(field, "a list")
        return value

    def objects(self, field: str) -> "list[Fields]":
        """A list of objects."""
        items = enumerate(self.items(field))
        return [Fields(item, f"{self.path(field)}[{number}]") for number, item in items]

    def object(self, field: str) -> "Fields":
        """An object."""
        return Fields(self.value(field), self.path(field))

    def path(self, field: str) -> str:
        """How messages call a field."""
        return f"{self.name}.{field}" if self.name else field

    def wrong(self, field: str, right: str) -> ValueError:
        """The error for a field that should be `right`."""
        return ValueError(f"{self.path(field)} is {_shown(self.content[field])}, not {right}")


def parse(text: str | bytes) -> object:
    """Parse JSON; raises ValueError for what is none, is nested too deeply, or has NaN or Infinity."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from error


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number of JSON")


def _shown(value: object) -> str:
    """A value for a message: its first characters; of lists and objects the length, for they may be nested deeply."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    shown = json.dumps(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
