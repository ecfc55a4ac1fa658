"""Official runs: their draws in the order that our kernels ask, and the plain oracles' results."""

from __future__ import annotations

import numpy as np

from robustbench_lite.corruptions import CORRUPTIONS
from robustbench_lite.corruptions.frost import find_photographs
from tests.oracles import corruptions, weather
from tests.oracles.weather import Recorder


def published(image, name, severity, profile, seed):
    """The plain oracle's result for a uint8 (S, S, 3) image, and its draws in our kernels' order."""
    parameters, size = CORRUPTIONS[name].levels(profile)[severity - 1], image.shape[0]
    if name == "impulse_noise":
        result = corruptions.impulse_noise(image, parameters, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        return result, [rng.random(image.shape), rng.random(image.shape)]
    rng = Recorder(seed)
    if name == "frost":
        return weather.frost(image, parameters, rng, find_photographs()), rng.arrays
    if name == "glass_blur":
        reach, iterations = int(parameters[1]), int(parameters[2])
        result = corruptions.glass_blur(image, (parameters[0], reach, iterations), rng)
        shape = iterations, size - 2 * reach, size - 2 * reach, 2
        return result, [np.stack(rng.arrays).reshape(shape)]
    kernel = corruptions.CORRUPTIONS.get(name) or getattr(weather, name)
    return kernel(image, parameters, rng), rng.arrays


def redrawn(name, image, parameters, record):
    """The arrays of one run: `record` is its entry in the vectors' meta file, `image` the clean input."""
    state, size = np.random.RandomState(record["seed"]), image.shape[0]
    if name == "impulse_noise":
        rng = np.random.default_rng(record["seed"])
        return [rng.random(image.shape), rng.random(image.shape)]
    if name == "shot_noise":
        return [state.poisson(image / 255.0 * parameters[0])]
    if name == "glass_blur":
        _, reach, iterations = map(int, parameters)
        return [state.randint(-reach, reach, size=(iterations, size - 2 * reach, size - 2 * reach, 2))]
    return [_call(state, draw) for draw in record["draws"]]


def _call(state, draw):
    numbers = [_shape(text) if "(" in text else float(text) for text in draw["args"]]
    named = {key: _shape(text) if "(" in text else float(text) for key, text in draw["kwargs"].items()}
    function = draw["fn"].rpartition(".")[2]
    if function == "randint":
        numbers = [int(number) for number in numbers]
    return np.asarray(getattr(state, function)(*numbers, **named))


def _shape(text):
    return tuple(int(part) for part in text.strip("()").split(",") if part.strip())
