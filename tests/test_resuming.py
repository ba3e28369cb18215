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
    result: Any = saved
    for name in path:
        result = result[name]
    return result


OPTIMIZER, SCHEDULER = ("optimizer_states", 0), ("lr_schedulers", 0)
PROGRESS = ("loops", "fit_loop", "epoch_loop.batch_progress")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("task",), "lightning_vc.tasks.tts.TTSTask"),
        (("task",), ["x"]),
        (("task",), "task" * 900_000),
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
        *(
            ((*OPTIMIZER, "state", 0, "exp_avg"), value)
            for value in (
                *("text", [1.0], None, 1.0, torch.ones(1, 1), torch.tensor(1.0), torch.ones(0)),
                *(torch.ones(1, 3, dtype=torch.complex64), torch.ones(1, 3, dtype=torch.bool)),
            )
        ),
        *(((*OPTIMIZER, "state", 0, "step"), value) for value in ([1], torch.tensor(-1.0), torch.ones(1, 3), "1")),
        ((*OPTIMIZER, "state", 0), {}),
        ((*OPTIMIZER, "state", 0, "more"), torch.ones(1, 3)),
        ((*OPTIMIZER, "state"), {}),
        ((*OPTIMIZER, "param_groups", 0, "betas"), [5, 7]),
        *(((*OPTIMIZER, "param_groups", 0, name), True) for name in ("amsgrad", "maximize", "capturable", "fused")),
        ((*OPTIMIZER, "param_groups", 0, "foreach"), "text"),
        ((*OPTIMIZER, "param_groups", 0, "more"), 1),
        ((*SCHEDULER, "step"), "x"),
        ((*SCHEDULER, "get_lr"), 5),
        ((*SCHEDULER, "optimizer"), 5),
        ((*PROGRESS, "current", "ready"), 10**30),
        (("loops", "fit_loop", "epoch_loop.state_dict", "_batches_that_stepped"), "x"),
        (("callbacks", "EarlyStopping{'monitor': 'val/loss', 'mode': 'min'}", "best_score"), "x"),
        (("callbacks", "EarlyStopping{'monitor': 'val/loss', 'mode': 'min'}", "best_score"), torch.ones(2)),
        (("state_dict", "layer.weight"), torch.ones(2, 3)),
        (("state_dict", "layer.bias"), torch.full((1,), torch.nan)),
    ],
)
def test_an_invalid_training_state_is_refused(last: Path, tmp_path: Path, path: tuple[Any, ...], value: object) -> None:
    saved = read_checkpoint(last)
    at(saved, *path[:-1])[path[-1]] = value
    write_checkpoint(saved, tmp_path / "odd.ckpt")
    with pytest.raises(ValueError, match=r"^\S*odd\.ckpt") as error:
        fit(tmp_path / "out", 5, str(tmp_path / "odd.ckpt"))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1_000
    assert str(path[0]) in str(error.value) or str(path[-1]) in str(error.value)


def test_a_run_is_not_resumed_from_weights_only(last: Path, tmp_path: Path) -> None:
    saved = read_checkpoint(last)
    write_checkpoint(
        {name: value for name, value in saved.items() if name != "optimizer_states"}, tmp_path / "odd.ckpt"
    )
    with pytest.raises(ValueError, match=r"odd\.ckpt has weights but no training state"):
        fit(tmp_path / "out", 5, str(tmp_path / "odd.ckpt"))


HOSTILE_STATES: list[Callable[[Path], Saved]] = [
    lambda folder: {"best_k_models": {f"{folder}/../victim.ckpt": torch.tensor(9.0)}},
    lambda folder: {"kth_best_model_path": str(folder.parent / "victim.ckpt")},
    lambda folder: {"dirpath": "/", "best_model_path": f"{folder}/../victim.ckpt"},
    lambda folder: {"dirpath": "/", "best_model_path": f"{folder}/notes/victim.ckpt"},
    lambda folder: {"dirpath": "/", "best_model_path": f"{folder}/link/victim.ckpt"},
    lambda folder: {"dirpath": "/", "best_model_path": f"{folder}/victim.jpg"},
    lambda folder: {"last_model_path": f"{folder}/notes/victim.ckpt"},
    lambda folder: {"last_model_path": f"{folder}/victim.jpg"},
    lambda folder: {"last_model_path": "victim.ckpt"},
    lambda _: {"dirpath": "/", "best_model_path": "b://../victim.ckpt"},
    lambda folder: {"dirpath": "/", "best_model_path": f"{folder.parent}/b::victim.ckpt"},
    lambda _: {"best_model_path": 5},
]


@pytest.mark.parametrize("kind", ["ModelCheckpoint", "LastCheckpoint"])
@pytest.mark.parametrize("change", HOSTILE_STATES)
def test_no_checkpoint_makes_a_run_delete_other_files(
    last: Path, tmp_path: Path, change: Callable[[Path], Saved], kind: str
) -> None:
    saved, out = read_checkpoint(last), tmp_path / "out"
    victims = [tmp_path / "victim.ckpt", out / "victim.jpg", out / "notes" / "victim.ckpt"]
    for victim in victims:
        victim.parent.mkdir(exist_ok=True)
        victim.touch()
    (out / "link").symlink_to(tmp_path)
    (name,) = [name for name in saved["callbacks"] if name.startswith(kind)]
    saved["callbacks"][name] |= {"dirpath": str(out)} | change(out)
    write_checkpoint(saved, tmp_path / "odd.ckpt")
    complaint = "best_model_path is 5," if change(out) == {"best_model_path": 5} else "names the file"
    with pytest.raises(ValueError, match=rf"odd\.ckpt: callbacks.*{complaint}"):
        fit(out, 7, str(tmp_path / "odd.ckpt"))
    assert all(victim.exists() for victim in victims)


