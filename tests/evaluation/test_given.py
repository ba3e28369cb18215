"""What an evaluation says of sounds whose scores are known beforehand, given in the place of clones."""

import json
from pathlib import Path

import pytest
import torch

from lightning_vc import Voice
from lightning_vc.audio import io
from lightning_vc.recipes import evaluate, prepare, speaker_recognition
from tests.evaluation.command import evaluate_flags
from tests.evaluation.given import Figures, figures, given
from tests.tiny import TinyRun

SENTENCES = ["The dog slept in the sun.", "Nobody had seen the boat."]


def flags(run: TinyRun, out: Path) -> list[str]:
    return [*evaluate_flags(run, out, SENTENCES), "--methods", "[encoder]", "--clips", "2"]


@pytest.fixture(scope="module")
def said(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Figures:
    folder = tmp_path_factory.mktemp("given")
    told = flags(tiny_run, folder / "out")
    evaluate.main(told)
    evaluate.main([*told, "--given", json.dumps([str(path) for path in given(folder / "out", folder / "other")])])
    return figures(folder / "out")


def test_real_speech_is_no_distance_from_itself(said: Figures) -> None:
    assert said["real", "distortion"] == pytest.approx(0, abs=0.01)
    assert said["real", "pitch_error"] == 0


def test_other_speakers_are_further_away(said: Figures) -> None:
    assert said["shuffled", "distortion"] > 2
    assert said["shuffled", "pitch_error"] > 0.5
    assert said["shuffled", "likeness"] < said["real", "likeness"]


def test_what_is_no_speech_is_furthest(said: Figures) -> None:
    for name in ("silence", "noise"):
        assert said[name, "distortion"] > said["shuffled", "distortion"] + 1
        assert said[name, "likeness"] < said["real", "likeness"]
    assert ("silence", "pitch_error") not in said  # there is no pitch


def test_a_sound_that_is_missing_is_named(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = flags(tiny_run, tmp_path / "out")
    (tmp_path / "mine" / tiny_run.speaker).mkdir(parents=True)
    with pytest.raises(SystemExit):
        evaluate.main([*told, "--given", f"[{tmp_path / 'mine'}]"])
    missing = tmp_path / "mine" / tiny_run.speaker / "01.wav"
    assert f"{missing} is missing, where {tiny_run.speaker} says 'The dog slept in the sun.'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("encoder", "the method encoder"),
        ("real recordings", "our row 'real recordings'"),
        ("the mean voice", "our row 'the mean voice'"),
        ("male voices made female", "our row 'male voices made female'"),
    ],
)
def test_a_system_is_not_named_like_a_row_of_ours(
    tiny_run: TinyRun, tmp_path: Path, name: str, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        evaluate.main([*flags(tiny_run, tmp_path / "out"), "--given", json.dumps([str(tmp_path / name)])])
    assert f"would stand in the tables as {row} does" in capsys.readouterr().err


def test_voices_are_moved_and_everything_goes_to_wandb(tiny_run: TinyRun, tmp_path: Path) -> None:
    speaker_recognition.main(tiny_run.recognition_flags(tmp_path / "trained"))
    told = flags(tiny_run, tmp_path / "out")
    judge = ["--speaker_recognition", str(tmp_path / "trained" / "last.ckpt")]
    evaluate.main([*told, *judge, "--own", "4", "--mixed", "1.0", "--project", "clones"])
    results = json.loads((tmp_path / "out" / "results.json").read_text())["results"]
    sounds = {(each["voice"], each["measure"]): each["sounds"] for each in results}
    female, male = "male voices made female", "female voices made male"
    assert sounds[female, "sex"] + sounds[male, "sex"] == sounds["the model's own speakers", "sex"] == 8
    assert (female, "accuracy") not in sounds
    assert sounds["voices moved to another accent", "accent"] == 8
    assert sounds["the model's own speakers", "accent"] == 8
    assert "Sex" in (tmp_path / "out" / "report.html").read_text()
    manifest = (tmp_path / "out" / "judge.tsv").read_text()
    assert manifest.count("/mixtures/sex/") == 8
    voices = {
        kind: {path.parent.name: Voice.load(path).vector for path in (tmp_path / "out" / kind).rglob("*.safetensors")}
        for kind in ("bounds/learned", "mixtures/sex", "mixtures/accent")
    }
    for kind in ("mixtures/sex", "mixtures/accent"):
        assert voices[kind].keys() == voices["bounds/learned"].keys()
        assert all((voices[kind][id] - own).abs().max() > 1e-3 for id, own in voices["bounds/learned"].items())
    moved = {id: voices["mixtures/sex"][id] - own for id, own in voices["bounds/learned"].items()}
    to_male, to_female = ([way for id, way in moved.items() if id[0] == sex] for sex in "fm")
    for way in to_female:
        torch.testing.assert_close(way, -to_male[0], atol=1e-5, rtol=1e-4)
    (run,) = (tmp_path / "out" / "wandb").glob("offline-run-*")
    kinds = {path.suffix for path in (run / "files" / "media").rglob("*.*")}
    assert kinds == {".png", ".html", ".json", ".wav"}


def test_two_systems_of_one_name_are_not_mixed_up(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = flags(tiny_run, tmp_path / "out")
    for parent in ("a", "b"):
        for entry in tiny_run.index.speakers_of("test"):
            for number in range(1, len(SENTENCES) + 1):
                io.write(tmp_path / parent / "theirs" / entry.id / f"{number:02d}.wav", torch.zeros(1600), 16000)
    with pytest.raises(SystemExit):
        evaluate.main([*told, "--given", f"[{tmp_path / 'a/theirs'},{tmp_path / 'b/theirs'}]"])
    err = capsys.readouterr().err
    assert f"b/theirs would stand in the tables as {tmp_path / 'a/theirs'} does" in err


def test_voices_of_other_speakers_are_not_moved_and_those_of_training_not_cloned(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learnt = tiny_run.index.speakers_of("train")[0].id
    other = f"generated --n_speakers 5 --utterances 4 --test {learnt} --validation 1 --held 0.3 --workers 1"
    prepare.main([*other.split(), "--out", str(tmp_path / "shards")])
    told = [*flags(tiny_run, tmp_path / "out"), "--shards", str(tmp_path / "shards")]
    with pytest.raises(SystemExit):
        evaluate.main([*told, "--mixed", "1.0"])
    assert "mixed needs the shards that" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate.main(told)
    assert f"was trained on {learnt}, who would not be cloned: name others by --speakers" in capsys.readouterr().err
