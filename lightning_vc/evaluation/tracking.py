"""An evaluation as a run of W&B: its tables, figures, page and sounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb
from matplotlib.figure import Figure

from lightning_vc.evaluation.results import Result, table
from lightning_vc.evaluation.sounds import Row, Sound


def track_evaluation(
    project: str,
    folder: Path,
    results: Sequence[Result],
    figures: Mapping[str, Figure],
    sounds: Sequence[Sound],
    about: Mapping[str, Any],
) -> None:
    """Send one run to a project: WANDB_MODE=offline keeps it in wandb/ of the folder.

    Args:
        project: of W&B.
        folder: of the evaluation, with report.html.
        results: all figures.
        figures: pictures by their names.
        sounds: the first of each row and speaker is sent.
        about: what else there is to say of the evaluation.
    """
    firsts: dict[tuple[object, str], Sound] = {}
    for sound in sounds:
        firsts.setdefault((sound.row, sound.speaker), sound)
    with wandb.init(project=project, dir=folder, job_type="evaluate", config=dict(about)) as run:
        heading, *lines = table(results)
        run.log({"results": wandb.Table([*heading], lines)})
        run.log({f"{_named(s.row)}/{s.speaker}": wandb.Audio(str(s.path), caption=s.text) for s in firsts.values()})
        run.log({name: wandb.Image(figure) for name, figure in figures.items()})
        run.log({"report": wandb.Html(str(folder / "report.html"))})
        for each in results:
            run.summary[f"{each.measure}/{_named(each.row)}"] = each.value


def _named(row: Row) -> str:
    return "/".join(str(part) for part in (row.voice, row.clips, row.steps) if part is not None)
