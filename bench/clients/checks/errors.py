"""What goes wrong, as the classes of exceptions that the openai package has for it."""

import json
import threading
import time

from openai import (APIStatusError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError,
                    OpenAI)

from .checking import check, raises, same
from .server import Busy, Server, ask
from .subject import NO_KEY, PROMPT

# Field and values that no completion can have.
WRONG = {
    "temperature": (-1, 3, "warm", True),
    "top_p": (-0.1, 1.5),
    "n": (0, -1, 100_000, 1.5, "two"),
    "best_of": (0, 100_000),
    "max_tokens": (-1, 10**9, 10**30, 2.5, "many"),
    "logprobs": (-1, 10**6, "all"),
    "presence_penalty": (-3, 3),
    "frequency_penalty": (-3, 3),
    "logit_bias": ({"99999999": 1}, {"-1": 1}, {"0": 1000}, [1], "none"),
    "prompt": (5, {"text": "A"}, [[10**9]], [[-1]], [10**30], ["A", 1], [["A"]], [1.5], [[0], None], True, []),
    "stop": (5, [5], {"a": 1}, [None]),
    "seed": ("one", 1.5),
    "stream": ("yes", 1),
    "echo": ("yes",),
    "suffix": ("the end",),
    "stream_options": ("all",),
    "top_k": ("few", 1.5),
    "min_p": (-1, 2),
    "typical_p": (-1, 2),
    "repeat_penalty": (-1, "much"),
    "steer": ("up", [{"feature": "twelve"}], [5]),
}


def shape(answer, status, kind):
    """The one shape of all errors."""
    same(answer.status, status, f"status of {answer.body[:200]}")
    error = answer.json()["error"]
    same(set(error), {"message", "type", "param", "code"}, "the fields of an error")
    same(error["type"], kind, "type")
    assert isinstance(error["message"], str) and error["message"], "no message"
    assert answer.headers["x-request-id"], "no x-request-id"
    return error


@check("wrong values are BadRequestError with the field as param", once=True)
def bad_requests(subject):
    fields = [(field, value) for field, values in WRONG.items() for value in values]
    problems = []
    for field, value in fields:
        asked = {"prompt": PROMPT, "max_tokens": 1, "model": "x"} | {"extra_body": {field: value}}
        try:
            problem = raises(BadRequestError, lambda: subject.client.completions.create(**asked))
            # Or a place in it, such as stop[0].
            same(str(problem.param).partition("[")[0], field, "param")
            same(problem.type, "invalid_request_error", "type")
            same(set(problem.body), {"message", "type", "param", "code"}, "the fields of an error")
            assert problem.request_id, "no request id"
        except Exception as wrong:
            problems.append(f"{field} {json.dumps(value)}: {wrong}")
    both = raises(BadRequestError, lambda: subject.complete(n=3, best_of=2))
    same(both.param, "best_of", "param of a best_of below n")
    raises(BadRequestError, lambda: subject.complete(best_of=2, stream=True))
    assert not problems, f"{len(problems)} of {len(fields)}: " + "; ".join(problems)
    return f"{len(fields)} of them"


@check("null is as if a field were not there", once=True)
def null(subject):
    asked = {"prompt": PROMPT, "max_tokens": 5, "temperature": 0}
    expected = ask(f"{subject.base}/completions", asked).json()["choices"]
    for field in sorted((WRONG.keys() - asked.keys()) | {"model", "user", "return_token_ids", "steer_reach"}):
        answer = ask(f"{subject.base}/completions", asked | {field: None})
        same(answer.status, 200, f"status with {field} null, {answer.body[:200]}")
        same(answer.json()["choices"], expected, f"choices with {field} null")


@check("bodies that are no JSON, no UTF-8, no object", once=True)
def bodies(subject):
    for body in (b"", b"{", b'{"prompt":"\xff\xfe"}', b"[]", b'"A"', b"null", b'{"prompt":"A"} x',
                 b'{"prompt":"\\ud800"}', b"[" * 100_000, b'{"prompt":' + b"[" * 10_000):
        for route in ("/v1/completions", "/v1/probs", "/v1/score", "/tokenize", "/detokenize"):
            try:
                shape(ask(subject.url + route, body), 400, "invalid_request_error")
            except AssertionError as problem:
                raise AssertionError(f"{route} with {body[:30]!r}: {problem}") from None


@check("routes, methods and sizes that there are not", once=True)
def routes(subject):
    raises(NotFoundError, lambda: subject.client.post("/nothing/here", cast_to=object, body={}))
    shape(ask(f"{subject.url}/nothing"), 404, "not_found_error")
    for route, method in (("/v1/completions", "GET"), ("/v1/models", "POST"), ("/health", "DELETE"), ("/", "POST")):
        shape(ask(subject.url + route, b"{}" if method == "POST" else None, method), 405, "invalid_request_error")
    shape(ask(f"{subject.base}/completions", {"prompt": "a" * 3_000_000}), 413, "invalid_request_error")
    for route in ("/v1/completions/", "/completions", "/completions/"):
        same(ask(subject.url + route, {"prompt": PROMPT}).status, 200, f"status of {route}")


