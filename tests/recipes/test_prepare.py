import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_vc.data.index import Index
from lightning_vc.data.reading import read_shards
from lightning_vc.recipes.prepare import ALIASES, main

MY_CORPUS = '''
from pathlib import Path
import torch
from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Speaker, Utterance


class Hums(Corpus):
    """People who hum."""

    def __init__(self, root: Path, subsets: list[str] | None = None, hums: int = 2, seed: int = 0) -> None:
        self.names, self.hums, self.seed = [*(root / "names.txt").read_text().split(), *(subsets or ())], hums, seed

    def __iter__(self):
        for name in self.names:
            for number in range(self.hums):
                yield Utterance(f"{name}-{number}-{self.seed}", Speaker(name), "hum hum")

    def read(self, utterance, sample_rate):
        return 0.5 * torch.sin(torch.arange(sample_rate) * 0.1)
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the project with a corpus class and its data, in which the command is called."""
    (tmp_path / "my_corpus.py").write_text(MY_CORPUS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "names.txt").write_text("ann bob cid")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("my_corpus", None)  # other tests have another


@pytest.mark.usefixtures("outside")
def test_a_corpus_of_ones_own_is_a_class_path_and_its_arguments_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    line = """my_corpus.Hums --root data --out shards --subsets dan,eve --hums 4 --seed 7 --test bob,eve --validation 1
        --held 0.25 --workers 1 --sample_rate 8000 --samples_per_shard 3"""
    main(line.split())
    index = Index.load("shards")
    assert index.sample_rate == 8000
    assert [entry.id for entry in index.speakers_of("test")] == ["bob", "eve"]
    assert len(index.speakers_of("validation")) == 1
    counts = {name: index.samples(name) for name in index.sets}
    assert counts == {"train": 6, "train-held": 2, "validation": 3, "validation-held": 1, "test": 8}
    assert {sample.id[-1] for sample in read_shards(index.files("test"))} == {"7"}  # one seed for everything
    printed = capsys.readouterr().out
    assert "shards" in printed
    assert "validation-held" in printed


@pytest.mark.usefixtures("outside")
def test_one_speaker_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    line = "my_corpus.Hums --root data --out shards --test cid, --validation 0 --workers 1"
    main(line.split())
    assert [entry.id for entry in Index.load("shards").speakers_of("test")] == ["cid"]
    assert "all" in capsys.readouterr().out


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("my_corpus.Hums --root data --out shards --test zoe,", "test speakers zoe are not in the corpus; it has ann"),
        ("my_corpus.Hums --root data --out data", "data exists, and does not contain the shards"),
        ("my_corpus.Hums --root nowhere --out shards", "nowhere/names.txt"),
        ("my_corpus.Hums --out shards", "the following arguments are required: root"),
        ("my_corpus.Hums --root data --out shards --humms 3", "--humms"),
        ("my_corpus.Hums --root data --out shards --hums many", "hums"),
        ("my_corpus.Hums --root data", "the following arguments are required: out"),
        ("my_corpus.Hymns --root data --out shards", "no corpus 'my_corpus.Hymns'"),
        ("pathlib.Path --root data --out shards", "pathlib.Path is not a subclass of lightning_vc.corpora.base.Corpus"),
        ("librispeak --root data --out shards", "give librispeech, vctk, kaldi, generated, several or a class path"),
        ("--out shards", "the following arguments are required: corpus"),
        ("--out shards generated", "the first argument must name the corpus"),
    ],
)
def test_wrong_input_is_refused(arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(arguments.split())
    usage, _, error = capsys.readouterr().err.partition("error: ")
    assert refusal.value.code == (2 if "usage: " in usage else 1)  # for a wrong option, or for what it names
    assert complaint in error
    assert not Path("shards").exists()


@pytest.mark.parametrize("corpus", ALIASES)
def test_help_describes_every_option(corpus: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([corpus, "--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert all(option in printed for option in ("--out", "--test", "--workers", "--held", "--max_seconds"))
    assert ("--n_speakers" in printed) == (corpus == "generated")
    assert not re.search(r"<class|Path\b|null|Optional|\(\)", printed)
    assert not re.search(r"^ +--\w+ \S+\s+\(", printed, re.MULTILINE)  # a type without a text before it


def test_the_generated_corpus_needs_no_root(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    out = tmp_path / "shards"
    main(f"generated --out {out} --n_speakers 4 --utterances 3 --test 1 --validation 1 --workers 1".split())
    index = Index.load(out)
    assert sum(entry.utterances for entry in index.speakers) == 12
    assert index.rejected == {}
    assert {entry.sex for entry in index.speakers} == {"F", "M"}


@pytest.mark.usefixtures("outside")
def test_several_corpora_are_one() -> None:
    hums = "{class_path: my_corpus.Hums, init_args: {root: data, hums: %d}}"
    corpora = f"{{a: {hums % 2}, b: {hums % 3}}}"
    line = "several --out shards --test a-bob, --validation b-ann, --workers 1"
    main([*line.split(), "--corpora", corpora])
    index = Index.load("shards")
    assert {entry.id: entry.utterances for entry in index.speakers} == {
        **dict.fromkeys(["a-ann", "a-bob", "a-cid"], 2),
        **dict.fromkeys(["b-ann", "b-bob", "b-cid"], 3),
    }
    assert [entry.id for entry in index.speakers_of("test")] == ["a-bob"]


def test_librispeech_as_published(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    root = shared_data / "LibriSpeech"
    main(f"librispeech --root {root} --subsets flac-sample --out {out} --test 32, --validation 0 --workers 1".split())
    index = Index.load(out)
    assert [(entry.id, entry.sex) for entry in index.speakers_of("test")] == [("32", "F")]
    assert [entry.id for entry in index.speakers_of("train")] == ["1737"]
    assert index.samples("train", "train-held") == len(list((root / "flac-sample" / "1737").rglob("*.flac")))


@pytest.mark.parametrize("id", ["VICTIM", "..", "../victim"])
def test_a_speaker_of_a_kaldi_directory_is_no_path(tmp_path: Path, id: str, capsys: pytest.CaptureFixture[str]) -> None:
    victim, root, out = tmp_path / "victim", tmp_path / "data", tmp_path / "shards"
    for folder in (victim, root):
        folder.mkdir()
    (victim / "letter.txt").write_text("dear")
    id = id.replace("VICTIM", str(victim))
    (root / "wav.scp").write_text("u1 a.wav\n")
    (root / "utt2spk").write_text(f"u1 {id}\n")
    with pytest.raises(SystemExit) as end:
        main(["kaldi", "--root", str(root), "--out", str(out)])
    assert end.value.code == 1
    assert f"1 ids that cannot be names of files: speaker {id!r:.60}" in capsys.readouterr().err
    assert (victim / "letter.txt").read_text() == "dear"
    assert not out.exists()


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ("--test bob, --validation 1 --held 0.5", "", ""),
        (
            "--test bob, --validation 1",
            "no transcribed utterance is held out, so `tts fit` cannot validate",
            "prepare with a larger --held than 0.05 (speakers with 20 or more utterances have held-out ones)",
        ),
        (
            "--test bob, --validation 0 --held 0.5",
            "there is no validation speaker, so `encoder fit`, `joint fit` and `vocoder fit` cannot validate",
            "prepare with --validation 1 or more, or with ids",
        ),
        (
            "--test 0 --validation 1 --held 0.5",
            "there is no test speaker, so `evaluate` and `adapt` have nobody to clone",
            "prepare with --test 1 or more, or with ids",
        ),
    ],
)
def test_empty_sets_are_told(options: str, said: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(f"my_corpus.Hums --root data --out shards --workers 1 {options}".split())
    printed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert printed == ([f"warning: {said}: {remedy}"] if said else [])


def test_utterances_without_a_transcript_cause_a_warning(outside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (outside / "my_silence.py").write_text(MY_CORPUS.replace('"hum hum"', '"hum hum" if number else None'))
    line = "my_silence.Hums --root data --out shards --workers 1 --test bob, --validation 1 --held 0.5"
    main(line.split())
    assert "warning: 3 samples have no transcript; see " in capsys.readouterr().err
    listed = Path("shards", "untranscribed.txt").read_text().split()
    assert sorted(listed) == ["ann-0-0", "bob-0-0", "cid-0-0"]
