"""Adapt to a held-out speaker of prepared shards as `clone` does, with all options of the trainer."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import cast

from lightning.pytorch.cli import LightningArgumentParser

from lightning_vc.adaptation import METHODS, method_named
from lightning_vc.cli import VoiceCLI
from lightning_vc.console import reported
from lightning_vc.data.tts import AdaptationDataModule
from lightning_vc.tasks.adaptation import AdaptationTask

_DEFAULT = "whole_model"


class AdaptationCLI(VoiceCLI):
    """`VoiceCLI` with the option --method, which determines the task."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        methods = ", ".join(METHODS)
        parser.add_argument("--method", default=_DEFAULT, help=f"how to adapt: {methods}, or your class, module.Class")

    def before_instantiate_classes(self) -> None:
        with reported():
            method = self._get(self.config, "method")
            if method_named(method).task is not self.model_class:
                raise ValueError(
                    f"a config names the method {method!r}, but the task is chosen by --method: give it there"
                )
        super().before_instantiate_classes()


def main(args: Sequence[str] | None = None) -> AdaptationCLI:
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method", default=_DEFAULT)
    with reported():
        method = method_named(parser.parse_known_args(args)[0].method)  # it determines the options
    return AdaptationCLI(
        cast(type[AdaptationTask], method.task),
        AdaptationDataModule,
        None if args is None else list(args),
        verb="adapt",
        linked=(
            ("pretrained.tts", "model.tts"),
            ("pretrained.encoder", "model.encoder"),
            ("pretrained.frontend", "data.frontend"),
        ),
        max_steps=method.steps,
    )


if __name__ == "__main__":
    main()
