"""recipe.yaml as settings: the options that training stages share, command lines, and outputs that stay in `dir`."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MappingStartEvent, YAMLError, parse

from lightning_vc.console import short
from lightning_vc.files import inside, plain_name, read_text
from lightning_vc.settings import check_yaml, compose, merge, resolve

# `run` would recurse, `recipes` and `voices` change files outside the run, and `studio` serves until it is stopped.
_NO_STAGES = {"run", "recipes", "voices", "studio"}
_VERBS = {file.stem for file in Path(__file__).with_name("recipes").glob("[!_]*.py")} - _NO_STAGES
_OPTION = re.compile(r"[a-zA-Z]\w*(\.\w+)*\+?")
_FLAG = re.compile(r"-[^\d.]")  # a value that would be parsed as an option
_GROUPS = {"trainer", "data", "data.loading"}  # option groups whose values could hold output paths
# The end of a verb that takes the options of `training`.
_TRAINING = re.compile(r"\S\s+[\"']?(fit|validate|test)[\"']?\s*$")
# The option that names the output of a verb; verbs that train are not listed, as theirs is trainer.default_root_dir.
_MAIN = dict.fromkeys(("clone", "demo", "evaluate", "export", "prepare", "synthesize"), "out") | {"morph": "save"}
# Options that name output paths.
_OUTPUT = re.compile(
    r"out|save|data\.loading\.cache|(.+\.)?(default_root_dir|dirpath|save_dir)|"
    r"trainer\..+\.(path|dir|dir_name|root_dir|(?!class_path)\w+_path)"
)
# Parts of a path that a logger would expand, or take as an address. {step:c} would format a number as any character,
# such as a dot.
_ELSEWHERE = re.compile(r"\$|::|:/|^(\./)*[a-zA-Z]\w*:|\{[^{}]*:(?![\d.]*[df]?\})")


def read_recipe(file: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """All settings of a recipe with includes and overrides, interpolated."""
    if not file.is_file():
        raise FileNotFoundError(f"no recipe at {file}")
    content = load_yaml(file)
    if not isinstance(content, dict) or "dir" not in content or not isinstance(content.get("stages"), dict):
        raise ValueError(f"{file} is not a recipe: it needs `dir` and `stages`, a mapping of names")
    if invalid := [override for override in overrides if "=" not in override]:
        raise ValueError(f"{invalid[0]!r} is not a setting of {file}: write key=value")  # OmegaConf would make it null
    try:
        config = OmegaConf.create(content | {"here": str(file.parent)})
        OmegaConf.set_struct(config, True)
        config.merge_with_dotlist(list(overrides))
        settings: Any = OmegaConf.to_container(config)
        _complete(settings["stages"], _options(f"{file}: training is", settings.pop("training", {})))
        settings = resolve(settings)
    except (OmegaConfBaseException, YAMLError) as error:
        message = str(error).splitlines()[0].replace("is not in struct", f"is no setting: it has {', '.join(content)}")
        raise ValueError(f"{file} with {list(overrides)}: {message}") from error
    if not isinstance(settings["dir"], str) or not settings["dir"]:
        raise ValueError(f"{file}: dir is {settings['dir']!r}: name the folder of all outputs")
    if not any(override.startswith("dir=") for override in overrides):
        _check_folder(file, settings["dir"])
    return settings


def _check_folder(file: Path, folder: str) -> None:
    """Raise ValueError for a `dir` outside of the current folder and of the folder that came with the recipe.

    That is the folder of recipe.yaml; for recipes/<name>/recipe.yaml, it is the folder that holds recipes/. No symbolic
    link in it may be part of `dir`.
    """
    here = Path(os.path.abspath(file.parent))
    here = here.parents[1] if here.parent.name == "recipes" else here
    place = Path(folder).absolute()
    plain = Path(os.path.abspath(place))
    if not (plain.is_relative_to(Path.cwd()) or plain.is_relative_to(here)):
        raise ValueError(
            f"{file}: dir is {folder}, outside of the current folder and of the recipe's: give the folder yourself, as "
            f"in dir={os.path.realpath(folder)}"
        )
    for path in (place, *place.parents):  # as written, because the kernel follows a link before a `..` behind it
        if Path(os.path.abspath(path)).is_relative_to(here) and path != here and path.is_symlink():
            raise ValueError(
                f"{file}: dir is {folder}, and {path} is a symbolic link, which may have come with the recipe: give "
                f"the folder yourself, as in dir={os.path.realpath(folder)}"
            )


def _complete(stages: dict[str, Any], training: dict[str, Any]) -> None:
    """Check the keys of stages; add options of `training` and default checkpoints to stages that train or test."""
    for name, stage in stages.items():
        plain_name(name, "stage")
        if not isinstance(stage, dict):
            raise ValueError(f"stage {name} is {short(stage)}: it takes verb, options, checkpoint and on_request")
        if set(stage) - {"verb", "options", "checkpoint", "on_request"} or not stage.get("verb"):
            raise ValueError(
                f"stage {name} takes verb, options, checkpoint and on_request, got {', '.join(map(str, stage))}"
            )
        options = _options(f"stage {name} has the options", stage.get("options"))
        if _TRAINING.search(str(stage["verb"])):
            options = merge(_named(training, name), options)
            if folder := options.get("trainer.default_root_dir"):
                stage.setdefault("checkpoint", f"{folder}/last.ckpt")
        stage["options"] = options


def _options(what: str, value: Any) -> dict[Any, Any]:
    """Options as a mapping; raises ValueError for anything else."""
    if not isinstance(value, dict | None):
        raise ValueError(f"{what} {short(value)}: write `option: value` for each")
    return value or {}


def _named(value: Any, stage: str) -> Any:
    """Settings with the name of a stage in the place of `${stage}`."""
    if isinstance(value, dict):
        return {key: _named(item, stage) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, stage) for item in value]
    return value.replace("${stage}", stage) if isinstance(value, str) else value


def verb_words(name: str, verb: object) -> list[str]:
    """The words of a stage's verb, first the module in `recipes`; raises ValueError for any other."""
    try:
        words = shlex.split(str(verb))
    except ValueError:  # a quote that is not closed
        words = []
    if not words or words[0] not in _VERBS:
        wrong = short(words[0] if words else verb)
        raise ValueError(f"stage {name} has the verb {wrong}: choose one of {', '.join(sorted(_VERBS))}")
    if invalid := [word for word in words if word.startswith("-")]:
        raise ValueError(f"stage {name} has the option {invalid[0]!r} in its verb: write it under options")
    return words


