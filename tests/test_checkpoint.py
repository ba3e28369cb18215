"""A model file is data: it runs no code, takes no more memory than its size explains, and is refused in one line."""

import builtins
import functools
import json
import math
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from lightning_vc.checkpoint import fingerprint, fingerprint_of, load_model, write_checkpoint
from lightning_vc.data.cloning import CloningDataModule
from lightning_vc.files import SUMS
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.pretrained import export
from lightning_vc.recipes import tts
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import ROOT, TinyRun

Saved = dict[str, Any]


@pytest.fixture
def saved(tiny_run: TinyRun) -> Saved:
    return read_checkpoint(tiny_run.tts)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, in which Python looks for modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def settings_of(saved: Saved) -> Saved:
    """The settings of the only model of a checkpoint."""
    (config,) = saved["models"].values()
    settings: Saved = config["init_args"]
    return settings


def refusal(saved: Saved, folder: Path, kind: type[nn.Module] = TTSModel) -> str:
    """What is said of a checkpoint; it is one line, and names the file."""
    write_checkpoint(saved, folder / "it.ckpt")
    with pytest.raises(ValueError, match=r"^\S*it\.ckpt") as error:
        load_model(folder / "it.ckpt", kind)
    assert "\n" not in str(error.value)
    return str(error.value)


