"""The checks, run by `run` in an environment with the clients."""

import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

# They put their checks on the list, in this order.
from checks import completions, streams, logprobs, features, crowds, errors, evaluation  # noqa: F401
from checks.checking import CHECKS
from checks.server import Server
from checks.subject import Subject


def main():
    machado, work, url, only, *models = sys.argv[1:]
    print(f"openai {version('openai')}, lm-eval {version('lm-eval')}")
    passed = failed = left_out = 0
    for number, model in enumerate(models):
        with ExitStack() as stack:
            subject = Subject(Path(machado), Path(work), url, None if model == "-" else Path(model),
                              own=url == "-", first=number == 0)
            if subject.own:
                subject.url = stack.enter_context(subject.other_server())
            print(f"-- tokens of the kind {subject.kind} at {subject.url}", flush=True)
            for check in CHECKS:
                if only not in check.name or (check.once and not subject.first):
                    continue
                if check.servers and not subject.own:
                    left_out += 1
                elif passes(check, subject):
                    passed += 1
                else:
                    failed += 1
    if left_out:
        print(f"{left_out} left out, which need servers of their own")
    print(f"{passed} of {passed + failed}")
    return 1 if failed or not passed else 0


def passes(check, subject):
    """Says in one line whether a check holds."""
    try:
        remark = check.run(subject)
    # Whatever goes wrong in a client is a failure of this one check.
    except Exception as problem:
        kind = "" if isinstance(problem, AssertionError) else f"{type(problem).__name__}: "
        print(f"FAIL  {check.name}: {kind}{problem}", flush=True)
        return False
    print(f"ok    {check.name}" + (f": {remark}" if remark else ""), flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
