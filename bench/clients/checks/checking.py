"""The list of checks, and what they have in common."""

from dataclasses import dataclass
from typing import Callable

# Sums of rounded 32-bit logarithms, for each token.
NATS_PER_TOKEN = 2e-6


@dataclass(frozen=True)
class Check:
    """`once`: it has nothing to do with the kind of model. `servers`: it starts servers of its own."""

    name: str
    run: Callable
    once: bool
    servers: bool


CHECKS = []


def check(name, once=False, servers=False):
    """Puts a function of a Subject on the list. It fails by an exception, and may return a remark."""
    def listed(run):
        CHECKS.append(Check(name, run, once or servers, servers))
        return run
    return listed


def same(found, expected, what):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


def near(found, expected, tolerance, what):
    off = abs(found - expected)
    assert off <= tolerance, f"{what}: {found!r} instead of {expected!r}, which is {off:.1e} away"


def raises(kind, call):
    """The exception of this very kind that a call must raise."""
    try:
        answer = call()
    except kind as problem:
        same(type(problem), kind, "the exception")
        return problem
    raise AssertionError(f"no {kind.__name__}, but {str(answer)[:200]}")
