"""The folder of an evaluation: its recordings, and the paths of the sounds that are measured.

clips/<speaker>/<n>.wav + transcripts.tsv     recordings that the speakers are cloned from
real/<speaker>/<n>.wav + transcripts.tsv      other recordings of the same speakers
training/<speaker>/<n>.wav                    recordings of speakers that the model was trained on
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

from lightning_vc.audio import io
from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of, first_pieces
from lightning_vc.data.samples import Sample
from lightning_vc.files import inside, plain_name, read_text, refuse_links, remove_folder, write_file

TRAITS = ("sex", "accent")
_KINDS = ("clips", "real", "training", "clones", "steps", "baselines", "edited")
_MARK = ".evaluation"  # marks the folder of an evaluation, in which folders of other speakers may be deleted
_MOST_REAL = 15  # largest number of other recordings of a speaker

Scores = dict[str, float]  # of a sound, by name


class Row(NamedTuple):
    """A row of the tables: a system, the number of clips, and the number of adaptation steps."""

    system: str  # a method of cloning, a reference system, or an external one
    clips: int | None = None
    steps: int | None = None  # None for the default of the method


REAL = Row("real recordings")


@dataclass(frozen=True)
class Sound:
    """An audio file of a system, and its references."""

    path: Path
    row: Row
    speaker: str  # the target speaker
    text: str
    references: tuple[Path, ...] = ()  # other recordings of the speaker
    recording: str | None = None  # id in the shards, of a recording or a copy of one
    edited: tuple[str, str] | None = None  # trait and new value, of an edited voice


class EvaluationFolder:
    """The recordings of an evaluation, and the paths of its sounds.

    Args:
        path: the folder.
        index: shards that hold the speakers.
        speakers: ids of the speakers that are cloned.
        sentences: the texts that are synthesised.
        clips: largest number of recordings that a speaker is cloned from.
        rate: sample rate of all sounds, in hertz.

    Attributes:
        clips: by speaker, the recordings to clone from.
        real_recordings: by speaker, recordings that are not cloned from, also of training speakers; those of a speaker
            are references of each other.

    Raises:
        FileExistsError: for a folder with files that no evaluation wrote.
        ValueError: for a speaker with too few transcribed recordings or with an id that cannot name a folder, and for
            a folder with a symbolic link that leads out of it.
    """

    def __init__(
        self, path: Path, index: Index, speakers: Sequence[str], sentences: Sequence[str], clips: int, rate: int
    ) -> None:
        self.path, self.index, self.sentences, self.rate = path, index, sentences, rate
        self.speakers = [plain_name(speaker, "speaker") for speaker in speakers]
        self.entries = {entry.id: entry for entry in index.speakers}
        refuse_links(path)
        held_out = {speaker: self._divide(speaker, clips) for speaker in self.speakers}  # before anything is deleted
        self._clear()
        self.clips: dict[str, list[Sound]] = {}
        self.real_recordings: dict[str, list[Sound]] = {}
        for speaker, (samples, references) in track(held_out.items(), "recordings of the held-out speakers"):
            self.clips[speaker] = self._write("clips", speaker, samples)
            self.real_recordings[speaker] = self._write("real", speaker, references)

    @property
    def recordings(self) -> list[Sound]:
        """The real recordings of the held-out speakers: the upper bound."""
        return [recording for speaker in self.speakers for recording in self.real_recordings[speaker]]

    def place(self, kind: str, speaker: str) -> Path:
        """Path of a speaker's folder in the subfolder `kind`; raises ValueError if it would be outside of it."""
        return inside(self.path, kind, plain_name(speaker, "speaker"))

    def references(self, speaker: str) -> tuple[Path, ...]:
        """Paths of the recordings that the sounds of a speaker are compared with."""
        return tuple(recording.path for recording in self.real_recordings[speaker])

    def sounds_of(self, kind: str, row: Row, speaker: str, edited: tuple[str, str] | None = None) -> list[Sound]:
        """The sounds of a system in the subfolder `kind`, one per sentence; edited voices have no references."""
        directory, references = self.place(kind, speaker), () if edited else self.references(speaker)
        return [
            Sound(directory / f"{number:02d}.wav", row, speaker, text, references, edited=edited)
            for number, text in enumerate(self.sentences, 1)
        ]

    def traits(self, sound: Sound) -> dict[str, str | None]:
        """Traits of the speaker of a sound; for an edited voice with the new value."""
        traits = {trait: getattr(self.entries[sound.speaker], trait) for trait in TRAITS}
        return traits | dict([sound.edited] if sound.edited else [])

    def add_training_speaker(self, speaker: str) -> None:
        """Write recordings of a training speaker."""
        self.real_recordings[speaker] = self._write("training", speaker, self._divide(speaker, 0)[1])

    def _divide(self, speaker: str, clips: int) -> tuple[list[Sample], list[Sample]]:
        """Transcribed samples of a speaker to clone from, and the first pieces of other recordings as references."""
        samples = [sample for sample in clips_of(self.index, speaker) if sample.text]
        used = {self.index.recording(sample.id) for sample in samples[:clips]}
        remaining = [sample for sample in samples if self.index.recording(sample.id) not in used]
        if not remaining:
            raise ValueError(
                f"speaker {speaker} has {len(samples)} transcribed clips: cloning from {clips} needs more, from "
                "other recordings"
            )
        return samples[:clips], first_pieces(self.index, remaining)[:_MOST_REAL]

    def _write(self, kind: str, speaker: str, samples: Sequence[Sample]) -> list[Sound]:
        """Write recordings and transcripts; the references of a recording are the other ones."""
        directory = self.place(kind, speaker)
        remove_folder(self.path, kind, speaker)  # an earlier evaluation may have had other recordings
        paths = [directory / f"{number:02d}.wav" for number in range(1, len(samples) + 1)]
        sounds = []
        for path, sample in zip(paths, samples, strict=True):
            text = " ".join((sample.text or "").split())  # one line without tabs
            references = tuple(other for other in paths if other != path)
            sounds.append(Sound(path, REAL, speaker, text, references, recording=sample.id))
            io.write(path, sample.wave(self.rate), self.rate)
        write_file(directory / "transcripts.tsv", "".join(f"{sound.path.name}\t{sound.text}\n" for sound in sounds))
        return sounds

    def _clear(self) -> None:
        """Delete the folders of speakers of an earlier evaluation that are not speakers of this one."""
        mark = self.path / _MARK
        if not mark.exists() and any((self.path / kind).exists() for kind in _KINDS):
            raise FileExistsError(
                f"{self.path} has folders such as {_KINDS[0]}, and no evaluation wrote them: give another folder"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        mark.touch()
        for kind in ("clips", "real", "clones/*", "steps/*", "baselines/vocoded", "baselines/mean"):
            for folder in self.path.glob(f"{kind}/*"):
                if folder.is_dir() and folder.name not in self.speakers:
                    remove_folder(self.path, str(folder.relative_to(self.path)))


def read_scores(path: Path) -> dict[str, Scores]:
    """Scores by key, from a JSON lines file; empty if the file does not exist.

    The last line of an interrupted evaluation may be incomplete, without its newline, and is left out. Raises
    ValueError for any other damage.
    """
    scores = {}
    try:
        *lines, last = read_text(path).split("\n") if path.exists() else [""]
        for line in [*lines, last] if last.endswith("}") else lines:
            content = json.loads(line)
            key = content.pop("key")
            scores[str(key)] = {str(name): float(value) for name, value in content.items()}
            if not all(map(math.isfinite, scores[key].values())):
                raise ValueError("a score is infinite")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to make it again") from error
    return scores


def score_line(key: str, scores: Scores) -> str:
    """The line of the scores of one key in a file of scores."""
    return json.dumps({"key": key} | {name: float(value) for name, value in scores.items()}) + "\n"
