import pickle
from pathlib import Path

import pytest
import torch

from lightning_vc.corpora.librispeech import LibriSpeech
from lightning_vc.types import Speaker
from tests.corpora.conftest import Write


@pytest.fixture
def root(tmp_path: Path, write_sound: Write, write_text: Write) -> Path:
    """Two subsets: one as published, and one of single clips without text, of which one is in the first too."""
    write_text(
        tmp_path / "SPEAKERS.TXT",
        ";ID  |SEX| SUBSET           |MINUTES| NAME",
        "19   | F | train-clean-100  | 25.19 | Kara Shallenberg",
        "26   | M | train-clean-100  | 25.08 | Denny Sayers",
        "118  | M | train-clean-100  | 25.20 | Alex | Buie",
    )
    for subset, names in {
        "train-clean-5": ("19-198-0001.flac", "19-198-0000.flac", "26-495-0000.flac"),
        "one-clip-each": ("26-495-0000.opus", "118-47824-0000.opus"),
    }.items():
        for name in names:
            reader, chapter, _ = name.split("-")
            write_sound(tmp_path / subset / reader / chapter / name)
    write_text(
        tmp_path / "train-clean-5/19/198/19-198.trans.txt",
        "19-198-0000 NORTHANGER ABBEY",
        "19-198-0001 THIS LITTLE WORK",
    )
    write_text(tmp_path / "train-clean-5/26/495/26-495.trans.txt", "26-495-0000 THE TEMPER")
    (tmp_path / "notes" / "old").mkdir(parents=True)  # a folder without readers is no subset
    return tmp_path


def test_a_subset_as_published(root: Path) -> None:
    utterances = list(LibriSpeech(root, ["train-clean-5"]))
    assert [u.id for u in utterances] == ["19-198-0000", "19-198-0001", "26-495-0000"]
    assert [u.text for u in utterances] == ["NORTHANGER ABBEY", "THIS LITTLE WORK", "THE TEMPER"]
    assert [u.speaker for u in utterances] == [Speaker("19", "F"), Speaker("19", "F"), Speaker("26", "M")]


def test_a_subset_without_transcripts_has_no_text(root: Path) -> None:
    utterances = list(LibriSpeech(root, ["one-clip-each"]))
    assert [(u.id, u.text) for u in utterances] == [("118-47824-0000", None), ("26-495-0000", None)]


def test_an_utterance_of_two_subsets_is_yielded_once_with_its_text(root: Path) -> None:
    for subsets in (None, ["train-clean-5", "one-clip-each"], ["one-clip-each", "train-clean-5"]):
        utterances = {u.id: u for u in LibriSpeech(root, subsets)}
        assert list(utterances) == ["118-47824-0000", "19-198-0000", "19-198-0001", "26-495-0000"]
        assert utterances["26-495-0000"].text == "THE TEMPER"
        assert utterances["26-495-0000"].audio == root / "train-clean-5/26/495/26-495-0000.flac"


@pytest.mark.parametrize("subset", ["train-clean-5", "one-clip-each"])
def test_flac_and_opus_are_read_at_any_rate(root: Path, subset: str) -> None:
    corpus = LibriSpeech(root, [subset])
    for rate in (16000, 8000):
        wave = corpus.read(next(iter(corpus)), rate)
        assert wave.dtype == torch.float32
        assert abs(len(wave) - rate // 2) <= 0.02 * rate
        assert 0.2 < wave.abs().max() < 0.4


def test_a_pickled_corpus_is_the_same(root: Path) -> None:
    corpus = LibriSpeech(root)
    assert list(pickle.loads(pickle.dumps(corpus))) == list(corpus)


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder.*SPEAKERS\.TXT"):
        LibriSpeech(tmp_path / "nowhere")


def test_a_root_without_subsets(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no subset in .*notes"):
        LibriSpeech(root / "notes")


def test_an_unknown_subset(root: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no subset train-clean-6 in .*choose from one-clip-each, train-clean-5"
    ):
        LibriSpeech(root, ["train-clean-5", "train-clean-6"])


def test_without_the_list_of_speakers(root: Path) -> None:
    (root / "SPEAKERS.TXT").unlink()
    with pytest.raises(FileNotFoundError, match=r"SPEAKERS\.TXT is missing"):
        LibriSpeech(root)


def test_a_reader_who_is_not_in_the_list(root: Path, write_sound: Write) -> None:
    write_sound(root / "train-clean-5/777/1/777-1-0000.flac")
    write_sound(root / "one-clip-each/778/1/778-1-0000.flac")
    with pytest.raises(ValueError, match=r"readers 777, 778 have no line in .*SPEAKERS\.TXT"):
        list(LibriSpeech(root))


def test_a_recording_whose_line_is_missing_is_untranscribed(root: Path, write_sound: Write) -> None:
    write_sound(root / "train-clean-5/19/198/19-198-0002.flac")
    texts = {u.id: u.text for u in LibriSpeech(root)}
    assert texts["19-198-0001"] == "THIS LITTLE WORK"
    assert texts["19-198-0002"] is None


def test_real_readers(shared_data: Path) -> None:
    corpus = LibriSpeech(shared_data / "LibriSpeech")
    utterances = list(corpus)
    assert len({u.id for u in utterances}) == len(utterances)
    assert len({u.speaker.id for u in utterances}) == 245
    assert {u.speaker.sex for u in utterances} == {"F", "M"}
    assert {u.speaker.id for u in utterances} - {u.speaker.id for u in utterances if u.text} == {"103"}
    assert {u.audio.suffix for u in utterances if u.audio} == {".flac", ".opus"}
    reader = next(u for u in utterances if u.id == "32-21625-0000")
    assert reader.speaker == Speaker("32", "F")
    assert len(corpus.read(reader, 16000)) > 16000


def test_real_readers_of_one_clip_each(shared_data: Path) -> None:
    utterances = list(LibriSpeech(shared_data / "LibriSpeech", ["one-clip-each"]))
    assert len(utterances) == 245
    assert [u.speaker.id for u in utterances if u.text is None] == ["103"]
