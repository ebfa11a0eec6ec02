"""The server that is checked: starting one, asking it what no client's package asks, stopping it."""

import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

# A server that has not said where it listens by then never will.
START_SECONDS = 30
STOP_SECONDS = 10
ADDRESS = re.compile(rb"http://[\w.\[\]:-]+:\d+")


class Server:
    """`machado serve` on a free port, from entering the context to leaving it."""

    def __init__(self, machado, flags, log):
        self.command = [machado, "serve", "--port", "0", *flags]
        self.log = log

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = ADDRESS.search(self.log.read_bytes())
            if found:
                return found.group().decode()
            assert self.process.poll() is None, f"it does not start: {self.log.read_text()}"
            time.sleep(0.02)
        self.process.kill()
        raise AssertionError(f"no address within {START_SECONDS} s: {self.log.read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running {STOP_SECONDS} s after SIGTERM") from None


@dataclass
class Answer:
    """What came back, whatever the status."""

    status: int
    headers: object
    body: bytes

    def json(self):
        return json.loads(self.body)


def ask(url, body=None, method=None, headers=(), seconds=60):
    """A request whose body is sent as it is if it is bytes, as JSON if it is anything else."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} | dict(headers),
                                     method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as found:
            return Answer(found.status, found.headers, found.read())
    except urllib.error.HTTPError as problem:
        with problem:
            return Answer(problem.code, problem.headers, problem.read())


def metrics(url):
    """The figures of /metrics by name, labels and all."""
    found = {}
    for line in ask(f"{url}/metrics").body.decode().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def wait_until(holds, seconds, what):
    """Looks again and again whether something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"after {seconds} s {what}"
        time.sleep(0.02)


class Busy:
    """Threads that do something over and over, from entering the context to leaving it."""

    def __init__(self, threads, work):
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.keep_on, args=(work,)) for _ in range(threads)]

    def keep_on(self, work):
        while not self.over.is_set():
            work()

    def stop(self):
        """Lets each thread finish what it is at, without waiting for it."""
        self.over.set()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        for thread in self.threads:
            thread.join()
