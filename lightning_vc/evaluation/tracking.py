"""An evaluation as a run of W&B: its results, figures, page and sounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb
from matplotlib.figure import Figure

from lightning_vc.evaluation.folder import Row, Sound
from lightning_vc.evaluation.tables import Result, table


def track_evaluation(
    project: str,
    folder: Path,
    results: Sequence[Result],
    figures: Mapping[str, Figure],
    sounds: Sequence[Sound],
    about: Mapping[str, Any],
) -> None:
    """Send one run to a project of W&B, with the first sound of each row and speaker; `folder` has report.html."""
    firsts: dict[str, wandb.Audio] = {}
    for sound in sounds:
        name = f"{_name(sound.row)}/{sound.speaker}"
        firsts[name] = firsts.get(name) or wandb.Audio(str(sound.path), caption=sound.text)
    with wandb.init(project=project, dir=folder, job_type="evaluate", config=dict(about)) as run:
        heading, *lines = table(results)
        pictures = {name: wandb.Image(figure) for name, figure in figures.items()}
        run.log({"results": wandb.Table([*heading], lines), "report": wandb.Html(str(folder / "report.html"))})
        run.log(firsts | pictures)
        run.summary.update({f"{result.measure}/{_name(result.row)}": result.value for result in results})


def _name(row: Row) -> str:
    return "/".join(str(part) for part in row if part is not None)
