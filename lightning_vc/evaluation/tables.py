"""From scores of sounds to results with confidence intervals, and from results to tables."""

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

_ROUNDS = 200  # bootstrap resamples
_INTERVAL = (0.025, 0.975)  # quantiles
_RATES = {"word_errors": "word_error_rate", "trials_1": "eer_1", "trials_5": "eer_5"}  # not averaged

AnyScores = Mapping[str, Any]  # of a sound: numbers by name, and verification trials


class Result(NamedTuple):
    """A measure of a row with its 95 % interval; a single speaker has none, as speaker variance is unknown."""

    row: Row
    measure: str
    value: float
    low: float | None
    high: float | None
    sounds: int  # number of sounds

    def __str__(self) -> str:
        """`0.74 [0.71, 0.77]`, or `0.74` without an interval."""
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def summarise(scores: Mapping[Sound, AnyScores], seed: int = 0) -> list[Result]:
    """Every measure of every row, in the order of the sounds, with bootstrap intervals.

    Speakers are resampled, then their sounds, so that results from few speakers have wide intervals.
    """
    results = []
    for row in dict.fromkeys(sound.row for sound in scores):
        sounds = [sound for sound in scores if sound.row == row]
        for key in dict.fromkeys(key for sound in sounds for key in scores[sound] if key != "words"):
            scored_sounds = [sound for sound in sounds if key in scores[sound]]
            values, speakers = [scores[sound] for sound in scored_sounds], [sound.speaker for sound in scored_sounds]
            low = high = None
            if len(set(speakers)) > 1:
                estimates = [_value(key, [values[i] for i in positions]) for positions in _resamples(speakers, seed)]
                low, high = map(float, np.quantile(estimates, _INTERVAL))
            results.append(Result(row, _RATES.get(key, key), _value(key, values), low, high, len(values)))
    return results


def _value(key: str, scores: Sequence[AnyScores]) -> float:
    """The mean of a score; the word error rate micro-averaged over words; the equal error rate over all trials."""
    if key == "word_errors":
        return sum(s["word_errors"] for s in scores) / max(1, sum(s["words"] for s in scores))
    if key not in _RATES:
        return mean(s[key] for s in scores)
    target, nontarget = [s[key][0] for s in scores], [score for s in scores for score in s[key][1:]]
    is_target = torch.arange(len(target) + len(nontarget)) < len(target)
    return equal_error_rate(torch.tensor(target + nontarget), is_target)


def _resamples(speakers: Sequence[str], seed: int) -> Iterator[NDArray[np.int64]]:
    """Positions of the sounds of a bootstrap resample: speakers with replacement, then sounds of each."""
    generator = np.random.default_rng(seed)
    by_speaker = [np.flatnonzero(np.array(speakers) == speaker) for speaker in sorted(set(speakers))]
    for _ in range(_ROUNDS):
        draws = generator.integers(len(by_speaker), size=len(by_speaker))
        yield np.concatenate([generator.choice(by_speaker[i], len(by_speaker[i])) for i in draws])


def write_results(folder: Path, results: Sequence[Result], about: Mapping[str, Any]) -> None:
    """Write results.json, which includes `about`, and results.md, a table of the results."""
    entries = []
    for result in results:
        rest = {name: value for name, value in result._asdict().items() if name != "row"}
        rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in rest.items()}
        entries.append(result.row._asdict() | rounded)
    write_file(folder / "results.json", json.dumps({**about, "results": entries}, indent=1) + "\n")
    heading, *rows = table(results)
    cells = [[printable(cell).replace("|", r"\|") for cell in row] for row in (heading, ["---"] * len(heading), *rows)]
    write_file(folder / "results.md", "".join(f"| {' | '.join(row)} |\n" for row in cells))


def table(results: Sequence[Result]) -> list[list[str]]:
    """A heading, and a line for each row: values with intervals, empty if not measured."""
    measures = list(dict.fromkeys(result.measure for result in results))
    cells = {(result.row, result.measure): str(result) for result in results}
    lines = [["system", "clips", "steps", *(name.replace("_", " ") for name in measures)]]
    for row in dict.fromkeys(result.row for result in results):
        counts = [str(count or "") for count in (row.clips, row.steps)]
        lines.append([row.system, *counts, *(cells.get((row, name), "") for name in measures)])
    return lines
