import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from lightning_vc import Voice
from lightning_vc.adapting import METHODS
from lightning_vc.audio import io
from lightning_vc.recipes import classifier, evaluate, verifier
from tests.evaluation.command import SENTENCES, evaluate_flags
from tests.tiny import TinyRun

COSTS = ["costs.json", "scores.json"]
ALL = ["encoder", "embedding", "low_rank", "whole_model"]


@pytest.fixture(scope="module")
def evaluated(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an evaluation in which adaptation takes one step, as it does from then on."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    with pytest.MonkeyPatch.context() as patch:
        for name, method in METHODS.items():
            patch.setitem(METHODS, name, replace(method, steps=1))
        evaluate.main(evaluate_flags(tiny_run, out))
        yield out


@pytest.fixture(scope="module")
def speakers(tiny_run: TinyRun) -> list[str]:
    return [entry.id for entry in tiny_run.index.speakers_of("test")]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_layout_is_what_it_says(evaluated: Path, speakers: list[str]) -> None:
    folders = ["bounds", "clips", "clones", "known", "real", "references"]
    files = [".evaluation", "costs.md", "judge.tsv", "report.html", "results.csv", "results.json", "results.md"]
    assert names(evaluated) == sorted([*folders, *files])
    assert names(evaluated / "clones") == sorted(f"{method}-0{clips}" for method in ALL for clips in (1, 3))
    for speaker in speakers:
        assert names(evaluated / "clips" / speaker) == ["01.wav", "02.wav", "03.wav", "transcripts.tsv"]
        assert names(evaluated / "real" / speaker) == ["01.wav", "02.wav", "03.wav", "04.wav", "transcripts.tsv"]
        assert names(evaluated / "references" / speaker) == ["01.wav", "02.wav"]
        for method in ALL:
            for clips in (1, 3):
                folder = evaluated / "clones" / f"{method}-0{clips}" / speaker
                assert names(folder) == ["01.png", "01.wav", "02.wav", *COSTS, "voice.safetensors"]
                voice = Voice.load(folder / "voice.safetensors")
                assert (voice.method, voice.clips) == (method, clips)
    for sound in evaluated.rglob("*.wav"):
        assert io.read(sound, 16000).abs().max() > 0.01, sound


def test_what_somebody_else_has_put_there_is_not_deleted(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "out" / "clips" / "alice" / "song.wav"
    mine.parent.mkdir(parents=True)
    mine.write_text("a song")
    with pytest.raises(SystemExit):
        evaluate.main(evaluate_flags(tiny_run, tmp_path / "out"))
    assert "of something else: give another folder" in capsys.readouterr().err
    assert mine.read_text() == "a song"
    assert names(tmp_path / "out") == ["clips"]


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
    # Real recordings, their copies and those of the others; clones, the real voices, the learned and the mean ones.
    assert len(lines) == len(speakers) * (3 * 4 + (2 * len(ALL) + 3) * len(SENTENCES))
    seen = set()
    for line in lines:
        sound, real, text = line.split("\t")
        assert Path(sound).is_absolute()
        assert Path(sound).is_file()
        kind, speaker = Path(sound).relative_to(evaluated).parts[:-2], Path(sound).parent.name
        seen.add(kind)
        recordings = [Path(path) for path in real.split(";")]
        assert sound not in real
        copied = kind in (("real",), ("bounds", "copies"))
        learned = kind == ("bounds", "learned")
        assert len(recordings) == (3 if copied else 7 if learned else 4)
        assert all(path.is_absolute() and path.is_file() for path in recordings)
        assert {path.parent for path in recordings} == {evaluated / ("known" if learned else "real") / speaker}
        if copied or kind == ("bounds", "others"):
            (other,) = {*speakers} - {speaker} if kind == ("bounds", "others") else {speaker}
            table = (evaluated / "real" / other / "transcripts.tsv").read_text()
            assert f"{Path(sound).name}\t{text}\n" in table
        else:
            assert text == SENTENCES[int(Path(sound).stem) - 1]
    clones = {("clones", f"{method}-0{clips}") for method in ALL for clips in (1, 3)}
    bounds = {("bounds", kind) for kind in ("copies", "others", "learned", "mean")}
    assert seen == clones | bounds | {("references",), ("real",)}


def test_scores_are_measured(evaluated: Path, speakers: list[str]) -> None:
    for method in ALL:
        for speaker in speakers:
            folder = evaluated / "clones" / f"{method}-03" / speaker
            costs = json.loads((folder / "costs.json").read_text())
            assert costs["cloning_seconds"] > 0
            assert costs["real_time_factor"] > 0
            assert costs["parameters"] == 8 if method in ("encoder", "embedding") else costs["parameters"] > 100
            assert costs["bytes"] == (folder / "voice.safetensors").stat().st_size
            scored = json.loads((folder / "scores.json").read_text())
            sounds = scored["sounds"]
            assert "seed 0" in scored["origin"]  # what they are compared with
            assert len(sounds) == len(SENTENCES)
            for scores in sounds:
                assert "attention_failures" not in scores  # it has none that could fail
                assert scores["distortion"] > 1  # it has hardly been trained
                assert scores.get("pitch_error", 1) > 0  # some of what it says has no pitch at all
                assert -1 <= scores["likeness"] <= 1
    costs = (evaluated / "costs.md").read_text()
    assert costs.index("| encoder | 1 |") < costs.index("The paper's, not ours") < costs.index("| encoder | about 1.5")


def test_bounds_stand_beside_the_clones(evaluated: Path, speakers: list[str]) -> None:
    results = json.loads((evaluated / "results.json").read_text())
    assert results["speakers"] == speakers
    known = {(each["voice"], each["clips"], each["measure"]): each for each in results["results"]}
    copies = known["real recordings through the vocoder", None, "distortion"]
    mean = known["the mean voice", None, "distortion"]
    assert copies["low"] <= copies["value"] <= copies["high"] < mean["low"]
    assert (copies["sounds"], mean["sounds"]) == (8, 4)
    assert known["the model's own speakers", None, "likeness"]["sounds"] == 4
    assert known["encoder", 3, "likeness"]["sounds"] == 4
    assert any("a classifier" in each for each in results["not measured"])
    mine, other = (evaluated / kind / speakers[0] / "01.wav" for kind in ("real", "bounds/others"))
    assert other.read_bytes() != mine.read_bytes()
    assert other.read_bytes() == (evaluated / "real" / speakers[1] / "01.wav").read_bytes()
    means = [(evaluated / "bounds/mean" / speaker / "01.wav").read_bytes() for speaker in speakers]
    assert means[0] == means[1]


def test_two_evaluations_are_the_same(tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = ["--methods", "[encoder,embedding]", "--clips", "1", "--steps", "[1,2]", "--steps_clips", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "embedding", replace(METHODS["embedding"], steps=1))
        first, second = tmp_path / "first" / "out", tmp_path / "second" / "out"
        evaluate.main([*evaluate_flags(tiny_run, first), *flags])
        evaluate.main([*evaluate_flags(tiny_run, second), *flags])
        killed = first / "clones" / "encoder-01" / tiny_run.speaker / "scores.json"
        files = {path.relative_to(first): path.read_bytes() for path in first.rglob("*.*") if path.is_file()}
        killed.write_text(killed.read_text()[:50])  # while it was written
        for kind in ("real", "bounds", "steps"):
            shutil.rmtree(first / kind)
        for name in ("results.json", "report.html"):
            (first / name).unlink()
        evaluate.main([*evaluate_flags(tiny_run, first), *flags])
    # Times, where the folder is, and voices, of which the library writes the header in any order.
    differing = {"costs.json", "costs.md", "judge.tsv", "voice.safetensors"}
    for path, content in files.items():
        if path.name not in differing:
            assert (second / path).read_bytes() == content, path
            assert (first / path).read_bytes() == content, path
    (voice,) = (first / "steps" / "embedding-01" / "1" / tiny_run.speaker).glob("*.safetensors")
    assert Voice.load(voice).vector.equal(
        Voice.load(first / "clones" / "embedding-01" / tiny_run.speaker / voice.name).vector
    )
    results = json.loads((first / "results.json").read_text())["results"]
    assert {each["steps"] for each in results if each["voice"] == "embedding"} == {None, 1, 2}
    assert not any(each["voice"] == "whole_model" for each in results)  # which is none of the methods
    assert "Against steps of adaptation" in (first / "report.html").read_text()


def test_our_own_judges_hear_what_they_have_not_learnt(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier.main(tiny_run.judge_flags("classifier", tmp_path / "classifier"))
    verifier.main(tiny_run.judge_flags("verifier", tmp_path / "verifier"))
    judges = [f"--{name}={tmp_path / name / 'last.ckpt'}" for name in ("classifier", "verifier")]
    evaluate.main([*evaluate_flags(tiny_run, tmp_path / "out"), "--methods", "[encoder]", *judges])
    results = json.loads((tmp_path / "out" / "results.json").read_text())["results"]
    said = {(each["voice"], each["clips"], each["measure"]): each for each in results}
    assert said["encoder", 3, "accuracy"]["sounds"] == 2 * len(SENTENCES)
    assert 0 <= said["encoder", 3, "accuracy"]["value"] <= 1
    assert said["real recordings", None, "accuracy"]["sounds"] < 8  # the classifier has learnt from the others
    assert said["encoder", 1, "eer_1"]["sounds"] == 2 * len(SENTENCES)
    assert said["real recordings", None, "eer_1"]["sounds"] == 6  # one of each speaker's four is enrolled
    assert said["the model's own speakers", None, "min_dcf_1"]["value"] >= 0
    assert ("encoder", 3, "eer_5") not in said  # there are no six recordings
    checkpoint = torch.load(tmp_path / "classifier" / "last.ckpt", weights_only=False)
    del checkpoint["ClassifierDataModule"]
    torch.save(checkpoint, tmp_path / "silent.ckpt")
    silent = ["--methods", "[encoder]", "--classifier", str(tmp_path / "silent.ckpt")]
    with pytest.raises(SystemExit):
        evaluate.main([*evaluate_flags(tiny_run, tmp_path / "out"), *silent])
    assert "does not say what it has learnt from: train it again" in capsys.readouterr().err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Speaker classification" in page
    assert "The space of voices" in page


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
    assert len(pictures) == len(speakers) * (1 + len(ALL)) + 1  # the space of voices
    assert page.headings.count("Naturalness") == 0  # nobody was asked
    assert all(address.startswith("data:audio/mpeg;base64,") and len(address) > 1000 for address in sounds)
    assert all(address.startswith("data:image/png;base64,") and len(address) > 1000 for address in pictures)
    # Three tables, of distortion, pitch error and likeness: heading and methods, then those bounds that it has.
    assert page.rows == 3 + 3 * len(ALL) + 3 + 3 + 2
    assert page.headings.count("whole_model") == len(speakers)
    assert "Is &lt;this&gt; a cat &amp; dog?" in text


def test_what_has_been_cloned_is_not_cloned_again(
    evaluated: Path, tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (evaluated / "clones").rglob("*.*")}

    before, manifest = state(), (evaluated / "judge.tsv").read_bytes()
    broken = evaluated / "clones" / "embedding-01" / tiny_run.speaker
    lost = [broken / "02.wav", evaluated / "clones" / "encoder-01" / tiny_run.speaker / "costs.json"]
    for path in lost:
        path.unlink()
    evaluate.main(evaluate_flags(tiny_run, evaluated))
    after = state()
    again = {path.parent for path in lost}  # where something was lost everything is done again, and nowhere else
    assert {path.parent for path in before if after[path][0] != before[path][0]} == again
    assert after.keys() == before.keys()
    assert after[lost[0]][1] == before[lost[0]][1]
    assert (evaluated / "judge.tsv").read_bytes() == manifest


def test_other_sentences_are_spoken(evaluated: Path, tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = evaluate_flags(tiny_run, tmp_path / "out")
    evaluate.main([*flags, "--methods", "[encoder]"])
    sound = tmp_path / "out" / "clones" / "encoder-03" / tiny_run.speaker / "01.wav"
    first = sound.read_bytes()
    (tmp_path / "sentences.txt").write_text("Another sentence altogether.\n")
    evaluate.main([*flags, "--methods", "[encoder]"])
    assert sound.read_bytes() != first
    assert names(tmp_path / "out" / "clones") == ["encoder-01", "encoder-03"]


def test_sounds_of_other_settings_of_the_vocoder_are_made_again(tiny_run: TinyRun, tmp_path: Path) -> None:
    model = tmp_path / "model"
    for part in ("tts", "encoder"):
        shutil.copytree(tiny_run.folder / part, model / part)
    flags = [*evaluate_flags(tiny_run, tmp_path / "out"), "--methods", "[encoder]", "--model", str(model)]
    sounds = []
    for power in (1.4, 1.1):
        saved = torch.load(tiny_run.tts, weights_only=True)
        saved["hyper_parameters"]["power"] = power
        torch.save(saved, model / "tts" / "last.ckpt")
        evaluate.main(flags)
        sounds.append((tmp_path / "out" / "clones" / "encoder-03" / tiny_run.speaker / "01.wav").read_bytes())
    assert sounds[0] != sounds[1]


def test_some_of_the_speakers_can_be_named(tiny_run: TinyRun, tmp_path: Path, speakers: list[str]) -> None:
    out = tmp_path / "out"
    evaluate.main([*evaluate_flags(tiny_run, out), "--methods", "[encoder]", "--speakers", f"[{speakers[1]}]"])
    assert names(out / "clones" / "encoder-03") == names(out / "real") == [speakers[1]]


def test_real_voices_are_not_always_to_be_had(tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = evaluate_flags(tiny_run, tmp_path / "out")[:-4]
    evaluate.main([*flags, "--methods", "[encoder]", "--model", str(tiny_run.folder)])
    assert not (tmp_path / "out" / "references").exists()
    scores = json.loads((tmp_path / "out" / "clones" / "encoder-03" / tiny_run.speaker / "scores.json").read_text())
    assert "distortion" not in scores["sounds"][0]
    report = (tmp_path / "out" / "report.html").read_text()
    assert "<li>Naturalness (p808) needs an outside judge</li>" in report


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--clips", "7"], "7 transcribed clips: cloning from 7 needs more"),
        (["--clips", "[0,3]"], "clips to clone from must be 1 or more, got [0, 3]"),
        (["--clips", "[3,1,3]"], "clips has 3 more than once: name each once"),
        (["--clips", "[]"], "clips is an empty list: leave the option out"),
        (["--methods", "[encoder,encoder]"], "methods has 'encoder' more than once"),
        (["--methods", "[]"], "methods is an empty list"),
        (["--speakers", "[f000,f000]"], "speakers has 'f000' more than once"),
        (["--speakers", "[]"], "speakers is an empty list"),
        (["--steps", "[2,1,2]"], "steps has 2 more than once"),
        (["--steps", "[1]", "--methods", "[encoder]"], "steps are of methods that adapt, got methods ['encoder']"),
        (["--corpus.seed", "1"], "as the shards were made with, where --corpus.seed is 1"),
        (["--corpus.n_speakers", "2"], "corpus has no speaker m002"),
        (["--seed=-1"], "seed must be 0 or more, got -1"),
        (["--out", "mine;yours"], "no place for a path with ; or a tab"),
        (["--methods", "[joint]"], "method 'joint' needs the folder of a joint fine-tuning"),
        (["--joint", "nowhere"], "no checkpoint at nowhere"),
        (["--metric_sentences", "2"], "metric_sentences 2 needs --objective_metrics true"),
        (["--metric_sentences", "0", "--objective_metrics", "true"], "metric_sentences must be 1 or more, got 0"),
        (["--sentences", "gone.txt"], "gone.txt"),
        (["--steps", "[0]"], "steps and steps_clips must be 1 or more, got [0] and [5]"),
        (["--methods", "[magic]"], "unknown method 'magic'"),
        (["--speakers", "[zoe]"], "'zoe' is no test speaker of"),
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
    assert end.value.code == (2 if "--bogus" in flags else 1)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sentence", "message"), [("The dog\tslept.", "has a tab in 'The dog\\tslept.'"), ("...", "nothing to speak")]
)
def test_what_cannot_be_said(
    tiny_run: TinyRun, tmp_path: Path, sentence: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(evaluate_flags(tiny_run, tmp_path / "out", [*SENTENCES, sentence]))
    assert message in capsys.readouterr().err
    assert not names(tmp_path / "out")


def test_a_joint_model_needs_an_encoder(tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate.main([*evaluate_flags(tiny_run, tmp_path / "out"), "--joint", str(tiny_run.tts)])
    assert "has no speaker encoder: give the folder of a joint fine-tuning" in capsys.readouterr().err
