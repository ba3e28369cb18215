"""The folder of an evaluation, and the recordings in it.

clips/<speaker>/<n>.wav + transcripts.tsv     what the voices are cloned from
real/<speaker>/<n>.wav + transcripts.tsv      other recordings of the same speakers
references/<speaker>/<sentence>.wav           the real voices saying the sentences, where the corpus can make them
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.progress import track

from lightning_vc.audio import io
from lightning_vc.audio.conditioning import condition
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.data.reading import apart, clips_of
from lightning_vc.data.samples import Sample
from lightning_vc.evaluation.sounds import Row, Sound
from lightning_vc.files import inside, plain_name, read_text, refuse_links, remove_folder, write_file
from lightning_vc.text.normalize import normalize
from lightning_vc.text.symbols import PUNCTUATION
from lightning_vc.types import Word

_KINDS = ("clips", "real", "known", "references", "clones", "bounds", "steps", "mixtures")
_MARK = ".evaluation"  # that the folder is one of ours, in which folders of other speakers may be deleted
_REAL = 15  # other recordings of each speaker, whose mean is what the clones are compared with
REAL, REFERENCES = Row("real recordings"), Row("real voices, the sentences")


class EvaluationFolder:
    """Where the sounds of one evaluation stand, and the recordings of the speakers in it.

    Args:
        path: the folder.
        index: shards whose speakers are cloned.
        speakers: those who are.
        sentences: what the clones say.
        clips: most recordings that anybody is cloned from.
        sample_rate: of all sounds, in hertz.
        corpus: where the speakers are generated ones, the corpus that can let them say the sentences.

    Raises:
        FileExistsError: for a folder that holds what no evaluation has made.
        ValueError: for a speaker with too few transcribed recordings or whose id is no name of a folder, for a corpus
            that the shards are not from, and for a folder with a symbolic link in it.
    """

    def __init__(
        self,
        path: Path,
        index: Index,
        speakers: Sequence[SpeakerEntry],
        sentences: Sequence[str],
        clips: int,
        sample_rate: int,
        corpus: GeneratedCorpus | None = None,
    ) -> None:
        self.path, self.index, self.speakers, self.sentences = path, index, speakers, sentences
        self.held = {speaker.id for speaker in speakers}
        self.clips, self.rate, self.corpus = clips, sample_rate, corpus
        self.recordings: dict[str, list[str]] = {}  # speaker -> ids of what the shards have and is used
        self.sources: dict[Path, str] = {}  # recording here, or a copy of one -> its id in the shards
        for speaker in speakers:
            plain_name(speaker.id, "speaker")
            if speaker.transcribed <= clips:
                raise ValueError(
                    f"speaker {speaker.id} has {speaker.transcribed} transcribed clips: cloning from {clips} needs more"
                )
        if corpus:
            self._check(corpus)
        refuse_links(path, but="wandb")  # where W&B keeps its own links
        self._clear()
        for speaker in track(speakers, "recordings of the held-out speakers"):
            self._write_recordings(speaker.id)

    def place(self, kind: str, speaker: str) -> Path:
        """The folder of a speaker in `kind`, a folder below this one; raises ValueError where it is not in there."""
        return inside(self.path, kind, plain_name(speaker, "speaker"))

    def sentence(self, kind: str, speaker: str, number: int) -> Path:
        """Where a sentence stands that somebody says; `kind` is a folder below this one."""
        return self.place(kind, speaker) / f"{number + 1:02d}.wav"

    def clips_of(self, speaker: str) -> list[Path]:
        """The recordings that a speaker is cloned from."""
        return sorted(self.place("clips", speaker).glob("*.wav"))

    def real_of(self, speaker: str) -> list[Path]:
        """Other recordings of a speaker."""
        kind = "real" if speaker in self.held else "known"
        return sorted(self.place(kind, speaker).glob("*.wav"))

    def transcripts(self, kind: str, speaker: str) -> list[str]:
        """What is said in the recordings of a speaker; `kind` is "clips" or "real"."""
        table = read_text(self.place(kind, speaker) / "transcripts.tsv")
        return [line.split("\t")[1] for line in table.splitlines()]

    def real(self) -> list[Sound]:
        """The other recordings, each beside the rest of its speaker: what a judge makes of them is the ceiling."""
        sounds = []
        for speaker in self.speakers:
            paths = self.real_of(speaker.id)
            for path, text in zip(paths, self.transcripts("real", speaker.id), strict=True):
                rest = tuple(each for each in paths if each != path)
                sounds.append(Sound(path, REAL, speaker.id, text, rest))
        return sounds

    def references(self) -> list[Sound]:
        """The real voices saying the sentences."""
        return [sound for speaker in self.speakers for sound in self.said("references", REFERENCES, speaker.id)]

    def said(self, kind: str, row: Row, speaker: str) -> list[Sound]:
        """The sentences as they stand in a folder `kind` below this one, which should sound like a speaker."""
        real = tuple(self.real_of(speaker))
        texts = enumerate(self.sentences)
        return [Sound(self.sentence(kind, speaker, number), row, speaker, text, real) for number, text in texts]

    def _check(self, corpus: GeneratedCorpus) -> None:
        """Refuse a corpus that lets other people speak under the names of these: clones would be compared with them."""
        if unknown := sorted(self.held - {*corpus.voices}):
            raise ValueError(f"corpus has no speaker {unknown[0]}: give --corpus as {self.index.folder} was made with")
        speaker = self.speakers[0].id  # one seed draws them all
        said = {each.id: each.text for each in corpus if each.speaker.id == speaker}
        for sample in clips_of(self.index, speaker):
            text = said.get(self.index.recording(sample.id))
            if text and sample.words and _spoken(sample.words) not in _spoken(normalize(text)):
                raise ValueError(
                    f"corpus says {text!r} where {self.index.folder} holds {sample.text!r} ({sample.id}): give "
                    f"--corpus as the shards were made with, where --corpus.seed is {corpus.seed}"
                )

    def _clear(self) -> None:
        """Delete what an evaluation of other speakers has left: judges would take them for speakers of this one."""
        mark = self.path / _MARK
        if not mark.exists() and any((self.path / kind).exists() for kind in _KINDS):
            raise FileExistsError(f"{self.path} holds {', '.join(_KINDS)} of something else: give another folder")
        self.path.mkdir(parents=True, exist_ok=True)
        mark.touch()
        bounds = [f"bounds/{name}" for name in ("copies", "others", "mean")]
        for kind in ("clips", "real", "references", *bounds, "clones/*", "steps/*/*"):
            for folder in self.path.glob(f"{kind}/*"):
                if folder.is_dir() and folder.name not in self.held:
                    remove_folder(self.path, str(folder.relative_to(self.path)))

    def add_known(self, speaker: str) -> None:
        """Write recordings, as `real_of` gives them, of a speaker of the shards who is not held out."""
        samples = apart(self.index, [sample for sample in clips_of(self.index, speaker) if sample.text])[:_REAL]
        self.recordings[speaker] = [sample.id for sample in samples]
        self._write(speaker, {"known": samples})

    def _write_recordings(self, speaker: str) -> None:
        samples = [sample for sample in clips_of(self.index, speaker) if sample.text]
        own = samples[: self.clips]
        used = {self.index.recording(sample.id) for sample in own}
        others = apart(self.index, [each for each in samples if self.index.recording(each.id) not in used])[:_REAL]
        if not others:
            raise ValueError(
                f"the {len(samples)} clips of speaker {speaker} are pieces of recordings that it would be cloned from: "
                f"clone from fewer than {self.clips}"
            )
        self.recordings[speaker] = [sample.id for sample in own + others]
        self._write(speaker, {"clips": own, "real": others})

    def _write(self, speaker: str, chosen: Mapping[str, Sequence[Sample]]) -> None:
        for kind, samples in chosen.items():
            place = self.place(kind, speaker)
            remove_folder(self.path, kind, plain_name(speaker, "speaker"))  # of an evaluation with other clips
            for number, sample in enumerate(samples, 1):
                path = place / f"{number:02d}.wav"
                self.sources[path] = sample.id
                io.write(path, sample.wave(self.rate), self.rate)
            texts = [" ".join((sample.text or "").split()) for sample in samples]  # in one line, without tabs
            table = [f"{number:02d}.wav\t{text}\n" for number, text in enumerate(texts, 1)]
            write_file(place / "transcripts.tsv", "".join(table))
        if self.corpus:
            for number, text in enumerate(self.sentences):
                said = condition(self.corpus.say(speaker, text, self.rate), self.rate)
                io.write(self.sentence("references", speaker, number), said, self.rate)


def _spoken(words: Sequence[Word]) -> str:
    """Words between spaces, without marks: those of a piece are in those of its recording."""
    return f" {' '.join(word.text for word in words if word.text not in PUNCTUATION)} "
