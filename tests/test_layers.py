"""What `lint-imports` cannot say about imports."""

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "lightning_vc"


def imported(file: Path) -> set[str]:
    """Name the top-level packages from elsewhere that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"lightning_vc"}


def canonical(requirement: str) -> str:
    """Cut a requirement down to the name of its distribution, as pip compares names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def test_types_needs_only_torch() -> None:
    assert imported(PACKAGE / "types.py") == {"torch"}


def test_imports_are_declared() -> None:
    by_hand = {"resemblyzer"}  # no dependency: docs/evaluation.md says how
    plain = by_hand | {canonical(item) for item in requires("lightning_vc") or [] if "extra == 'dev'" not in item}
    providers = packages_distributions()
    undeclared = {
        f"{file.relative_to(PACKAGE)}: {name}"
        for file in PACKAGE.rglob("*.py")
        for name in imported(file)
        if plain.isdisjoint(map(canonical, [*providers.get(name, []), name]))  # of an extra none may be installed
    }
    assert not undeclared, "pyproject.toml does not list what brings these"
