"""An index.json of other content whose checksum holds, as somebody can write it."""

import json
import zlib
from typing import Any


def signed(content: dict[str, Any]) -> str:
    """The text of an index with the checksum of its other fields."""
    rest = {name: value for name, value in content.items() if name not in ("schema_version", "crc32")}
    return json.dumps(content | {"crc32": f"{zlib.crc32(json.dumps(rest, sort_keys=True).encode()):08x}"})
