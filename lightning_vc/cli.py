"""LightningCLI with our switches: every verb that trains goes through here."""

import sys
import warnings
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from jsonargparse import set_loader, set_parsing_settings
from jsonargparse._optionals import get_omegaconf_loader
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn
from yaml import YAMLError

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.pitch import HarmonicPitch
from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.callbacks import CheckMonitors, Throughput
from lightning_vc.checkpoint import load_model, model_of
from lightning_vc.console import STOPPED, interruptible, reported
from lightning_vc.files import plain_name
from lightning_vc.modules.discriminators import Discriminators
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.settings import bounded
from lightning_vc.tasks.base import Task
from lightning_vc.trust import TRUST, trust
from lightning_vc.untrusted import read_checkpoint
from lightning_vc.verbs import VerbParser

_KEYWORDS = ("best", "last", "hpc")  # for which Lightning looks for a checkpoint in the folder of the run

# Interpolation that crosses sections is right only with both this and the parser mode below (jsonargparse 4.53).
set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
set_loader("omegaconf+", bounded(get_omegaconf_loader("omegaconf+"), interpolated=True), (YAMLError,))  # type: ignore[no-untyped-call]


class Pretrained:
    """Models that training starts from; each recipe takes those that its task has arguments for.

    Args:
        tts: checkpoint or exported file of the generative model.
        encoder: checkpoint or exported file of the speaker encoder that was trained for it.
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
    """Lightning's parser with short errors."""


class VoiceCLI(LightningCLI):
    """`fit`, `validate` and `test` of one task on one datamodule, from flags and YAML.

    Args:
        linked: (source, target) pairs whose value the target takes from the built source: a property of the data, or a
            model of `Pretrained`, whose path becomes an option.
        shared: (source, target) pairs of settings that are one setting, e.g. the frontend.
    """

    def __init__(
        self,
        task: type[Task],
        data: type[LightningDataModule],
        args: ArgsType = None,
        linked: tuple[tuple[str, str], ...] = (),
        shared: tuple[tuple[str, str], ...] = (),
        **defaults: Any,
    ) -> None:
        self.linked, self.shared = linked, shared
        arguments = {source.removeprefix("pretrained."): target.removeprefix("model.") for source, target in linked}
        self.required = {  # models to start from, and whether the task needs them
            name: _is_required(task, arguments[name]) for name in signature(Pretrained).parameters if name in arguments
        }
        super().__init__(
            task,
            data,
            args=args,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_kwargs={"parser_mode": "omegaconf+"},
            parser_class=TrainingParser,
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
        """Build what the configuration says; what it says wrong is one line, not a traceback."""
        with reported(MisconfigurationException):
            super().instantiate_classes()
            self._check_sample_rates()
            if self.subcommand:
                self._resume_wandb_run()

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """What a task can do; none of ours predicts."""
        return {name: skip for name, skip in LightningCLI.subcommands().items() if name != "predict"}

    def before_instantiate_classes(self) -> None:
        """Look at the checkpoint first: everything else takes longer."""
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
                _wandb_run(path)

    def _resume_wandb_run(self) -> None:
        """Let W&B go on with the run of the checkpoint that is resumed, unless the configuration names another run.

        Only the trainer knows which file `last`, `best` or `hpc` is, or that Slurm resumes without `--ckpt_path`.
        """
        loggers = [each for each in self.trainer.loggers if isinstance(each, WandbLogger) and each.version is None]
        path = self._resumed_checkpoint() if loggers else None
        run = _wandb_run(path) if path else None
        for logger in loggers if run else ():
            logger._id = logger._wandb_init["id"] = run  # it begins its run when it is first used

    def _resumed_checkpoint(self) -> str | None:
        """The local file that `--ckpt_path` stands for, if there is one."""
        stages = {"fit": TrainerFn.FITTING, "validate": TrainerFn.VALIDATING, "test": TrainerFn.TESTING}
        stage, wanted = stages[self.subcommand or "fit"], self._get(self.config, "ckpt_path")
        select = self.trainer._checkpoint_connector._select_ckpt_path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the trainer will warn when it asks itself
            path = select(stage, wanted, model_provided=True, model_connected=True)
        return str(path) if path and Path(path).is_file() else None

    def _run_subcommand(self, subcommand: str) -> None:
        """Run it, and end as stopped where Lightning would end with status 0 after SIGTERM and 1 after Ctrl-C."""
        with reported(MisconfigurationException):
            try:
                with interruptible():
                    super()._run_subcommand(subcommand)
            except SIGTERMException:
                print("stopped by SIGTERM", file=sys.stderr)
                raise SystemExit(STOPPED) from None

    def _check_sample_rates(self) -> None:
        """Refuse spectrograms of another rate than that of the waves in the batches: nothing else would notice."""
        rate = getattr(self.datamodule, "sample_rate", None)
        for part in self.model.modules():
            if rate and isinstance(part, Spectrograms | HarmonicPitch) and part.sample_rate != rate:
                raise ValueError(
                    f"the data has {rate} Hz, the model's {type(part).__name__} {part.sample_rate} Hz: "
                    f"prepare the data with --sample_rate {part.sample_rate}, or train a model for {rate} Hz"
                )

    def _parse_ckpt_path(self) -> None:
        """Do nothing: Lightning would let the hyper-parameters in a checkpoint silently beat flags and YAML."""


def _wandb_run(path: str) -> str | None:
    """Name of the run of W&B that a checkpoint was made in, if any; raises ValueError for a broken checkpoint."""
    run = read_checkpoint(path).get("wandb_run")
    return None if run is None else plain_name(run, "wandb_run of the checkpoint")


def _is_required(task: type[Task], argument: str) -> bool:
    """Whether an argument of a task has no default; a subclass may pass it on as one of `**options`."""
    signatures = (signature(kind).parameters for kind in task.__mro__)
    return next(names[argument].default is Parameter.empty for names in signatures if argument in names)
