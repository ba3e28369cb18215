import pwd
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lightning_vc import Voice
from lightning_vc.recipes import voices
from lightning_vc.voice import VoiceLibrary, load_voice, place_for_voice


def test_a_file_that_is_no_voice(tmp_path: Path) -> None:
    path = tmp_path / "voice.safetensors"
    with pytest.raises(FileNotFoundError, match=r"no voice at .*voice\.safetensors: .*`lightning-vc clone`"):
        Voice.load(path)
    path.write_text("hello")
    with pytest.raises(ValueError, match=r"voice\.safetensors is not a voice"):
        Voice.load(path)
    save_file({"embedding": torch.zeros(8)}, path)
    with pytest.raises(
        ValueError, match=r"voice\.safetensors is not a voice of this version of lightning_vc: clone it again"
    ):
        Voice.load(path)
    save_file({"vector": torch.zeros(8)}, path, {"format": "lightning_vc voice 2"})
    with pytest.raises(ValueError, match=r"not a voice of this version of lightning_vc: clone it again"):
        Voice.load(path)


@pytest.mark.parametrize(
    "odd",
    [
        {"clips": "five"},
        {"clips": None},
        {"method": None},
        {"from_the_future": "yes"},
        {"embedding": torch.full((4,), torch.nan)},
        {"embedding": torch.zeros(2, 3)},
    ],
)
def test_a_voice_with_something_odd_is_named(tmp_path: Path, voice: Voice, odd: dict[str, Any]) -> None:
    path = tmp_path / "odd.safetensors"
    tensors = {"embedding": odd.pop("embedding", voice.embedding)}
    about = {"format": "lightning_vc voice 4", **voice.about, **odd}
    save_file(tensors, path, {name: value for name, value in about.items() if value is not None})
    with pytest.raises(ValueError, match=r"odd\.safetensors is not a voice"):
        Voice.load(path)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"consent": "x" * 100_001}, "consent of a voice has 100001 letters"),
        ({"consent": "x" * 5_000_000}, "its header has more than 4000000 bytes"),
        ({"method": "x" * 1000}, "method of a voice has 1000 letters"),
        ({"seconds": "nan"}, "its field seconds is 'nan'"),
        ({"seconds": "-1"}, "its field seconds is '-1'"),
        ({"seconds": "inf"}, "its field seconds is 'inf'"),
        ({"clips": "-3"}, "its field clips is '-3'"),
        ({"clips": "9" * 10_000}, "clips"),
        ({"embedding": "1"}, "its field 'embedding' is unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_texts_of_a_voice_are_checked(tmp_path: Path, voice: Voice, fields: dict[str, str], complaint: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"embedding": voice.embedding}, path, {"format": "lightning_vc voice 4", **voice.about, **fields})
    with pytest.raises(ValueError, match=rf"odd\.safetensors.*{complaint}") as error:
        Voice.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["embedding", "adapted_parameters.a.weight"])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_a_voice_become_single_precision(tmp_path: Path, voice: Voice, name: str, kind: torch.dtype) -> None:
    tensors = {"embedding": voice.embedding, "adapted_parameters.a.weight": voice.adapted_parameters["a.weight"]}
    save_file({**tensors, name: tensors[name].to(kind)}, tmp_path / "v.safetensors", about(voice))
    loaded = Voice.load(tmp_path / "v.safetensors")
    found = loaded.embedding if name == "embedding" else loaded.adapted_parameters["a.weight"]
    assert found.dtype == torch.float32
    assert found.equal(tensors[name])


@pytest.mark.parametrize("name", ["embedding", "adapted_parameters.a.weight"])
@pytest.mark.parametrize(
    "kind", [torch.int8, torch.int64, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2]
)
def test_numbers_of_other_kinds_are_refused(tmp_path: Path, voice: Voice, name: str, kind: torch.dtype) -> None:
    tensors = {"embedding": voice.embedding, "adapted_parameters.a.weight": voice.adapted_parameters["a.weight"]}
    save_file({**tensors, name: tensors[name].to(kind)}, tmp_path / "v.safetensors", about(voice))
    with pytest.raises(ValueError, match=rf"v\.safetensors.*{name}.* has the type {kind}, where float32 is needed"):
        Voice.load(tmp_path / "v.safetensors")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e300])
