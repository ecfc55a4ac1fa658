"""The scores of a cell, one entry each: how a score follows from the predictions, and how it is shown.

`results.json`, `cells.csv`, the headline means, their intervals, tables, comparisons and reports follow the
table `SCORES`. No torch here: a score that needs it is named as "module:function" and loaded when it is
computed.
"""

from __future__ import annotations

from robustbench_lite.scores.naming import (
    CLEAN_PREFIX,
    DIFFICULTY,
    ESTIMATED,
    SELECTED,
    headline_order,
    own_presentations,
    presentation,
)
from robustbench_lite.scores.record import Presentation, Score, ScoreParts
from robustbench_lite.scores.table import HEADLINES, SCORES, scores_of

__all__ = [
    "CLEAN_PREFIX",
    "DIFFICULTY",
    "ESTIMATED",
    "HEADLINES",
    "SCORES",
    "SELECTED",
    "Presentation",
    "Score",
    "ScoreParts",
    "headline_order",
    "own_presentations",
    "presentation",
    "scores_of",
]
