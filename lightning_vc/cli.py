"""`LightningCLI` with the project's settings, for every verb that trains."""

import sys
import warnings
from collections.abc import Sequence
from inspect import Parameter, signature
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonargparse import set_loader, set_parsing_settings
from jsonargparse._optionals import get_omegaconf_loader
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn
from yaml import YAMLError

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.callbacks import CheckMonitors, LastCheckpoint, Throughput
from lightning_vc.checkpoint import load_model, model_of
from lightning_vc.console import STOPPED, interruptible, reported, without_notices
from lightning_vc.modules.discriminators import Discriminators
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.progress import StepProgressBar
from lightning_vc.resuming import SafeCheckpointIO
from lightning_vc.settings import bounded
from lightning_vc.tasks.base import Task
from lightning_vc.tracking import Tracking, resume_logs
from lightning_vc.trust import TRUST, trust
from lightning_vc.untrusted import read_checkpoint
from lightning_vc.verbs import VerbParser

_KEYWORDS = ("best", "last", "hpc")  # values of --ckpt_path that Lightning replaces by a path

# Interpolation across sections needs both the first setting and the parser mode below (jsonargparse 4.53). Lightning
# enables the other, by which a value in a config could be fetched from a server, without a limit of its size.
set_parsing_settings(omegaconf_absolute_to_relative_paths=True, config_read_mode_fsspec_enabled=False)
set_loader("omegaconf+", bounded(get_omegaconf_loader("omegaconf+"), interpolated=True), (YAMLError,))  # type: ignore[no-untyped-call]


class Pretrained:
    """Pretrained models; each verb takes those for which its task has arguments.

    Args:
        tts: checkpoint or exported file of the generative model.
        encoder: checkpoint or exported file of the speaker encoder that was trained for `tts`.
        vocoder: checkpoint of the vocoder, with its discriminators.
    """

    def __init__(self, tts: str | None = None, encoder: str | None = None, vocoder: str | None = None) -> None:
        self.tts = load_model(tts, TTSModel) if tts else None
        self.frontend = self.tts.frontend if self.tts else None
        self.encoder = load_model(encoder, SpeakerEncoder) if encoder else None  # type: ignore[type-abstract]
        if vocoder:
            saved = read_checkpoint(vocoder)
            self.vocoder = model_of(saved, NeuralVocoder, vocoder)  # type: ignore[type-abstract]
            self.discriminators: nn.Module = model_of(saved, Discriminators, vocoder)


class TrainingParser(VerbParser, LightningArgumentParser):
    """Lightning's parser with short errors. Only `--config` takes files: a value that names one is no settings."""

    def add_class_arguments(self, *args: Any, **options: Any) -> list[str]:
        """Add the arguments of a class."""
        return super().add_class_arguments(*args, **{**options, "sub_configs": False})


