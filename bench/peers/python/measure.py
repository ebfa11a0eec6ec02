"""What the Python peers share: their arguments, windows of a text, and the clock.

The same as `rust/common` does for the Rust peers. Only numpy is needed, which each peer brings.
"""

import argparse
import itertools
import json
import statistics
import time
from collections import Counter

import numpy

BATCH = 32
WINDOW = 128
EMBEDDING_DIM = 16
FILTERS = 32
KERNEL_SIZE = 3
UNITS = 128
LEARNING_RATE = 1e-3
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

# Batches that the steps take in turn.
BATCHES = 16
# Steps of the warm-up and of the measurement, however long they take.
FEWEST_STEPS = 3


def arguments(description):
    """The parser of a peer's arguments, `TEXT SECONDS --threads N`, to which it may add its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("text", metavar="TEXT", help="file to learn from")
    parser.add_argument("seconds", metavar="SECONDS", type=float, help="how long to measure")
    parser.add_argument("--threads", type=int, default=2)
    return parser


class Text:
    """A text as ids, one per character of the lower-cased text; frequent characters come first."""

    def __init__(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            characters = file.read().lower()
        ids = {c: i for i, (c, _) in enumerate(Counter(characters).most_common())}
        self.vocabulary_size = len(ids)
        self.ids = numpy.fromiter((ids[c] for c in characters), numpy.int32, len(characters))
        self._random = numpy.random.default_rng(42)

    def batches(self):
        """Inputs and targets [B, T] of windows from random places, without an end: each target is
        the next id. They are made once and taken in turn, so that it is learning that is measured.
        """
        return itertools.cycle([self._batch() for _ in range(BATCHES)])

    def _batch(self):
        starts = self._random.integers(0, len(self.ids) - WINDOW, BATCH)
        windows = self.ids[starts[:, None] + numpy.arange(WINDOW + 1)]
        return windows[:, :-1], windows[:, 1:]


class Stopwatch:
    """Takes the time of each step: for half of `seconds` as warm-up, then for all of it."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._warm_up = True
        self._begin_phase()

    def _begin_phase(self):
        self._phase_began = self._step_began = time.perf_counter()
        self._ms = []

    def step_is_done(self):
        """Says whether another step is wanted."""
        now = time.perf_counter()
        self._ms.append((now - self._step_began) * 1e3)
        self._step_began = now
        wanted = self._seconds / 2 if self._warm_up else self._seconds
        if len(self._ms) < FEWEST_STEPS or now - self._phase_began < wanted:
            return True
        if self._warm_up:
            self._warm_up = False
            self._begin_phase()
            return True
        return False

    def print_result(self, version, loss):
        """Prints the median time of a step as one JSON object."""
        result = {"version": version, "ms_per_step": statistics.median(self._ms)}
        print(json.dumps({**result, "steps": len(self._ms), "loss": loss}))


def measure(version, seconds, batches, step):
    """Measures `step`, which takes inputs and targets, learns from them, and returns the loss.

    The loss is read after each step, since that waits for a framework that runs ahead of Python.
    """
    stopwatch = Stopwatch(seconds)
    while True:
        loss = float(step(*next(batches)))
        if not stopwatch.step_is_done():
            break
    stopwatch.print_result(version, loss)
