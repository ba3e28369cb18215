"""Scores of sounds to results with confidence intervals, and results to tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_vc.console import printable
from lightning_vc.evaluation.folder import Row, Sound
from lightning_vc.files import write_file
from lightning_vc.metrics import equal_error_rate

_ROUNDS = 200  # of the bootstrap
_INTERVAL = (0.025, 0.975)  # quantiles
_RATES = {"word_errors": "word_error_rate", "trials_1": "eer_1", "trials_5": "eer_5"}  # scores that are not averaged

AnyScores = Mapping[str, Any]  # of a sound: numbers by name, and the trials of verification


class Result(NamedTuple):
    """A figure of a row with its 95 % interval; of one speaker there is none, as others cannot be foreseen."""

    row: Row
    measure: str
    value: float
    low: float | None
    high: float | None
    sounds: int  # that it is from

    def __str__(self) -> str:
        """`0.74 [0.71, 0.77]`, or `0.74` without an interval."""
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def summarise(scores: Mapping[Sound, AnyScores], seed: int = 0) -> list[Result]:
    """Every figure of every row, in the order of the sounds, with intervals by bootstrap.

    Speakers are drawn with replacement, and sounds of each: figures from few speakers get wide intervals.
    """
    results = []
    for row in dict.fromkeys(sound.row for sound in scores):
        sounds = [sound for sound in scores if sound.row == row]
        for key in dict.fromkeys(key for sound in sounds for key in scores[sound] if key != "words"):
            counted = [sound for sound in sounds if key in scores[sound]]
            known, speakers = [scores[sound] for sound in counted], [sound.speaker for sound in counted]
            low = high = None
            if len(set(speakers)) > 1:
                drawn = [_figure(key, [known[i] for i in places]) for places in _resamples(speakers, seed)]
                low, high = map(float, np.quantile(drawn, _INTERVAL))
            results.append(Result(row, _RATES.get(key, key), _figure(key, known), low, high, len(known)))
    return results


def _figure(key: str, scores: Sequence[AnyScores]) -> float:
    """The mean of a score; the rate of errors of all words, and the equal error rate of all trials."""
    if key == "word_errors":
        return sum(s["word_errors"] for s in scores) / max(1, sum(s["words"] for s in scores))
    if key not in _RATES:
        return mean(s[key] for s in scores)
    own, others = [s[key][0] for s in scores], [other for s in scores for other in s[key][1:]]
    return equal_error_rate(torch.tensor(own + others), torch.arange(len(own) + len(others)) < len(own))


def _resamples(speakers: Sequence[str], seed: int) -> Iterator[NDArray[np.int64]]:
    """Places of the sounds of as many drawn speakers, each drawn as often as it has sounds."""
    generator = np.random.default_rng(seed)
    places = [np.flatnonzero(np.array(speakers) == speaker) for speaker in sorted(set(speakers))]
    for _ in range(_ROUNDS):
        chosen = generator.integers(len(places), size=len(places))
        yield np.concatenate([generator.choice(places[i], len(places[i])) for i in chosen])


def write_results(folder: Path, results: Sequence[Result], about: Mapping[str, Any]) -> None:
    """Write results.json with all that there is to say, and results.md with the figures alone."""
    figures = []
    for result in results:
        rest = {name: value for name, value in result._asdict().items() if name != "row"}
        rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in rest.items()}
        figures.append(result.row._asdict() | rounded)
    write_file(folder / "results.json", json.dumps({**about, "results": figures}, indent=1) + "\n")
    heading, *rows = table(results)
    cells = [[printable(cell).replace("|", r"\|") for cell in row] for row in (heading, ["---"] * len(heading), *rows)]
    write_file(folder / "results.md", "".join(f"| {' | '.join(row)} |\n" for row in cells))


def table(results: Sequence[Result]) -> list[list[str]]:
    """A heading, and a line for each row: figures with their intervals, nothing where something was not measured."""
    measures = list(dict.fromkeys(result.measure for result in results))
    known = {(result.row, result.measure): str(result) for result in results}
    lines = [["system", "clips", "steps", *(name.replace("_", " ") for name in measures)]]
    for row in dict.fromkeys(result.row for result in results):
        counts = [str(count or "") for count in (row.clips, row.steps)]
        lines.append([row.system, *counts, *(known.get((row, name), "") for name in measures)])
    return lines
