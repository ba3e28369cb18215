import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import soundfile
import torch
from torch import Tensor

from lightning_vc.corpora.base import Corpus
from lightning_vc.data.index import SETS, Index
from lightning_vc.data.reading import read_shards
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from lightning_vc.data.utterance import Limits
from lightning_vc.types import Speaker, Utterance
from tests.data.tones import TEXTS, Listed, Tones

ALL = Splits(test=0, validation=0)


def members(shard: Path) -> dict[str, bytes]:
    """What a tar file holds, read without webdataset."""
    with tarfile.open(shard) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_a_sample_is_trimmed_flac_with_metadata(index: Index) -> None:
    files = {name: data for file in index.files(*SETS) for name, data in members(Path(file.url)).items()}
    assert len(files) == 160
    content = json.loads(files["s03-001.json"])
    assert re.fullmatch("[0-9a-f]{8}", content.pop("crc32"))
    seconds = content.pop("seconds")
    words = content.pop("words")
    assert [word for word, _ in words] == ["a", "dog", ",", "a", "man"]
    assert words[1:3] == [["dog", "d ˈɔ ɡ"], [",", ""]]
    assert content == {
        "id": "s03-001",
        "speaker": "s03",
        "sex": "M",
        "accent": "accent 1",
        "age": 23,
        "text": TEXTS[1],
        "spans": None,
    }
    samples, rate = soundfile.read(io.BytesIO(files["s03-001.flac"]))
    assert (rate, len(samples) / rate) == (8000, seconds)
    assert 1.15 <= seconds <= 1.15 + 0.25  # a tone of 1.15 s between silences of 0.5 s


def test_the_index_counts_what_is_there(index: Index) -> None:
    speakers: Counter[str] = Counter()
    for name in SETS:
        for file in index.files(name):
            shard = file.shard
            samples = list(read_shards([file]))
            assert shard.samples == shard.transcribed == len(samples) <= 5
            assert shard.seconds == pytest.approx(sum(sample.seconds for sample in samples), abs=1e-3)
            speakers.update(sample.speaker.id for sample in samples)
    assert {entry.id: entry.utterances for entry in index.speakers} == speakers
    assert [index.samples(name) for name in SETS] == [36, 12, 12, 4, 16]
    assert sum(entry.seconds for entry in index.speakers) == pytest.approx(
        sum(shard.seconds for name in SETS for shard in index.sets[name]), abs=0.1
    )
    first = index.speakers[0]
    assert (first.id, first.sex, first.accent, first.age) == ("s00", "F", "accent 0", 20)


def test_the_speaker_table_is_train_and_validation(index: Index) -> None:
    learned = [entry.id for entry in index.speakers if entry.split != "test"]
    assert index.speaker_table == sorted(learned)
    assert len(learned) == 8


def test_bytes_depend_on_corpus_and_options_alone(tmp_path: Path) -> None:
    def written(name: str, workers: int, seed: int = 0) -> dict[str, bytes]:
        splits = Splits(test=1, validation=1, seed=seed)
        prepare(Tones(5, 4), tmp_path / name, splits, sample_rate=8000, samples_per_shard=3, workers=workers)
        return {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}

    alone = written("alone", workers=1)
    assert len(alone) > 6
    assert written("together", workers=2) == alone
    assert written("other", workers=1, seed=1) != alone
    assert {item.name for item in tmp_path.iterdir()} == {"alone", "together", "other"}  # nothing .partial


def test_shards_are_about_equally_long(tmp_path: Path) -> None:
    index = prepare(Tones(2, 10), tmp_path / "shards", ALL, sample_rate=8000, samples_per_shard=9)
    assert [shard.samples for shard in index.sets["train"]] == [6, 7, 7]


def utterances(*kinds: str, text: str | None = "good") -> list[Utterance]:
    return [Utterance(f"{kind}-{number}", Speaker("s"), text) for number, kind in enumerate(kinds)]


def test_rejected_utterances_are_counted_and_listed(tmp_path: Path) -> None:
    listed = utterances("good", "silent", "short", "long", "broken", "silent")
    listed += [Utterance("mute", Speaker("s"), "***")]
    index = prepare(Listed(listed), tmp_path / "shards", ALL)
    assert index.rejected == {"silent": 2, "too long": 1, "too short": 1, "unreadable": 1, "unspeakable text": 1}
    assert index.samples("train") == index.speakers[0].utterances == 1
    lines = (tmp_path / "shards" / "rejected.tsv").read_text().splitlines()
    assert sorted(lines[1:]) == [
        "broken-4\tunreadable: broken-4.wav cannot be read as audio",
        "long-3\ttoo long",
        "mute\tunspeakable text",
        "short-2\ttoo short",
        "silent-1\tsilent",
        "silent-5\tsilent",
    ]


