"""A realisation is the very image that AugMix makes, with its parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_lite.augmix import apply_operation, augment_and_mix
from robustbench_lite.augmix.realisation import realise_augmix


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("settings", [{}, {"severity": 1, "width": 2, "depth": 4}, {"all_ops": True}])
def test_the_result_is_that_of_augment_and_mix(seed: int, settings: dict[str, object]) -> None:
    image = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, 40, 56), dtype=np.uint8))
    result = realise_augmix(image, generator=torch.Generator().manual_seed(seed), **settings)
    mixed = augment_and_mix(image[None], generator=torch.Generator().manual_seed(seed), **settings)[0]
    torch.testing.assert_close(result.mixed, mixed, atol=2e-6, rtol=0)
    assert sum(result.weights) == pytest.approx(1)
    for chain in result.chains:
        before = image
        for step in chain:
            assert torch.equal(step.image, apply_operation(before[None], step.operation, step.magnitude)[0])
            before = step.image