@check("a model that is not there is NotFoundError", servers=True)
def strict_model(subject):
    problem = raises(NotFoundError, lambda: subject.client.models.retrieve("none-such"))
    same(problem.code, "model_not_found", "code")
    with subject.other_server("--strict-model") as url:
        client = OpenAI(base_url=f"{url}/v1", api_key=NO_KEY, max_retries=0)
        problem = raises(NotFoundError, lambda: client.completions.create(model="none-such", prompt=PROMPT))
        same((problem.code, problem.param), ("model_not_found", "model"), "code and param")
        assert client.completions.create(model=subject.facts["id"], prompt=PROMPT).choices[0].text


@check("two models at once", servers=True)
def two_models(subject):
    folders = {"other": subject.work / "word" / "run", "second": subject.work / "bpe" / "run"}
    if not all(folder.exists() for folder in folders.values()):
        return "there are no two of them"
    flags = [word for name, folder in folders.items() for word in ("--model", f"{name}={folder}")]
    with Server(subject.machado, flags, subject.work / "serve-two.log") as url:
        client = OpenAI(base_url=f"{url}/v1", api_key=NO_KEY, max_retries=0)
        same([model.id for model in client.models.list()], list(folders), "models")
        texts = [client.completions.create(model=name, prompt=PROMPT, temperature=0, max_tokens=20)
                 for name in ("other", "second", "other")]
        same([text.model for text in texts], ["other", "second", "other"], "models")
        same(texts[0].choices, texts[2].choices, "the same model's choices")
        raises(NotFoundError, lambda: client.completions.create(model="x", prompt=PROMPT))
        sizes = [ask(f"{url}/tokenizer_info?model={name}").json()["vocab_size"] for name in ("other", "second")]
        assert sizes[0] != sizes[1], f"vocabularies of {sizes} tokens"
        shape(ask(f"{url}/tokenizer_info?model=x"), 404, "not_found_error")


@check("a wrong key is AuthenticationError", servers=True)
def api_key(subject):
    with subject.other_server("--api-key", "open sesame") as url:
        for key in ("wrong", "open sesam", "open sesamee", "Open sesame"):
            client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
            for call in (lambda: client.completions.create(model="x", prompt=PROMPT), client.models.list):
                problem = raises(AuthenticationError, call)
                same((problem.type, problem.code), ("authentication_error", "invalid_api_key"), "type and code")
        client = OpenAI(base_url=f"{url}/v1", api_key="open sesame", max_retries=0)
        assert client.completions.create(model="x", prompt=PROMPT).choices[0].text
        same(ask(f"{url}/v1/models", headers={"X-Api-Key": "open sesame"}).status, 200, "status with X-Api-Key")
        for route in ("/v1/models", "/metrics", "/props", "/tokenizer_info", "/nothing"):
            shape(ask(url + route), 401, "authentication_error")
        for route in ("/", "/health", "/v1/health", "/docs", "/openapi.json"):
            same(ask(url + route).status, 200, f"status of {route} without a key")


@check("a full queue is 503, and the client tries again", servers=True)
def retries(subject):
    with subject.other_server("--parallel", "1", "--queue", "1") as url:
        for _ in range(5):
            tries = tries_in_a_crowd(url)
            if tries:
                return f"answered after {tries} more"
    raise AssertionError("no second try in 5 rounds")


def tries_in_a_crowd(url):
    """Asks while others take all places, the last of whom soon goes: once with a client that gives up at
    once, then with one that does not, which says how often it tried again."""
    client = OpenAI(base_url=f"{url}/v1", api_key=NO_KEY, max_retries=0)

    def take_a_place():
        if ask(f"{url}/v1/completions", {"prompt": [PROMPT] * 2, "n": 4, "max_tokens": 4000}).status != 200:
            time.sleep(0.01)

    with Busy(4, take_a_place) as busy:
        problem = raises(InternalServerError, lambda: [
            client.completions.create(model="x", prompt=PROMPT, max_tokens=1) for _ in range(1000)])
        same((problem.status_code, problem.type, problem.code),
             (503, "unavailable_error", "queue_full"), "status, type and code")
        assert int(problem.response.headers["Retry-After"]) >= 1, "no Retry-After"
        threading.Timer(1, busy.stop).start()
        patient = client.with_options(max_retries=30).completions.with_raw_response
        answer = patient.create(model="x", prompt=PROMPT)
    assert answer.parse().choices[0].text, "no text"
    return answer.retries_taken


@check("each request has an id", once=True)
def request_id(subject):
    ids = set()
    for _ in range(3):
        raw = subject.client.completions.with_raw_response.create(model="x", prompt=PROMPT, max_tokens=1)
        ids.add(raw.headers["x-request-id"])
        same(raw.parse()._request_id, raw.request_id, "the id that the package shows")
    same(len(ids), 3, "different ids")
