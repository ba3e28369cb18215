"""What W&B, TensorBoard and CSV get beside metrics: settings, media, and the log of the run that is resumed.

CSV has no media: they are files in the folder of the log.
"""

import csv
import hashlib
import io
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.figure import Figure
from torch import Tensor

from lightning_vc.audio import io as audio
from lightning_vc.console import short
from lightning_vc.data.index import SETS, Index
from lightning_vc.files import inside, plain_name, read_text, refuse_links, write_file
from lightning_vc.plots import save_figure

_LARGEST_LOG = 256 << 20  # bytes of metrics.csv, of which a million rows have about 200 MB
_LOG = "log"  # field of a checkpoint: number of the log's folder, and the row of the last step


class ResumableCSVLogger(CSVLogger):
    """Lightning's CSVLogger, whose file a resumed run continues."""

    continues = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer, which deletes an existing file except in a resumed run."""
        if self._experiment is None and self.continues:
            self._experiment = _Appender(self.log_dir)
        return super().experiment

    def resume(self, version: int, step: int, row: Mapping[str, float]) -> None:
        """Continue metrics.csv of a version after `step` steps: rows of later steps are removed.

        `row`, that of the last step, is added if the file lacks it. Without such a file the run gets a new version.
        Raises ValueError for a damaged file and for a symbolic link that leads out of the folder of logs.
        """
        file = Path(self.root_dir, f"version_{version}", ExperimentWriter.NAME_METRICS_FILE)
        if file.is_file() and file.stat().st_size:  # a kill may have left it empty
            inside(self.save_dir, str(file.relative_to(self.save_dir)))  # a link would be written through
            self._version, self.continues = version, True
            _keep_rows(file, step, row)


class _Appender(ExperimentWriter):
    """Appends to metrics.csv."""

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        with Path(self.metrics_file_path).open(newline="") as file:
            self.metrics_keys = next(csv.reader(file))

    def _check_log_dir_exists(self) -> None:
        """Keep the file."""


@rank_zero_only
def _keep_rows(file: Path, step: int, row: Mapping[str, float]) -> None:
    """Keep the complete rows of steps before `step`; add `row`, of step - 1, if the file lacks it."""
    try:
        names, *rows = csv.reader(io.StringIO(read_text(file, _LARGEST_LOG), newline=""))
        kept = [dict(zip(names, cells, strict=True)) for cells in rows if len(cells) == len(names)]
        kept = [cells for cells in kept if cells["step"].isdecimal() and int(cells["step"]) < step]
    except (csv.Error, KeyError, ValueError) as error:
        raise ValueError(f"{file} is no log of this project ({error}): move it away to begin another") from error
    if row and not any(int(cells["step"]) == step - 1 and any(map(cells.get, row)) for cells in kept):
        kept.append({**{name: str(value) for name, value in row.items()}, "step": str(step - 1)})
    text = io.StringIO()
    writer = csv.DictWriter(text, sorted({*names, *row}))
    writer.writeheader()
    writer.writerows(kept)
    write_file(file, text.getvalue())


class Tracking(SaveConfigCallback):
    """Log all settings of a run, and store in its checkpoints which log it writes."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the settings of `fit`, with the fingerprint of the shards and the commit of the code."""
        if stage != "fit":  # validate and test must not replace the settings of training
            return
        settings = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        settings |= {"shards_sha256": _fingerprint(trainer), "git_commit": git_commit()}
        for logger in trainer.loggers:
            logger.log_hyperparams(settings)
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("settings", f"```yaml\n{yaml.safe_dump(settings)}```")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store version and last row, which Lightning logs only after the checkpoint of its step."""
        versions = [logger.version for logger in trainer.loggers if isinstance(logger, CSVLogger | TensorBoardLogger)]
        if versions and isinstance(versions[0], int):
            every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by a function of Lightning
            metrics = trainer.callback_metrics if every and trainer.global_step % every == 0 else {}
            row = {name: float(value) for name, value in metrics.items() if name.startswith("train/")}
            checkpoint[_LOG] = {"version": versions[0], "row": row and {**row, "epoch": trainer.current_epoch}}


def index_of(trainer: Trainer) -> Index | None:
    """The index of the shards; None for data of another kind."""
    index = getattr(getattr(trainer, "datamodule", None), "index", None)
    return index if isinstance(index, Index) else None


def _fingerprint(trainer: Trainer) -> str | None:
    """Checksum of the checksums of all shards; None for data of another kind."""
    index = index_of(trainer)
    if index is None:
        return None
    return hashlib.sha256("\n".join(shard.sha256 for shard in index.shards(*SETS)).encode()).hexdigest()


def git_commit() -> str | None:
    """Commit of the checkout that the package lies in, with "-dirty" after changes; None outside of a checkout."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None  # no git here, or not our checkout