class Call:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def as_pickle(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def as_zip(value: object, path: Path) -> None:
    torch.save(value, path)


def as_old_file(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("name", ["it.ckpt", "it.pt", "it.safetensors"])
@pytest.mark.parametrize("write", [as_pickle, as_zip, as_old_file])
@pytest.mark.parametrize(
    "call",
    [
        Call(os.system, "touch ran"),
        Call(subprocess.Popen, ["touch", "ran"]),
        Call(eval, "open('ran', 'w')"),
        Call(exec, "open('ran', 'w')"),
        Call(builtins.open, "ran", "w"),
        Call(bytearray, 10**12),
        Call(torch.load, "other.pt"),
    ],
)
def test_no_pickle_runs_anything(here: Path, saved: Saved, call: Call, write: Callable[..., None], name: str) -> None:
    write(saved | {"speakers": call}, here / name)
    with pytest.raises(ValueError, match=rf"^{name} (is refused: it holds more|is not a checkpoint)"):
        load_model(name, TTSModel)
    time.sleep(0.01)
    assert not (here / "ran").exists()


CLASS_PATHS = [
    *("os.system", "subprocess.Popen", "builtins.eval", "torch.nn.Linear", "torch.nn.Module", "pathlib.Path"),
    *("lightning_vc.pretrained.export", "lightning_vc.checkpoint.torch.load", "lightning_vc.modules.layers.nn"),
    *(
        "lightning_vc.modules.layers.weight_norm",
        "lightning_vc.modules.speaker_recognition.ECAPA_TDNN",
        "lightning_vc.os",
    ),
    *("lightning_vc.cli.VoiceCLI", "lightning_vc.tasks.joint.JointTask", "lightning_vc.modules.acoustic.AcousticModel"),
    *("imported_by_accident.Model", "imported_by_accident", "tests.tiny.TinyRun", "..", "a..b", "", " os.system"),
    *("lightning_vc/../os.system", "lightning_vc..os.system", "os", "x" * 10_000, "a." * 5_000 + "b"),
    *([], ["os.system"], {}, {"class_path": "os.system"}, 3, 1.5, None, True),
]


@pytest.mark.parametrize("path", CLASS_PATHS, ids=lambda path: str(path)[:40])
def test_no_class_path_imports_or_builds_anything_else(here: Path, saved: Saved, path: object) -> None:
    (here / "imported_by_accident.py").write_text("open('ran', 'w')\n")
    before = set(sys.modules)
    settings = settings_of(saved)
    nodes = [*saved["models"].values(), settings["model"], settings["frontend"], settings["spectrograms"]]
    nodes += [settings["model"]["init_args"]["encoder"], settings["model"]["init_args"]["converter"]]
    for node in nodes:
        kept, node["class_path"] = node["class_path"], path
        assert "model" in refusal(saved, here)
        node["class_path"] = kept
    assert not (here / "ran").exists()
    assert "imported_by_accident" not in set(sys.modules) - before


@pytest.mark.parametrize("name", ["model", "frontend", "spectrograms"])
@pytest.mark.parametrize("value", ["os.system", "settings.yaml", "/etc/passwd", 3, [], ["os.system"], {"a": 1}, True])
def test_a_part_is_a_class_and_its_settings(here: Path, saved: Saved, name: str, value: object) -> None:
    settings_of(saved)[name] = value
    assert f"model.{name}" in refusal(saved, here)


@pytest.mark.parametrize("value", ["os.system", {"class_path": "os.system"}, {"class_path": "by_accident.Adam"}, [3]])
def test_nothing_of_training_is_looked_at(here: Path, saved: Saved, value: object) -> None:
    (here / "by_accident.py").write_text("open('ran', 'w')\n")
    saved["hyper_parameters"] |= {"optimizer": value, "scheduler": value}
    write_checkpoint(saved, here / "it.ckpt")
    assert load_model("it.ckpt", TTSModel).speakers == settings_of(saved)["speakers"]
    assert not (here / "ran").exists()


def test_the_task_of_a_checkpoint_is_not_imported(
    tiny_run: TinyRun, saved: Saved, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "by_accident.py").write_text("open('ran', 'w')\n")
    write_checkpoint(saved | {"task": "by_accident.Task"}, here / "it.ckpt")
    load_model("it.ckpt", TTSModel)
    with pytest.raises(SystemExit):
        tts.main([*tiny_run.tts_flags(here), "--ckpt_path", "it.ckpt"])
    assert "it.ckpt is a checkpoint of by_accident.Task: " in capsys.readouterr().err
    assert not (here / "ran").exists()


def test_a_class_that_the_program_has_imported_may_be_named(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("my_frontend")
    exec("from lightning_vc.text.frontend import Mixed\nclass Mine(Mixed): pass\n", vars(module))
    settings_of(saved)["frontend"] = {"class_path": "my_frontend.Mine"}
    assert "allow it by --trust my_frontend" in refusal(saved, tmp_path)
    monkeypatch.setitem(sys.modules, "my_frontend", module)
    assert type(load_model(tmp_path / "it.ckpt", TTSModel).frontend).__name__ == "Mine"


@pytest.mark.parametrize(
    "config",
    [
        {"class_path": "torch.nn.Linear", "init_args": {"in_features": 10**6, "out_features": 10**6}},
        {"class_path": "lightning_vc.tasks.adaptation.EmbeddingAdaptationTask", "init_args": {"tts": "other.ckpt"}},
        {"class_path": "lightning_vc.modules.low_rank.LowRank", "init_args": {"weight": [1.0], "rank": 10**9}},
        {"class_path": "lightning_vc.audio.features.Spectrograms", "init_args": {"n_fft": 10**9, "window": 10**9}},
        {"class_path": "lightning_vc.modules.tts.SpeakerTable", "init_args": {"n_speakers": 10**9}},
        {
            "class_path": "lightning_vc.modules.text_encoder.TextEncoder",
            "init_args": {"layers": 10**8, "channels": 10**5},
        },
    ],
    ids=lambda value: value["class_path"].rpartition(".")[2],
)
def test_a_model_of_any_class_takes_no_memory(tiny_run: TinyRun, tmp_path: Path, config: Saved) -> None:
    saved = read_checkpoint(tiny_run.encoder)
    saved["models"] = {"encoder.": config}
    with bounded():
        refusal(saved, tmp_path, nn.Module)


class bounded:
    """Fail where something takes more than 20 seconds of CPU or 400 MB."""

    def __enter__(self) -> None:
        self.since, self.peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def __exit__(self, *error: object) -> None:
        assert time.process_time() - self.since < 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.peak < 400_000


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("model", "speaker_dim", 10**9),
        ("model", "channels", 10**6),
        ("model", "layers", 10**6),
        ("model", "layers", 10**9),
        ("model", "layers", -1),
        ("model", "n_fft", 10**9),
        ("model", "n_fft", 10**6),
        ("model", "max_symbol_frames", 10**9),
        ("model", "n_mels", 10**30),
        ("model", "n_mels", 80.0),
        ("model", "waves", "3"),
        ("model", "waves", 10**3),
        ("model", "dropout", 1.5),
        ("model", "dropout", float("nan")),
        ("model", "made_up", 1),
        ("spectrograms", "n_fft", 10**8),
        ("spectrograms", "n_mels", 10**8),
        ("spectrograms", "n_mels", 0),
        ("spectrograms", "sample_rate", -16000),
        ("spectrograms", "sample_rate", 0),
        ("spectrograms", "hop", 1),
        ("spectrograms", "hop", 8),
        ("spectrograms", "hop", -1),
        ("spectrograms", "preemphasis", float("inf")),
    ],
)
def test_sizes_are_checked_before_anything_is_built(
    saved: Saved, tmp_path: Path, part: str, name: str, value: object
) -> None:
    settings_of(saved)[part]["init_args"][name] = value
    with bounded():
        refusal(saved, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("speakers", 10**7, "model.speakers is 10000000"),
        ("speakers", ["a"] * 500_000, "the weight table.weight has the shape"),
        ("speakers", [1, 2], r"model.speakers[0] is 1"),
        ("post_filter", {"power": float("nan")}, "model.post_filter.power is nan"),
        ("post_filter", {"power": -1.0}, "got power=-1.0"),
        ("post_filter", {"power": 1e300}, "got power=1e+300"),
        ("post_filter", {"contrast": 0}, "contrast=0"),
        ("post_filter", {"denoise": float("inf")}, "model.post_filter.denoise is inf"),
        ("post_filter", {"power": "1.4"}, "model.post_filter.power is '1.4'"),
        ("post_filter", {"power": True}, "model.post_filter.power is True"),
        ("post_filter", [1], "model.post_filter is [1]"),
        ("adapted_post_filter", {"noise": 1.0}, "model.adapted_post_filter.noise is no setting of PostFilter"),
        ("speaker_init_scale", float("-inf"), "model.speaker_init_scale is -inf"),
        ("made_up", 1, "model.made_up is no setting of TTSModel"),
        ("made\nup", 1, r"model has the setting 'made\nup', which is no name"),
        (3, 1, "model has the setting 3, which is no name"),
    ],
)
def test_settings_are_checked(saved: Saved, tmp_path: Path, name: object, value: object, complaint: str) -> None:
    settings_of(saved)[name] = value
    assert complaint in refusal(saved, tmp_path)