def command_line(name: str, words: Sequence[str], options: dict[str, Any]) -> list[str]:
    """The command line of a stage; a list gives several `--config`, or several words after any other option."""
    command = [f"lightning_vc.recipes.{words[0]}", *words[1:]]
    for option, value in options.items():
        values = [str(item) for item in (value if isinstance(value, list) else [value])]
        if not _OPTION.fullmatch(str(option)) or option in _GROUPS:
            raise ValueError(f"stage {name} has the option {option!r}: write its whole name, as in trainer.max_steps")
        if invalid := [item for item in values if _FLAG.match(item)]:
            raise ValueError(
                f"stage {name} has the value {invalid[0]!r} of {option}, which is an option: write it as one"
            )
        may_name_folders = str(option).startswith(("trainer.", "config"))
        if may_name_folders and (invalid := [item for item in values if _has_mapping(item)]):
            raise ValueError(
                f"stage {name} has {short(invalid[0])} as {option}, which may name folders: "
                "write each setting as an option"
            )
        if option == "config":
            command += [word for file in values for word in ("--config", file)]
        elif value is not None:
            command += [f"--{option}", *values]
    if invalid := [word for word in command if "${" in word]:  # in a key or a path, where `resolve` replaces nothing
        raise ValueError(f"stage {name} has {short(invalid[0])}, which the verb would interpolate: write it as text")
    return command


def _has_mapping(value: str) -> bool:
    """Whether a value is YAML with a mapping; the verb would read its settings, which the checks of options miss."""
    try:
        check_yaml(value)
        return any(isinstance(event, MappingStartEvent) for event in parse(value))
    except YAMLError:
        return "{" in value or "class_path" in value


def output_paths(folder: Path, name: str, words: Sequence[str], options: dict[str, Any]) -> tuple[Path, ...]:
    """The outputs that the options of a stage name.

    Raises:
        ValueError: if one is not inside of `folder`, or the verb's own output is missing, so that the stage would write
            elsewhere.
    """
    verb, paths = words[0], []
    for option, value in options.items():
        key = str(option).removesuffix("+")
        if (verb, key) == ("export", "push_to"):
            raise ValueError(f"stage {name} has the option push_to, which uploads the model: run that verb by hand")
        is_voice = (verb, key) in (("morph", "save"), ("clone", "voice"))
        is_output = is_voice or _OUTPUT.fullmatch(key)
        if is_output or key.startswith("trainer."):
            _check_parts(f"stage {name} has {short(value)} as {option}", value, bool(is_output))
        if value is None or not is_output:
            continue
        if not isinstance(value, str) or value.startswith("~"):
            raise ValueError(f"stage {name} has {short(value)} as {option}: give one path in {folder}, without ~")
        if is_voice and "/" not in value and not value.endswith(".safetensors"):
            raise ValueError(
                f"stage {name} has {short(value)} as {option}, a name in your library of voices: give a file in "
                f"{folder}, such as {folder / 'voice.safetensors'}"
            )
        paths.append(Path(value).absolute())
        is_folder = os.path.realpath(paths[-1]) == os.path.realpath(folder)
        if is_folder and verb == "prepare":
            raise ValueError(
                f"stage {name} has {short(value)} as {option}, which is dir: prepare writes beside its "
                f"folder, so give a folder in dir, such as {folder / 'shards'}"
            )
        if not is_folder:
            inside(folder, str(paths[-1]))
    main = _MAIN.get(verb, "trainer.default_root_dir")
    if options.get(main) is None and words[:2] != ["prepare", "verify"]:
        raise ValueError(f"stage {name} lacks the option {main}: give the path in {folder} that it writes to")
    return tuple(paths)


def _check_parts(what: str, value: Any, is_output: bool) -> None:
    """Raise ValueError for a value that names a place elsewhere; any value of the trainer may be a part of a path."""
    if isinstance(value, list):
        for item in value:
            _check_parts(what, item, is_output)
        return
    text = str(value)
    if _ELSEWHERE.search(text):
        raise ValueError(
            f"{what}: give a path without $, :: and ://, a scheme such as file:, or a format code such as {{step:c}}"
        )
    if not is_output and (text.startswith(("/", "~")) or ".." in Path(text).parts):
        raise ValueError(f"{what}: give a name without / in front and ..")
    if Path(text).suffix in (".yaml", ".yml", ".json"):
        raise ValueError(f"{what}, which may be read as settings that no check sees: write each setting as an option")


def load_yaml(file: Path) -> Any:
    """Load a YAML file with its includes; raises ValueError with its name."""
    try:
        return compose(read_text(file), file.parent, lambda text: OmegaConf.to_container(OmegaConf.create(text)))
    except (YAMLError, ValueError, OmegaConfBaseException) as error:
        raise ValueError(f"{file} cannot be read as YAML: {error}") from error
