from pathlib import Path

import pytest
import torch

from lightning_vc import Cloner, Voice
from lightning_vc.audio import io
from lightning_vc.recipes import morph, synthesize
from tests.test_settings import LAUGHS
from tests.tiny import TinyRun


@pytest.fixture(scope="module")
def voices(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of two voices."""
    cloner, folder = Cloner.load(tiny_run.tts), tmp_path_factory.mktemp("voices")
    files = [str(folder / f"{number}.safetensors") for number in range(2)]
    for row, file in zip(cloner.tts.table.weight.detach(), files, strict=False):
        Voice(row.clone(), "none", cloner.tts_fingerprint, 1).save(file)
    return files


def test_a_voice_moves_to_another_group_and_speaks(tiny_run: TinyRun, voices: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "out.safetensors")
    where = ["--model", str(tiny_run.folder), "--shards", str(tiny_run.shards)]
    morph.main([*where, "--voice", voices[0], "--minus", "{sex: M}", "--plus", "{sex: F}", "--save", out])
    assert Voice.load(out).method == "morph"
    output = tmp_path / "said.wav"
    synthesize.main(["--model", str(tiny_run.folder), "--voice", out, "--text", "The dog slept.", "--out", str(output)])
    assert len(io.read(output, 16000)) > 1000


def test_a_mixture_and_an_average(voices: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (Voice.load(file).embedding for file in voices)
    for number, words in enumerate((["--voice", *voices], ["--voice", voices[0], "--toward", voices[1]])):
        out = str(tmp_path / f"out{number}.safetensors")
        morph.main([*words, "--save", out])
        assert capsys.readouterr().out.startswith(f"{out}: voice by ")
        torch.testing.assert_close(Voice.load(out).embedding, (first + second) / 2)


def test_values_of_speaker_attributes_stay_text() -> None:
    attributes = morph.attributes("--plus", "{id: 0017, accent: no, sex: F}")
    assert attributes == {"id": "0017", "accent": "no", "sex": "F"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "nothing to do: give --plus and --minus, --toward, or several --voice"),
        (["--plus", "{sex: F}"], "--plus needs --minus, --model, --shards too"),
        (["--toward", "a", "--minus", "{sex: F}"], "--toward mixes two voices and takes no --minus"),
        (["--toward", "a/nowhere.safetensors"], "no voice at a/nowhere.safetensors"),
        (["--plus", "F", "--minus", "{sex: M}", "--model", "m", "--shards", "s"], "--plus is 'F': write attributes"),
        *(
            (["--plus", "{sex: F}", "--minus", odd, "--model", "m", "--shards", "s"], "write attributes of speakers")
            for odd in ("{a: {b: c}}", "{a: [b]}", "{[a]: b}", "{}", "{a: " * 5000)
        ),
        *((["--plus", odd], "it has the alias") for odd in ("{a: &a {a: *a}}", LAUGHS)),
        *(
            (["--toward", "SELF", f"--amount={odd}"], "amount must be a number from -100 to 100, got ")
            for odd in ("1e300", "-1e300", "101")
        ),
        *((["--toward", "SELF", f"--amount={odd}"], "amount") for odd in ("inf", "-inf", "nan")),
    ],
)
def test_incompatible_options_are_named(
    voices: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    words = [voices[1] if word == "SELF" else word for word in words]
    with pytest.raises(SystemExit):
        morph.main(["--voice", voices[0], "--save", str(tmp_path / "out.safetensors"), *words])
    printed = capsys.readouterr().err
    assert complaint in printed
    assert "Traceback" not in printed
    assert len(printed) < 2000
    assert not (tmp_path / "out.safetensors").exists()
