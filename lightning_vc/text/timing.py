"""Times of the symbols of a text in a recording."""

from collections.abc import Sequence
from itertools import groupby

from lightning_vc.text.symbols import BETWEEN, number

_BETWEEN = frozenset(number(BETWEEN))


def symbol_times(symbols: Sequence[int], words: Sequence[tuple[float, float]], seconds: float) -> list[float] | None:
    """Return the midpoint of each symbol of a recording, in seconds from its start.

    The symbols of a word share its duration equally, and symbols between words the gap. `words` has start and end of
    each spoken word, `seconds` is the duration of the recording. None if the symbols have another number of words.
    """
    runs = [(is_word, len(list(run))) for is_word, run in groupby(symbols, lambda symbol: symbol not in _BETWEEN)]
    if sum(is_word for is_word, _ in runs) != len(words):
        return None
    times: list[float] = []
    end = max(seconds, words[-1][1]) if words else seconds  # the end of the last word may be rounded up
    remaining, previous_end = iter([*words, (end, end)]), 0.0
    start, end = next(remaining)
    for is_word, count in runs:
        first, last = (start, end) if is_word else (previous_end, start)
        times += [first + (last - first) * (i + 0.5) / count for i in range(count)]
        if is_word:
            previous_end, (start, end) = end, next(remaining)
    return times
