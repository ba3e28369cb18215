"""The paper's figures, with our curves: by number of clips, by steps of adaptation, and the space of embeddings."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal

import torch
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_vc.cloning import Cloner
from lightning_vc.evaluation.folder import TRAITS, EvaluationFolder, Row, Sound
from lightning_vc.evaluation.tables import Result
from lightning_vc.morphing import learned_embeddings, learnt_from
from lightning_vc.voice import Voice

PAPER: Mapping[str, Any] = yaml.safe_load(files(__package__).joinpath("paper.yaml").read_text(encoding="utf-8"))
_KINDS = {"learned": "training speaker", "encoder": "encoded", "morph": "edited"}  # by the method of a voice
_MARKERS = {"training speaker": ".", "encoded": "o", "adapted": "s", "edited": "*"}
_FEWEST = 3  # embeddings that span a plane


def draw_results(results: Sequence[Result]) -> dict[str, Figure]:
    """All that can be drawn of these: by clips under the names of the measures, and by steps."""
    figures = {measure: draw_curves(results, measure, "clips") for measure in PAPER["by_clips"]}
    by_steps = draw_curves(results, "accuracy", "steps") or draw_curves(results, "likeness", "steps")
    return {name: figure for name, figure in (figures | {"By steps of adaptation": by_steps}).items() if figure}


def draw_curves(results: Sequence[Result], measure: str, along: Literal["clips", "steps"]) -> Figure | None:
    """A measure by clips, a line for each method, or by steps, a plot for each method and a line for each clip count.

    The paper's are dashed, intervals are shaded. None where nobody has the measure.
    """
    plots: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        system, clips, steps = result.row
        if result.measure == measure and clips and (steps is None) == (along == "clips"):
            plot, name = ("", system) if along == "clips" else (system, f"{clips} clip{'s' if clips > 1 else ''}")
            plots.setdefault(plot, {}).setdefault(name, []).append(result)
    if not plots:
        return None
    figure = Figure(figsize=(5.5 * len(plots), 3.6), layout="constrained", dpi=80)
    grid: Sequence[Axes] = figure.subplots(1, len(plots), squeeze=False, sharey=True)[0]
    for axes, (title, lines) in zip(grid, plots.items(), strict=True):
        ticks: set[int] = set()
        for number, (label, line) in enumerate(lines.items()):
            places, color = [getattr(result.row, along) for result in line], f"C{number}"
            axes.plot(places, [result.value for result in line], "o-", color=color, label=label)
            low = [result.value if result.low is None else result.low for result in line]
            high = [result.value if result.high is None else result.high for result in line]
            axes.fill_between(places, low, high, color=color, alpha=0.1)
            values = _paper(measure, line[0].row)
            dashed = PAPER[along][: len(values)]
            axes.plot(dashed, values, "--", color=color, alpha=0.4, label=f"{label}, the paper" if values else None)
            ticks |= {*places, *dashed[-1:]}
        axes.set(xscale="log", xlabel=along, ylabel=measure.replace("_", " "), title=title)
        axes.minorticks_off()
        axes.set_xticks(sorted(ticks), [str(tick) for tick in sorted(ticks)])
        axes.legend(fontsize="x-small")
    return figure


def _paper(measure: str, row: Row) -> list[float]:
    """The paper's curve; its scores of naturalness and similarity are opinions of listeners, which are not drawn."""
    if row.steps is None:
        return PAPER["by_clips"][measure].get(row.system, []) if measure in ("accuracy", "eer_5") else []
    return PAPER["by_steps"].get(row.system, {}).get(row.clips, []) if measure == "accuracy" else []


def draw_speakers(folder: EvaluationFolder, cloner: Cloner, sounds: Sequence[Sound]) -> dict[str, Figure]:
    """The space of embeddings, with those of the model's training and of these sounds.

    Nothing where the shards are of other speakers than the model's, or it has learned fewer than three. Embeddings of a
    joint model are left out: they are in a space of their own.
    """
    if not learnt_from(cloner, folder.index) or len(cloner.tts.speakers) < _FEWEST:
        return {}
    learned = learned_embeddings(cloner, folder.index)
    voices = list(learned.values())
    traits = [{trait: getattr(folder.entries[id], trait) for trait in TRAITS} for id in learned]
    for place, sound in {sound.path.parent: sound for sound in sounds}.items():
        voice = Voice.load(place / "voice.safetensors")
        if voice.base == cloner.base:
            voices.append(voice)
            traits.append(folder.traits(sound))
    return {"The space of speaker embeddings": draw_embeddings(voices, traits)}


def draw_embeddings(voices: Sequence[Voice], traits: Sequence[Mapping[str, str | None]]) -> Figure:
    """Embeddings on the first two principal axes of those of training speakers, coloured by each trait of the speakers.

    The largest number of an axis is positive, so that no figure is mirrored from one run to the next. Raises ValueError
    for fewer than three training speakers.
    """
    kinds = [_KINDS.get(voice.method, "adapted") for voice in voices]
    rows = torch.stack([voice.embedding.detach().cpu().double() for voice in voices])  # (N, E)
    fitted = rows[[kind == "training speaker" for kind in kinds]]
    if len(fitted) < _FEWEST:
        raise ValueError(f"{len(fitted)} training speakers span no plane: give {_FEWEST} or more")
    _, sizes, axes = torch.linalg.svd(fitted - fitted.mean(0), full_matrices=False)
    axes = axes[:2] * axes[:2].gather(1, axes[:2].abs().argmax(1, keepdim=True)).sign()
    points, shares = (rows - fitted.mean(0)) @ axes.T, sizes.square() / sizes.square().sum()
    figure = Figure(figsize=(12, 5), layout="constrained", dpi=80)
    for trait, plot in zip(traits[0], figure.subplots(1, len(traits[0]), squeeze=False)[0], strict=True):
        values = [each[trait] or "unknown" for each in traits]
        for number, value in enumerate(sorted({*values})):
            for kind, marker in _MARKERS.items():
                here = points[[(kind, value) == each for each in zip(kinds, values, strict=True)]]
                label = f"{value}, {kind}".replace("$", r"\$") if len(here) else None
                plot.plot(*here.T, marker, color=f"C{number}", alpha=0.5, markersize=8, label=label)
        plot.set(title=trait, xlabel=f"axis 1, {shares[0]:.0%} of the variance", ylabel=f"axis 2, {shares[1]:.0%}")
        plot.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