@pytest.mark.parametrize("gain", [0, -1.0, float("nan"), float("inf"), 1e30, "2", [1.0]])
def test_the_gain_of_an_encoder_is_checked(tiny_run: TinyRun, tmp_path: Path, gain: object) -> None:
    saved = read_checkpoint(tiny_run.encoder)
    settings_of(saved)["embedding_gain"] = gain
    assert "embedding_gain" in refusal(saved, tmp_path, SpeakerEncoder)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"task": 3}, "task is 3, where str is needed"),
        ({"task": None}, "task is None"),
        ({"hyper_parameters": [1]}, "hyper_parameters is [1], where dict is needed"),
        ({"hyper_parameters": "x"}, "hyper_parameters is 'x'"),
        ({"state_dict": [1]}, "state_dict is [1]"),
        ({"state_dict": {"a": 1}}, "state_dict holds 'a', which is no weight"),
        ({"state_dict": {3: torch.ones(1)}}, "state_dict holds 3, which is no weight"),
        ({"state_dict": {}}, "far more layers than the 0 tensors of the file"),
        ({"pytorch-lightning_version": "newest"}, "pytorch-lightning_version is 'newest'"),
        ({"pytorch-lightning_version": 2.6}, "pytorch-lightning_version is 2.6"),
        ({"pytorch-lightning_version": None}, "pytorch-lightning_version is None"),
        ({"models": [1]}, "models is [1], where dict is needed"),
        ({"models": {"tts.": 3}}, "models holds 'tts.', which is no class and settings"),
        ({"models": {3: {}}}, "models holds 3"),
        ({"pytorch-lightning_version": "2." + "5" * 5_000}, "pytorch-lightning_version is '2.555"),
        ({"pytorch-lightning_version": "1." + "5" * 4_000}, "pytorch-lightning_version is 1.555"),
        ({"speakers": 5}, "speakers is 5, where list is needed"),
        ({"speakers": ["a", 1, None]}, "speakers holds 1, where names are needed"),
        ({"speakers": ["a", [1]]}, "speakers holds [1], where names are needed"),
        ({"models": {str(number): {"class_path": "x"} for number in range(60_000)}}, "the model is 'x'"),
        ({"models": {}}, "it holds no TTSModel"),
        ({"models": {"tts.": {}}}, "the model is None"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fields_of_another_kind(saved: Saved, tmp_path: Path, fields: Saved, complaint: str) -> None:
    message = refusal(saved | fields, tmp_path)
    assert complaint in message
    assert len(message) < 1_000


@pytest.mark.parametrize("name", ["task", "models", "state_dict", "pytorch-lightning_version"])
def test_fields_that_are_missing(saved: Saved, tmp_path: Path, name: str) -> None:
    del saved[name]
    expected = "before its second edition: train it again" if name == "models" else f"{name} is missing"
    assert expected in refusal(saved, tmp_path)


TABLE = "tts.table.weight"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_converted(saved: Saved, tmp_path: Path, kind: torch.dtype) -> None:
    weights = saved["state_dict"]
    weights[TABLE] = weights[TABLE].to(kind)
    write_checkpoint(saved, tmp_path / "it.ckpt")
    model = load_model(tmp_path / "it.ckpt", TTSModel)
    assert model.table.weight.dtype == torch.float32
    assert model.table.weight.detach().equal(weights[TABLE].float())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda value: value.fill_(torch.nan), "has numbers that are NaN or infinite"),
        (lambda value: value.fill_(torch.inf), "has numbers that are NaN or infinite"),
        (lambda value: value.double().fill_(1e300), "has numbers that are NaN or infinite"),
        (lambda value: value.int(), "has the type torch.int32, where torch.float32 is needed"),
        (lambda value: value.to(torch.complex64), "has the type torch.complex64"),
        (lambda value: value > 0, "has the type torch.bool"),
        (lambda value: value[1:], "has the shape"),
        (lambda value: value.T.contiguous(), "has the shape"),
        (lambda value: value.unsqueeze(0), "has the shape"),
        (lambda value: value.sum(), "has the shape ()"),
    ],
)
def test_weights_of_another_kind(
    saved: Saved, tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor], complaint: str
) -> None:
    saved["state_dict"][TABLE] = change(saved["state_dict"][TABLE])
    message = refusal(saved, tmp_path)
    assert complaint in message
    assert TABLE.removeprefix("tts.") in message


