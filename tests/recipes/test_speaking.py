"""The verbs that clone and speak, called as from the command line."""

import pwd
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch

from lightning_vc import Cloner, Voice
from lightning_vc.audio import io
from lightning_vc.checkpoint import write_checkpoint
from lightning_vc.recipes import clone, synthesize
from lightning_vc.synthesis import LONGEST_TEXT
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import ROOT, TinyRun

TEXT = "The dog slept."


@pytest.fixture(scope="module")
def folder(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips a.wav and b.flac of a new speaker, what they say in transcripts.tsv, and things that are no clip."""
    folder = tmp_path_factory.mktemp("clips")
    samples = tiny_run.samples()[:2]
    for name, sample in zip(("a.wav", "b.flac"), samples, strict=True):
        io.write(folder / name, sample.wave(16000), 16000)
    lines = [f"{name}\t{sample.text}\n" for name, sample in zip(("b.flac", "a.wav"), samples[::-1], strict=True)]
    (folder / "transcripts.tsv").write_text("".join(lines))
    (folder / "a.tsv").write_text(f"a.wav\t{samples[0].text}\n")
    (folder / "symbols.tsv").write_text("a.wav\t***\nb.flac\t###\n")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "nothing.wav", torch.zeros(0).numpy(), 16000)
    io.write(folder / "silent.wav", torch.zeros(16000), 16000)
    io.write(folder / "short.wav", samples[0].wave(16000)[:1600], 16000)
    (folder / "text.txt").write_text("hello")
    return folder


@pytest.fixture(scope="module")
def voice(tiny_run: TinyRun) -> Path:
    """The file of a voice."""
    path = tiny_run.folder.parent / "voice.safetensors"
    cloner = Cloner.load(tiny_run.tts)
    Voice(cloner.tts.table.weight[0].detach(), "none", cloner.tts_fingerprint, 0).save(path)
    return path


def clone_line(run: TinyRun, folder: Path, out: Path, method: str) -> list[str]:
    line = ["--model", str(run.folder), "--clips", str(folder / "a.wav"), str(folder / "b.flac"), "--method", method]
    line += ["--text", TEXT, "--out", str(out / "said.wav"), "--voice", str(out / "voice.safetensors")]
    return line + ([] if method == "encoder" else ["--transcripts", str(folder / "transcripts.tsv"), "--steps", "1"])


@pytest.mark.parametrize("method", ["encoder", "embedding", "whole_model"])
def test_a_clone_speaks_now_and_later(tiny_run: TinyRun, folder: Path, tmp_path: Path, method: str) -> None:
    clone.main(clone_line(tiny_run, folder, tmp_path, method))
    said = io.read(tmp_path / "said.wav", 16000)
    voice = Voice.load(tmp_path / "voice.safetensors")
    assert (voice.method, voice.clips, bool(voice.adapted_parameters)) == (method, 2, method == "whole_model")
    again = ["--model", str(tiny_run.folder), "--voice", str(tmp_path / "voice.safetensors")]
    synthesize.main([*again, "--text", TEXT, "--out", str(tmp_path / "again.wav")])
    assert io.read(tmp_path / "again.wav", 16000).equal(said)


def test_where_speech_is_written_is_told(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--model", str(tiny_run.folder), "--device", "cpu", "--text", f"{TEXT} Yes.", "--out"]
    clips = ["--clips", str(folder / "a.wav"), str(folder / "b.flac")]
    clone.main([*line, str(tmp_path / "a.wav"), *clips, "--voice", str(tmp_path / "ann.safetensors"), "--speed", "0.5"])
    told = capsys.readouterr()
    assert told.err == ""
    voice, speech = told.out.splitlines()
    assert re.fullmatch(rf"{tmp_path}/ann\.safetensors: voice of 2 clips, \d+\.\d s", voice)
    assert re.fullmatch(rf"{tmp_path}/a\.wav: \d+\.\d s of speech in \d+\.\d s, real-time factor \d+\.\d\d", speech)
    assert Voice.load(tmp_path / "ann.safetensors").method == "encoder"
    for more in ([], ["--stream"]):
        synthesize.main([*line, str(tmp_path / "b.wav"), "--voice", str(tmp_path / "ann.safetensors"), *more])
        assert f"{tmp_path}/b.wav: " in capsys.readouterr().out
    assert len(io.read(tmp_path / "a.wav", 16000)) > 1.5 * len(io.read(tmp_path / "b.wav", 16000))


def test_a_training_speaker_speaks(tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloner = Cloner.load(tiny_run.tts)
    name = cloner.speakers[0]
    line = ["--model", str(tiny_run.tts), "--text", TEXT, "--out", str(tmp_path / "a.wav"), "--speaker"]
    synthesize.main([*line, name])
    cloner.say(TEXT, name).save(tmp_path / "b.wav")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    synthesize.main([*line[:-2], str(tmp_path / "c.wav"), "--voice", name])
    assert (tmp_path / "c.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    capsys.readouterr()
    told = refusal(synthesize.main, [*line[:-1], "--voice", f"{name}x"], capsys)
    assert f"nor is it a training speaker: the model has {len(cloner.speakers)}, such as {name}" in told
    assert f"has no speaker 'nobody'; the model has {len(cloner.speakers)}, such as {name}, " in refusal(
        synthesize.main, [*line, "nobody"], capsys
    )
    assert "give either --voice or --speaker" in refusal(synthesize.main, [*line, name, "--voice", "ann"], capsys)
    assert "give either --voice or --speaker" in refusal(synthesize.main, line[:-1], capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--speed", "3"], "speed must be from 0.5 to 2, got 3"),
        (["--device", "tpu"], "device 'tpu' is unknown: choose auto, cpu, cuda or cuda:N"),
    ],
)
def test_speeds_and_devices_that_do_not_exist(
    tiny_run: TinyRun, folder: Path, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: list[str], message: str,
) -> None:  # fmt: skip
    assert message in refusal(clone.main, [*clone_line(tiny_run, folder, tmp_path, "encoder"), *words], capsys)
    line = ["--model", str(tiny_run.tts), "--voice", str(voice), "--text", TEXT, "--out", str(tmp_path / "a.wav")]
    assert message in refusal(synthesize.main, [*line, *words], capsys)
    assert not list(tmp_path.iterdir())


def test_transcripts_can_be_given_in_three_ways(tiny_run: TinyRun, folder: Path, tmp_path: Path) -> None:
    line = clone_line(tiny_run, folder, tmp_path, "embedding")
    clone.main(line)
    texts = [sample.text or "" for sample in tiny_run.samples()[:2]]
    clips = []
    for name, text in zip(("a.wav", "b.flac"), texts, strict=True):
        clips.append(tmp_path / name)
        clips[-1].write_bytes((folder / name).read_bytes())
        clips[-1].with_suffix(".txt").write_text(text)
    at = line.index("--transcripts")
    other = [word for i, word in enumerate(line) if i not in (at, at + 1)]
    other[other.index("--voice") + 1] = str(tmp_path / "other.safetensors")
    for words in ([*other, "--clip_texts", *texts], [*other, "--clips", *map(str, clips)]):
        clone.main(words)
        one, two = (Voice.load(tmp_path / name) for name in ("voice.safetensors", "other.safetensors"))
        torch.testing.assert_close(one.embedding, two.embedding, atol=1e-6, rtol=0)
        (tmp_path / "other.safetensors").unlink()


def test_the_encoder_method_warns_about_unused_transcripts(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = clone_line(tiny_run, folder, tmp_path, "encoder")
    line = line[: line.index("--voice")]
    clone.main(line)
    assert "transcripts" not in capsys.readouterr().err
    for said in (["--clip_texts", "One.", "Two.", "Three."], ["--transcripts", "table.tsv"]):
        clone.main([*line, *said])
        assert "warning: the method encoder needs no transcripts" in capsys.readouterr().err


def test_a_voice_is_saved_under_its_name(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIGHTNING_VC_VOICES", str(tmp_path / "voices"))
    line = [*clone_line(tiny_run, folder, tmp_path, "encoder"), "--voice", "ann", "--consent", "by herself"]
    clone.main(line)
    said = ["--model", str(tiny_run.folder), "--voice", "ann", "--text", TEXT, "--out", str(tmp_path / "again.wav")]
    synthesize.main(said)
    assert io.read(tmp_path / "again.wav", 16000).equal(io.read(tmp_path / "said.wav", 16000))
    assert Voice.load(tmp_path / "voices" / "ann.safetensors").consent == "by herself"
    capsys.readouterr()
    assert "there is a voice 'ann' already" in refusal(clone.main, line, capsys)
    assert "no voice 'bob' in" in refusal(synthesize.main, [*said, "--voice", "bob"], capsys)


def test_a_user_without_a_home_clones_and_speaks(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("LIGHTNING_VC_VOICES", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: {}["nobody"])  # KeyError, as for a number that has no entry
    monkeypatch.chdir(tmp_path)
    clone.main([*clone_line(tiny_run, folder, tmp_path, "embedding"), "--voice", "ann"])
    assert Voice.load(tmp_path / "voices" / "ann.safetensors").clips == 2
    line = ["--model", str(tiny_run.folder), "--voice", "ann", "--text", TEXT, "--out", "again.wav"]
    synthesize.main(line)
    assert io.read("again.wav", 16000).equal(io.read("said.wav", 16000))


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is said, something goes wrong: no symbol is to last at all."""
    monkeypatch.setattr("lightning_vc.metrics._SLOW", -1.0)


def test_a_file_of_lines_becomes_a_folder_of_sounds(
    tiny_run: TinyRun, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stuck: None
) -> None:
    (tmp_path / "lines.txt").write_text(f"{TEXT}\n\nNobody knows the old house.\n")
    line = ["--model", str(tiny_run.tts), "--voice", str(voice)]
    synthesize.main([*line, "--file", str(tmp_path / "lines.txt"), "--out", str(tmp_path / "out")])
    sounds = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in sounds] == ["001.wav", "002.wav"]
    assert len(io.read(sounds[1], 16000)) > len(io.read(sounds[0], 16000)) > 1000
    assert f"warning: {sounds[0]}: attention was stuck" in capsys.readouterr().err.replace("\n", " ")


