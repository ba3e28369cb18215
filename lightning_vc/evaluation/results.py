"""Opinions of sounds to figures with confidence intervals."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_vc.console import printable
from lightning_vc.evaluation.sounds import Opinion, Opinions, Row, Sound
from lightning_vc.files import write_file
from lightning_vc.metrics import equal_error_rate, min_dcf

_ROUNDS = 200
_COVERAGE = 0.95  # of the intervals


@dataclass(frozen=True)
class Result:
    """One figure of a row, and between which bounds it lies with 95 % confidence.

    There are no bounds where one speaker alone stands behind it: what others would have given cannot be told.
    """

    row: Row
    measure: str
    value: float
    low: float | None
    high: float | None
    sounds: int  # that it is from


@dataclass(frozen=True)
class Measure:
    """How opinions become one figure.

    Args:
        keys: what an opinion must have to count.
        of: the figure of those that count.
    """

    keys: tuple[str, ...]
    of: Callable[[Sequence[Opinion]], float]


def _rate(errors: str, total: str) -> Measure:
    """Of all words, as is usual, and not the mean of the rates."""
    return Measure((errors, total), lambda said: sum(s[errors] for s in said) / max(1, sum(s[total] for s in said)))


def _trials(key: str, cost: Callable[[torch.Tensor, torch.Tensor], float]) -> Measure:
    """Of scores against the own speaker and against the others."""

    def of(said: Sequence[Opinion]) -> float:
        own = [s[key]["own"] for s in said]
        others = [score for s in said for score in s[key]["others"]]
        return cost(torch.tensor(own + others), torch.arange(len(own) + len(others)) < len(own))

    return Measure((key,), of)


# Whatever else is a number, or true or false, is averaged under its own name.
MEASURES: Mapping[str, Measure] = {
    "word_error_rate": _rate("word_errors", "words"),
    "character_error_rate": _rate("letter_errors", "letters"),
    "eer_1": _trials("trials_1", equal_error_rate),
    "eer_5": _trials("trials_5", equal_error_rate),
    "min_dcf_1": _trials("trials_1", min_dcf),
    "min_dcf_5": _trials("trials_5", min_dcf),
}


def summarise(sounds: Sequence[Sound], opinions: Opinions, seed: int = 0) -> list[Result]:
    """Every figure of every row, in the order of the sounds, with intervals by bootstrap.

    Speakers are drawn with replacement, and of each of them sounds: figures from few speakers get wide intervals.
    """
    rows: dict[Row, list[Sound]] = {}
    for sound in sounds:
        if sound.path in opinions:
            rows.setdefault(sound.row, []).append(sound)
    results = []
    for row, own in rows.items():
        said = [opinions[sound.path] for sound in own]
        for name, measure in _measures(said).items():
            counted = [i for i, each in enumerate(said) if all(key in each for key in measure.keys)]
            known = [said[i] for i in counted]
            speakers = [own[i].speaker for i in counted]
            value = measure.of(known)
            low = high = None
            if len(set(speakers)) > 1:
                drawn = [measure.of([known[i] for i in places]) for places in _resamples(speakers, seed)]
                low, high = map(float, np.quantile(drawn, [(1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2]))
            results.append(Result(row, name, value, low, high, len(known)))
    return results


def write_results(folder: Path, results: Sequence[Result], about: Mapping[str, Any]) -> None:
    """Write results.json with all that there is to say, and results.csv and results.md with the figures alone."""
    plain = [
        {
            "voice": each.row.voice,
            "clips": each.row.clips,
            "steps": each.row.steps,
            "measure": each.measure,
            **{name: _rounded(getattr(each, name)) for name in ("value", "low", "high")},
            "sounds": each.sounds,
        }
        for each in results
    ]
    write_file(folder / "results.json", json.dumps({**about, "results": plain}, indent=1) + "\n")
    lines = io.StringIO()
    writer = csv.DictWriter(lines, list(plain[0]) if plain else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain)
    write_file(folder / "results.csv", lines.getvalue())
    heading, *rows = table(results)
    rule = ["---"] * len(heading)
    cells = [[printable(cell).replace("|", r"\|") for cell in row] for row in (heading, rule, *rows)]
    write_file(folder / "results.md", "".join(f"| {' | '.join(row)} |\n" for row in cells))


def table(results: Sequence[Result]) -> list[list[str]]:
    """A heading, and a line for each row: figures with their intervals, nothing where something was not measured."""
    measures = list(dict.fromkeys(each.measure for each in results))
    known = {(each.row, each.measure): each for each in results}
    lines = [["voice", "clips", "steps", *(name.replace("_", " ") for name in measures)]]
    for row in dict.fromkeys(each.row for each in results):
        numbers = [str(each) if each is not None else "" for each in (row.clips, row.steps)]
        lines.append([row.voice, *numbers, *(shown(known.get((row, name))) for name in measures)])
    return lines


def shown(result: Result | None) -> str:
    """`0.74 [0.71, 0.77]`, or `0.74` without bounds."""
    if result is None:
        return ""
    if result.low is None or result.high is None:
        return f"{result.value:.2f}"
    return f"{result.value:.2f} [{result.low:.2f}, {result.high:.2f}]"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _measures(said: Sequence[Opinion]) -> dict[str, Measure]:
    """Those that can be had from opinions, in their order."""
    special = {name: each for name, each in MEASURES.items() if any(all(k in s for k in each.keys) for s in said)}
    taken = {key for each in MEASURES.values() for key in each.keys}
    plain = dict.fromkeys(
        name
        for each in said
        for name, value in each.items()
        if isinstance(value, int | float) and np.isfinite(value) and name not in taken
    )
    return {name: _mean(name) for name in plain} | special


def _mean(name: str) -> Measure:
    return Measure((name,), lambda said: float(np.mean([float(each[name]) for each in said])))


def _resamples(speakers: Sequence[str], seed: int) -> Iterator[NDArray[np.int64]]:
    """Places of the sounds of as many drawn speakers, each drawn as often as it has sounds."""
    generator = np.random.default_rng(seed)
    places = [np.flatnonzero(np.array(speakers) == speaker) for speaker in sorted(set(speakers))]
    for _ in range(_ROUNDS):
        chosen = generator.integers(len(places), size=len(places))
        yield np.concatenate([generator.choice(places[i], len(places[i])) for i in chosen])