def test_weights_that_are_missing_or_too_many(saved: Saved, tmp_path: Path) -> None:
    saved["state_dict"]["tts.table.more"] = torch.ones(1)
    assert "has the weight 'table.more', which its TTSModel does not have" in refusal(saved, tmp_path)
    del saved["state_dict"]["tts.table.more"], saved["state_dict"][TABLE]
    assert "has no weight 'table.weight' of its TTSModel" in refusal(saved, tmp_path)


def test_filters_are_those_of_the_settings(saved: Saved, tmp_path: Path) -> None:
    saved["state_dict"]["tts.spectrograms.stft.window"].zero_()  # no inverse transform would work
    assert "the weight spectrograms.stft.window does not follow from the settings" in refusal(saved, tmp_path)


TENSOR = {"__tensor__": "0 x"}


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, '{"a":' * 100_000, "{}", "[]", "3", "", "null", "1" * 5_000, "\\ud800"),
        '{"a": ' + "[" * 500 + "]" * 500 + "}",
        json.dumps({"state_dict": {"a": {"__tensor__": "gone"}}}),
        json.dumps({"state_dict": {"a": {"__tensor__": ["0 x"]}}}),
        json.dumps({"state_dict": {"a": TENSOR, "b": TENSOR}}),
        json.dumps({"__items__": [1]}),
        json.dumps({"__items__": [[TENSOR, 1]]}),
        json.dumps({"__items__": [[[1], 1]]}),
        json.dumps({"__items__": [[k * (2**61 - 1), 1] for k in range(1, 50_000)]}),  # all of one hash
    ],
    ids=range(17),
)
def test_invalid_checkpoint_contents_are_refused(tmp_path: Path, text: str) -> None:
    save_file({"0 x": torch.ones(1)}, tmp_path / "it.ckpt", {"checkpoint": text})
    with (
        bounded(),
        pytest.raises(ValueError, match=r"it\.ckpt( is| has| nests|: models is missing| was made)") as error,
    ):
        load_model(tmp_path / "it.ckpt", TTSModel)
    assert "\n" not in str(error.value)


