"""Streams: that they are the whole answer in pieces, and nothing else."""

import time
from collections import defaultdict

from .checking import check, same
from .server import ask
from .subject import PROMPT


def pieces(subject, *args, **fields):
    """The chunks, and for each choice its text and its only reason to finish."""
    chunks = list(subject.complete(*args, stream=True, **fields))
    texts, reasons = defaultdict(str), {}
    for chunk in chunks:
        same(chunk.object, "text_completion", "object")
        for choice in chunk.choices:
            assert choice.index not in reasons, f"a chunk of choice {choice.index} after its last one"
            texts[choice.index] += choice.text
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    same(len({chunk.id for chunk in chunks}), 1, "ids")
    same(sorted(reasons), sorted(texts), "choices with a reason to finish")
    return chunks, texts, reasons


def is_the_whole(subject, *args, **fields):
    """The same request at once and in pieces."""
    whole = subject.complete(*args, **fields)
    _, texts, reasons = pieces(subject, *args, **fields)
    same([(texts[choice.index], reasons[choice.index]) for choice in whole.choices],
         [(choice.text, choice.finish_reason) for choice in whole.choices], f"with {fields}")
    same(len(texts), len(whole.choices), "choices")
    return whole


@check("a stream is the whole answer")
def stream(subject):
    for fields in ({"seed": 1}, {"seed": 2, "temperature": 1.7}, {"temperature": 0}, {"seed": 3, "top_p": 0.4},
                   {"seed": 4, "n": 3}, {"seed": 5, "max_tokens": 1}, {"seed": 6, "frequency_penalty": 1.0}):
        is_the_whole(subject, **{"max_tokens": 50} | fields)


@check("a stream of several prompts, with what was asked before them")
def several(subject):
    for echo in (False, True):
        is_the_whole(subject, ["A menina ", "O mar"], seed=9, max_tokens=30, n=2, echo=echo)


@check("a stream never shows any part of a stop string")
def stop(subject):
    whole = subject.text(temperature=0, max_tokens=40)
    for at in range(0, 36, 3):
        for end in (whole[at:at + 4], [whole[at:at + 2] + "☃", whole[at + 1:at + 4]]):
            is_the_whole(subject, temperature=0, max_tokens=40, stop=end)


@check("a stream of characters that never become whole")
def broken_characters(subject):
    """Forces a token that is the first part of a character."""
    ids = subject.tokens("漢")
    if len(ids) < 2:
        return "the model has no such tokens"
    for bias in ({str(ids[0]): 100}, {str(token): 50 for token in ids}):
        is_the_whole(subject, seed=1, max_tokens=20, temperature=1, logit_bias=bias)
    choice = is_the_whole(subject, ids[:1], seed=1, max_tokens=5, echo=True, logprobs=2).choices[0]
    return repr(choice.text[:3])


@check("include_usage adds one chunk")
def include_usage(subject):
    fields = {"max_tokens": 20, "seed": 4, "n": 2}
    chunks = pieces(subject, stream_options={"include_usage": True}, **fields)[0]
    same(chunks[-1].choices, [], "the choices of the last chunk")
    same(chunks[-1].usage, subject.complete(**fields).usage, "usage")
    assert all(chunk.usage is None and chunk.choices for chunk in chunks[:-1]), "usage before the end"
    without = pieces(subject, **fields)[0]
    assert all(chunk.usage is None and chunk.choices for chunk in without), "usage that nobody asked for"


@check("log-probabilities in pieces")
def logprobs(subject):
    for fields in ({"seed": 1, "logprobs": 3, "max_tokens": 30}, {"seed": 2, "logprobs": 2, "echo": True},
                   {"logprobs": 2, "echo": True, "max_tokens": 0}):
        whole = subject.complete(**fields).choices[0].logprobs
        found = defaultdict(list)
        for chunk in subject.complete(stream=True, **fields):
            for name, values in (chunk.choices[0].logprobs or ()):
                found[name] += values
        same(dict(found), whole.model_dump(), f"with {fields}")


@check("token ids in pieces")
def token_ids(subject):
    fields = {"seed": 1, "max_tokens": 30, "extra_body": {"return_token_ids": True}}
    found = [token for chunk in subject.complete(stream=True, **fields)
             for token in chunk.choices[0].token_ids or ()]
    same(found, subject.complete(**fields).choices[0].token_ids, "ids")


@check("events as browsers read them")
def events(subject):
    answer = ask(f"{subject.base}/completions", {"prompt": PROMPT, "stream": True})
    assert answer.headers["Content-Type"].startswith("text/event-stream"), answer.headers["Content-Type"]
    same(answer.headers["Cache-Control"], "no-cache", "Cache-Control")
    *lines, end, after = answer.body.decode().split("\n\n")
    same((end, after), ("data: [DONE]", ""), "the end")
    for line in lines:
        assert line.startswith(("data: {", ":")) and "\n" not in line, f"an event {line!r}"


@check("a stream comes while it is written")
def at_once(subject):
    began = time.perf_counter()
    for number, _ in enumerate(subject.complete(stream=True, max_tokens=4000)):
        if number == 0:
            first = time.perf_counter() - began
    whole = time.perf_counter() - began
    assert first < whole / 4, f"the first chunk after {first:.3f} s of {whole:.3f} s"
    return f"the first chunk after {first * 1000:.1f} ms of {whole * 1000:.0f} ms"
