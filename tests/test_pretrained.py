from pathlib import Path

import pytest
import torch

from lightning_vc import Cloner, pretrained
from lightning_vc.audio import io
from lightning_vc.files import SUMS
from lightning_vc.pretrained import export, shipped
from lightning_vc.recipes import demo
from lightning_vc.recipes import export as verb
from tests.tiny import TinyRun


@pytest.fixture(scope="module")
def exported(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    verb.main(["--model", str(tiny_run.folder), "--out", str(folder)])
    return folder


def test_an_exported_model_clones_and_speaks_nearly_as_the_run(exported: Path, tiny_run: TinyRun) -> None:
    run, small = Cloner.load(tiny_run.folder), Cloner.load(exported)
    assert small.methods == run.methods
    assert small.tts.max_symbols == run.tts.max_symbols
    assert small.tts.speakers == run.tts.speakers
    wave = tiny_run.samples()[0].wave(16000)
    heard = wave[None, None], torch.tensor([[len(wave)]])
    assert small.encoder is not None
    assert run.encoder is not None
    torch.testing.assert_close(small.encoder(*heard), run.encoder(*heard), rtol=0.05, atol=0.05)
    for (name, one), (_, other) in zip(small.tts.named_parameters(), run.tts.named_parameters(), strict=True):
        assert one.dtype == torch.float32, name
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_half_the_bytes(exported: Path, tiny_run: TinyRun) -> None:
    assert (exported / "tts.safetensors").stat().st_size < 0.5 * tiny_run.tts.stat().st_size


def test_exporting_an_exported_model_gives_the_same_files(exported: Path, tmp_path: Path) -> None:
    files = export(exported, tmp_path)
    assert [file.read_bytes() for file in files] == [(exported / file.name).read_bytes() for file in files]


def test_a_changed_file_is_refused(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_MODELS", tmp_path)
    export(exported, tmp_path / "own")
    assert Cloner.from_pretrained("own").methods == Cloner.load(exported).methods
    file = tmp_path / "own" / "tts.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    for load in (lambda: Cloner.from_pretrained("own"), lambda: Cloner.load(file.parent), lambda: Cloner.load(file)):
        with pytest.raises(ValueError, match=r"tts\.safetensors is damaged .*SHA256SUMS"):
            load()
    (tmp_path / "own" / SUMS).write_text("nothing\n")
    with pytest.raises(ValueError, match=r"SHA256SUMS is damaged"):
        Cloner.load(tmp_path / "own")
    export(exported, tmp_path / "own")
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"tts\.safetensors is missing"):
        Cloner.from_pretrained("own")


def test_an_unknown_model_is_refused_with_those_that_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pretrained, "_MODELS", tmp_path)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / SUMS).touch()
    with pytest.raises(FileNotFoundError, match=r"no model 'bass'.* base"):
        shipped("bass")


def test_a_folder_without_a_model_cannot_be_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        verb.main(["--model", str(tmp_path), "--out", str(tmp_path / "out")])
    assert "no tts/last.ckpt" in capsys.readouterr().err


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tts.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"tts\.safetensors is not a checkpoint"):
        Cloner.load(tmp_path)


def test_the_model_that_comes_with_the_package_speaks(tiny_run: TinyRun, tmp_path: Path) -> None:
    folder = shipped()
    assert sum(file.stat().st_size for file in folder.iterdir()) < 40e6
    cloner = Cloner.from_pretrained()
    clip = tmp_path / "clip.wav"
    io.write(clip, tiny_run.samples()[0].wave(16000), 16000)
    speech = cloner.say("Nobody has ever said this.", cloner.clone([clip]))
    assert speech.problems == ()
    assert 0.8 < len(speech.wave) / speech.sample_rate < 6


def test_the_demo_clones_clips_or_voices_that_it_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo.main(["--out", str(tmp_path), "--text", "Good morning."])
    assert sorted(path.name for path in tmp_path.glob("*.wav")) == ["f000.wav", "m000.wav"]
    clips = sorted(map(str, (tmp_path / "clips" / "f000").iterdir()))
    assert len(clips) == 5
    assert f"in the voice of 5 clips of {tmp_path / 'clips' / 'f000'}\n" in capsys.readouterr().out
    demo.main(["--out", str(tmp_path), "--clips", *clips, "--text", "Good morning."])
    assert (tmp_path / "clone.wav").read_bytes() == (tmp_path / "f000.wav").read_bytes()
    with pytest.raises(SystemExit):
        demo.main(["--out", str(tmp_path), "--clips", "nothing.wav"])
    assert "nothing.wav" in capsys.readouterr().err


def test_options_are_written_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recipe could name what is written by an abbreviation otherwise."""
    with pytest.raises(SystemExit) as end:
        verb.main(["--model", str(tmp_path), "--ou", str(tmp_path / "out")])
    assert end.value.code == 2
    assert "--ou" in capsys.readouterr().err
