"""What loggers get beside metrics, and the log of a run that is resumed."""

import csv
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
import yaml
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.figure import Figure

from lightning_vc.checkpoint import write_checkpoint
from lightning_vc.recipes import tts
from lightning_vc.tracking import ResumableCSVLogger, git_commit, log_media, resume_logs
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import ROOT, TinyRun, logged, metrics

SHORT = ["--model.scheduler.init_args.total_steps=6", "--trainer.val_check_interval=2"]


def flags(run: TinyRun, out: Path, steps: int, *more: str, logger: str = "csv") -> list[str]:
    config = ["--config", str(ROOT / "configs" / "logger" / f"{logger}.yaml")]
    return [*run.tts_flags(out), *config, *SHORT, f"--trainer.max_steps={steps}", *more]


def test_csv_has_all_settings_with_fingerprints_and_learning_rates(tiny_run: TinyRun) -> None:
    folder = tiny_run.tts.parent / "log" / "version_0"
    settings = yaml.safe_load((folder / "hparams.yaml").read_text())
    assert settings["data"]["batch_size"] == 4
    assert settings["seed_everything"] == 0
    assert settings["trainer"]["max_steps"] == 4
    assert settings["model"]["optimizer"]["class_path"] == "torch.optim.Adam"
    assert len(settings["shards_sha256"]) == 64
    assert settings["git_commit"] == git_commit()
    rates = logged(folder, "train/lr")
    assert len(rates) == 4
    assert len({*rates}) == 4  # one cycle


def test_the_commit_is_that_of_a_checkout() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert (git_commit() or "").removesuffix("-dirty") == head


def test_a_resumed_run_goes_on_in_its_file(tiny_run: TinyRun, tmp_path: Path) -> None:
    """From the checkpoint of step 4, behind which the log has rows already, and half of one."""
    tts.main(flags(tiny_run, tmp_path, 6, "--trainer.val_check_interval=4"))
    (file,) = tmp_path.rglob("metrics.csv")
    before = [without_pace(row) for row in metrics(tmp_path)]
    assert [row["step"] for row in before] == [0, 1, 2, 3, 3, 4, 5]
    file.write_text(file.read_text() + file.read_text().splitlines()[-1][:20])
    (tmp_path / "best.ckpt").rename(tmp_path / "last.ckpt")
    tts.main(flags(tiny_run, tmp_path, 6, "--trainer.val_check_interval=4", "--ckpt_path", "last"))
    assert [without_pace(row) for row in metrics(tmp_path)] == before


def without_pace(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "train/steps_per_second"}


def test_the_row_of_the_checkpoint_is_added_where_it_is_missing(tmp_path: Path) -> None:
    """Lightning logs a step only after its checkpoint, so a kill between both loses the row."""
    first = ResumableCSVLogger(tmp_path, "log")
    for step in range(3):
        first.log_metrics({"train/loss": float(step)}, step)
    first.save()
    (file,) = tmp_path.rglob("metrics.csv")
    whole = file.read_text()
    for text in (whole, "".join(whole.splitlines(keepends=True)[:-1])):
        file.write_text(text)
        again = ResumableCSVLogger(tmp_path, "log")
        again.resume(0, 3, {"train/loss": 2.0})
        assert file.read_text() == whole
        again.log_metrics({"train/loss": 3.0, "val/loss": 5.0}, 3)
        again.save()
        rows = list(csv.DictReader(file.open()))
        assert [(row["step"], row["train/loss"], row["val/loss"]) for row in rows][-2:] == [
            ("2", "2.0", ""),
            ("3", "3.0", "5.0"),
        ]


def test_a_run_from_the_checkpoint_of_another_folder_has_its_own_log(tiny_run: TinyRun, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    tts.main(flags(tiny_run, first, 2))
    tts.main(flags(tiny_run, second, 2))
    tts.main(flags(tiny_run, second, 4, "--ckpt_path", str(first / "last.ckpt")))
    assert [len(logged(second / "log" / f"version_{number}", "train/loss")) for number in (0, 1)] == [2, 2]


@pytest.mark.parametrize("log", [7, {"version": -1, "row": {}}, {"version": 0, "row": {"a": "b"}}, {"version": "../x"}])
def test_a_checkpoint_names_no_other_log(
    tiny_run: TinyRun, tmp_path: Path, log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = read_checkpoint(tiny_run.tts)
    saved["log"] = log
    write_checkpoint(saved, tmp_path / "last.ckpt")
    with pytest.raises(SystemExit):
        tts.main(flags(tiny_run, tmp_path, 6, "--ckpt_path", "last"))
    assert "last.ckpt: log is" in capsys.readouterr().err


def test_an_empty_log_is_left_behind(tmp_path: Path) -> None:
    """A run that was killed between the creation of its file and the first line."""
    file = tmp_path / "log" / "version_0" / "metrics.csv"
    file.parent.mkdir(parents=True)
    file.touch()
    logger = ResumableCSVLogger(tmp_path, "log")
    logger.resume(0, 10, {"train/loss": 1.0})
    logger.log_metrics({"train/loss": 0.5}, 10)
    logger.save()
    (new,) = tmp_path.glob("log/version_1/metrics.csv")
    assert [row["step"] for row in csv.DictReader(new.open())] == ["10"]


def test_a_huge_log_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "csv/version_0/metrics.csv"
    file.parent.mkdir(parents=True)
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ValueError, match=r"metrics\.csv is no log .* has more than 268,435,456 bytes"):
        ResumableCSVLogger(tmp_path, "csv").resume(0, 10, {})


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"step,a\n1," + b"x" * 200_000, b"step\n\xff\n"])
def test_a_damaged_log_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "csv/version_0/metrics.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"metrics\.csv is no log of this project"):
        ResumableCSVLogger(tmp_path, name="csv").resume(0, 5, {})
    assert file.read_bytes() == content


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "run/csv/version_0/metrics.csv"
    file.parent.mkdir(parents=True)
    victim.write_text("step,a\n9,9\n")
    file.symlink_to(victim)
    with pytest.raises(ValueError, match="is not inside of"):
        ResumableCSVLogger(tmp_path / "run", name="csv").resume(0, 5, {})
    assert victim.read_text() == "step,a\n9,9\n"


