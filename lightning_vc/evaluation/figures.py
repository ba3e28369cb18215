"""The paper's figures with our results: measures by number of clips and by adaptation steps, and embedding plots."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal

import torch
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_vc import plots
from lightning_vc.cloning import Cloner
from lightning_vc.evaluation.folder import TRAITS, EvaluationFolder, Row, Sound
from lightning_vc.evaluation.tables import Result
from lightning_vc.morphing import is_trained_on, learned_embeddings
from lightning_vc.voice import Voice

PAPER: Mapping[str, Any] = yaml.safe_load(files(__package__).joinpath("paper.yaml").read_text(encoding="utf-8"))
_KINDS = {"learned": "training speaker", "encoder": "encoded", "morph": "edited"}  # by `Voice.method`
_FEWEST = 3  # training speakers; fewer embeddings do not span a plane


def draw_results(results: Sequence[Result]) -> dict[str, Figure]:
    """All figures for which there are results: each measure by number of clips, under its name, and one by steps."""
    figures = {measure: draw_curves(results, measure, "clips") for measure in PAPER["by_clips"]}
    by_steps = draw_curves(results, "accuracy", "steps") or draw_curves(results, "likeness", "steps")
    return {name: figure for name, figure in (figures | {"By steps of adaptation": by_steps}).items() if figure}


def draw_curves(results: Sequence[Result], measure: str, along: Literal["clips", "steps"]) -> Figure | None:
    """A measure by clips, a line for each method, or by steps, a plot for each method and a line for each clip count.

    The paper's curves are dashed, intervals are shaded. None if no result has the measure.
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
            counts, color = [getattr(result.row, along) for result in line], f"C{number}"
            axes.plot(counts, [result.value for result in line], "o-", color=color, label=label)
            low = [result.value if result.low is None else result.low for result in line]
            high = [result.value if result.high is None else result.high for result in line]
            axes.fill_between(counts, low, high, color=color, alpha=0.1)
            values = _paper(measure, line[0].row)
            paper_x = PAPER[along][: len(values)]
            axes.plot(paper_x, values, "--", color=color, alpha=0.4, label=f"{label}, the paper" if values else None)
            ticks |= {*counts, *paper_x[-1:]}
        axes.set(xscale="log", xlabel=along, ylabel=measure.replace("_", " "), title=title)
        axes.minorticks_off()
        axes.set_xticks(sorted(ticks), [str(tick) for tick in sorted(ticks)])
        axes.legend(fontsize="x-small")
    return figure


def _paper(measure: str, row: Row) -> list[float]:
    """The paper's values; empty for naturalness and similarity, which the paper measures by listening tests."""
    if row.steps is None:
        return PAPER["by_clips"][measure].get(row.system, []) if measure in ("accuracy", "eer_5") else []
    return PAPER["by_steps"].get(row.system, {}).get(row.clips, []) if measure == "accuracy" else []


def draw_speakers(folder: EvaluationFolder, cloner: Cloner, sounds: Sequence[Sound]) -> dict[str, Figure]:
    """A plot of the speaker embeddings of training speakers and of the voices of these sounds.

    Empty if the shards are not those of the model's training, or if it has fewer than three speakers. Embeddings of a
    joint model are left out: they belong to another embedding space.
    """
    if not is_trained_on(cloner, folder.index) or len(cloner.tts.speakers) < _FEWEST:
        return {}
    learned = learned_embeddings(cloner, folder.index)
    voices = list(learned.values())
    traits = [{trait: getattr(folder.entries[id], trait) for trait in TRAITS} for id in learned]
    for directory, sound in {sound.path.parent: sound for sound in sounds}.items():
        voice = Voice.load(directory / "voice.safetensors")
        if voice.tts_fingerprint == cloner.tts_fingerprint:
            voices.append(voice)
            traits.append(folder.traits(sound))
    return {"The space of speaker embeddings": draw_embeddings(voices, traits)}


def draw_embeddings(voices: Sequence[Voice], traits: Sequence[Mapping[str, str | None]]) -> Figure:
    """Plot embeddings on the principal axes of those of the training speakers, the first ones, once for each trait.

    Raises ValueError for fewer than three training speakers.
    """
    kinds = [_KINDS.get(voice.method, "adapted") for voice in voices]
    if (count := kinds.count(_KINDS["learned"])) < _FEWEST:
        raise ValueError(f"{count} training speakers do not span a plane: give {_FEWEST} or more")
    values = {trait: [item[trait] or "unknown" for item in traits] for trait in traits[0]}
    return plots.draw_embeddings(torch.stack([voice.embedding for voice in voices]), values, kinds)
