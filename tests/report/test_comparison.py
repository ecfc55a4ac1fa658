"""How a comparison names and scales its scores."""

from __future__ import annotations

import pytest

from robustbench_lite.report.tables.comparison import Comparison, ScoreDifference
from robustbench_lite.scores import presentation


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("mce", "mCE"),
        ("clean_error", "Clean error"),
        ("clean_brier_score", "Clean Brier (0 to 2)"),
        ("selected_mean_error", "Error of the selection"),
        ("selected_brier_score", "Brier (0 to 2) of the selection"),
        ("mfp_difficulty_2", "mFP, difficulty 2"),
    ],
)
def test_a_score_is_called_by_its_name_in_words(name: str, title: str) -> None:
    assert presentation(name).title == title


@pytest.mark.parametrize("name", ["brier_score", "clean_brier_score", "selected_brier_score", "selected_nll"])
def test_scores_beyond_one_are_printed_as_they_are_and_not_as_percentages(name: str) -> None:
    one = ScoreDifference(name, 1.25, 1.5, 0.125, 0.375, 0.01)
    text = Comparison("custom-c", "a", "b", "error", (), (one,), ()).report().render("text")
    assert "1.250" in text
    assert "125.0" not in text