class Recorded(Listed):
    """Recordings in files."""

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        return Corpus.read(self, utterance, sample_rate)


def recordings(folder: Path, *broken: str) -> Recorded:
    """A corpus of one good recording and others: `cut`, `text`, `missing`, `huge`."""
    tone = 0.5 * torch.sin(torch.arange(16000) * 0.1)
    for name in ("good", *broken):
        if name != "missing":
            soundfile.write(folder / f"{name}.wav", tone * (1e20 if name == "huge" else 1), 16000, subtype="FLOAT")
    for name in {"cut", "text"} & set(broken):
        whole = (folder / f"{name}.wav").read_bytes()
        (folder / f"{name}.wav").write_bytes(whole[: len(whole) // 2] if name == "cut" else b"no sound")
    names = ("good", *broken)
    return Recorded([Utterance(name, Speaker("s"), "good", folder / f"{name}.wav") for name in names])


@pytest.mark.usefixtures("printed")
def test_unreadable_recordings_are_counted_and_the_first_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = recordings(tmp_path, "cut", "text", "missing", "huge")
    index = prepare(corpus, tmp_path / "shards", ALL)
    assert (index.samples("train"), index.rejected) == (1, {"unreadable": 4})
    lines = dict(line.split("\t") for line in (tmp_path / "shards" / "rejected.tsv").read_text().splitlines()[1:])
    for name, reason in {
        "cut": "is cut off: only 0.5 s of it are there; copy or record it again",
        "text": "cannot be read as audio (Format not recognised): give .wav, .flac, .ogg, .opus or .mp3",
        "missing": ": no such recording",
        "huge": "holds a sample of",
    }.items():
        assert lines[name].startswith(f"unreadable: {tmp_path / name}.wav")
        assert reason in lines[name]
    [warning] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: recordings are left out; 4 cannot be read (")
    assert sum(f"{tmp_path / name}.wav" in warning for name in lines) == 3
    assert warning.endswith(f"; 1 more); {tmp_path / 'shards' / 'rejected.tsv'} lists all of them")


def test_recordings_that_were_unreadable_are_tried_again(tmp_path: Path) -> None:
    corpus = recordings(tmp_path, "missing")
    (tmp_path / "good.wav").rename(tmp_path / "away.wav")
    with pytest.raises(ValueError, match=r"can be used \(2 unreadable\); 2 cannot be read \(.*good\.wav: no such"):
        prepare(corpus, tmp_path / "shards", ALL)
    (tmp_path / "away.wav").rename(tmp_path / "good.wav")
    assert prepare(corpus, tmp_path / "shards", ALL).rejected == {"unreadable": 1}


def test_recordings_of_any_name_are_prepared(tmp_path: Path) -> None:
    corpus = recordings(tmp_path)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/clip\xff\n.wav"))
    (tmp_path / "good.wav").rename(odd)
    corpus.listed = [replace(corpus.listed[0], audio=odd)]
    assert prepare(corpus, tmp_path / "shards", ALL).samples("train") == 1


def test_limits_are_options(tmp_path: Path) -> None:
    everything = Limits(0.05, 40, min_rate=0, max_rate=99)
    index = prepare(Listed(utterances("good", "short", "long")), tmp_path / "shards", ALL, everything)
    assert (index.samples("train"), index.rejected) == (3, {})
    with pytest.raises(ValueError, match="min_seconds 3"):
        Limits(3, 2)


def test_a_shard_of_rejected_utterances_is_not_written(tmp_path: Path) -> None:
    listed = utterances("silent", "good", "silent", "good")
    index = prepare(Listed(listed), tmp_path / "shards", ALL, samples_per_shard=1)
    assert len(index.files("train")) == len(list((tmp_path / "shards").glob("*.tar"))) == 2


def test_speakers_without_transcripts_have_no_row(tmp_path: Path) -> None:
    index = prepare(Listed(utterances("good", "fine", text=None)), tmp_path / "shards", ALL)
    assert (index.samples("train"), index.transcribed("train"), index.speaker_table) == (2, 0, [])
    assert [(sample.text, sample.words) for sample in read_shards(index.files("train"))] == [(None, None)] * 2


def test_long_untranscribed_utterances_are_cut(tmp_path: Path) -> None:
    index = prepare(Listed(utterances("long", text=None)), tmp_path / "shards", ALL, Limits(split_seconds=3.0))
    pieces = list(read_shards(index.files("train")))
    assert len(pieces) > 5
    assert all(0 < piece.seconds <= 3.0 for piece in pieces)
    assert sum(piece.seconds for piece in pieces) == pytest.approx(index.seconds("train"))
    assert len({piece.id for piece in pieces}) == len(pieces)
    assert {piece.speaker.id for piece in pieces} == {"s"}


def test_speed_perturbed_copies_are_of_further_speakers(tmp_path: Path) -> None:
    corpus = Tones(utterances=4)
    splits = Splits(test=["s00"], validation=["s01"], held=0)
    index = prepare(corpus, tmp_path / "shards", splits, speeds=[0.8, 1.25])
    trained = {f"s{number:02}{speed}" for number in range(2, 10) for speed in ("", "@0.8", "@1.25")}
    assert {speaker.id for speaker in index.speakers_of("train")} == trained
    assert set(index.speaker_table) == trained | {"s01"}
    assert index.transcribed("train") == 3 * 8 * 4
    samples = {sample.id: sample for sample in read_shards(index.files("train"))}
    for name, speed in (("s05-002@0.8", 0.8), ("s05-002@1.25", 1.25)):
        assert samples[name].speaker.id == f"s05@{speed}"
        assert samples[name].text == samples["s05-002"].text
        assert samples[name].seconds == pytest.approx(samples["s05-002"].seconds / speed, abs=0.01)
        assert pitch(samples[name].wave(16000)) == pytest.approx(200 * speed, abs=3)
        assert pitch(samples["s05-002"].wave(16000)) == pytest.approx(200, abs=3)


def pitch(wave: Tensor) -> float:
    """The loudest frequency, in hertz."""
    return float(torch.fft.rfft(wave).abs().argmax()) * 16000 / len(wave)


def test_untranscribed_utterances_are_not_speed_perturbed(tmp_path: Path) -> None:
    index = prepare(Listed(utterances("good", "fine", text=None)), tmp_path / "shards", ALL, speeds=[0.9])
    assert index.samples("train") == 2


@pytest.mark.parametrize("speeds", [[1.0], [0.9, 0.9], [0.1], [3.0]])
def test_speeds_that_make_no_sense_are_refused(tmp_path: Path, speeds: list[float]) -> None:
    with pytest.raises(ValueError, match="speeds are different numbers from"):
        prepare(Tones(), tmp_path / "shards", ALL, speeds=speeds)


@pytest.mark.parametrize("id", ["a.b", "über.flac", "x" * 120, "a~@b,c"])
def test_any_id_comes_back_from_a_shard(tmp_path: Path, id: str) -> None:
    listed = [Utterance(id, Speaker("ü"), "the cat"), Utterance(id + ".1", Speaker("ü"), "the dog")]
    index = prepare(Listed(listed), tmp_path / "shards", ALL)
    assert {sample.id for sample in read_shards(index.files("train"))} == {id, id + ".1"}
    assert len(members(Path(index.files("train")[0].url))) == 4


def test_ids_that_are_no_names_of_files_are_refused(tmp_path: Path) -> None:
    odd = ["/tmp/victim", "..", "a/b", "", ".hidden", "a b", "50%", "a\nb", "x" * 190]
    listed = [Utterance(f"u{number}", Speaker(id), "the cat") for number, id in enumerate(odd)]
    listed += [Utterance(id, Speaker("s"), "the cat") for id in odd]
    with pytest.raises(
        ValueError, match=r"Listed has 18 ids that cannot be names of files: .*such as a/b to a-b"
    ) as error:
        prepare(Listed([*listed, *utterances("good")]), tmp_path / "shards", ALL)
    assert "speaker '/tmp/victim'" in str(error.value)
    assert "utterance '..'" in str(error.value)
    assert "good-0" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_utterances_without_text_are_listed(tmp_path: Path) -> None:
    listed = [*utterances("good"), Utterance("bare-1", Speaker("s")), Utterance("bare-2", Speaker("s"))]
    index = prepare(Listed(listed), tmp_path / "shards", ALL)
    assert index is not None
    assert (index.samples("train"), index.transcribed("train")) == (3, 1)
    assert sorted((tmp_path / "shards" / "untranscribed.txt").read_text().split()) == ["bare-1", "bare-2"]


def test_no_time_is_spent_on_a_text_far_too_long_for_its_recording(tmp_path: Path) -> None:
    """A line of a megabyte took minutes."""
    speaker = Speaker("s")
    corpus = Listed([Utterance("good", speaker, "look at the sun"), Utterance("bad", speaker, "9 " * 500_000)])
    index = prepare(corpus, tmp_path / "shards", Splits(test=0, validation=0), Limits(min_rate=0, max_rate=1e9))
    assert (index.samples("train"), index.rejected) == (1, {"too fast for its text": 1})


def test_marks_of_events_are_removed_from_texts_or_their_utterances_rejected(tmp_path: Path) -> None:
    texts = {
        "a-1": "the [noise] cat {SL}",
        "a-2": "(laughs) the cat",
        "a-3": "the cat",
        "a-4": "the <unk> cat",
        "a-5": "[laughter]",
    }
    listed = [Utterance(id, Speaker("s"), text) for id, text in texts.items()]
    index = prepare(Listed(listed), tmp_path / "shards", ALL, Limits(min_rate=0))
    assert index is not None
    samples = {sample.id: sample for sample in read_shards(index.files("train"))}
    assert {id: sample.text for id, sample in samples.items()} == dict.fromkeys(("a-1", "a-2", "a-3"), "the cat")
    assert all([word.text for word in sample.words or ()] == ["the", "cat"] for sample in samples.values())
    assert index.rejected == {"unspeakable text": 1, "words not understood": 1}
    assert Index.load(index.folder).events == 2


@pytest.mark.parametrize("rate", [0, 999, 10**6])
def test_a_sample_rate_that_no_shard_may_have(tmp_path: Path, rate: int) -> None:
    with pytest.raises(ValueError, match=f"sample_rate is {rate}: give 1000 to 192000 Hz"):
        prepare(Tones(2, 2), tmp_path / "shards", ALL, sample_rate=rate)


def test_samples_are_not_longer_than_can_be_read() -> None:
    with pytest.raises(ValueError, match="max_seconds 601 must be at most 600"):
        Limits(max_seconds=601)


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        ([], "Listed has no utterances"),
        (utterances("good")[:1] * 2, "2 utterances with the id 'good-0'"),
        (
            utterances("silent", "broken"),
            "nothing of the corpus can be used .1 silent, 1 unreadable.; 1 cannot be read",
        ),
    ],
)
def test_a_corpus_without_use_is_refused(tmp_path: Path, listed: list[Utterance], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        prepare(Listed(listed), tmp_path / "shards", ALL)
    assert not (tmp_path / "shards").exists()


def test_shards_are_never_written_over(tmp_path: Path) -> None:
    prepare(Tones(2, 2), tmp_path / "shards", ALL, sample_rate=8000)
    with pytest.raises(FileExistsError, match=r"shards exists, and does not contain the shards .* delete it"):
        prepare(Tones(2, 3), tmp_path / "shards", ALL, sample_rate=8000)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="mine exists, and does not contain"):
        prepare(Tones(2, 2), tmp_path / "mine", ALL, sample_rate=8000)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_finished_shards_are_not_written_again(tmp_path: Path) -> None:
    class Counted(Tones):
        read_ids: ClassVar[list[str]] = []

        def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
            self.read_ids.append(utterance.id)
            if len(self.read_ids) == fails_at:
                raise OSError("the disk is gone")
            return super().read(utterance, sample_rate)

    corpus, fails_at = Counted(5, 4), 11
    options = {"splits": ALL, "sample_rate": 8000, "samples_per_shard": 4}
    with pytest.raises(OSError, match="disk is gone"):
        prepare(corpus, tmp_path / "shards", **options)  # type: ignore[arg-type]
    finished = sorted((tmp_path / "shards.partial" / "shards").glob("*.tar"))
    assert len(finished) == 2
    finished[0].write_bytes(finished[0].read_bytes()[:-1])  # broken meanwhile: written again
    with pytest.raises(ValueError, match=r"shards.partial is of another corpus or other options: finish it"):
        prepare(corpus, tmp_path / "shards", ALL, Limits(0.6), sample_rate=8000, samples_per_shard=4)
    corpus.read_ids.clear()
    fails_at = 0
    prepare(corpus, tmp_path / "shards", **options)  # type: ignore[arg-type]
    assert len(corpus.read_ids) == 16
    prepare(corpus, tmp_path / "shards", **options)  # type: ignore[arg-type]
    assert len(corpus.read_ids) == 16
    prepare(corpus, tmp_path / "again", **options)  # type: ignore[arg-type]
    assert contents(tmp_path / "again") == contents(tmp_path / "shards")
    assert {item.name for item in tmp_path.iterdir()} == {"shards", "again"}


def test_foreign_files_beside_shards_are_not_deleted(tmp_path: Path) -> None:
    mine = tmp_path / "shards.partial" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("A thesis.")
    with pytest.raises(FileExistsError, match=r"shards\.partial holds thesis\.txt, which preparation did not write"):
        prepare(Tones(4, 4), tmp_path / "shards", ALL, sample_rate=8000)
    mine.rename(tmp_path / "thesis.txt")
    prepare(Tones(4, 4), tmp_path / "shards", ALL, sample_rate=8000)
    mine.parent.mkdir()
    (tmp_path / "thesis.txt").rename(mine)
    prepare(Tones(4, 4), tmp_path / "shards", ALL, sample_rate=8000)  # it is there already
    assert mine.read_text() == "A thesis."


def test_a_finished_folder_is_checked(tmp_path: Path) -> None:
    prepare(Tones(2, 4), tmp_path / "out", ALL, sample_rate=8000)
    (tmp_path / "out" / "train-000000.tar").unlink()
    with pytest.raises(ValueError, match=r"train-000000\.tar should have .* no such file"):
        prepare(Tones(2, 4), tmp_path / "out", ALL, sample_rate=8000)


def test_another_sound_is_another_corpus(tmp_path: Path) -> None:
    class Pitched(Tones):
        def __init__(self, octave: int) -> None:
            super().__init__(2, 2)
            self.octave = octave

    prepare(Pitched(1), tmp_path / "out", ALL)
    prepare(Pitched(1), tmp_path / "out", ALL)
    with pytest.raises(FileExistsError, match="out exists, and does not contain"):
        prepare(Pitched(2), tmp_path / "out", ALL)


@pytest.mark.parametrize(
    ("wave", "error", "complaint"),
    [
        (torch.zeros(2, 16000), TypeError, r"Odd\.read returned \(2, 16000\) torch\.float32 for utterance s00-000"),
        (torch.zeros(16000, dtype=torch.int16), TypeError, r"torch\.int16 .* must return \(W,\) float32"),
        (torch.full((16000,), float("nan")), ValueError, r"nothing of the corpus can be used \(1 not finite\)"),
    ],
)
def test_a_corpus_that_reads_something_else(
    tmp_path: Path, wave: Tensor, error: type[Exception], complaint: str
) -> None:
    class Odd(Tones):
        def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
            return wave

    with pytest.raises(error, match=complaint):
        prepare(Odd(1, 1), tmp_path / "out", ALL)


@pytest.mark.distributed
def test_a_killed_preparation_leaves_no_workers_and_goes_on_where_it_was(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from tests.data.tones import Tones\n"
        "from lightning_vc.data.shards import prepare\n"
        "if __name__ == '__main__':\n"
        f"    prepare(Tones(25, 80), {str(tmp_path / 'shards')!r}, samples_per_shard=4, workers=2)\n"
    )

    def finished() -> dict[Path, int]:
        """Shards that were moved to their place, and when they were written."""
        return {path: path.stat().st_mtime_ns for path in tmp_path.glob("shards.partial/shards/*.tar")}

    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while len(finished()) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=20)  # its output ends when the last process that could write to it has ended
    kept = finished()
    assert len(kept) >= 20
    assert not (tmp_path / "shards").exists()
    records = {path.stem for path in tmp_path.glob("shards.partial/finished/*.json")}
    assert len(records & {path.name for path in kept}) >= 10
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True, timeout=280)
    for path, written in kept.items():
        if path.name in records:
            assert (tmp_path / "shards" / path.name).stat().st_mtime_ns == written
    prepare(Tones(25, 80), tmp_path / "whole", samples_per_shard=4)
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")
    assert {item.name for item in tmp_path.iterdir()} == {"script.py", "shards", "whole"}


@pytest.mark.parametrize("name", ["", "shards", "finished", "shards/index.json", "plan"])
def test_a_begun_preparation_with_links_is_refused(tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".letter.partial").write_text("before")
    link = tmp_path / "shards.partial" / name if name else tmp_path / "shards.partial"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere / "new" if name == "plan" else elsewhere)
    with pytest.raises((ValueError, FileExistsError), match="is a symbolic link"):
        prepare(Tones(2, 2), tmp_path / "shards", ALL, sample_rate=8000)
    assert [file.name for file in elsewhere.iterdir()] == [".letter.partial"]