def test_a_best_checkpoint_has_to_be_among_the_best(last: Path, tmp_path: Path) -> None:
    saved = read_checkpoint(last)
    (name,) = [name for name in saved["callbacks"] if name.startswith("ModelCheckpoint")]
    for change, complaint in (
        ({"kth_best_model_path": str(last.parent / "other.ckpt")}, "which is none of its best_k_models"),
        ({"kth_best_model_path": ""}, "which is none of its best_k_models"),
        ({"best_k_models": {str(last.parent / "best.ckpt"): "x"}}, "best_k_models is 'x'"),
        ({"kth_value": "x"}, "kth_value is 'x'"),
    ):
        state = saved["callbacks"][name] | change
        write_checkpoint(saved | {"callbacks": {name: state}}, tmp_path / "odd.ckpt")
        with pytest.raises(ValueError, match=rf"odd\.ckpt: callbacks.*{complaint}"):
            fit(last.parent, 7, str(tmp_path / "odd.ckpt"))


def test_a_run_can_be_resumed_in_another_folder(last: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in last.parent.iterdir()}
    with pytest.warns(UserWarning, match="dirpath has changed"):
        fit(tmp_path / "out", 5, str(last))
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert {file: file.read_bytes() for file in last.parent.iterdir()} == before


@pytest.mark.parametrize(
    "kind", ["SGD", "AdamW", "Adafactor", "NAdam", "Adagrad", "RMSprop", "ASGD", "Rprop", "Adadelta"]
)
def test_every_kind_of_optimizer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(torch.optim, "Adam", getattr(torch.optim, kind))  # of `Mean`
    fit(tmp_path / "first", 3)
    fit(tmp_path / "second", 6, str(tmp_path / "first" / "last.ckpt"))
    first, second = (read_checkpoint(tmp_path / name / "last.ckpt") for name in ("first", "second"))
    assert second["global_step"] == 6
    assert first["optimizer_states"][0]["state"].keys() == second["optimizer_states"][0]["state"].keys()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"_anneal_func_type": "__class__"}, "_anneal_func_type"),
        ({"_schedule_phases": [{"end_step": 0, "start_lr": "params"}]}, "_schedule_phases"),
        ({"_schedule_phases": None}, "_schedule_phases"),
    ],
)
def test_a_cycle_goes_on_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Saved, name: str) -> None:
    monkeypatch.setattr(
        torch.optim.lr_scheduler, "StepLR", lambda optimizer, _: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 9)
    )
    fit(tmp_path / "first", 3)
    fit(tmp_path / "second", 6, str(tmp_path / "first" / "last.ckpt"))
    saved = read_checkpoint(tmp_path / "first" / "last.ckpt")
    phases = saved["lr_schedulers"][0]["_schedule_phases"]
    for value in (change, {"_schedule_phases": [phase | {"end_step": 0.0} for phase in phases]}):
        saved["lr_schedulers"][0] |= {"_schedule_phases": phases} | value
        write_checkpoint(saved, tmp_path / "odd.ckpt")
        with pytest.raises(ValueError, match=rf"odd\.ckpt: lr_schedulers\[0\]\.({name}|_schedule_phases)"):
            fit(tmp_path / "third", 6, str(tmp_path / "odd.ckpt"))


def test_only_checkpoints_are_removed(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "last.ckpt").touch()
    for name in ("folder", "photo.jpg", "last.ckpt"):
        SafeCheckpointIO().remove_checkpoint(tmp_path / name)
    assert (tmp_path / "folder" / "inner").is_dir()
    assert (tmp_path / "photo.jpg").exists()
    assert not (tmp_path / "last.ckpt").exists()


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
    write_checkpoint({name: saved[name] for name in ("models", "state_dict")}, "bare.ckpt")
    position = saved["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    position[0]["batches"] = 10**6
    write_checkpoint(saved, "late.ckpt")
    position.append(position[0])
    write_checkpoint(saved, "two.ckpt")
    for path, complaint in (
        ("http://localhost:1/x.pt", "http://localhost:1/x.pt is a URL: download the file"),
        ("attack.pt", "attack.pt is refused: it holds more than data"),
        ("registry:x", "no checkpoint at registry:x"),
        ("named.ckpt", "wandb_run of named.ckpt '../../run' is not a plain name"),
        ("odd.ckpt", "odd.ckpt: loops has no fit_loop"),
        ("bare.ckpt", "bare.ckpt is an exported model: give a checkpoint of a training run"),
        ("late.ckpt", "the checkpoint was made after 1000000 batches of an epoch of"),
        ("two.ckpt", "two.ckpt is of other data: The CombinedLoader has 1 stateful loaders, but found 2 states"),
    ):
        with pytest.raises(SystemExit):
            tts.main([*tiny_run.tts_flags(tmp_path), "--ckpt_path", path])
        message = capsys.readouterr().err
        assert re.search(re.escape(complaint), " ".join(message.split())), message
        assert "Traceback" not in message
    with pytest.raises(SystemExit):
        tts.main([*tiny_run.tts_flags(tmp_path, "validate"), "--ckpt_path", "bare.ckpt"])
    assert "bare.ckpt is an exported model" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_the_command_line_writes_its_checkpoints_beside_their_place(tiny_run: TinyRun, tmp_path: Path) -> None:
    cli = tts.main([*tiny_run.tts_flags(tmp_path), "--trainer.max_steps=1"])
    assert isinstance(cli.trainer.strategy.checkpoint_io, SafeCheckpointIO)
    assert (tmp_path / "last.ckpt").exists()