@pytest.mark.parametrize("kind", [ResumableCSVLogger, TensorBoardLogger])
@pytest.mark.parametrize("link", ["version_0", "version_0/spoken", "../log"])
@pytest.mark.parametrize("saved", [{"log": {"version": 0, "row": {}}, "global_step": 2}, {}])
@pytest.mark.parametrize("stage", ["fit", "test"])
def test_a_resumed_run_writes_no_log_through_a_link_to_elsewhere(
    tmp_path: Path, link: str, kind: type[Any], saved: dict[str, Any], stage: str
) -> None:
    """A run may come from somebody else, with links in it."""
    outside, log = tmp_path / "outside", tmp_path / "run" / "log"
    place = Path(os.path.normpath(log / link))
    for folder in (outside, place.parent):
        folder.mkdir(parents=True)
    place.symlink_to(outside)
    logger: Logger = kind(str(log.parent), name="log")
    with pytest.raises(ValueError, match=f"{place} is a symbolic link: give a folder without links"):
        resume_logs([logger], saved, str(log.parent / "last.ckpt"), stage)
    assert not any(outside.iterdir())


def test_no_sound_and_figure_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spoken").symlink_to(tmp_path)
    trainer: Any = SimpleNamespace(global_step=1, loggers=[])
    with pytest.raises(ValueError, match=r"spoken/1\.png is not inside of"):
        log_media(trainer, str(tmp_path / "run"), "spoken/1", "figure", Figure())
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_log_that_is_gone_is_begun_anew(tmp_path: Path) -> None:
    logger = ResumableCSVLogger(tmp_path, "log")
    logger.resume(3, 10, {"train/loss": 1.0})
    logger.log_metrics({"train/loss": 0.5}, 10)
    logger.save()
    (file,) = tmp_path.rglob("metrics.csv")
    assert file.parent.name == "version_0"
    assert [row["step"] for row in csv.DictReader(file.open())] == ["10"]


def test_wandb_has_the_settings_and_the_checkpoints_that_are_asked_for(tiny_run: TinyRun, tmp_path: Path) -> None:
    tts.main(flags(tiny_run, tmp_path, 2, "--trainer.logger.log_model=true", logger="wandb"))
    wandb.finish()
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    end = time.monotonic() + 60
    while b"last.ckpt" not in (recorded := file.read_bytes()) and time.monotonic() < end:
        time.sleep(0.1)  # the process of W&B writes it; protobuf leaves texts as they are
    for text in ("batch_size", "max_steps", "seed_everything", "shards_sha256", "git_commit", "train/lr"):
        assert text.encode() in recorded
    for name in ("best.ckpt", "last.ckpt"):  # of artifacts
        assert name.encode() in recorded


def test_tensorboard_gets_the_same(tiny_run: TinyRun, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'lightning_vc[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tts.main(flags(tiny_run, tmp_path, 3, logger="tensorboard"))
    tts.main(flags(tiny_run, tmp_path, 6, "--ckpt_path", "last", logger="tensorboard"))
    (folder,) = tmp_path.glob("log/version_*")
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()
    assert {name.split("/")[0] for name in tags["audio"]} == {"speech", "reference"}
    assert {name.split("/")[0] for name in tags["images"]} == {"attention", "reference_spectrogram", "speaker_table"}
    assert [event.step for event in events.Scalars("train/loss")] == [0, 1, 2, 3, 4, 5]
    assert {"train/lr", "val/loss"} <= {*tags["scalars"]}
    text = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert all(word in text for word in ("batch_size: 4", "shards_sha256", "git_commit", "seed_everything"))
    assert not list(tmp_path.rglob("spoken"))
