"""Presentation of the results of an evaluation: a self-contained HTML page, and a run of W&B."""

import base64
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from lightning_vc.audio import io as audio
from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.evaluation.figures import PAPER
from lightning_vc.evaluation.folder import Row, Scores, Sound
from lightning_vc.evaluation.tables import Result, table
from lightning_vc.files import write_file
from lightning_vc.plots import draw_wave

_SENTENCES = 3  # on the page, per system and speaker
_MP3_RATE = 16000


def write_report(
    path: Path,
    index: Index,
    sounds: Sequence[Sound],
    results: Sequence[Result],
    figures: Mapping[str, Figure],
    costs: Mapping[Row, Scores],
    missing: Sequence[str] = (),
) -> None:
    """Write the HTML page from the template report.html.j2.

    Args:
        path: of the page.
        index: shards, which describe the speakers.
        sounds: the page has the first ones of each system and speaker.
        results: all results; the tables omit those by adaptation steps.
        figures: by the name of their measure, or by title.
        costs: costs of each row of clones.
        missing: messages about metrics that were not computed; measures without results are listed too.
    """
    template = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    tables: dict[str, dict[str, dict[int | None, str]]] = {}  # measure -> system -> clips, None without cloning
    for result in results:
        rows = tables.setdefault(result.measure, {})
        if result.row.steps is None:
            rows.setdefault(result.row.system, {})[result.row.clips] = str(result)
    speakers = {sound.speaker for sound in sounds}
    page = environment.from_string(template).render(
        speakers=[_speaker(entry, sounds) for entry in index.speakers if entry.id in speakers],
        tables=tables,
        figures={name: _picture(figure) for name, figure in figures.items()},
        costs=costs,
        paper=PAPER,
        missing=missing,
    )
    write_file(path, page)


def _speaker(entry: SpeakerEntry, sounds: Sequence[Sound]) -> dict[str, Any]:
    """Template data of a speaker: a column for each system."""
    columns = []
    for row in dict.fromkeys(sound.row for sound in sounds):
        examples = [sound for sound in sounds if (sound.speaker, sound.row) == (entry.id, row)][:_SENTENCES]
        waves = [audio.read(sound.path, _MP3_RATE) for sound in examples]
        players = [
            (_data(audio.encode(wave, _MP3_RATE, ".mp3"), "audio/mpeg"), sound.text)
            for wave, sound in zip(waves, examples, strict=True)
        ]
        picture = _picture(draw_wave(waves[0], _MP3_RATE))
        columns.append({"system": row.system, "picture": picture, "players": players})
    return {"id": entry.id, "sex": entry.sex, "accent": entry.accent, "columns": columns}


def _picture(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return _data(buffer.getvalue(), "image/png")


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def track_evaluation(
    project: str,
    folder: Path,
    results: Sequence[Result],
    figures: Mapping[str, Figure],
    sounds: Sequence[Sound],
    about: Mapping[str, Any],
) -> None:
    """Log a run in a project of W&B: results, figures, report.html of `folder`, the first sound per row and speaker."""
    import wandb  # here: importing takes seconds

    def name(row: Row) -> str:
        return "/".join(str(part) for part in row if part is not None)

    firsts = {f"{name(sound.row)}/{sound.speaker}": sound for sound in reversed(sounds)}
    media = {key: wandb.Audio(str(sound.path), caption=sound.text) for key, sound in firsts.items()}
    with wandb.init(project=project, dir=folder, job_type="evaluate", config=dict(about)) as run:
        heading, *lines = table(results)
        run.log({"results": wandb.Table([*heading], lines), "report": wandb.Html(str(folder / "report.html"))})
        run.log(media | {title: wandb.Image(figure) for title, figure in figures.items()})
        run.summary.update({f"{result.measure}/{name(result.row)}": result.value for result in results})
