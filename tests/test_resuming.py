"""A run goes on from a checkpoint of its own kind and shape, and from nothing else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_vc.callbacks import LastCheckpoint
from lightning_vc.checkpoint import write_checkpoint
from lightning_vc.recipes import tts
from lightning_vc.resuming import SafeCheckpointIO
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import TinyRun

Saved = dict[str, Any]


class Batch(NamedTuple):
    values: Tensor
    lengths: Tensor


class Mean(Task):
    """The mean of some numbers, in three parameters."""

    def __init__(self) -> None:
        super().__init__(
            lambda parameters: torch.optim.Adam(parameters, lr=0.1),
            lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 2),
        )
        self.layer = nn.Linear(3, 1)

    def loss(self, batch: Batch) -> Losses:
        return {"loss": (self.layer(batch.values) - batch.values.mean()).square().mean()}


def fit(folder: Path, steps: int, checkpoint: str | None = None) -> None:
    torch.manual_seed(0)
    batches = [Batch(torch.randn(2, 3), torch.full((2,), 3)) for _ in range(4)]
    data: DataLoader[Batch] = DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)  # type: ignore[arg-type]
    callbacks = [
        LastCheckpoint(str(folder), 1),
        ModelCheckpoint(str(folder), "best", "val/loss", save_top_k=1),
        EarlyStopping("val/loss", patience=50),
    ]
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
        val_check_interval=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Mean(), data, data, ckpt_path=checkpoint)


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit(folder, 3)
    return folder / "last.ckpt"


def at(saved: Saved, *path: Any) -> Any:
    """What stands at a place of a checkpoint."""
    found: Any = saved
    for name in path:
        found = found[name]
    return found


OPTIMIZER, SCHEDULER = ("optimizer_states", 0), ("lr_schedulers", 0)
PROGRESS = ("loops", "fit_loop", "epoch_loop.batch_progress")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("task",), "lightning_vc.tasks.tts.TTSTask"),
        (("task",), ["x"]),
        (("pytorch-lightning_version",), "zero"),
        (("epoch",), "1"),
        (("epoch",), -1),
        (("global_step",), None),
        (("loops",), None),
        (("loops",), []),
        (("loops", "fit_loop"), {}),
        (("loops", "fit_loop"), 3),
        ((*PROGRESS, "current"), {"ready": 1}),
        ((*PROGRESS, "current", "ready"), "1"),
        ((*PROGRESS, "current", "ready"), -5),
        ((*PROGRESS, "total", "completed"), 1.5),
        (("loops", "fit_loop", "state_dict"), {"combined_loader": 3}),
        (("loops", "fit_loop", "state_dict"), {"combined_loader": [3]}),
        (("optimizer_states",), {}),
        (("optimizer_states",), []),
        ((*OPTIMIZER,), None),
        ((*OPTIMIZER, "state"), []),
        ((*OPTIMIZER, "state"), {"0": {}}),
        ((*OPTIMIZER, "state"), {7: {}}),
        ((*OPTIMIZER, "state", 0), 3),
        ((*OPTIMIZER, "state", 0, "exp_avg"), torch.ones(1, 4)),
        ((*OPTIMIZER, "state", 0, "exp_avg"), torch.ones(3)),
        ((*OPTIMIZER, "state", 0, "exp_avg"), torch.full((1, 3), torch.nan)),
        ((*OPTIMIZER, "param_groups"), []),
        ((*OPTIMIZER, "param_groups"), 1),
        ((*OPTIMIZER, "param_groups", 0, "params"), [0]),
        ((*OPTIMIZER, "param_groups", 0, "lr"), "fast"),
        ((*OPTIMIZER, "param_groups", 0, "lr"), float("nan")),
        ((*OPTIMIZER, "param_groups", 0, "betas"), [0.9]),
        (("lr_schedulers",), []),
        (("lr_schedulers",), {}),
        ((*SCHEDULER,), {}),
        ((*SCHEDULER, "step_size"), "2"),
        ((*SCHEDULER, "last_epoch"), None),
        ((*SCHEDULER, "_last_lr"), []),
        (("callbacks",), []),
        (("state_dict", "layer.weight"), torch.ones(2, 3)),
        (("state_dict", "layer.bias"), torch.full((1,), torch.nan)),
    ],
)
def test_what_a_run_does_not_go_on_from(last: Path, tmp_path: Path, path: tuple[Any, ...], value: object) -> None:
    saved = read_checkpoint(last)
    at(saved, *path[:-1])[path[-1]] = value
    write_checkpoint(saved, tmp_path / "odd.ckpt")
    with pytest.raises(ValueError, match=r"^\S*odd\.ckpt") as error:
        fit(tmp_path / "out", 5, str(tmp_path / "odd.ckpt"))
    assert "\n" not in str(error.value)
    assert str(path[0]) in str(error.value) or str(path[-1]) in str(error.value)


def test_a_run_does_not_go_on_from_weights_alone(last: Path, tmp_path: Path) -> None:
    saved = read_checkpoint(last)
    write_checkpoint(
        {name: value for name, value in saved.items() if name != "optimizer_states"}, tmp_path / "odd.ckpt"
    )
    with pytest.raises(ValueError, match=r"odd\.ckpt holds weights and no state of training"):
        fit(tmp_path / "out", 5, str(tmp_path / "odd.ckpt"))


def the_best(state: Saved, folder: Path) -> None:
    state["best_k_models"] = {f"{folder}/../victim.ckpt": torch.tensor(9.0)}


def the_worst(state: Saved, folder: Path) -> None:
    state["kth_best_model_path"] = str(folder.parent / "victim.ckpt")


def the_folder(state: Saved, folder: Path) -> None:
    state |= {"dirpath": "/", "best_model_path": f"{folder}/../victim.ckpt"}


@pytest.mark.parametrize("change", [the_best, the_worst, the_folder])
def test_no_checkpoint_makes_a_run_delete_other_files(
    last: Path, tmp_path: Path, change: Callable[[Saved, Path], None]
) -> None:
    saved = read_checkpoint(last)
    (name,) = [name for name in saved["callbacks"] if name.startswith("ModelCheckpoint")]
    saved["callbacks"][name]["dirpath"] = str(tmp_path / "out")
    change(saved["callbacks"][name], tmp_path / "out")
    write_checkpoint(saved, tmp_path / "odd.ckpt")
    (tmp_path / "victim.ckpt").touch()
    with pytest.raises(ValueError, match=r"odd\.ckpt: callbacks.* names the file"):
        fit(tmp_path / "out", 7, str(tmp_path / "odd.ckpt"))
    assert (tmp_path / "victim.ckpt").exists()


def test_only_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    SafeCheckpointIO().remove_checkpoint(tmp_path / "folder")
    assert (tmp_path / "folder" / "inner").is_dir()


def test_a_trainer_without_plugins_goes_on_from_data_only(last: Path, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "ran"), "w")

    torch.save(read_checkpoint(last) | {"more": Attack()}, tmp_path / "attack.ckpt")
    with pytest.raises(ValueError, match=r"attack\.ckpt is refused: it holds more than data"):
        fit(tmp_path / "out", 4, str(tmp_path / "attack.ckpt"))
    assert not (tmp_path / "ran").exists()


def test_a_run_of_the_command_line_goes_on_from_data_only(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "ran"), "w")

    monkeypatch.chdir(tmp_path)
    saved = read_checkpoint(tiny_run.tts)
    torch.save(saved | {"more": Attack()}, "attack.pt")
    write_checkpoint(saved | {"wandb_run": "../../run"}, "named.ckpt")
    write_checkpoint(saved | {"loops": {}}, "odd.ckpt")
    for path, complaint in (
        ("http://localhost:1/x.pt", "http://localhost:1/x.pt is a URL: download the file"),
        ("attack.pt", "attack.pt is refused: it holds more than data"),
        ("registry:x", "no checkpoint at registry:x"),
        ("named.ckpt", "wandb_run of the checkpoint '../../run' is not a plain name"),
        ("odd.ckpt", "odd.ckpt: loops has no fit_loop"),
    ):
        with pytest.raises(SystemExit):
            tts.main([*tiny_run.tts_flags(tmp_path), "--ckpt_path", path])
        message = capsys.readouterr().err
        assert re.search(re.escape(complaint), " ".join(message.split())), message
        assert "Traceback" not in message
    assert not (tmp_path / "ran").exists()


def test_the_command_line_writes_its_checkpoints_beside_their_place(tiny_run: TinyRun, tmp_path: Path) -> None:
    cli = tts.main([*tiny_run.tts_flags(tmp_path), "--trainer.max_steps=1", "--trainer.limit_val_batches=0"])
    assert isinstance(cli.trainer.strategy.checkpoint_io, SafeCheckpointIO)
    assert (tmp_path / "last.ckpt").exists()
