"""How much of the CPUs other programs took while something was measured.

Threads that wait for each other by spinning, as PyTorch's do, become many times slower when one of
their CPUs is taken from them. A table from a busy machine is unfair, and has to say so.
"""

import os
import resource
import time
from pathlib import Path

from . import machine

STAT = Path("/proc/stat")


class Watch:
    """Begins when it is made."""

    def __init__(self):
        self._cpus = {f"cpu{cpu}" for cpu in machine.available_cpus()}
        self._began = time.monotonic()
        self._busy = self._seconds_busy()
        self._ours = seconds_of_ours()

    def cpus_taken(self):
        """The mean number of CPUs that others had, since then, of those that are ours to use.
        None where the system does not tell."""
        if self._busy is None:
            return None
        others = self._seconds_busy() - self._busy - (seconds_of_ours() - self._ours)
        return max(0.0, others / (time.monotonic() - self._began))

    def _seconds_busy(self):
        try:
            lines = [line.split() for line in STAT.read_text().splitlines()]
        except OSError:
            return None
        ticks = 0
        for name, *of_kind in lines:
            if name in self._cpus:
                user, nice, system, _idle, _waiting, irq, softirq, stolen = map(int, of_kind[:8])
                ticks += user + nice + system + irq + softirq + stolen
        return ticks / os.sysconf("SC_CLK_TCK")


def seconds_of_ours():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
