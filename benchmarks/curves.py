"""Draw training curves from the metrics.csv of Lightning's CSVLogger.

    python benchmarks/curves.py curves.png runs/base/tts/log/version_0/metrics.csv ...

One row for each file, one panel for each metric that is logged in training and in validation.
"""

import argparse
import csv
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Points = list[tuple[int, float]]  # step, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    runs = {file: read(file) for file in options.files}
    if empty := [file for file, curves in runs.items() if not curves]:
        parser.error(f"{empty[0]} has no metric of both training and validation: train until the first validation")
    most = max(len(curves) for curves in runs.values())
    figure = Figure(figsize=(2.4 * most, 2.0 * len(runs)), layout="constrained", dpi=80)
    panels = figure.subplots(len(runs), most, squeeze=False)
    for (file, curves), row in zip(runs.items(), panels, strict=True):
        row[0].set_ylabel(str(file), fontsize=6)
        for axes in row[len(curves) :]:
            axes.axis("off")
        for (name, pair), axes in zip(curves.items(), row, strict=False):
            draw(axes, name, *pair)
    figure.savefig(options.out)


def read(file: Path) -> dict[str, tuple[Points, Points]]:
    """Values of each metric in training and in validation."""
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    names = [name.removeprefix("train/") for name in rows[0] if name.startswith("train/")] if rows else []
    both = {name: (points(rows, f"train/{name}"), points(rows, f"val/{name}")) for name in names}
    return {name: pair for name, pair in both.items() if all(pair)}


def points(rows: list[dict[str, str]], column: str) -> Points:
    return [(int(row["step"]), float(row[column])) for row in rows if row.get(column)]


def draw(axes: Axes, name: str, train: Points, validation: Points) -> None:
    axes.plot(*zip(*train, strict=True), color="C0", linewidth=0.8, label="training")
    axes.plot(*zip(*validation, strict=True), "o-", color="C1", markersize=2, linewidth=0.8, label="validation")
    axes.set_title(name, fontsize=8)
    axes.tick_params(labelsize=6)
    axes.legend(fontsize=6, frameon=False)


if __name__ == "__main__":
    main()
