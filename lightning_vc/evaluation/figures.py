"""The paper's figures, with our curves."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_vc.evaluation.paper import ACCURACY, CLIPS, EER, ITERATIONS, STEPS, Curves
from lightning_vc.evaluation.results import Result

_COLOURS = {"encoder": "C0", "joint": "C1", "embedding": "C2", "whole_model": "C3", "low_rank": "C4"}

# Measures that have a curve against clips, and the paper's.
_AGAINST_CLIPS: Mapping[str, Curves | None] = {"accuracy": ACCURACY, "eer_5": EER, "similarity": None, "p808": None}


def draw_results(results: Sequence[Result]) -> dict[str, Figure]:
    """All that can be drawn of these: by measure against clips, and under a name of its own against steps."""
    figures = {measure: draw_clips(results, measure, curves) for measure, curves in _AGAINST_CLIPS.items()}
    figures["Against steps of adaptation"] = draw_steps(results, "accuracy") or draw_steps(results, "likeness")
    return {name: figure for name, figure in figures.items() if figure}


def draw_clips(results: Sequence[Result], measure: str, paper: Curves | None = None) -> Figure | None:
    """A measure against the number of clips, a line for each method, the paper's dashed; None if nobody has it.

    Around a line lies its 95 % interval, where it has one.
    """
    own = [each for each in results if each.measure == measure and each.row.clips and each.row.steps is None]
    if not own:
        return None
    figure = Figure(figsize=(5.5, 3.6), layout="constrained", dpi=80)
    axes = figure.subplots()
    for method in dict.fromkeys(each.row.voice for each in own):
        points = [(each.row.clips or 0, each) for each in own if each.row.voice == method]
        _line(axes, points, method, _COLOURS.get(method, "C5"))
    for method, values in (paper or {}).items():
        axes.plot(CLIPS[: len(values)], values, "--", color=_COLOURS[method], alpha=0.4, label=f"{method}, the paper")
    _finish(axes, "clips", measure, [*dict.fromkeys(each.row.clips or 0 for each in own)])
    return figure


def draw_steps(results: Sequence[Result], measure: str) -> Figure | None:
    """A measure against the steps of adaptation, a picture for each method, a line for each number of clips.

    The paper's accuracy is dashed. None if nobody has the measure.
    """
    own = [each for each in results if each.measure == measure and each.row.steps is not None]
    methods = list(dict.fromkeys(each.row.voice for each in own))
    if not methods:
        return None
    figure = Figure(figsize=(5.5 * len(methods), 3.6), layout="constrained", dpi=80)
    for method, axes in zip(methods, figure.subplots(1, len(methods), squeeze=False, sharey=True)[0], strict=True):
        counts = dict.fromkeys(each.row.clips or 0 for each in own if each.row.voice == method)
        for colour, clips in enumerate(counts):
            points = [
                (each.row.steps or 0, each) for each in own if (each.row.voice, each.row.clips) == (method, clips)
            ]
            _line(axes, points, f"{clips} clips", f"C{colour}")
            if measure == "accuracy" and clips in ITERATIONS.get(method, {}):
                values = ITERATIONS[method][clips]
                axes.plot(STEPS, values, "--", color=f"C{colour}", alpha=0.4, label=f"{clips} clips, the paper")
        axes.set_title(method)
        _finish(axes, "steps", measure, [*dict.fromkeys(each.row.steps or 0 for each in own)])
    return figure


def _line(axes: Axes, points: Sequence[tuple[int, Result]], label: str, colour: str) -> None:
    points = sorted(points, key=lambda point: point[0])
    places = [place for place, _ in points]
    axes.plot(places, [each.value for _, each in points], "o-", color=colour, label=label)
    known = [(place, each.low, each.high) for place, each in points if each.low is not None and each.high is not None]
    if known:
        where, low, high = zip(*known, strict=True)
        axes.fill_between(where, low, high, color=colour, alpha=0.1)


def _finish(axes: Axes, along: str, measure: str, places: Sequence[int]) -> None:
    axes.set(xscale="log", xlabel=along, ylabel=measure.replace("_", " "))
    axes.minorticks_off()
    axes.set_xticks(places, [str(place) for place in places])
    axes.legend(fontsize="x-small")
