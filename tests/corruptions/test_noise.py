"""The byte-to-byte distributions behind the noise corruptions, against the published formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from robustbench_lite.corruptions import CORRUPTIONS, corrupt, noise
from robustbench_lite.corruptions.random import Draws
from robustbench_lite.corruptions.records import PROFILES
from tests.oracles import corruptions as oracle

DISTRIBUTIONS = {
    "gaussian_noise": noise._gaussian_cdf,
    "shot_noise": noise._shot_cdf,
    "impulse_noise": noise._impulse_cdf,
    "speckle_noise": noise._speckle_cdf,
}
CASES = [
    (name, parameters)
    for name in DISTRIBUTIONS
    for parameters in sorted({p for profile in PROFILES for p in CORRUPTIONS[name].levels(profile)})
]


@pytest.mark.parametrize(("name", "parameters"), CASES[::4])
def test_an_alias_table_holds_its_distribution_to_the_last_of_the_32_bits(name, parameters):
    table = noise._alias_table(DISTRIBUTIONS[name], parameters, torch.device("cpu")).numpy()
    bound = (table.astype(np.int64) >> 8) + 2**23
    alias = table.astype(np.int64) & 255
    level, column = np.divmod(np.arange(65536), 256)
    words = np.zeros((256, 256), np.int64)
    np.add.at(words, (level, column), bound)
    np.add.at(words, (level, alias), 2**24 - bound)

    expected = np.diff(np.round(DISTRIBUTIONS[name](parameters) * 2.0**32), axis=1, prepend=0)
    assert np.array_equal(words, expected.astype(np.int64))


@pytest.mark.parametrize("level", [0, 1, 77, 200, 255])
@pytest.mark.parametrize("parameters", [(60,), (3,), (500,)])
def test_shot_noise_has_poisson_probabilities(parameters, level):
    rate = parameters[0]
    counts = np.arange(rate + 400)
    stored = (np.clip(counts / rate, 0, 1) * 255).astype(np.uint8)
    expected = np.bincount(stored, stats.poisson.pmf(counts, level / 255 * rate), minlength=256)
    found = np.diff(noise._shot_cdf(parameters)[level], prepend=0)
    assert np.abs(found - expected).max() < 1e-12


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("severity", [1, 5])
def test_our_bytes_and_the_published_formulas_have_one_distribution(name, severity):
    values = np.repeat(np.array([0, 3, 60, 128, 251, 255], np.uint8), 4096)
    image = values.reshape(128, 64, 3)
    ours = corrupt(np.stack([image] * 8), name, severity, profile="cifar").reshape(8, 6, -1)
    rng = np.random.default_rng(5)
    parameters = CORRUPTIONS[name].levels("cifar")[severity - 1]
    theirs = np.stack([oracle.CORRUPTIONS[name](image, parameters, rng) for _ in range(8)]).reshape(8, 6, -1)
    for place in range(6):
        pair = ours[:, place].ravel(), theirs[:, place].ravel()
        counts = np.stack([np.bincount(bytes_, minlength=256) for bytes_ in pair])
        busy = counts.sum(axis=0) > 20
        if busy.sum() < 2:
            assert np.array_equal(counts[0], counts[1])
            continue
        rare = counts[:, ~busy].sum(axis=1, keepdims=True)
        kept = np.concatenate([counts[:, busy], rare[:, : int(rare.sum() > 20)]], axis=1)
        assert stats.chi2_contingency(kept).pvalue > 1e-6


def test_channels_and_neighbours_are_drawn_independently():
    noisy = corrupt(np.full((4, 64, 64, 3), 128, np.uint8), "gaussian_noise", 5, profile="cifar")
    unit = (noisy - noisy.mean()) / noisy.std()
    assert abs(unit.std() - 1) < 0.01
    for product in (
        unit[..., 0] * unit[..., 1],
        unit[:, 1:] * unit[:, :-1],
        unit[:, :, 1:] * unit[:, :, :-1],
        unit[1:] * unit[:-1],
    ):
        assert abs(product.mean()) < 0.03


def test_noise_takes_counter_or_recorded_draws_alone():
    class Other(Draws):
        pass

    with pytest.raises(TypeError, match="noise needs CounterDraws or RecordedDraws, got Other"):
        noise.gaussian_noise(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), (0.1,), Other())
