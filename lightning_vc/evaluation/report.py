"""One self-contained page: the voices to listen to, tables and figures beside the paper's, and what it all cost."""

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
from lightning_vc.evaluation.tables import Result
from lightning_vc.files import write_file
from lightning_vc.plots import draw_wave

_SENTENCES = 3  # of each system and speaker
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
    """Write the page from report.html.j2, which has all words in it.

    Args:
        path: of the page.
        index: shards, which say who the speakers are.
        sounds: to listen to; the first of each system and speaker are on the page.
        results: all figures; those by steps of adaptation are drawn only.
        figures: pictures, by the measure that they show or under a title of their own.
        costs: what each row of clones cost.
        missing: what was not measured, and why, besides measures that are not in the results.
    """
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    entries = {entry.id: entry for entry in index.speakers}
    page = template.render(
        speakers=[_speaker(entries[id], sounds) for id in dict.fromkeys(sound.speaker for sound in sounds)],
        tables={measure: _table(results, measure) for measure in dict.fromkeys(each.measure for each in results)},
        figures={name: _picture(figure) for name, figure in figures.items()},
        costs=costs,
        paper=PAPER,
        missing=missing,
    )
    write_file(path, page)


def _speaker(entry: SpeakerEntry, sounds: Sequence[Sound]) -> dict[str, Any]:
    """What the page shows of a speaker: a column for each system."""
    columns = []
    for row in dict.fromkeys(sound.row for sound in sounds):
        chosen = [sound for sound in sounds if (sound.speaker, sound.row) == (entry.id, row)][:_SENTENCES]
        waves = [audio.read(sound.path, _MP3_RATE) for sound in chosen]
        players = [_data(audio.encode(wave, _MP3_RATE, ".mp3"), "audio/mpeg") for wave in waves]
        texts = [sound.text for sound in chosen]
        picture = _picture(draw_wave(waves[0], _MP3_RATE))
        columns.append({"system": row.system, "picture": picture, "players": list(zip(players, texts, strict=True))})
    return {"id": entry.id, "sex": entry.sex, "accent": entry.accent, "columns": columns}


def _table(results: Sequence[Result], measure: str) -> dict[str, dict[int | None, str]]:
    """Figures by system and number of clips, which systems that do not clone do not have."""
    table: dict[str, dict[int | None, str]] = {}
    for result in results:
        if result.measure == measure and result.row.steps is None:
            table.setdefault(result.row.system, {})[result.row.clips] = str(result)
    return table


def _picture(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return _data(buffer.getvalue(), "image/png")


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
