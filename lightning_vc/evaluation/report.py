"""One self-contained page: tables and figures in the paper's layout, and the voices to listen to."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from lightning_vc.audio import io as audio
from lightning_vc.data.index import SpeakerEntry
from lightning_vc.evaluation import paper
from lightning_vc.evaluation.clones import Clones, cloned_by
from lightning_vc.evaluation.paper import Curves
from lightning_vc.evaluation.results import Result, shown
from lightning_vc.evaluation.sounds import Row
from lightning_vc.files import write_file
from lightning_vc.plots import draw_spectrum


@dataclass(frozen=True)
class Part:
    """A measure that the page shows, and what it is beside in the paper."""

    title: str
    meaning: str
    by: str  # what has to be given for it
    paper: Curves | None = None
    beside: str = ""  # what the paper's figures are


PARTS: Mapping[str, Part] = {
    "p808": Part(
        "Naturalness",
        "mean opinion of 5 as DNSMOS P.808 predicts it",
        "an outside judge",
        paper.NATURALNESS,
        "Table 2, opinions of listeners, of 5",
    ),
    "ovrl": Part("Quality overall", "opinion of 5 as DNSMOS P.835 predicts it", "an outside judge"),
    "similarity": Part(
        "Similarity",
        "cosine of Resemblyzer's voices of sound and speaker",
        "an outside judge",
        paper.SIMILARITY,
        "Table 3, opinions of listeners, of 4",
    ),
    "accuracy": Part(
        "Speaker classification",
        "share that the classifier takes for the right speaker",
        "speaker recognition",
        paper.ACCURACY,
        "Figure 4a, of 108 speakers",
    ),
    "eer_5": Part(
        "Speaker verification, equal error rate, 5 enrolment recordings",
        "as many of the own clones refused as of others' accepted",
        "speaker recognition, and six real recordings of each speaker",
        paper.EER,
        "Figure 4b",
    ),
    "eer_1": Part("The same with 1 enrolment recording", "", "speaker recognition"),
    "min_dcf_5": Part(
        "Least cost of detection, 5 enrolment recordings",
        "misses x 0.01 + alarms x 0.99, where to refuse everybody, which costs 0.01, counts as 1",
        "speaker recognition, and six real recordings of each speaker",
    ),
    "min_dcf_1": Part("The same with 1 enrolment recording", "", "speaker recognition"),
    "sex": Part("Sex", "share that the classifier takes for one of the speaker's sex", "speaker recognition"),
    "accent": Part("Accent", "share that it takes for one of the speaker's accent", "speaker recognition, and accents"),
    "word_error_rate": Part("Word error rate", "of a recogniser", "an outside judge"),
    "character_error_rate": Part("Character error rate", "of a recogniser", "an outside judge"),
    "distortion": Part(
        "Mel-cepstral distortion",
        "decibels to the real voice saying the same, after alignment in time",
        "a corpus that can say the sentences",
    ),
    "pitch_error": Part(
        "Pitch error",
        "median distance in semitones to the real voice saying the same, after alignment in time",
        "a corpus that can say the sentences",
    ),
    "attention_failures": Part(
        "Attention failures",
        "share of sentences in which something was skipped, repeated or blurred",
        "a model that attends",
    ),
    "likeness": Part(
        "Likeness to the encoder",
        "cosine of the encoder's voices of clones and real recordings; no outside judge",
        "an encoder",
    ),
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .3em .8em; border-bottom: 1px solid #ddd }
td { text-align: right } td:first-child, th:first-child { text-align: left } .paper td { color: #888 }
.methods { display: grid; grid-template-columns: repeat(auto-fit, minmax(17em, 1fr)); gap: 1.5em }
audio { width: 100%; height: 2.2em } .methods img { width: 100% } p { margin: .4em 0 } small { color: #666 }
"""


def missing(results: Sequence[Result]) -> list[str]:
    """What the page would have shown, and what has to be given for it."""
    known = {each.measure for each in results}
    return [f"{part.title} ({measure}) needs {part.by}" for measure, part in PARTS.items() if measure not in known]


def write_report(
    path: Path,
    clones: Clones,
    results: Sequence[Result],
    figures: Mapping[str, Figure],
    absent: Sequence[str],
    shown_sentences: int = 3,
) -> None:
    """Write the page.

    Args:
        path: of the page.
        clones: what was cloned.
        results: all figures.
        figures: by the measure below whose table they stand; others come behind the tables, under their names.
        absent: what was not measured, and why.
        shown_sentences: of each speaker and method, cloned from the most clips.
    """
    ways = list(dict.fromkeys(each.row for each in results if each.row.clips and each.row.steps is None))
    parts = [_heading(clones, ways, absent)]
    for measure, part in PARTS.items():
        own = [each for each in results if each.measure == measure and each.row.steps is None]
        if own:
            picture = _picture(figures[measure], part.title) if measure in figures else ""
            parts.append(_table(own, part) + picture)
    others = {html.escape(name): each for name, each in figures.items() if name not in PARTS}
    parts += [f"<h2>{name}</h2>{_picture(each, name)}" for name, each in others.items()]
    most = max((row.clips or 0 for row in ways), default=0)
    methods = [row.voice for row in ways if row.clips == most]
    for speaker in clones.folder.speakers:
        parts.append(_speaker(clones, speaker, methods, most, shown_sentences))
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>Cloned voices</title><style>{_STYLE}</style>"
    write_file(path, page + "\n".join(parts) + "</html>")