def test_a_checkpoint_is_read_as_it_was_saved(saved: Saved, tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    more = {
        "numbers": [0.1, -math.inf, 1e-300, 2**60, True, None, "\ud800 é"],
        "pairs": [[1, 2.0], {3: "three", "4": [], 5: {}}],
        "__tensor__": {"__items__": "names of ours"},
        "tensors": [
            torch.zeros(0),
            torch.tensor(7),
            torch.ones(2, 3).T,
            torch.ones(2).bfloat16(),
            torch.tensor([True]),
        ],
        "shared": [whole, whole, whole[2:4], whole[1:3]],
    }
    write_checkpoint(saved | more, tmp_path / "it.ckpt")
    found = read_checkpoint(tmp_path / "it.ckpt")
    for name in ("numbers", "pairs", "__tensor__"):
        assert found[name] == more[name]
    for name in ("tensors", "shared"):
        for value, expected in zip(found[name], more[name], strict=True):
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
            assert value.equal(expected)


def test_an_object_is_not_saved(saved: Saved, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"checkpoint\.callbacks\.x\[0\] is PosixPath.* a checkpoint holds text, numbers"
    ):
        write_checkpoint(saved | {"callbacks": {"x": [Path("y")]}}, tmp_path / "it.ckpt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({1.5: 1}, "checkpoint.x has the key 1.5: a checkpoint has text and integers below"),
        ({"a": {None: 1}}, "checkpoint.x.a has the key None"),
        ({"a": {2**53: 1}}, "checkpoint.x.a has the key 9007199254740992"),
        ([torch.ones(2, dtype=torch.complex128)], r"checkpoint.x[0] is a tensor of torch.complex128"),
        (torch.eye(2).to_sparse(), "checkpoint.x is a tensor of torch.float32, torch.sparse_coo"),
        ([["a" * 1_000] * 3_999, "a" * 20_000], "header of"),
        (functools.reduce(lambda inner, _: [inner], range(40), 1), "is nested more than 40 deep"),
    ],
    ids=range(7),
)
def test_values_that_cannot_be_read_are_not_saved(tmp_path: Path, value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)) as error:
        write_checkpoint({"x": value}, tmp_path / "it.ckpt")
    assert len(str(error.value)) < 300
    assert list(tmp_path.iterdir()) == []


def test_the_deepest_readable_nesting_can_be_saved(saved: Saved, tmp_path: Path) -> None:
    nested = functools.reduce(lambda inner, _: [inner], range(39), 1)
    write_checkpoint(saved | {"x": nested}, tmp_path / "it.ckpt")
    assert read_checkpoint(tmp_path / "it.ckpt")["x"] == nested


@pytest.mark.parametrize("about", ["[" * 100_000, "{}", "[]", "3", '{"task": NaN}', '{"task": ["os.system"]}', ""])
def test_an_exported_model_with_odd_settings(tmp_path: Path, about: str) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "it.safetensors", {"model": about})
    with pytest.raises(ValueError, match=r"it\.safetensors.*(damaged|model)"):
        load_model(tmp_path / "it.safetensors", TTSModel)


def test_a_model_that_the_first_edition_exported(tmp_path: Path) -> None:
    save_file(
        {"a": torch.ones(1)}, tmp_path / "it.safetensors", {"about": '{"task": "lightning_vc.tasks.tts.TTSTask"}'}
    )
    with pytest.raises(
        ValueError,
        match=r"it\.safetensors is no model of this version .*: train it again, or use it with the code of commit 5",
    ):
        load_model(tmp_path / "it.safetensors", TTSModel)


@pytest.mark.parametrize("header", [bytes(8), b"\xff" * 8, (10**9).to_bytes(8, "little"), b"\x02" + bytes(7) + b"{}"])
def test_an_exported_model_whose_header_lies(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "it.safetensors").write_bytes(header + bytes(100))
    with bounded(), pytest.raises(ValueError, match=r"it\.safetensors"):
        load_model(tmp_path / "it.safetensors", TTSModel)


def test_an_exported_model_names_only_our_classes(tiny_run: TinyRun, here: Path) -> None:
    (here / "by_accident.py").write_text("open('ran', 'w')\n")
    file, *_ = export(tiny_run.folder, here / "out")
    (here / "out" / SUMS).unlink()
    content = file.read_bytes()
    file.write_bytes(content.replace(b"lightning_vc.modules.tts.TTSModel", b"by_accident.Model0123456789ABCDEF"))
    with pytest.raises(ValueError, match=r"the model names by_accident\..* allow it by --trust by_accident"):
        load_model(file, TTSModel)
    assert not (here / "ran").exists()


