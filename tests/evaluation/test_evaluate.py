import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lightning_vc import Voice
from lightning_vc.adapting import METHODS
from lightning_vc.audio import io
from lightning_vc.recipes import evaluate
from tests.tiny import TinyRun

SENTENCES = ["The dog slept.", "Is <this> a cat & dog?"]
ALL = ["encoder", "embedding", "low_rank", "whole_model"]


def evaluate_flags(run: TinyRun, out: Path) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    sentences = out.parent / "sentences.txt"
    sentences.write_text("\n".join(SENTENCES))
    flags = f"--model {run.folder} --shards {run.shards} --sentences {sentences} --out {out} --clips 3"
    return [*flags.split(), "--corpus.n_speakers", "8", "--corpus.utterances", "7"]


@pytest.fixture(scope="module")
def evaluated(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluation in which adaptation takes one step."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    with pytest.MonkeyPatch.context() as patch:
        for name, method in METHODS.items():
            patch.setitem(METHODS, name, replace(method, steps=1))
        evaluate.main(evaluate_flags(tiny_run, out))
    return out


@pytest.fixture(scope="module")
def speakers(tiny_run: TinyRun) -> list[str]:
    return [entry.id for entry in tiny_run.index.speakers_of("test")]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_layout_is_what_it_says(evaluated: Path, speakers: list[str]) -> None:
    assert names(evaluated) == ["clips", "clones", "judge.tsv", "real", "references", "report.html"]
    assert names(evaluated / "clones") == sorted(ALL)
    for speaker in speakers:
        assert names(evaluated / "clips" / speaker) == ["01.wav", "02.wav", "03.wav", "transcripts.tsv"]
        assert names(evaluated / "real" / speaker) == ["01.wav", "02.wav", "03.wav", "04.wav"]
        assert names(evaluated / "references" / speaker) == ["01.wav", "02.wav"]
        for method in ALL:
            folder = evaluated / "clones" / method / speaker
            assert names(folder) == ["01.png", "01.wav", "02.wav", "scores.json", "voice.safetensors"]
            assert Voice.load(folder / "voice.safetensors").method == method
    for sound in evaluated.rglob("*.wav"):
        assert io.read(sound, 16000).abs().max() > 0.01, sound


def test_clips_and_other_recordings_are_different_ones_with_their_words(
    evaluated: Path, speakers: list[str], tiny_run: TinyRun
) -> None:
    said = {sample.id: sample for sample in tiny_run.samples()}
    speaker = speakers[0]
    waves = [io.read(evaluated / kind / speaker / f"0{n}.wav", 16000) for kind in ("clips", "real") for n in (1, 2, 3)]
    known = {len(sample.wave(16000)): sample.text for sample in said.values()}
    assert len({len(wave) for wave in waves} & known.keys()) == 6
    table = (evaluated / "clips" / speaker / "transcripts.tsv").read_text().splitlines()
    assert table == [f"0{n}.wav\t{known[len(waves[n - 1])]}" for n in (1, 2, 3)]


def test_the_judges_manifest_names_clone_recordings_and_text(evaluated: Path, speakers: list[str]) -> None:
    lines = (evaluated / "judge.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == (len(ALL) + 1) * len(speakers) * len(SENTENCES)  # and the real voices
    seen = set()
    for line in lines:
        sound, real, text = line.split("\t")
        assert Path(sound).is_absolute()
        assert Path(sound).is_file()
        assert text == SENTENCES[int(Path(sound).stem) - 1]
        recordings = [Path(path) for path in real.split(";")]
        assert len(recordings) == 4
        assert all(path.is_absolute() and path.is_file() for path in recordings)
        assert {path.parent for path in recordings} == {evaluated / "real" / Path(sound).parent.name}
        seen.add(Path(sound).relative_to(evaluated).parts[:-2])
    assert seen == {("clones", method) for method in ALL} | {("references",)}


def test_scores_are_measured(evaluated: Path, speakers: list[str]) -> None:
    for method in ALL:
        for speaker in speakers:
            scores = json.loads((evaluated / "clones" / method / speaker / "scores.json").read_text())
            assert (scores["method"], scores["speaker"]) == (method, speaker)
            assert scores["cloning_seconds"] > 0
            assert scores["real_time_factor"] > 0
            assert 0 <= scores["finished"] <= 1
            assert 0 < scores["focus"] <= 1
            assert 0 < scores["coverage"] <= 1
            assert scores["distortion"] > 1  # it has hardly been trained
            assert -1 <= scores["likeness"] <= 1


class Page(HTMLParser):
    """What a page loads, and how its elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[tuple[str, str]] = []
        self.headings: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [(tag, value or "") for name, value in attrs if name in ("src", "href", "data", "poster")]
        self.rows += tag == "tr"

    def handle_data(self, data: str) -> None:
        if self.get_starttag_text() in ("<h2>", "<h3>"):
            self.headings.append(data.strip())


def test_the_report_needs_nothing_else(evaluated: Path, speakers: list[str]) -> None:
    text = (evaluated / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|<script|<link|@import", text)
    page = Page()
    page.feed(text)
    assert all(address.startswith("data:") for _, address in page.loaded)
    sounds = [address for tag, address in page.loaded if tag == "audio"]
    pictures = [address for tag, address in page.loaded if tag == "img"]
    assert len(sounds) == len(speakers) * (3 + len(SENTENCES) + len(ALL) * len(SENTENCES))
    assert len(pictures) == len(speakers) * (1 + len(ALL))
    assert all(address.startswith("data:audio/mpeg;base64,") and len(address) > 1000 for address in sounds)
    assert all(address.startswith("data:image/png;base64,") and len(address) > 1000 for address in pictures)
    assert page.rows == 1 + len(ALL)
    assert page.headings.count("whole_model") == len(speakers)
    assert "Is &lt;this&gt; a cat &amp; dog?" in text


def test_what_has_been_cloned_is_not_cloned_again(
    evaluated: Path, tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (evaluated / "clones").rglob("*.*")}

    before, manifest = state(), (evaluated / "judge.tsv").read_bytes()
    evaluate.main(evaluate_flags(tiny_run, evaluated))
    assert state() == before
    assert (evaluated / "judge.tsv").read_bytes() == manifest


def test_other_sentences_are_spoken(evaluated: Path, tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = evaluate_flags(tiny_run, tmp_path / "out")
    evaluate.main([*flags, "--methods", "[encoder]"])
    sound = tmp_path / "out" / "clones" / "encoder" / tiny_run.speaker / "01.wav"
    first = sound.read_bytes()
    (tmp_path / "sentences.txt").write_text("Another sentence altogether.\n")
    evaluate.main([*flags, "--methods", "[encoder]"])
    assert sound.read_bytes() != first
    assert names(tmp_path / "out" / "clones") == ["encoder"]


def test_real_voices_are_not_always_to_be_had(tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = evaluate_flags(tiny_run, tmp_path / "out")[:-4]
    evaluate.main([*flags, "--methods", "[encoder]", "--model", str(tiny_run.folder)])
    assert not (tmp_path / "out" / "references").exists()
    scores = json.loads((tmp_path / "out" / "clones" / "encoder" / tiny_run.speaker / "scores.json").read_text())
    assert scores["distortion"] is None
    assert "not measured" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--clips", "7"], "7 transcribed clips: cloning from 7 needs more"),
        (["--sentences", "gone.txt"], "gone.txt"),
        (["--methods", "[magic]"], "unknown method 'magic'"),
        (["--model", "nowhere"], "no checkpoint at nowhere"),
        (["--shards", "nowhere"], "no shards here"),
        (["--bogus", "1"], "bogus"),
    ],
)
def test_what_cannot_be_evaluated(
    tiny_run: TinyRun, tmp_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        evaluate.main([*evaluate_flags(tiny_run, tmp_path / "out"), *flags])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