def _heading(clones: Clones, ways: Sequence[Row], absent: Sequence[str]) -> str:
    counts = sorted({row.clips for row in ways if row.clips})
    folder = clones.folder
    lacks = "".join(f"<li>{html.escape(each)}</li>" for each in absent)
    return (
        f"<h1>{len(folder.speakers)} voices cloned from {', '.join(map(str, counts))} recordings each</h1>"
        "<p>The model was trained on other speakers than these. "
        f"All {len(folder.sentences)} sentences of each clone stand in <code>clones/</code>. In brackets are 95 % "
        "intervals, by bootstrap over speakers and their sounds; a figure of one speaker alone has none. What each way "
        "to clone took, beside the paper's Table 1, stands in <code>costs.md</code>: no two runs take the same time, "
        "and this page is the same after each.</p>" + (f"<p>Not measured:</p><ul>{lacks}</ul>" if lacks else "")
    )


def _table(results: Sequence[Result], part: Part) -> str:
    """A line for each method and a column for each number of clips; bounds have one figure; then the paper's."""
    counts = sorted({each.row.clips for each in results if each.row.clips})
    cells = {each.row: shown(each) for each in results}
    lines = []
    for voice in dict.fromkeys(each.row.voice for each in results):
        bound, name = Row(voice), html.escape(voice)
        if bound in cells:
            lines.append(f"<tr><td>{name}</td><td colspan={len(counts) or 1}>{cells[bound]}</td></tr>")
        else:
            row = "".join(f"<td>{cells.get(Row(voice, clips), '')}</td>" for clips in counts)
            lines.append(f"<tr><td>{name}</td>{row}</tr>")
    for method, values in (part.paper or {}).items():
        known = dict(zip(paper.CLIPS, values, strict=False))
        row = "".join(f"<td>{known.get(clips, '')}</td>" for clips in counts)
        lines.append(f"<tr class=paper><td>{method}, the paper</td>{row}</tr>")
    head = "".join(f"<th>{clips} clip{'s' if clips > 1 else ''}</th>" for clips in counts)
    notes = "; ".join(each for each in (part.meaning, part.beside and f"the paper's: {part.beside}") if each)
    return f"<h2>{part.title}</h2><table><tr><th></th>{head}</tr>{''.join(lines)}</table><p><small>{notes}</small></p>"


def _speaker(clones: Clones, speaker: SpeakerEntry, methods: Sequence[str], clips: int, shown_sentences: int) -> str:
    folder = clones.folder
    about = ", ".join({"F": "female", "M": "male"}.get(word, word) for word in (speaker.sex, speaker.accent) if word)
    real = folder.real_of(speaker.id)
    picture = _picture(_spectrum(clones, real[0]), "spectrogram")
    columns = [f"<div><h3>real</h3>{picture}{''.join(map(_player, real[:shown_sentences]))}"]
    texts = list(enumerate(folder.sentences[:shown_sentences]))
    for number, text in texts:
        path = folder.sentence("references", speaker.id, number)
        if path.exists():
            columns[0] += f"<p>{html.escape(text)}</p>{_player(path)}"
    columns[0] += "</div>"
    for method in methods:
        kind = cloned_by(method, clips)
        plot = (folder.place(kind, speaker.id) / "01.png").read_bytes()
        sounds = "".join(
            f"<p>{html.escape(text)}</p>{_player(folder.sentence(kind, speaker.id, number))}" for number, text in texts
        )
        columns.append(f"<div><h3>{html.escape(method)}</h3>{_image(plot, 'spectrogram and attention')}{sounds}</div>")
    name, about = html.escape(speaker.id), html.escape(about)
    return f"<h2>{name} <small>{about}</small></h2><div class=methods>{''.join(columns)}</div>"


def _spectrum(clones: Clones, path: Path) -> Figure:
    wave = audio.read(path, clones.folder.rate)
    return draw_spectrum(clones.cloner.tts.spectrograms(wave.unsqueeze(0)).linear[0])


def _picture(figure: Figure, shows: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return _image(buffer.getvalue(), shows)


def _image(data: bytes, shows: str) -> str:
    return f'<img alt="{shows}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def _player(path: Path) -> str:
    """The sound as mp3, which every browser plays and which keeps the page small."""
    data = base64.b64encode(audio.encode(audio.read(path, 16000), 16000, ".mp3")).decode()
    return f'<audio controls preload=none src="data:audio/mpeg;base64,{data}"></audio>'
