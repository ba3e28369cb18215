"""JSON that somebody else may have written, checked against the types of a dataclass."""

from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from lightning_vc.files import plain_name

T = TypeVar("T")

MOST = 2**53  # the largest count that every program reads as a whole number
_SHOWN = 40  # characters of a wrong value in a message
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Seconds = Annotated[float, Field(gt=0, le=MOST)]
PlainName = Annotated[str, AfterValidator(lambda name: plain_name(name, "the name"))]


def load(kind: type[T], text: str | bytes) -> T:
    """Build a dataclass from the text of a JSON object; fields that it does not have are ignored.

    Raises:
        ValueError: for what is no JSON, and for a field that is missing or has another type or range, with its path
            and its value.
    """
    try:
        return _adapter(kind).validate_json(text, strict=True)  # type: ignore[arg-type]  # a class is hashable
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
    if first["type"] == "json_invalid":
        raise ValueError(f"it is no JSON: {first['msg']}")
    if first["type"] == "missing":
        raise ValueError(f"{path} is missing")
    found = first["input"]
    shown = f"of type {type(found).__name__}" if isinstance(found, list | dict) else f"{found!r:.{_SHOWN}}"
    raise ValueError(f"{path or 'the JSON text'} is {shown}: {first['msg']}".replace("\n", " "))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
