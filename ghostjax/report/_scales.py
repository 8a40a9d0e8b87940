"""Colours that differ under the common colour-vision deficiencies, on light and on dark backgrounds."""

from typing import Any


PALETTE = ("#2f86c9", "#d9641e", "#1f9d78", "#b565a7", "#b98900", "#4bb0c4", "#8c6bd1", "#7d8896")
"""Colours of compared runs, in order."""
DASHES = ("solid", "dash", "dashdot", "longdash", "longdashdot")
"""Line styles of compared runs, in order: they differ also without colour."""
BASELINE = "#7d8896"
BYZANTINE = "#c2410c"
HONEST = "#7f9cbd"
AMOUNT = [[i / 4, colour] for i, colour in enumerate(("#00224e", "#434e6c", "#7d7c78", "#bcae6c", "#fee838"))]
"""From small (dark blue) to large (yellow) values. Lightness rises evenly, so that it also prints in grey."""
BAD, MIDDLE, GOOD = "#b4520e", "#efe9dc", "#1d5f96"


def judgement(*, high_is_good: bool) -> list[list[Any]]:
    """From bad (orange) to good (blue): the common deficiencies do not confuse these."""
    colours = (BAD, MIDDLE, GOOD) if high_is_good else (GOOD, MIDDLE, BAD)
    return [[i / 2, colour] for i, colour in enumerate(colours)]
