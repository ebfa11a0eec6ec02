"""What the user hears: talk on stderr, as the tables alone go to stdout, and problems."""

import sys


class Problem(Exception):
    """Something that the user can understand and change. Its text is shown without a traceback."""


def say(text):
    print(text, file=sys.stderr, flush=True)