def test_adapted_parameters_must_be_finite(tmp_path: Path, voice: Voice, value: float) -> None:
    moved = torch.full((2,), value, dtype=torch.float64)
    save_file(
        {"embedding": voice.embedding, "adapted_parameters.a.weight": moved}, tmp_path / "v.safetensors", about(voice)
    )
    with pytest.raises(
        ValueError, match=r"v\.safetensors.*'adapted_parameters\.a\.weight' has numbers that are NaN or infinite"
    ):
        Voice.load(tmp_path / "v.safetensors")


def test_tensors_of_a_voice_have_names(tmp_path: Path, voice: Voice) -> None:
    save_file({"embedding": voice.embedding, "a.weight": torch.ones(1)}, tmp_path / "v.safetensors", about(voice))
    with pytest.raises(ValueError, match=r"its tensor 'a\.weight' is neither the embedding nor an adapted parameter"):
        Voice.load(tmp_path / "v.safetensors")


def about(voice: Voice) -> dict[str, str]:
    return {"format": "lightning_vc voice 4", **voice.about}


def test_a_broken_voice_hides_no_other(tmp_path: Path, voice: Voice, capsys: pytest.CaptureFixture[str]) -> None:
    voice.save(tmp_path / "ann.safetensors")
    voice.save(tmp_path / "my voice.safetensors")
    (tmp_path / "broken.safetensors").write_text("hello")
    (tmp_path / "folder.safetensors").mkdir()
    voices.main(["--library", str(tmp_path), "list"])
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("ann ")
    assert re.match(r"broken +.*broken\.safetensors is not a voice", second)
    assert third.startswith("my voice ")


def test_voices_are_listed_without_torch(tmp_path: Path, voice: Voice) -> None:
    voice.save(tmp_path / "ann.safetensors")
    code = (
        "import sys; from lightning_vc.recipes import voices\n"
        f"voices.main(['--library', {str(tmp_path)!r}, 'list'])\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ann ")


def test_no_voice_is_written_over(tmp_path: Path, voice: Voice) -> None:
    taken = tmp_path / "ann.safetensors"
    voice.save(taken)
    before = taken.read_bytes()
    with pytest.raises(FileExistsError, match=r"ann\.safetensors already: take another name"):
        place_for_voice(str(taken))
    with pytest.raises(SystemExit):
        voices.main(["--library", str(tmp_path), "export", "ann", str(taken)])
    with pytest.raises(ValueError, match=r"let it end in \.safetensors"):
        place_for_voice(f"{tmp_path}/")
    assert taken.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["ann.safetensors"]


@pytest.fixture
def voice() -> Voice:
    moved = {"a.weight": torch.ones(3, 2)}
    return Voice(torch.arange(4.0), "whole_model", "0123", 2, moved, 7.5, consent="für Tests", made="2026-05-01")


def test_a_voice_is_what_was_saved(tmp_path: Path, voice: Voice) -> None:
    voice.save(tmp_path / "a" / "voice.safetensors")
    loaded = Voice.load(tmp_path / "a" / "voice.safetensors")
    assert loaded.embedding.equal(voice.embedding)
    assert loaded.adapted_parameters.keys() == voice.adapted_parameters.keys()
    assert loaded.adapted_parameters["a.weight"].equal(voice.adapted_parameters["a.weight"])
    assert loaded.about == voice.about
    assert (loaded.clips, loaded.seconds, loaded.consent, loaded.made) == (2, 7.5, "für Tests", "2026-05-01")


