"""Recipes and configs that come with the package: where they are, and copies of them to edit.

They are the folders recipes/ and configs/ of the repository. The wheel has both in lightning_vc/share, side by side,
so relative includes are the same in both.
"""

import os
import re
from pathlib import Path

from lightning_vc.files import inside, read_file, write_file

_LARGEST = 1 << 20  # bytes of one file
_OTHER = re.compile(r"\$\{here\}/\.\./([\w./-]+)")  # a file or folder beside the folder of a recipe


def share() -> Path:
    """Return the folder that holds recipes/ and configs/: that of the installed wheel, or the repository."""
    installed = Path(__file__).with_name("share")
    return installed if installed.is_dir() else Path(__file__).parents[1]


def recipe_names() -> dict[str, str]:
    """Return the first line of comment of each recipe that comes with the package, by name."""
    files = sorted(share().glob("recipes/*/recipe.yaml"))
    return {file.parent.name: file.read_text(encoding="utf-8").partition("\n")[0].strip("#: ") for file in files}


def recipe_path(name: str) -> Path:
    """Return the file of a recipe: `name` itself if it is a path, or else the recipe of that name.

    A file in the current folder is returned as a relative path, so that a stage has the same command, and is not run
    again, whether its recipe is given by name or by path.

    Raises:
        FileNotFoundError: if no recipe has that name.
    """
    if "/" in name or os.sep in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    if name not in recipe_names():
        raise FileNotFoundError(
            f"no recipe {name!r} comes with lightning_vc: choose one of {', '.join(recipe_names()) or 'none'}, or give "
            "the path of a recipe.yaml"
        )
    path, here = share() / "recipes" / name / "recipe.yaml", Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def copy_recipe(name: str, folder: str | Path) -> Path:
    """Copy a recipe with what it includes to folder/recipes/ and folder/configs/; returns the copied recipe.yaml.

    Files that are there already with the same content are left as they are, so that several recipes fit in one folder.

    Raises:
        FileNotFoundError: if no recipe has that name.
        FileExistsError: if a file is there with other content; nothing is written then.
        ValueError: if a symbolic link in the folder leads out of it; nothing is written then.
    """
    if name not in recipe_names():
        raise FileNotFoundError(
            f"no recipe {name!r} comes with lightning_vc: choose one of {', '.join(recipe_names())}"
        )
    recipe = recipe_path(name).absolute()
    sources = [recipe.parent, recipe.parents[1] / "defaults.yaml", share() / "configs"]
    sources += [recipe.parents[1] / other for other in _OTHER.findall(recipe.read_text(encoding="utf-8"))]
    files = {file for source in sources for file in ([source] if source.is_file() else source.rglob("*"))}
    copies = {Path(folder, file.relative_to(share())): file.read_bytes() for file in files if file.is_file()}
    for copy, content in copies.items():
        inside(folder, str(copy.relative_to(folder)))
        if os.path.lexists(copy) and (not copy.is_file() or read_file(copy, _LARGEST) != content):
            raise FileExistsError(f"{copy} exists with other content: give another folder, or move the file away")
    for copy, content in sorted(copies.items()):
        if not copy.exists():
            write_file(copy, content)
    return Path(folder, "recipes", name, "recipe.yaml")
