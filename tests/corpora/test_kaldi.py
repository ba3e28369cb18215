import pickle
from pathlib import Path

import pytest

from lightning_vc.corpora.kaldi import KaldiCorpus
from lightning_vc.types import Speaker
from tests.corpora.conftest import Write


@pytest.fixture
def root(tmp_path: Path, write_sound: Write, write_text: Write) -> Path:
    """Three utterances of two speakers, one of them by an absolute path."""
    folder = tmp_path / "data"
    elsewhere = write_sound(tmp_path / "elsewhere" / "with space.wav")
    write_sound(folder / "wav" / "a1.flac")
    write_sound(folder / "wav" / "a2.opus")
    write_text(folder / "wav.scp", f"b1 {elsewhere}", "a2 wav/a2.opus", "", "a1 wav/a1.flac")
    write_text(folder / "utt2spk", "a1 anna", "a2 anna", "b1 bert")
    write_text(folder / "text", "a1 IT WAS GOOD FOR ME", "a2 MARK IS GOING", "b1 WE CLIMBED")
    write_text(folder / "spk2gender", "anna f", "bert m")
    write_text(folder / "spk2age", "anna 25")
    return folder


def test_everything_that_a_directory_says(root: Path) -> None:
    corpus = KaldiCorpus(root)
    utterances = list(corpus)
    assert [(u.id, u.text) for u in utterances] == [
        ("a1", "IT WAS GOOD FOR ME"),
        ("a2", "MARK IS GOING"),
        ("b1", "WE CLIMBED"),
    ]
    anna, bert = Speaker("anna", "F", age=25), Speaker("bert", "M")
    assert [u.speaker for u in utterances] == [anna, anna, bert]
    assert all(len(corpus.read(u, 16000)) >= 7800 for u in utterances)


def test_a_text_may_hold_any_character(root: Path, write_text: Write) -> None:
    write_text(root / "text", "\ufeffa1 IT WAS\u2028GOOD\x0b FOR ME", "a2 MARK IS GOING", "b1 WE CLIMBED")
    assert next(iter(KaldiCorpus(root))).text == "IT WAS\u2028GOOD\x0b FOR ME"
    (root / "text").write_bytes("a1 CAFÉ".encode("latin-1"))
    with pytest.raises(ValueError, match=r"text is not UTF-8 .*: convert it"):
        list(KaldiCorpus(root))


def test_only_what_must_be_there(root: Path) -> None:
    for name in ("text", "spk2gender", "spk2age"):
        (root / name).unlink()
    utterances = list(KaldiCorpus(root))
    assert [u.text for u in utterances] == [None, None, None]
    assert utterances[0].speaker == Speaker("anna")


def test_a_pickled_corpus_is_the_same(root: Path) -> None:
    corpus = KaldiCorpus(root)
    assert list(pickle.loads(pickle.dumps(corpus))) == list(corpus)


@pytest.mark.parametrize("name", ["wav.scp", "utt2spk"])
def test_without_a_file_that_must_be_there(root: Path, name: str) -> None:
    (root / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        KaldiCorpus(root)


def test_segments_are_refused(root: Path, write_text: Write) -> None:
    write_text(root / "segments", "a1 a 0.0 1.5")
    with pytest.raises(ValueError, match="segments splits recordings: write each piece into a file"):
        KaldiCorpus(root)


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        (
            "wav.scp",
            ["a1 sph2pipe a1 |", "a2 cat a2 |"],
            r"wav\.scp: utterances a1, a2 are commands \(sph2pipe .*not run",
        ),
        ("wav.scp", ["a1", "a2 wav/a2.opus", "b1"], r"wav\.scp: no value after a1, b1: complete or remove"),
        ("wav.scp", ["a1 wav/a1.flac", "a1 wav/a2.opus"], r"wav\.scp, line 2: 'a1' is a duplicate"),
        ("utt2spk", ["b1 bert"], "utt2spk has no line for utterances a2, a1 of wav.scp"),
        ("utt2spk", ["a1", "a2 anna", "b1"], "utt2spk: no value after a1, b1"),
        ("spk2gender", ["anna female"], "spk2gender: speaker anna is 'female': write f or m"),
        ("spk2age", ["anna young"], "spk2age: speaker anna is 'young'"),
        ("spk2age", ["anna 2500"], "spk2age: speaker anna is '2500'"),
        ("spk2age", ["anna " + 5000 * "9"], "spk2age: speaker anna is '9999"),
    ],
)
def test_inconsistent_files_are_refused(
    root: Path, write_text: Write, name: str, lines: list[str], message: str
) -> None:
    write_text(root / name, *lines)
    with pytest.raises(ValueError, match=message):
        list(KaldiCorpus(root))


def test_utterances_without_a_transcript_are_untranscribed(root: Path, write_text: Write) -> None:
    write_text(root / "text", "a1", "b1 ")  # an id only, no line at all, an id and a blank
    assert [(u.id, u.text) for u in KaldiCorpus(root)] == [("a1", None), ("a2", None), ("b1", None)]
    write_text(root / "text", "a2 MARK IS GOING")
    assert [(u.id, u.text) for u in KaldiCorpus(root)] == [("a1", None), ("a2", "MARK IS GOING"), ("b1", None)]


def test_a_recording_that_is_not_there(root: Path, write_text: Write) -> None:
    write_text(root / "wav.scp", "a1 wav/gone.flac")
    corpus = KaldiCorpus(root)
    with pytest.raises(FileNotFoundError, match="gone"):
        corpus.read(next(iter(corpus)), 16000)


def test_real_learners_of_english(shared_data: Path) -> None:
    corpus = KaldiCorpus(shared_data / "speechocean762")
    utterances = list(corpus)
    assert len({u.id for u in utterances}) == len(utterances) == 2560
    assert len({u.speaker for u in utterances}) == 128
    assert utterances[0].speaker == Speaker("0024", "F", age=25)
    assert utterances[0].text == "IT WAS GOOD FOR ME"
    assert len(corpus.read(utterances[0], 16000)) > 16000