@pytest.mark.parametrize("url", ["http://localhost:1/x.ckpt", "https://example.org/x.pt", "file:///x", "s3://a/b"])
def test_nothing_is_fetched(url: str) -> None:
    with pytest.raises(ValueError, match="is a URL: download the file"):
        read_checkpoint(url)


def content_of(path: Path) -> Any:
    """What a checkpoint of no task holds."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["checkpoint"])


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
import torch
from lightning_vc.resuming import SafeCheckpointIO

path, io = Path(sys.argv[1]), SafeCheckpointIO()
io.save_checkpoint({"step": 1}, path)

def kill():
    while True:
        if any(file.stat().st_size > 1_000_000 for file in path.parent.iterdir() if file != path):
            os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=kill, daemon=True).start()
io.save_checkpoint({"step": 2, "numbers": [torch.ones(25_000_000) for _ in range(3)]}, path)
"""


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path: Path) -> None:
    path, temporary = tmp_path / "run" / "last.ckpt", tmp_path / "tmp"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert content_of(path) == {"step": 1}
    assert list(temporary.iterdir()) == []
    write_checkpoint({"step": 3}, path)
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint({"step": 1}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match=r"last\.ckpt cannot be written"):
            write_checkpoint({"step": 2, "numbers": torch.ones(10**6)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert content_of(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_more_tensors_do_not_allow_more_layers(tiny_run: TinyRun, tmp_path: Path) -> None:
    saved = read_checkpoint(tiny_run.encoder)
    settings_of(saved)["conv_layers"] = 10**6
    saved["state_dict"] |= {f"encoder.empty{number}": torch.zeros(0) for number in range(20_000)}
    with bounded():
        assert "far more layers" in refusal(saved, tmp_path, SpeakerEncoder)


def test_a_checkpoint_of_an_old_lightning_is_refused(saved: Saved, tmp_path: Path) -> None:
    said = refusal(saved | {"pytorch-lightning_version": "0.9.0", "checkpoint_callback_best_model_path": "x"}, tmp_path)
    assert "pytorch-lightning_version is 0.9.0, and lightning_vc has never written one below 2.0" in said


def test_lightnings_own_loader_runs_no_code_either(tiny_run: TinyRun, here: Path) -> None:
    (here / "by_accident.py").write_text("open('ran', 'w')\n")
    saved = read_checkpoint(tiny_run.encoder)
    hidden = {
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        "augmentation": {"class_path": "by_accident.X"},
    }
    saved["hyper_parameters"] |= hidden
    saved |= {"datamodule_hyper_parameters": hidden | {"shards": "x"}}
    write_checkpoint(saved, here / "it.ckpt")
    with pytest.raises(TypeError, match=r"is loaded by lightning_vc\.checkpoint\.load_model"):
        SpeakerEncoderTask.load_from_checkpoint(here / "it.ckpt")
    with pytest.raises(TypeError, match="CloningDataModule is not loaded from a checkpoint"):
        CloningDataModule.load_from_checkpoint(here / "it.ckpt")
    assert not (here / "ran").exists()
    assert fingerprint(load_model(here / "it.ckpt", SpeakerEncoder))


@pytest.mark.parametrize(("name", "value"), [("prenet_layers", 10**9), ("conv_layers", 10**9), ("heads", 10**9)])
def test_sizes_of_an_encoder_are_bounded(tiny_run: TinyRun, tmp_path: Path, name: str, value: int) -> None:
    saved = read_checkpoint(tiny_run.encoder)
    settings_of(saved)[name] = value
    with bounded():
        assert f"model.{name} is {value}, where a number up to" in refusal(saved, tmp_path, SpeakerEncoder)


@pytest.mark.parametrize("name", ["channels", "spectral"])
def test_sizes_of_discriminators_are_bounded(saved: Saved, tmp_path: Path, name: str) -> None:
    settings = {name: 10**9}
    saved["models"] = {
        "d.": {"class_path": "lightning_vc.modules.discriminators.Discriminators", "init_args": settings}
    }
    with bounded():
        assert f"model.{name} is 1000000000, where a number up to" in refusal(saved, tmp_path, nn.Module)


def test_a_fingerprint_is_of_all_floats() -> None:
    weight = torch.tensor([1.0, 2.0])
    found = {fingerprint_of({"a": weight.to(kind), "b": weight[0].to(kind)})
             for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16)}  # fmt: skip
    assert len(found) == 4
    assert found >= {fingerprint_of({"b": weight[0], "a": weight, "steps": torch.tensor(5)})}
