"""Untrusted JSON, checked against the types of a dataclass."""

from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from lightning_vc.files import plain_name

T = TypeVar("T")

_adapter: Any = cache(TypeAdapter)
MOST = 2**53  # largest integer that JSON readers with floating-point numbers read exactly
_SHOWN = 40  # characters of a wrong value in a message
_MOST_VALUES = 1_000_000  # in a text; each may take 800 bytes of memory when parsed
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Seconds = Annotated[float, Field(gt=0, le=MOST)]
PlainName = Annotated[str, AfterValidator(lambda name: plain_name(name, "the name"))]


def load(kind: type[T], text: str | bytes) -> T:
    """Build a dataclass from the text of a JSON object; keys that are no fields of the dataclass are ignored.

    Raises:
        ValueError: for invalid JSON, for more than a million values, and for a field that is missing or has a wrong
            type or range, with its path and its value.
    """
    content = text.encode() if isinstance(text, str) else text
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise ValueError(f"it has more than {_MOST_VALUES:,} values")
    try:
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
    if first["type"] == "json_invalid":
        raise ValueError(f"it is not JSON: {first['msg']}")
    if first["type"] == "missing":
        raise ValueError(f"{path} is missing")
    value = first["input"]
    shown_value = f"of type {type(value).__name__}" if isinstance(value, list | dict) else f"{value!r:.{_SHOWN}}"
    raise ValueError(f"{path or 'the JSON text'} is {shown_value}: {first['msg']}".replace("\n", " "))
