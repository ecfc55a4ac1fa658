"""Work that another thread does in advance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

_Result = TypeVar("_Result")

AHEAD: Final = 2
"""The number of jobs that start before their results are needed."""


def done_ahead(jobs: Iterable[Callable[[], _Result]]) -> Iterator[_Result]:
    """Yield the results of the jobs in order, while one thread works on the next jobs."""
    with ThreadPoolExecutor(1) as worker:
        waiting: deque[Future[_Result]] = deque()
        for job in jobs:
            waiting.append(worker.submit(job))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
