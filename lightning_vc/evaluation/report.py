"""One self-contained page: what held-out speakers sound like, and what their clones sound like."""

import base64
import html
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from matplotlib.figure import Figure

from lightning_vc.audio import io as audio
from lightning_vc.data.index import SpeakerEntry
from lightning_vc.evaluation.clones import ClonesFolder, Scores, cloned_by
from lightning_vc.plots import draw_spectrum

_COLUMNS = {
    "cloning_seconds": ("cloning, s", "{:.1f}", "time from recordings to voice"),
    "real_time_factor": ("real-time factor", "{:.2f}", "seconds of work for a second of speech"),
    "finished": ("finished", "{:.0%}", "sentences whose end the model found by itself"),
    "focus": ("focus", "{:.2f}", "mean of the largest attention weight of each step"),
    "coverage": ("coverage", "{:.2f}", "share of the symbols that attention came by"),
    "distortion": ("distortion, dB", "{:.1f}", "mel-cepstral distance to the real voice saying the same sentence"),
    "likeness": (
        "likeness",
        "{:.2f}",
        "cosine of the encoder's voices of clones and real recordings; no outside judge",
    ),
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .3em .8em; border-bottom: 1px solid #ddd }
td { text-align: right } td:first-child, th:first-child { text-align: left }
.methods { display: grid; grid-template-columns: repeat(auto-fit, minmax(17em, 1fr)); gap: 1.5em }
audio { width: 100%; height: 2.2em } img { width: 100% } p { margin: .4em 0 } small { color: #666 }
"""


def write_report(
    path: Path, folder: ClonesFolder, scores: Sequence[Scores], speakers: Sequence[SpeakerEntry], shown: int = 3
) -> None:
    """Write the page; each speaker and method with `shown` of the sentences, cloned from the most clips."""
    parts = [_heading(folder, speakers), _table(scores)]
    for speaker in speakers:
        own = [score for score in scores if score.speaker == speaker.id and score.clips == folder.clips[-1]]
        parts.append(_speaker(folder, speaker, own, shown))
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>Cloned voices</title><style>{_STYLE}</style>"
    path.write_text(page + "\n".join(parts) + "</html>", encoding="utf-8")


def _heading(folder: ClonesFolder, speakers: Sequence[SpeakerEntry]) -> str:
    return (
        f"<h1>{len(speakers)} voices cloned from {folder.clips[-1]} recordings each</h1>"
        "<p>No training saw these speakers, and no speaker of the corpus said these sentences. "
        f"All {len(folder.sentences)} sentences of each clone stand in <code>clones/</code>.</p>"
    )


def _table(scores: Sequence[Scores]) -> str:
    head = "".join(f'<th title="{meaning}">{title}</th>' for title, _, meaning in _COLUMNS.values())
    rows = []
    for method, clips in dict.fromkeys((score.method, score.clips) for score in scores):
        cells = [f"<td>{clips}</td>"]
        for column, (_, form, _) in _COLUMNS.items():
            values = [getattr(each, column) for each in scores if (each.method, each.clips) == (method, clips)]
            known = [value for value in values if value is not None]
            cells.append(f"<td>{form.format(mean(known)) if known else 'not measured'}</td>")
        rows.append(f"<tr><td>{method}</td>{''.join(cells)}</tr>")
    notes = "; ".join(f"{title}: {meaning}" for title, _, meaning in _COLUMNS.values())
    return f"<table><tr><th>method</th><th>clips</th>{head}</tr>{''.join(rows)}</table><p><small>{notes}.</small></p>"


def _speaker(folder: ClonesFolder, speaker: SpeakerEntry, scores: Sequence[Scores], shown: int) -> str:
    about = ", ".join({"F": "female", "M": "male"}.get(word, word) for word in (speaker.sex, speaker.accent) if word)
    real = folder.real_of(speaker.id)
    picture = _picture(_spectrum(folder, real[0]), "spectrogram")
    columns = [f"<div><h3>real</h3>{picture}{''.join(map(_player, real[:shown]))}"]
    for number, text in enumerate(folder.sentences[:shown]):
        path = folder.sentence("references", speaker.id, number)
        if path.exists():
            columns[0] += f"<p>{html.escape(text)}</p>{_player(path)}"
    columns[0] += "</div>"
    for score in scores:
        kind = cloned_by(score.method, score.clips)
        plot = (folder.folder / kind / speaker.id / "01.png").read_bytes()
        sounds = "".join(
            f"<p>{html.escape(text)}</p>{_player(folder.sentence(kind, speaker.id, number))}"
            for number, text in enumerate(folder.sentences[:shown])
        )
        columns.append(f"<div><h3>{score.method}</h3>{_image(plot, 'spectrogram and attention')}{sounds}</div>")
    name, about = html.escape(speaker.id), html.escape(about)
    return f"<h2>{name} <small>{about}</small></h2><div class=methods>{''.join(columns)}</div>"


def _spectrum(folder: ClonesFolder, path: Path) -> Figure:
    wave = audio.read(path, folder.rate)
    return draw_spectrum(folder.cloner.tts.spectrograms(wave.unsqueeze(0)).linear[0])


def _picture(figure: Figure, shows: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return _image(buffer.getvalue(), shows)


def _image(data: bytes, shows: str) -> str:
    return f'<img alt="{shows}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def _player(path: Path) -> str:
    """The sound as mp3, which every browser plays and which keeps the page small."""
    with tempfile.NamedTemporaryFile(suffix=".mp3") as small:
        audio.write(small.name, audio.read(path, 16000), 16000)
        data = base64.b64encode(Path(small.name).read_bytes()).decode()
    return f'<audio controls preload=none src="data:audio/mpeg;base64,{data}"></audio>'
