"""What the paper measured, for tables and curves beside ours (voice cloning paper, Tables 1 to 3, Figures 4 and 5).

Values of Figure 4, and those of the figure of iterations, were read off its curves: ± 0.3 and ± 1 of a hundred.
"""

from collections.abc import Mapping

CLIPS = (1, 2, 3, 5, 10, 20, 50, 100)
STEPS = (100, 500, 1000, 2000, 4000, 8000, 50_000, 100_000)

Curves = Mapping[str, tuple[float, ...]]  # method -> a value for each of the first of CLIPS

_NAMES = ("embedding", "whole_model", "encoder", "joint")


def _curves(*values: tuple[float, ...]) -> Curves:
    return dict(zip(_NAMES, values, strict=True))


# What a way to clone takes: time to clone, time to say a sentence (one figure for all), numbers of a voice.
COSTS: Mapping[str, tuple[str, str, str]] = {
    "embedding": ("about 8 h", "about 0.4 to 0.6 s", "128"),
    "whole_model": ("about 0.5 to 5 min", "about 0.4 to 0.6 s", "about 25 million"),
    "encoder": ("about 1.5 to 3.5 s", "about 0.4 to 0.6 s", "512"),
    "joint": ("about 1.5 to 3.5 s", "about 0.4 to 0.6 s", "512"),
}
# Mean opinion scores of naturalness, of 5. Real recordings 4.66, the multi-speaker model 2.61.
NATURALNESS = _curves(
    (2.27, 2.38, 2.43, 2.46, 2.67),
    (2.32, 2.87, 2.98, 2.67, 3.16),
    (2.76, 2.76, 2.78, 2.75, 2.79),
    (2.93, 3.02, 2.97, 2.93, 2.99),
)
# Similarity as listeners judge it, of 4. One speaker, real, 3.91; two speakers 1.52.
SIMILARITY = _curves(
    (2.66, 2.64, 2.71, 2.78, 2.95),
    (2.59, 2.95, 3.01, 3.07, 3.16),
    (2.48, 2.73, 2.70, 2.81, 2.85),
    (2.59, 2.67, 2.73, 2.77, 2.77),
)
# Share of clones that the speaker classifier gets right, among 108 speakers.
ACCURACY = _curves(
    (0.58, 0.625, 0.65, 0.695, 0.77),
    (0.69, 0.80, 0.90, 0.957, 0.988),
    (0.445, 0.563, 0.61, 0.652, 0.682),
    (0.375, 0.471, 0.543, 0.58, 0.624),
)
# Equal error rate of speaker verification with five enrolment recordings. Real speech 0.054 (VCTK).
EER = _curves(
    (0.13, 0.116, 0.102, 0.101, 0.093, 0.088, 0.084, 0.076),
    (0.141, 0.112, 0.085, 0.044, 0.04, 0.044, 0.045, 0.04),
    (0.114, 0.099, 0.092, 0.079, 0.085),
    (0.126, 0.105, 0.099, 0.094, 0.086),
)
# Accuracy after so many steps of adaptation: method -> clips -> a value for each of STEPS.
ITERATIONS: Mapping[str, Mapping[int, tuple[float, ...]]] = {
    "whole_model": {
        1: (0.69, 0.63, 0.56, 0.56, 0.57, 0.59, 0.58, 0.61),
        5: (0.93, 0.96, 0.97, 0.95, 0.89, 0.77, 0.60, 0.62),
        10: (0.97, 0.98, 0.99, 0.99, 0.98, 0.97, 0.71, 0.66),
        100: (0.98, 0.99, 1.00, 1.00, 1.00, 0.99, 0.97, 0.94),
    },
    "embedding": {
        1: (0.09, 0.28, 0.38, 0.48, 0.51, 0.55, 0.58, 0.58),
        5: (0.09, 0.32, 0.47, 0.56, 0.61, 0.67, 0.70, 0.69),
        10: (0.09, 0.36, 0.53, 0.63, 0.69, 0.72, 0.76, 0.77),
        100: (0.12, 0.41, 0.59, 0.68, 0.74, 0.75, 0.78, 0.78),
    },
}
