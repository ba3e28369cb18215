"""List the recipes that come with the package, or copy one to edit it."""

from collections.abc import Sequence

from lightning_vc.console import printable, reported
from lightning_vc.shipped_recipes import copy_recipe, recipe_names, share
from lightning_vc.verbs import VerbParser


def main(args: Sequence[str] | None = None) -> None:
    parser = VerbParser(prog="lightning-vc recipes", description=__doc__)
    parser.add_argument("verb", nargs="?", default="list", choices=["list", "copy"], help="list, or copy NAME FOLDER")
    parser.add_argument("name", nargs="?", help="of a recipe, such as mini")
    parser.add_argument("folder", nargs="?", help="that gets recipes/ and configs/; existing files are not overwritten")
    options = parser.parse_args(args)
    words = [word for word in (options.name, options.folder) if word]
    if len(words) != (2 if options.verb == "copy" else 0):
        parser.error(f"{options.verb} takes {'NAME and FOLDER' if options.verb == 'copy' else 'nothing'} behind it")
    with reported():
        if options.verb == "copy":
            path = copy_recipe(*words)
            print(printable(f"{path}: run it by `lightning-vc run {path} dir=FOLDER`, in a folder of its own"))
            return
        names = recipe_names()
        for name, meaning in names.items():
            print(f"{name:{max(map(len, names))}}  {meaning}")
        print(f"\nThey are in {share() / 'recipes'}; `lightning-vc run NAME` runs one.")


if __name__ == "__main__":
    main()
