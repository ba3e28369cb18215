"""Run a recipe.yaml stage by stage; finished stages are skipped, an interrupted one is resumed."""

from argparse import ArgumentParser
from collections.abc import Sequence

from lightning_vc.console import reported
from lightning_vc.shipped_recipes import recipe_path
from lightning_vc.stages import Recipe


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="lightning-vc run", description=__doc__, allow_abbrev=False)
    parser.add_argument("recipe", help="name of a recipe, such as mini, or path of a recipe.yaml")
    parser.add_argument(
        "--stages", help="names of stages, separated by commas, or all; default: every stage without `on_request: true`"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of the recipe to change")
    options = parser.parse_intermixed_args(args)
    with reported():
        recipe = Recipe(recipe_path(options.recipe), options.overrides)
        all_stages = [stage.name for stage in recipe.stages]
        recipe.run(all_stages if options.stages == "all" else options.stages.split(",") if options.stages else None)


if __name__ == "__main__":
    main()
