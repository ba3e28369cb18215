import pickle
from pathlib import Path

import pytest

from lightning_vc.corpora.vctk import VCTK
from lightning_vc.types import Speaker
from tests.corpora.conftest import Write


@pytest.fixture
def new(tmp_path: Path, write_sound: Write, write_text: Write) -> Path:
    """VCTK 0.92 with three speakers: one has no second microphone, one no text, one a name of another kind."""
    write_text(
        tmp_path / "speaker-info.txt",
        "ID  AGE  GENDER  ACCENTS  REGION COMMENTS ",
        "p225  23  F    English    Southern  England",
        "p315  18  M    American    New England (mic2 files unavailable)",
        "s5  20  F  British    ",
    )
    for name, mics in {"p225_001": (1, 2), "p225_002": (1, 2), "p315_001": (1,), "s5_001": (1, 2)}.items():
        for mic in mics:
            path = tmp_path / "wav48_silence_trimmed" / name.split("_")[0] / f"{name}_mic{mic}.flac"
            write_sound(path, sample_rate=48000)
    write_text(tmp_path / "wav48_silence_trimmed" / "log.txt", "a file between the folders")
    write_text(tmp_path / "txt/p225/p225_001.txt", "Please call Stella.")
    write_text(tmp_path / "txt/p225/p225_002.txt", "Ask her to bring these things with her from the store.")
    write_text(tmp_path / "txt/s5/s5_001.txt", "Please call Stella.")
    return tmp_path


@pytest.fixture
def old(tmp_path: Path, write_sound: Write, write_text: Write) -> Path:
    """VCTK 0.80, whose list of speakers has numbers and leaves one out."""
    write_text(
        tmp_path / "speaker-info.txt",
        "ID  AGE  GENDER  ACCENTS  REGION ",
        "225  23  F    English    Southern  England",
        "376  22  M    Indian",
    )
    for name in ("p280_001", "p225_001", "p376_295"):
        write_sound(tmp_path / "wav48" / name.split("_")[0] / f"{name}.wav", sample_rate=48000)
        write_text(tmp_path / "txt" / name.split("_")[0] / f"{name}.txt", "Please call Stella.")
    return tmp_path


def test_version_0_92(new: Path) -> None:
    corpus = VCTK(new)
    utterances = list(corpus)
    assert [(u.id, u.text and u.text[:6]) for u in utterances] == [
        ("p225_001", "Please"),
        ("p225_002", "Ask he"),
        ("p315_001", None),
        ("s5_001", "Please"),
    ]
    assert utterances[0].speaker == Speaker("p225", "F", "English", 23)
    assert utterances[2].speaker == Speaker("p315", "M", "American", 18)
    assert utterances[3].speaker == Speaker("s5", "F", "British", 20)
    assert abs(len(corpus.read(utterances[0], 16000)) - 8000) <= 1


def test_the_second_microphone_of_those_who_have_it(new: Path) -> None:
    utterances = list(VCTK(new, mic=2))
    assert [u.id for u in utterances] == ["p225_001", "p225_002", "s5_001"]
    assert all(u.audio and u.audio.name.endswith("_mic2.flac") for u in utterances)


def test_version_0_80(old: Path) -> None:
    utterances = list(VCTK(old))
    assert [(u.id, u.text) for u in utterances] == [
        ("p225_001", "Please call Stella."),
        ("p280_001", "Please call Stella."),
        ("p376_295", "Please call Stella."),
    ]
    assert [u.speaker for u in utterances] == [
        Speaker("p225", "F", "English", 23),
        Speaker("p280"),
        Speaker("p376", "M", "Indian", 22),
    ]


def test_a_pickled_corpus_is_the_same(new: Path) -> None:
    corpus = VCTK(new, mic=2)
    assert list(pickle.loads(pickle.dumps(corpus))) == list(corpus)


@pytest.mark.parametrize("mic", [0, 3])
def test_a_microphone_that_nobody_used(new: Path, mic: int) -> None:
    with pytest.raises(ValueError, match=f"mic is {mic}: .* has 1 and 2"):
        VCTK(new, mic=mic)


def test_a_second_microphone_of_the_old_version(old: Path) -> None:
    with pytest.raises(ValueError, match=r"mic is 2: .* has 1"):
        VCTK(old, mic=2)


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="neither wav48_silence_trimmed nor wav48"):
        VCTK(tmp_path)


def test_without_the_list_of_speakers(new: Path) -> None:
    (new / "speaker-info.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"speaker-info\.txt is missing"):
        VCTK(new)


def test_a_line_without_a_sex_is_refused(new: Path, write_text: Write) -> None:
    write_text(new / "speaker-info.txt", "ID  AGE  GENDER  ACCENTS  REGION", "p225  23  English  Southern England")
    with pytest.raises(ValueError, match=r"speaker-info\.txt: the line 'p225  23  English.*F or M"):
        VCTK(new)