class VoiceCLI(LightningCLI):
    """`fit`, `validate` and `test` of one task on one datamodule, from flags and YAML.

    Args:
        task, data: classes of task and datamodule.
        args: the command line; by default that of this process.
        verb: name of the verb, for the default of `trainer.default_root_dir`: `runs/<recipe>/<verb>`.
        linked: (source, target) pairs: the target gets the value of the built source, a property of the datamodule or a
            model of `Pretrained`, whose path becomes an option.
        shared: (source, target) pairs of settings with one value, such as the frontend.
    """

    def __init__(
        self,
        task: type[Task],
        data: type[LightningDataModule],
        args: ArgsType = None,
        *,
        verb: str,
        linked: tuple[tuple[str, str], ...] = (),
        shared: tuple[tuple[str, str], ...] = (),
        **defaults: Any,
    ) -> None:
        self.linked, self.shared = linked, shared
        arguments = {source.removeprefix("pretrained."): target.removeprefix("model.") for source, target in linked}
        self.required = {  # pretrained models, and whether the task needs them
            name: _is_required(task, arguments[name]) for name in signature(Pretrained).parameters if name in arguments
        }
        words = sys.argv[1:] if args is None else args
        self.words: list[str] = [str(word) for word in words] if isinstance(words, list) else []
        self.folder = default_folder(self.words, verb)
        defaults = {"default_root_dir": self.folder, "enable_model_summary": False, **defaults}
        with without_notices():
            super().__init__(
                task,
                data,
                args=args,
                seed_everything_default=0,
                auto_configure_optimizers=False,
                parser_kwargs={"parser_mode": "omegaconf+", "prog": f"lightning-vc {verb}"},
                parser_class=TrainingParser,
                save_config_callback=Tracking,
                save_config_kwargs={"overwrite": True},
                trainer_defaults={"callbacks": [Throughput(), CheckMonitors()], **defaults},
            )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--trust", nargs="+", default=[], help=TRUST)
        parser.link_arguments("seed_everything", "data.loading.seed", int)  # one seed for everything
        if self.required:
            unused = signature(Pretrained).parameters.keys() - self.required
            parser.add_class_arguments(Pretrained, "pretrained", skip=unused)
        for source, target in self.linked:
            parser.link_arguments(source, target, apply_on="instantiate")
        for source, target in self.shared:
            parser.link_arguments(source, target)

    def instantiate_classes(self) -> None:
        """Build the objects of the configuration; print errors in one line, without a traceback."""
        with reported(MisconfigurationException):
            super().instantiate_classes()
            self._check_sample_rates()
            if self.subcommand and (path := self._resumed_checkpoint()):
                resume_logs(self.trainer.loggers, SafeCheckpointIO().load_checkpoint(path), path, self.subcommand)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Add the progress bar, unless the configuration has another one or none."""
        callbacks = self._get(self.config_init, "trainer.callbacks") or []
        bars = [
            bar for bar in (callbacks if isinstance(callbacks, list) else [callbacks]) if isinstance(bar, ProgressBar)
        ]
        if not bars and self._get(self.config_init, "trainer.enable_progress_bar") is not False:
            self.trainer_defaults["callbacks"].append(StepProgressBar())
        trainer = super().instantiate_trainer(**kwargs)
        # LastCheckpoint comes last, so that last.ckpt holds the state of the callback that has just saved best.ckpt.
        trainer.callbacks.sort(key=lambda callback: isinstance(callback, LastCheckpoint))  # type: ignore[attr-defined]
        return trainer

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The subcommands of Lightning except `predict`, which no task implements."""
        return {name: skip for name, skip in LightningCLI.subcommands().items() if name != "predict"}

    def before_instantiate_classes(self) -> None:
        """Check options and checkpoint before the slow parts are built."""
        path = self._get(self.config, "ckpt_path")
        with reported(MisconfigurationException):
            if path is None and self.subcommand in ("validate", "test"):
                raise ValueError(f"{self.subcommand} needs --ckpt_path, the checkpoint that is measured")
            trust(self._get(self.config, "trust"))
            for name, required in self.required.items():
                if required and self._get(self.config, f"pretrained.{name}") is None:
                    raise ValueError(f"{self.subcommand} needs --pretrained.{name}, the model that it starts from")
            self.config[self.subcommand]["weights_only"] = True
            if path is not None and path not in _KEYWORDS:
                SafeCheckpointIO().load_checkpoint(path)
            if path is None and self.subcommand == "fit":
                self._keep_last()

    def _keep_last(self) -> None:
        """Raise ValueError where a new run would overwrite the checkpoint of another one in the default folder."""
        last = Path(self.folder, "last.ckpt")
        named = any(word.partition("=")[0] == "--trainer.default_root_dir" for word in self.words)
        if not named and self._get(self.config, "trainer.default_root_dir") == self.folder and last.exists():
            raise ValueError(
                f"{last} exists: resume it with --ckpt_path last, or name the folder with --trainer.default_root_dir"
            )

    def _resumed_checkpoint(self) -> str | None:
        """The local file that `--ckpt_path` refers to, if there is one."""
        stages = {"fit": TrainerFn.FITTING, "validate": TrainerFn.VALIDATING, "test": TrainerFn.TESTING}
        stage, option = stages[self.subcommand or "fit"], self._get(self.config, "ckpt_path")
        select = self.trainer._checkpoint_connector._select_ckpt_path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the trainer warns later when it resolves the path itself
            path = select(stage, option, model_provided=True, model_connected=True)
        return str(path) if path and Path(path).is_file() else None

    def _run_subcommand(self, subcommand: str) -> None:
        """Run the subcommand; status 143 after SIGTERM and 130 after Ctrl-C, where Lightning would end with 0 and 1."""
        with reported(MisconfigurationException):
            try:
                with interruptible():
                    super()._run_subcommand(subcommand)
            except SIGTERMException:
                print("stopped by SIGTERM", file=sys.stderr)
                raise SystemExit(STOPPED) from None
            except RuntimeError as error:
                if "stateful loaders" not in str(error):
                    raise
                raise ValueError(f"{self._get(self.config, 'ckpt_path')} is of other data: {error}") from error

    def _check_sample_rates(self) -> None:
        """Raise ValueError where sample rates of model and data differ, which would go unnoticed otherwise."""
        rate = getattr(self.datamodule, "sample_rate", None)
        for part in self.model.modules():
            if rate and isinstance(part, Spectrograms) and part.sample_rate != rate:
                raise ValueError(
                    f"the data has {rate} Hz, the model's {type(part).__name__} {part.sample_rate} Hz: "
                    f"prepare the data with --sample_rate {part.sample_rate}, or train a model for {rate} Hz"
                )

    def _parse_ckpt_path(self) -> None:
        """Do nothing; Lightning would override flags and YAML by the hyper-parameters of the checkpoint."""


def default_folder(words: Sequence[str], verb: str) -> str:
    """`runs/<recipe>/<verb>` by the first config of a command line that is not of configs/; `runs/<verb>` without one.

    The recipe is the folder of the config, from a folder `recipes` on: `librispeech-paper` for
    `recipes/librispeech/paper/tts.yaml`.
    """
    files = [Path(after) for word, after in pairwise(words) if word in ("--config", "-c")]
    files += [Path(word.partition("=")[2]) for word in words if word.startswith("--config=")]
    folders = [file.parent for file in files if file.suffix == ".yaml" and file.parts[-3:-2] != ("configs",)]
    folder = folders[0] if folders else Path()
    in_recipes = "recipes" in folder.parts
    name = folder.as_posix().rpartition("recipes/")[2].replace("/", "-") if in_recipes else folder.name
    return str(Path("runs", name.strip("."), verb))


def _is_required(task: type[Task], argument: str) -> bool:
    """Whether an argument of a task has no default; a subclass may pass it on as one of `**options`."""
    signatures = (signature(kind).parameters for kind in task.__mro__)
    return next(names[argument].default is Parameter.empty for names in signatures if argument in names)