def test_a_library_of_voices(
    tmp_path: Path, voice: Voice, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTNING_VC_VOICES", str(tmp_path / "home"))
    voices.main(["list"])
    told = capsys.readouterr()
    assert (told.out, told.err.partition(":")[0]) == ("", f"no voices in {tmp_path / 'home'}")
    voice.save(place_for_voice("ann.b-1"))
    voice.save(tmp_path / "file.safetensors")
    voices.main(["import", "bob", str(tmp_path / "file.safetensors")])
    assert capsys.readouterr().out == f"{tmp_path / 'home' / 'bob.safetensors'}: voice bob\n"
    voices.main(["list"])
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()] == [
        ["ann.b-1", "whole_model", "2"],
        ["bob", "whole_model", "2"],
    ]
    voices.main(["show", "bob"])
    shown = capsys.readouterr().out
    for part in ("für Tests", "2026-05-01", "7.5", "0123", "4 of the voice, 6 of the model", str(tmp_path / "home")):
        assert part in shown
    assert {line[:16].rstrip().count(" ") for line in shown.splitlines()} == {0}  # one column of names
    voices.main(["export", "bob", str(tmp_path / "out" / "bob.safetensors")])
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'bob.safetensors'}: voice bob\n"
    assert Voice.load(tmp_path / "out" / "bob.safetensors").about == voice.about
    assert load_voice("bob").about == load_voice(str(tmp_path / "file.safetensors")).about == voice.about
    voices.main(["delete", "bob"])
    assert capsys.readouterr().out == "voice bob is deleted\n"
    assert VoiceLibrary().names() == ["ann.b-1"]
    voices.main(["--library", str(tmp_path / "other"), "list"])
    assert capsys.readouterr().out == ""


def test_a_voice_cannot_forge_lines(tmp_path: Path, voice: Voice, capsys: pytest.CaptureFixture[str]) -> None:
    forged = "ok\nann              encoder       9 clips\x1b[2J\u202e"
    replace(voice, method=forged, consent=forged, made=forged).save(tmp_path / "bob.safetensors")
    voice.save(tmp_path / "c\nd.safetensors")
    voices.main(["--library", str(tmp_path), "list"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(r"bob              ok\nann              encoder       9 clips\x1b[2J\u202e ")
    assert second.startswith(r"c\nd ")
    voices.main(["--library", str(tmp_path), "show", "bob"])
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 10
    assert r"consent         ok\nann              encoder       9 clips\x1b[2J\u202e" in shown
    assert "\x1b" not in shown


def test_a_broken_link_is_not_a_free_name(tmp_path: Path, voice: Voice) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "ann.safetensors").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError, match="there is a voice 'ann' already"):
        VoiceLibrary(tmp_path / "library").free("ann")
    with pytest.raises(FileExistsError, match=r"ann\.safetensors already: take another name"):
        place_for_voice(str(tmp_path / "library" / "ann.safetensors"))


def test_a_user_without_a_home_has_voices_too(
    tmp_path: Path, voice: Voice, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("LIGHTNING_VC_VOICES", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: {}["nobody"])  # KeyError, as for a number that has no entry
    monkeypatch.chdir(tmp_path)
    voices.main(["list"])
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(
        "warning: you have no home folder: voices are kept in ./voices; LIGHTNING_VC_VOICES names another\nno voices in"
    )
    voice.save(place_for_voice("ann"))
    voices.main(["list"])
    assert capsys.readouterr().out.startswith("ann ")
    assert (tmp_path / "voices" / "ann.safetensors").is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["show", "nobody"], "no voice 'nobody' in .*; there are: ann"),
        (["delete", "nobody"], "no voice 'nobody'"),
        (["show", "../ann"], "'../ann' is no name of a voice: take letters"),
        (["import", "ann", "FILE"], "there is a voice 'ann' already: take another name"),
        (["import", "bob", "gone.safetensors"], "no voice at gone.safetensors"),
        (["import", "bob.wav", "FILE"], "'bob.wav' is the name of a sound: take another for a voice"),
        (["--library", "FILE", "list"], "ann.safetensors is no library of voices: name a folder"),
        (["export", "ann", "ann.wav"], "ann.wav is no name of a voice file: let it end in .safetensors"),
    ],
)
def test_the_voices_verb_refuses_invalid_arguments(
    tmp_path: Path, voice: Voice, capsys: pytest.CaptureFixture[str], line: list[str], message: str
) -> None:
    voice.save(tmp_path / "ann.safetensors")
    with pytest.raises(SystemExit):
        voices.main(
            ["--library", str(tmp_path), *(str(tmp_path / "ann.safetensors") if x == "FILE" else x for x in line)]
        )
    assert re.search(message, capsys.readouterr().err.replace("\n", " "))
    assert VoiceLibrary(tmp_path).names() == ["ann"]
