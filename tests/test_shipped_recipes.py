"""Recipes that come with the package: found by name, copied to edit, in the wheel."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from lightning_vc import shipped_recipes
from lightning_vc.recipes import recipes as verb
from lightning_vc.shipped_recipes import copy_recipe, recipe_names, recipe_path
from lightning_vc.stages import Recipe
from tests.test_docs import blocks
from tests.tiny import ROOT

NAMES = ["base", "librispeech", "mini", "vctk"]
SPEAKERS = ["speakers=14", "utterances=3"]  # 6 of them for validation, 6 held out


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    verb.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(NAMES)]] == list(recipe_names()) == NAMES
    assert "generated voices" in lines[2]
    assert str(ROOT / "recipes") in lines[-1]


def test_a_name_and_a_path_are_the_same_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert recipe_path("mini") == recipe_path("recipes/mini/recipe.yaml") == Path("recipes/mini/recipe.yaml")
    monkeypatch.chdir(tmp_path)
    assert recipe_path("mini") == ROOT / "recipes/mini/recipe.yaml"
    assert recipe_path("own.yaml") == Path("own.yaml")
    with pytest.raises(FileNotFoundError, match=r"no recipe 'maxi' comes with.*base, librispeech, mini, vctk"):
        recipe_path("maxi")


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_has_all_that_the_recipe_names(name: str, tmp_path: Path) -> None:
    recipe = Recipe(copy_recipe(name, tmp_path))
    named = [Path(word) for stage in recipe.stages for word in stage.command if word.endswith((".yaml", ".txt"))]
    assert len(named) > 4
    for file in named:
        assert file.is_file(), file
        assert file.resolve().is_relative_to(tmp_path.resolve())


def test_a_copy_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = copy_recipe("mini", tmp_path)
    copy_recipe("vctk", tmp_path)  # the shared configs are the same
    copied.write_text("mine")
    for name in ("mini", "librispeech"):
        (tmp_path / "configs/optim/adam.yaml").write_text("mine too")
        with pytest.raises(SystemExit) as end:
            verb.main(["copy", name, str(tmp_path)])
        assert end.value.code == 1
        assert "exists with other content: give another folder" in capsys.readouterr().err
    assert copied.read_text() == "mine"
    assert not (tmp_path / "recipes/librispeech/recipe.yaml").exists()
    with pytest.raises(SystemExit) as end:
        verb.main(["copy", "mini"])
    assert end.value.code == 2


def test_a_copy_stays_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "recipes").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is not inside of"):
        copy_recipe("mini", tmp_path / "sent")
    assert not any((tmp_path / "elsewhere").iterdir())
    assert len([*(tmp_path / "sent").iterdir()]) == 1


def test_only_recipes_of_the_package_are_copied(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no recipe '\./recipe\.yaml' comes with"):
        copy_recipe("./recipe.yaml", tmp_path)


def test_the_wheel_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "share").mkdir()
    monkeypatch.setattr(shipped_recipes, "__file__", str(tmp_path / "shipped_recipes.py"))
    assert shipped_recipes.share() == tmp_path / "share"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of a new environment with the wheel, in which the checkout cannot be imported."""
    pytest.importorskip("hatchling", reason="builds the wheel without a download: pip install hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(packages))  # their .pth files are not read
    subprocess.run([*pip, "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    return python


def in_empty_folder(command: list[str], folder: Path) -> str:
    """Run a command in a folder without the checkout on its path, and return what it printed."""
    keep = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=keep, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_alone_speaks_and_prepares(installed: Path, tmp_path: Path) -> None:
    """README's quickstart and the first stage of `run mini`, from an installed wheel in an empty folder."""
    place = in_empty_folder([str(installed), "-c", "import lightning_vc; print(lightning_vc.__file__)"], tmp_path)
    assert Path(place.strip()).is_relative_to(installed.parents[1])
    command = str(installed.with_name("lightning-vc"))
    share = installed.parents[1]
    assert str(share) in in_empty_folder([command, "recipes"], tmp_path)

    in_empty_folder([command, "run", "mini", "--stages", "prepare", "dir=out", *SPEAKERS], tmp_path)
    assert list((tmp_path / "out" / "shards").rglob("*.tar"))
    in_empty_folder([command, "recipes", "copy", "mini", "mine"], tmp_path)
    own = "mine/recipes/mini/recipe.yaml"
    in_empty_folder([command, "run", own, "--stages", "prepare", "dir=mine/out", *SPEAKERS], tmp_path)

    in_empty_folder([command, "demo", "--out", "demo", "--text", "Good morning."], tmp_path)
    for name, clip in zip("ab", sorted((tmp_path / "demo" / "clips" / "f000").iterdir()), strict=False):
        clip.rename(tmp_path / f"{name}.wav")
    (code,) = [block for block in blocks(ROOT / "README.md", "python") if "Cloner" in block]
    in_empty_folder([str(installed), "-c", code], tmp_path)
    assert (tmp_path / "hello.wav").stat().st_size > 10_000
