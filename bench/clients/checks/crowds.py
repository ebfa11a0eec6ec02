"""Many clients at once, and clients that leave."""

import asyncio
import re
import time

from openai import APITimeoutError, AsyncOpenAI, OpenAI

from .checking import check, raises, same
from .server import STOP_SECONDS, Busy, ask, metrics, wait_until
from .subject import NO_KEY, PROMPT

AT_ONCE = 32
# A line of the text format 0.0.4: a comment, or a name, perhaps labels, and a number.
METRICS_LINE = re.compile(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+\d.eInfNa]+')


def at_work(url):
    """Texts that the server writes, or that wait."""
    found = metrics(url)
    return found["machado_active_texts"] + found["machado_queue_depth"]


@check("32 clients at once have the texts that they have alone")
def at_once(subject):
    alone = [subject.text(seed=seed, max_tokens=60) for seed in range(AT_ONCE)]

    async def everyone():
        async with AsyncOpenAI(base_url=subject.base, api_key=NO_KEY, max_retries=0) as client:
            return await asyncio.gather(*(one(client, seed) for seed in range(AT_ONCE)))

    async def one(client, seed):
        fields = {"model": "x", "prompt": PROMPT, "seed": seed, "max_tokens": 60}
        if seed % 2:
            return (await client.completions.create(**fields)).choices[0].text
        stream = await client.completions.create(stream=True, **fields)
        return "".join([chunk.choices[0].text async for chunk in stream])

    together = asyncio.run(everyone())
    other = [seed for seed in range(AT_ONCE) if alone[seed] != together[seed]]
    assert not other, f"another text with the seeds {other}, first {together[other[0]]!r}, not {alone[other[0]]!r}"


@check("a client that leaves a stream leaves nothing behind", once=True)
def leave(subject):
    wait_until(lambda: at_work(subject.url) == 0, 5, "something goes on that nobody asked for")
    for _ in range(5):
        stream = subject.complete(stream=True, max_tokens=4000, n=8)
        for _, _ in zip(range(5), stream):
            pass
        stream.close()
    wait_until(lambda: at_work(subject.url) == 0, 2, "what the client left goes on")
    assert subject.text(), "no text"


@check("a client that does not wait leaves nothing behind", once=True)
def time_out(subject):
    client = subject.client.with_options(timeout=0.05)
    for _ in range(5):
        raises(APITimeoutError, lambda: client.completions.create(
            model="x", prompt=[PROMPT] * 4, n=8, max_tokens=4000))
    wait_until(lambda: at_work(subject.url) == 0, 2, "what the client left goes on")
    assert subject.text(), "no text"


@check("one request cannot take all places", servers=True)
def one_for_all(subject):
    """A request of more prompts than there are places, and everybody else meanwhile."""
    large = {"prompt": ["A menina " * 100] * 700, "max_tokens": 1}
    with subject.other_server() as url:
        client = OpenAI(base_url=f"{url}/v1", api_key=NO_KEY, max_retries=0)
        with Busy(1, lambda: leave_soon(url, large)) as busy:
            for _ in range(20):
                began = time.perf_counter()
                client.completions.create(model="x", prompt=PROMPT, max_tokens=1)
                assert time.perf_counter() - began < 2, "a small request took more than 2 s"
                time.sleep(0.05)
            busy.stop()


def leave_soon(url, body):
    """Asks, and waits for the answer only for a while."""
    try:
        ask(f"{url}/v1/completions", body, seconds=3)
    except OSError:
        pass


@check("a small request has no huge answer", servers=True)
def huge_answer(subject):
    text = "A menina " * 10_000
    with subject.other_server() as url:
        for route, body in (("/v1/score", {"text": text, "top": 50}),
                            ("/v1/completions", {"prompt": text, "echo": True, "max_tokens": 0, "logprobs": 1000})):
            answer = ask(url + route, body)
            if answer.status != 400:
                same(answer.status, 200, f"status of {route}")
                megabytes = len(answer.body) / 1e6
                assert megabytes < 120, f"{route} made {megabytes:.0f} MB of {len(text) / 1e6:.2f} MB"


@check("a server that is told to stop lets streams come to their ends", servers=True)
def stop(subject):
    server = subject.other_server()
    with server as url:
        client = OpenAI(base_url=f"{url}/v1", api_key=NO_KEY, max_retries=0)
        stream = iter(client.completions.create(model="x", prompt=PROMPT, n=4, max_tokens=4000, stream=True))
        next(stream)
        server.process.terminate()
        reasons = [choice.finish_reason for chunk in stream for choice in chunk.choices]
        same(reasons.count("length"), 4, "texts that came to their ends")
        same(server.process.wait(STOP_SECONDS), 0, "exit code")


@check("/metrics is what Prometheus reads, and counts", once=True)
def counts(subject):
    answer = ask(f"{subject.url}/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers["Content-Type"]
    for line in answer.body.decode().splitlines():
        assert METRICS_LINE.fullmatch(line), f"a line {line!r}"
    before = metrics(subject.url)
    subject.complete(max_tokens=7, n=3)
    after = metrics(subject.url)
    for name, more in (("machado_generated_tokens_total", 21),
                       ("machado_prompt_tokens_total", len(subject.tokens(PROMPT)))):
        same(after[name] - before[name], more, name)
    return f"{len(after)} figures"
