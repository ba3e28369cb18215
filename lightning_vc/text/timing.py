"""When each symbol of a text is said."""

from collections.abc import Sequence
from itertools import groupby

from lightning_vc.text.symbols import BETWEEN, number

_BETWEEN = frozenset(number(BETWEEN))


def symbol_times(symbols: Sequence[int], words: Sequence[tuple[float, float]], seconds: float) -> list[float] | None:
    """The middle of each numbered symbol in a sound of so many seconds, in seconds from its start.

    The symbols of a word share its time equally, and those between words the time between them. `words` has start and
    end of each spoken word; None where a frontend wrote more words than those, or fewer.
    """
    runs = [(spoken, len(list(run))) for spoken, run in groupby(symbols, lambda symbol: symbol not in _BETWEEN)]
    if sum(spoken for spoken, _ in runs) != len(words):
        return None
    times: list[float] = []
    end = max(seconds, words[-1][1]) if words else seconds  # times are rounded
    following, before = iter([*words, (end, end)]), 0.0
    start, end = next(following)
    for spoken, count in runs:
        first, last = (start, end) if spoken else (before, start)
        times += [first + (last - first) * (i + 0.5) / count for i in range(count)]
        if spoken:
            before, (start, end) = end, next(following)
    return times
