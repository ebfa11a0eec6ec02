"""Log-probabilities: their shapes, and that they are those of the model."""

import math

from .checking import NATS_PER_TOKEN, check, near, same
from .server import ask
from .subject import PROMPT, TEXT

FIELDS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def shapes(logprobs, count, top):
    """Four arrays of equal length, whose chosen token is among the top ones with the very same float."""
    same({name: len(getattr(logprobs, name)) for name in FIELDS}, dict.fromkeys(FIELDS, count), "lengths")
    for token, value, others in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs):
        if value is not None:
            assert value <= 0, f"{token!r} at {value}"
            same(others[token], value, f"{token!r} among the top ones")
            assert top <= len(others) <= top + 1, f"{len(others)} of {top} top ones"


@check("shapes of log-probabilities")
def shape(subject):
    # Without a space at the end, which may become a part of the first token.
    prompt = PROMPT.rstrip()
    for top in (1, 5, 20):
        choice = subject.complete(prompt, logprobs=top, max_tokens=25, seed=top).choices[0]
        shapes(choice.logprobs, 25, top)
        joined(choice, len(subject.read(prompt)))
    choice = subject.complete(logprobs=0, max_tokens=25).choices[0]
    same({len(getattr(choice.logprobs, name)) for name in FIELDS}, {25}, "lengths without top ones")


def joined(choice, at):
    """Tokens put together are the text, and offsets count its characters, those of the prompt included."""
    if not any(token.startswith("bytes:") for token in choice.logprobs.tokens):
        same("".join(choice.logprobs.tokens), choice.text, "tokens put together")
        for token, offset in zip(choice.logprobs.tokens, choice.logprobs.text_offset):
            same(offset, at, f"the offset of {token!r}")
            at += len(token)


@check("all log-probabilities together make 1")
def sum_to_one(subject):
    size = subject.vocabulary_size
    if size > 1000:
        return f"the vocabulary has {size:,} tokens, only 1,000 of which can be asked for"
    choice = subject.complete(logprobs=size, max_tokens=10, seed=1, temperature=0.5, top_p=0.5).choices[0]
    for top in choice.logprobs.top_logprobs:
        same(len(top), size, "tokens")
        near(sum(math.exp(value) for value in top.values()), 1, 1e-4, "the sum")


@check("log-probabilities are those of `machado predict`")
def predicted(subject):
    candidates = subject.program("predict", PROMPT, "--top", "10")["candidates"]
    [top] = subject.complete(logprobs=10, max_tokens=1, temperature=0).choices[0].logprobs.top_logprobs
    same(set(top), {candidate["token"] for candidate in candidates}, "the likeliest tokens")
    for candidate in candidates:
        near(top[candidate["token"]], math.log(candidate["probability"]), 1e-5, candidate["token"])


@check("echo without a new token scores the prompt")
def echo(subject):
    answer = subject.complete(TEXT, echo=True, max_tokens=0, logprobs=3)
    [choice] = answer.choices
    count = len(subject.tokens(TEXT))
    same((choice.text, choice.finish_reason), (subject.read(TEXT), "length"), "the choice")
    same((answer.usage.prompt_tokens, answer.usage.completion_tokens), (count, 0), "usage")
    shapes(choice.logprobs, count, 3)
    joined(choice, 0)
    same((choice.logprobs.token_logprobs[0], choice.logprobs.top_logprobs[0]), (None, None), "the first token's")
    assert None not in choice.logprobs.token_logprobs[1:], "no log-probability of a later token"


@check("what is echoed and written fits together")
def seam(subject):
    """After a prompt with a space at its end, and a token that begins with one."""
    before = PROMPT.rstrip()
    [token, *_] = subject.tokens(before + " mar")[len(subject.tokens(before)):]
    for prompt in (PROMPT, before):
        choice = subject.complete(prompt, echo=True, max_tokens=2, logprobs=1,
                                  logit_bias={str(token): 100}).choices[0]
        same(choice.text, "".join(choice.logprobs.tokens), "tokens put together")


@check("echo's log-probabilities are those of `machado evaluate`")
def evaluated(subject):
    nats, count = subject.nats(TEXT)
    for prompt in (TEXT, subject.tokens(TEXT)):
        found = subject.complete(prompt, echo=True, max_tokens=0, logprobs=1).choices[0].logprobs
        same(len(found.token_logprobs), count + 1, "tokens")
        near(-sum(found.token_logprobs[1:]), nats, NATS_PER_TOKEN * count, "nats")
    return f"{nats:.4f} nats in {count} tokens"


@check("echo with a new token, in a batch of ids of unequal length")
def batch(subject):
    prompts = [subject.tokens(TEXT[:length]) for length in (2, 40, len(TEXT), 1)]
    answer = subject.complete(prompts, echo=True, max_tokens=1, logprobs=1, temperature=0)
    for prompt, choice in zip(prompts, answer.choices):
        shapes(choice.logprobs, len(prompt) + 1, 1)
        alone = subject.complete([prompt], echo=True, max_tokens=1, logprobs=1, temperature=0).choices[0]
        same(choice.text, alone.text, "the text alone")
        for value, expected in zip(choice.logprobs.token_logprobs[1:], alone.logprobs.token_logprobs[1:]):
            near(value, expected, 1e-5, "alone")


@check("/v1/score and /v1/probs say the same")
def own_routes(subject):
    echoed = subject.complete(TEXT, echo=True, max_tokens=0, logprobs=1).choices[0].logprobs
    scored = ask(f"{subject.base}/score", {"text": TEXT, "top": 3}).json()
    same([token["offset"] for token in scored["tokens"]], echoed.text_offset, "offsets")
    for token, expected in zip(scored["tokens"][1:], echoed.token_logprobs[1:]):
        near(token["logprob"], expected, 1e-5, token["token"])
        same(token["rank"] == 1, token["top"][0]["id"] == token["id"], f"the first rank of {token}")
    near(scored["nats"], subject.nats(TEXT)[0], NATS_PER_TOKEN * len(echoed.tokens), "nats")
    [top] = subject.complete(logprobs=5, max_tokens=1, temperature=0).choices[0].logprobs.top_logprobs
    may_come = ask(f"{subject.base}/probs", {"prompt": PROMPT, "top": 5}).json()["candidates"]
    for candidate in may_come:
        near(candidate["logprob"], top[candidate["token"]], 1e-5, candidate["token"])
        near(candidate["probability"], math.exp(candidate["logprob"]), 1e-5, candidate["token"])
