"""recipe.yaml as settings: the options that training stages share, command lines, and outputs that stay in `dir`."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lightning_vc.console import short
from lightning_vc.files import inside, plain_name, read_text
from lightning_vc.settings import compose, merge, resolve

# Without `run`, which would recurse, and `voices`, which changes files outside the run.
_VERBS = {file.stem for file in Path(__file__).with_name("recipes").glob("[!_]*.py")} - {"run", "voices"}
_OPTION = re.compile(r"[a-zA-Z]\w*(\.\w+)*\+?")
_FLAG = re.compile(r"-[^\d.]")  # a value that would be parsed as an option
_GROUPS = {"trainer", "data", "data.loading"}  # option groups whose values could hold output paths
_OUTPUTS = {"out", "save", "trainer.default_root_dir", "data.loading.cache"}  # options that name output paths


def read_recipe(file: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """All settings of a recipe with includes and overrides, interpolated."""
    if not file.is_file():
        raise FileNotFoundError(f"no recipe at {file}")
    content = load_yaml(file)
    if not isinstance(content, dict) or "dir" not in content or not isinstance(content.get("stages"), dict):
        raise ValueError(f"{file} is no recipe: it needs `dir` and `stages`, a mapping of names")
    if odd := [override for override in overrides if "=" not in override]:
        raise ValueError(f"{odd[0]!r} is no setting of {file}: write key=value")  # OmegaConf would make it null
    try:
        config = OmegaConf.create(content | {"here": str(file.parent)})
        OmegaConf.set_struct(config, True)
        config.merge_with_dotlist(list(overrides))
        settings: Any = OmegaConf.to_container(config)
        _complete(settings["stages"], settings.pop("training", {}))
        settings = resolve(settings)
    except (OmegaConfBaseException, YAMLError) as error:
        raise ValueError(f"{file} with {list(overrides)}: {str(error).splitlines()[0]}") from error
    if not isinstance(settings["dir"], str) or not settings["dir"]:
        raise ValueError(f"{file}: dir is {settings['dir']!r}: name the folder that everything goes to")
    return settings


def _complete(stages: dict[str, Any], training: dict[str, Any]) -> None:
    """Check the keys of stages; add options of `training` and default checkpoints to stages that train or test."""
    for name, stage in stages.items():
        plain_name(name, "stage")
        if not isinstance(stage, dict):
            raise ValueError(f"stage {name} is {stage!r}: it takes verb, options, checkpoint and asked")
        if set(stage) - {"verb", "options", "checkpoint", "asked"} or not stage.get("verb"):
            raise ValueError(f"stage {name} takes verb, options, checkpoint and asked, got {', '.join(stage)}")
        options = stage.get("options") or {}
        if not isinstance(options, dict):
            raise ValueError(f"stage {name} has the options {options!r}: write `option: value` for each")
        if str(stage["verb"]).endswith((" fit", " validate", " test")):
            options = merge(json.loads(json.dumps(training).replace("${stage}", name)), options)
            if folder := options.get("trainer.default_root_dir"):
                stage.setdefault("checkpoint", f"{folder}/last.ckpt")
        stage.update(verb=str(stage["verb"]), options=options)


def command_line(name: str, verb: str, options: dict[str, Any]) -> list[str]:
    """The command line of a stage; a list gives several `--config`, or several words after any other option."""
    module, *words = shlex.split(verb)
    if module not in _VERBS:
        raise ValueError(f"stage {name} has the verb {module!r}: choose one of {', '.join(sorted(_VERBS))}")
    if odd := [word for word in words if word.startswith("-")]:
        raise ValueError(f"stage {name} has the option {odd[0]!r} in its verb: write it under options")
    command = [f"lightning_vc.recipes.{module}", *words]
    for option, value in options.items():
        values = [str(item) for item in (value if isinstance(value, list) else [value])]
        if not _OPTION.fullmatch(str(option)) or option in _GROUPS:
            raise ValueError(f"stage {name} has the option {option!r}: write its whole name, as in trainer.max_steps")
        if odd := [item for item in values if _FLAG.match(item)]:
            raise ValueError(f"stage {name} has the value {odd[0]!r} of {option}, which is an option: make it a key")
        if option == "config":
            command += [word for file in values for word in ("--config", file)]
        elif value is not None:
            command += [f"--{option}", *values]
    return command


def output_paths(folder: Path, name: str, verb: str, options: dict[str, Any]) -> tuple[Path, ...]:
    """The outputs that the options of a stage name; raises ValueError if one is not inside of `folder`."""
    paths = []
    for option, value in options.items():
        if value is None or not (option in _OUTPUTS or (option == "voice" and verb.startswith("clone"))):
            continue
        if not isinstance(value, str) or value.startswith("~"):
            raise ValueError(f"stage {name} has {short(value)} as {option}: give one path in {folder}, without ~")
        paths.append(Path(value).absolute())
        if paths[-1].resolve() != folder.resolve():
            inside(folder, str(paths[-1]))
    return tuple(paths)


def load_yaml(file: Path) -> Any:
    """Load a YAML file with its includes; raises ValueError with its name."""
    try:
        return compose(read_text(file), file.parent, lambda text: OmegaConf.to_container(OmegaConf.create(text)))
    except (YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise ValueError(f"{file} cannot be read as YAML: {error}") from error
