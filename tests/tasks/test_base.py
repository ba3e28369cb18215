import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.checkpoint import fingerprint, load_model, write_checkpoint
from lightning_vc.modules.speaker_encoder import ConvAttentionEncoder, SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import TinyRun


def not_plain(value: Any, name: str = "") -> list[str]:
    """Where something is that is neither a tensor nor a plain value."""
    if isinstance(value, dict):
        return [entry for key, item in value.items() for entry in (*not_plain(key), *not_plain(item, f"{name}.{key}"))]
    if type(value) in (list, tuple):
        return [entry for i, item in enumerate(value) for entry in not_plain(item, f"{name}[{i}]")]
    return [] if value is None or type(value) in (str, int, float, bool, Tensor) else [f"{name}: {type(value)}"]


@pytest.mark.parametrize("kind", ["tts", "encoder"])
def test_a_checkpoint_holds_plain_types_only(tiny_run: TinyRun, kind: str) -> None:
    saved = read_checkpoint(getattr(tiny_run, kind))
    assert not_plain(saved["hyper_parameters"]) == []
    assert type(saved["hyper_parameters"]) is dict
    assert {"state_dict", "optimizer_states", "loops"} <= set(saved)
    assert not_plain({name: saved[name] for name in ("state_dict", "task", "global_step")}) == []


@pytest.mark.parametrize(("kind", "model"), [("tts", TTSModel), ("encoder", ConvAttentionEncoder)])
def test_a_checkpoint_becomes_the_model_that_it_was(tiny_run: TinyRun, kind: str, model: type[nn.Module]) -> None:
    path = getattr(tiny_run, kind)
    loaded, any_model = load_model(path, model), load_model(str(path), nn.Module)
    assert type(loaded) is type(any_model) is model
    assert not loaded.training
    saved = read_checkpoint(path)["state_dict"]
    state = {f"{kind}.{name}": value for name, value in loaded.state_dict().items()}
    assert state.keys() == saved.keys()
    assert all(state[name].equal(value) for name, value in saved.items())


def test_there_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*/no\.ckpt: name one that training left"):
        load_model(tmp_path / "no.ckpt", TTSModel)
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        load_model(tmp_path, TTSModel)


def text(path: Path) -> None:
    path.write_text("hello")


def nothing(path: Path) -> None:
    path.touch()


def tensor(path: Path) -> None:
    torch.save(torch.zeros(3), path)


def weights(path: Path) -> None:
    write_checkpoint({"state_dict": {}}, path)


def pickled_code(path: Path) -> None:
    torch.save({"task": Path("x")}, path)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(100))


@pytest.mark.parametrize("write", [text, nothing, tensor, weights, pickled_code, zeros])
def test_a_file_that_is_no_checkpoint(tmp_path: Path, write: Any) -> None:
    write(tmp_path / "it.ckpt")
    with pytest.raises(ValueError, match=r"it\.ckpt( is not a checkpoint|: models is missing| is refused)"):
        load_model(tmp_path / "it.ckpt", TTSModel)


def test_a_checkpoint_that_was_cut_short(tiny_run: TinyRun, tmp_path: Path) -> None:
    whole = tiny_run.tts.read_bytes()
    (tmp_path / "it.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"it\.ckpt is not a checkpoint of lightning_vc, or it is damaged$"):
        load_model(tmp_path / "it.ckpt", TTSModel)


@pytest.mark.parametrize(
    ("kind", "model", "message"),
    [
        ("encoder", TTSModel, r"last\.ckpt: the model names .*Encoder, where a class derived from TTSModel is needed$"),
        ("tts", SpeakerEncoder, "names .*TTSModel, where a class derived from SpeakerEncoder is needed$"),
        ("tts", NeuralVocoder, "names .*TTSModel, where a class derived from NeuralVocoder is needed$"),
    ],
)
def test_a_checkpoint_of_another_kind(tiny_run: TinyRun, kind: str, model: type[nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_model(getattr(tiny_run, kind), model)


@pytest.mark.parametrize("name", ["my_models.MyModel", "lightning_vc.modules.tts.Gone", "nonsense", ""])
def test_a_checkpoint_of_a_class_that_is_not_found(tiny_run: TinyRun, tmp_path: Path, name: str) -> None:
    saved = read_checkpoint(tiny_run.tts)
    saved["models"]["tts."]["class_path"] = name
    write_checkpoint(saved, tmp_path / "it.ckpt")
    with pytest.raises(ValueError, match=rf"it\.ckpt: the model .*{name.rpartition('.')[2]}"):
        load_model(tmp_path / "it.ckpt", TTSModel)


def without_the_model(saved: dict[str, Any]) -> None:
    del saved["models"]["tts."]["init_args"]["model"]


def of_other_sizes(saved: dict[str, Any]) -> None:
    saved["state_dict"]["tts.table.weight"] = torch.zeros(2, 3)


def of_a_class_that_is_gone(saved: dict[str, Any]) -> None:
    saved["models"]["tts."]["init_args"]["model"]["class_path"] = "my_model.Mine"


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (without_the_model, "model does not make a TTSModel: .*'model'"),
        (of_other_sizes, r"the weight table.weight has the shape \(2, 3\), where \(\d+, 8\) is needed"),
        (of_a_class_that_is_gone, "model.model.class_path names my_model.Mine, .*: .* --trust my_model "),
    ],
)
def test_a_checkpoint_that_cannot_be_built_again(
    tiny_run: TinyRun, tmp_path: Path, damage: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    saved = read_checkpoint(tiny_run.tts)
    damage(saved)
    write_checkpoint(saved, tmp_path / "it.ckpt")
    with pytest.raises(ValueError, match=rf"it\.ckpt: {complaint}") as error:
        load_model(tmp_path / "it.ckpt", TTSModel)
    assert "\n" not in str(error.value)


def test_a_fingerprint_is_of_the_weights(tiny_run: TinyRun, tmp_path: Path) -> None:
    copy = shutil.copy(tiny_run.tts, tmp_path / "copy.ckpt")
    model, again = load_model(tiny_run.tts, TTSModel), load_model(copy, TTSModel)
    first = fingerprint(model)
    assert len(first) == 16
    again.lengths += 1  # counts of texts are no weights
    assert fingerprint(again) == first
    with torch.no_grad():
        again.table.weight[0, 0] += 1e-4
    assert fingerprint(again) != first
    assert fingerprint(load_model(tiny_run.encoder, SpeakerEncoder)) != first


def test_loading_leaves_the_file_as_it_is(tiny_run: TinyRun) -> None:
    before = hashlib.sha256(tiny_run.tts.read_bytes()).hexdigest()
    load_model(tiny_run.tts, TTSModel)
    assert hashlib.sha256(tiny_run.tts.read_bytes()).hexdigest() == before