def resume_logs(loggers: list[Logger], saved: Mapping[str, Any], path: str, stage: str) -> None:
    """Let loggers continue the log of a checkpoint, unless they were given a run or version.

    Only `fit` continues a log in files, and only if the checkpoint lies in the folder of logs: in another folder, the
    same version number is that of another run.

    Raises:
        ValueError: for a checkpoint whose fields for this are invalid, and for a symbolic link among the logs, also
            those of other runs, that leads out of their folder.
    """
    run, log, step = saved.get("wandb_run"), saved.get(_LOG), saved.get("global_step")
    if run is not None:
        run = plain_name(run, f"wandb_run of {path}")
    for logger in loggers:
        if logger.save_dir:
            logs = getattr(logger, "root_dir", None) or Path(logger.save_dir, "wandb")
            refuse_links(Path(logs), Path(logger.save_dir))
        if isinstance(logger, WandbLogger) and logger.version is None and run is not None:
            logger._id = logger._wandb_init["id"] = run  # the logger starts its run when it is first used
        if not isinstance(logger, ResumableCSVLogger | TensorBoardLogger) or log is None or logger._version is not None:
            continue
        version, row = _checked(log, path)
        is_here = Path(path).resolve().is_relative_to(Path(logger.save_dir).resolve())
        if stage == "fit" and is_here and type(step) is int:
            if isinstance(logger, ResumableCSVLogger):
                logger.resume(version, step, row)
            elif Path(logger.root_dir, f"version_{version}").is_dir():
                logger._version, logger._kwargs["purge_step"] = version, step


def _checked(log: Any, path: str) -> tuple[int, dict[str, float]]:
    """Version and row from a checkpoint, which are untrusted."""
    version, row = (log.get("version"), log.get("row")) if isinstance(log, dict) else (None, None)
    is_row = isinstance(row, dict) and all(type(name) is str and type(row[name]) in (int, float) for name in row)
    if type(version) is not int or not 0 <= version < 2**31 or not isinstance(row, dict) or not is_row:
        raise ValueError(f"{path}: {_LOG} is {short(log)}, where the number of a log and a row of numbers are needed")
    return version, row


class Sound(NamedTuple):
    """A wave (W,) on the CPU, what is said in it, and its name in W&B and TensorBoard."""

    name: str
    wave: Tensor
    sample_rate: int
    text: str = ""


def log_media(
    trainer: Trainer, folder: str | None, file: str, name: str, figure: Figure, sound: Sound | None = None
) -> None:
    """Log a figure, and the sound that it shows.

    Args:
        trainer: gives loggers and step.
        folder: `trainer.log_dir`, which every rank has to ask for.
        file: path without suffix of the files in that folder, for loggers without media.
        name: of the figure in W&B and TensorBoard.
        figure: of spectrogram and attention, or of speaker embeddings.
        sound: of the spectrogram.
    """
    step = trainer.global_step
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            media: dict[str, Any] = {name: wandb.Image(figure)}
            if sound:
                media[sound.name] = wandb.Audio(sound.wave.numpy(), sound.sample_rate, caption=sound.text)
            logger.experiment.log({**media, "trainer/global_step": step})
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, step)
            if sound:
                logger.experiment.add_audio(sound.name, sound.wave, step, sound.sample_rate)
    takes_media = [isinstance(logger, WandbLogger | TensorBoardLogger) for logger in trainer.loggers]
    if folder and not (takes_media and all(takes_media)):
        if sound:
            audio.write(inside(folder, f"{file}.wav"), sound.wave, sound.sample_rate)
        save_figure(figure, inside(folder, f"{file}.png"))