def test_a_text_that_cannot_be_spoken_is_skipped(
    tiny_run: TinyRun, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [TEXT, "*** 😀", "Say {R QX D}.", "It is {R EH1 D", "x" * (LONGEST_TEXT + 1), "Yes ♥."]
    (tmp_path / "lines.txt").write_text("\n".join(texts))
    line = ["--model", str(tiny_run.tts), "--voice", str(voice), "--file", str(tmp_path / "lines.txt")]
    with pytest.raises(SystemExit) as ended:
        synthesize.main([*line, "--out", str(tmp_path / "out")])
    assert ended.value.code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001.wav", "006.wav"]
    told = [row for row in capsys.readouterr().err.splitlines() if "is left out, there is no" in row]
    reasons = ["nothing to speak", "unknown sound 'QX'", "a { that is unbalanced", "20,001 characters is too long"]
    for number, (row, reason) in enumerate(zip(told, reasons, strict=True), 2):
        assert row.startswith(
            f"warning: {tmp_path / 'lines.txt'}, text {number} is left out, there is no 00{number}.wav"
        )
        assert reason in row


def test_unspoken_characters_cause_one_warning(
    tiny_run: TinyRun, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_text("Yes ♥ да.")
    line = ["--model", str(tiny_run.tts), "--voice", str(voice), "--file", str(tmp_path / "lines.txt")]
    synthesize.main([*line, "--out", str(tmp_path / "out")])
    assert capsys.readouterr().err.count("the text has '♥да', which cannot be spoken and is left out") == 1


@pytest.mark.parametrize("out", ["streamed.wav", "-"])
def test_a_stream_equals_the_whole_speech(
    tiny_run: TinyRun, voice: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], out: str, stuck: None
) -> None:
    line = ["--model", str(tiny_run.tts), "--voice", str(voice), "--text", f"{TEXT} Nobody knows. Yes."]
    synthesize.main([*line, "--out", str(tmp_path / "whole.wav")])
    capfdbinary.readouterr()
    synthesize.main([*line, "--stream", "--out", out if out == "-" else str(tmp_path / out)])
    whole = io.read(tmp_path / "whole.wav", 16000)
    told = capfdbinary.readouterr()
    if out == "-":
        streamed = torch.frombuffer(bytearray(told.out), dtype=torch.int16) / 32768
    else:
        streamed = io.read(tmp_path / out, 16000)
    assert len(streamed) == len(whole)
    assert (streamed - whole).abs().mean() < 1e-3 < whole.abs().mean()  # Griffin-Lim makes more of what rounding leaves
    assert b"warning: attention was stuck: the dog slept." in told.err


# What is refused


def refusal(verb: Callable[[list[str]], None], line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a command ends."""
    with pytest.raises(SystemExit) as end:
        verb(line)
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("method", "clip", "message"),
    [
        ("encoder", "gone.wav", "gone.wav: no such recording"),
        ("embedding", "gone.wav", "gone.wav: no such recording"),
        ("whole_model", "empty.wav", "empty.wav cannot be read as audio"),
        ("encoder", "empty.wav", "empty.wav cannot be read as audio"),
        ("encoder", "nothing.wav", "nothing.wav is empty"),
        ("encoder", "silent.wav", "silent.wav is silent"),
        ("whole_model", "silent.wav", "silent.wav is silent"),
        ("encoder", "short.wav", "short.wav has 0."),
        ("encoder", "text.txt", "text.txt cannot be read as audio"),
        ("encoder", "", "is not a file"),
    ],
)
def test_clips(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, method: str, clip: str, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    line = clone_line(tiny_run, folder, tmp_path, method)
    line[line.index(str(folder / "b.flac"))] = str(folder / clip)
    line = [word if word != str(folder / "transcripts.tsv") else str(tmp_path / "two.txt") for word in line]
    (tmp_path / "two.txt").write_text("One.\nTwo.\n")
    assert message in refusal(clone.main, line, capsys)
    assert not (tmp_path / "said.wav").exists()


@pytest.mark.parametrize(
    ("method", "transcripts", "message"),
    [
        ("embedding", None, "needs a transcript of each clip: 2 clips, 0 transcripts"),
        ("whole_model", None, "needs a transcript of each clip: 2 clips, 0 transcripts"),
        ("embedding", "a.tsv", "has no transcript of"),
        ("embedding", "gone.tsv", "gone.tsv"),
        ("embedding", "empty.wav", "is empty: write one text per line"),
        ("embedding", "symbols.tsv", "'***' has nothing to speak"),
    ],
)
def test_transcripts(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, method: str, transcripts: str | None, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    line = clone_line(tiny_run, folder, tmp_path, method)
    at = line.index("--transcripts")
    line[at : at + 2] = ["--transcripts", str(folder / transcripts)] if transcripts else []
    told = refusal(clone.main, line, capsys)
    assert message in told
    if transcripts == "a.tsv":
        assert "b.flac" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "magic"], "unknown method 'magic': choose one of encoder, embedding"),
        (["--method", "embedding"], "needs a transcript of each clip: 2 clips, 0 transcripts"),
        (["--method", "low_rank", "--clip_texts", "One."], "needs a transcript of each clip: 2 clips, 1 transcripts"),
    ],
)
def test_methods_are_checked_before_a_model_is_loaded(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, words: list[str], message: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Cloner, "load", lambda *_: pytest.fail("a model was loaded"))
    assert message in refusal(clone.main, [*clone_line(tiny_run, folder, tmp_path, "encoder"), *words], capsys)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--text", "*** ###", "'*** ###' has nothing to speak"),
        ("--text", "", "has nothing to speak"),
        ("--model", "ENCODER", "ConvAttentionEncoder, where a class derived from TTSModel is needed"),
        ("--model", "TTS", "has no speaker encoder: load the folder of a run that trained one"),
        ("--model", "TEXT", "text.txt is not a checkpoint of lightning_vc"),
        ("--model", "nowhere", "no checkpoint at nowhere: name one"),
        ("--method", "magic", "unknown method 'magic': choose one of encoder"),
        ("--out", "said.doc", "cannot write audio as '.doc'"),
        ("--out", "CLIP", "a.wav is one of the clips"),
        ("--out", "/proc/nope/said.wav", "/proc/nope/said.wav cannot be written"),
        ("--voice", "/proc/nope/v.safetensors", "/proc/nope/v.safetensors cannot be written"),
        ("--voice", "v1.wav", "'v1.wav' is the name of a sound"),
        ("--voice", "my voice", "'my voice' is no name of a voice"),
        ("--voice", "my/voice", "my/voice is no name of a voice file: let it end in .safetensors"),
    ],
)
def test_invalid_options_of_clone_are_refused(
    tiny_run: TinyRun, folder: Path, tmp_path: Path, option: str, value: str, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names = {"ENCODER": tiny_run.encoder, "TTS": tiny_run.tts, "TEXT": folder / "text.txt", "CLIP": folder / "a.wav"}
    value = str(names.get(value, value))
    line = clone_line(tiny_run, folder, tmp_path, "encoder")
    assert message in refusal(clone.main, [*line, option, value], capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--text", "...", "'...' has nothing to speak"),
        ("--voice", "gone.safetensors", "no voice at gone.safetensors: make one with"),
        ("--voice", "CLIP", "a.wav is not a voice"),
        ("--model", "OTHER", "this voice belongs to model"),
        ("--model", "ENCODER", "ConvAttentionEncoder, where a class derived from TTSModel is needed"),
        ("--file", "lines.txt", "give either --text, which is not empty, or --file"),
        ("--out", "/proc/nope/again.wav", "/proc/nope/again.wav cannot be written"),
        ("--out", "said.doc", "cannot write audio as '.doc'"),
    ],
)
def test_invalid_options_of_synthesize_are_refused(
    tiny_run: TinyRun, folder: Path, voice: Path, tmp_path: Path, option: str, value: str, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    saved = read_checkpoint(tiny_run.tts)
    saved["state_dict"]["tts.table.weight"] += 1
    write_checkpoint(saved, tmp_path / "other.ckpt")
    names = {"OTHER": tmp_path / "other.ckpt", "ENCODER": tiny_run.encoder, "CLIP": folder / "a.wav"}
    line = ["--model", str(tiny_run.tts), "--voice", str(voice)]
    line += ["--text", TEXT, "--out", str(tmp_path / "again.wav")]
    assert message in refusal(synthesize.main, [*line, option, str(names.get(value, value))], capsys)
    assert not (tmp_path / "again.wav").exists()


def test_only_a_text_can_be_streamed(tiny_run: TinyRun, voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--model", str(tiny_run.tts), "--voice", str(voice), "--file", "lines.txt", "--out", "out", "--stream"]
    assert "--stream speaks one --text, not the lines of a --file" in refusal(synthesize.main, line, capsys)


def test_a_refused_command_prints_one_line(tiny_run: TinyRun, folder: Path, tmp_path: Path) -> None:
    line = clone_line(tiny_run, folder, tmp_path, "encoder")
    line[line.index(str(folder / "b.flac"))] = str(folder / "gone.wav")
    command = [sys.executable, "-m", "lightning_vc.recipes.clone", *line]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"error: {folder / 'gone.wav'}: no such recording\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "many"], "many"),
        (["--init", "middle"], "middle"),
        (["--loud"], "loud"),
        (["--clips"], "clips"),
    ],
)
def test_wrong_options_are_reported_in_two_lines(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--clips", "a.wav", "b.wav", "--method", "encoder", "--text", TEXT, "--out", "said.wav"]
    with pytest.raises(SystemExit) as end:
        clone.main([*line, *words])
    assert end.value.code == 2
    usage, *error = capsys.readouterr().err.splitlines()
    assert usage == "usage: lightning-vc clone --help lists the options"
    assert error[0].startswith("error: ")
    assert message in "".join(error)


@pytest.mark.parametrize("verb", ["clone", "synthesize", "voices", "morph", "export", "demo", "run", "recipes"])
def test_options_are_listed_without_torch(verb: str) -> None:
    code = (
        f"import sys; from lightning_vc.recipes import {verb}\n"
        f"try: {verb}.main(['--help'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: lightning-vc {verb} ")
    assert not re.search(r"<class|null|Optional|Literal|ITEM|docs/|\(\)", done.stdout)
