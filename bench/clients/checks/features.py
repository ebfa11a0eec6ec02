"""Features of a model's autoencoder: steering by them, and looking at them."""

from openai import APIStatusError

from .checking import check, near, same
from .server import ask
from .subject import PROMPT, TEXT

# Without a space at the end, which in models of words begins the next token.
BEGINNING = PROMPT.rstrip()
# Seconds that the server may take to read the text of a tiny model.
LOADING_TRIES = 30


def has_features(subject):
    return subject.facts["meta"]["features"]


@check("steering is that of `machado generate`")
def steer(subject):
    if not has_features(subject):
        problem = raises_status(subject, "steer", [{"feature": 1, "strength": 2.0}])
        return f"the model has no features, which is said: {problem.status_code}"
    alone = subject.text(BEGINNING, temperature=0, max_tokens=30)
    changed = 0
    for steered, flag in [([{"feature": 3, "strength": 40.0}], "3:40"), ([{"feature": 5, "mode": "off"}], "5:off"),
                          ([{"feature": 7, "strength": 20.0, "mode": "add"}], "7:add20"),
                          ([{"feature": 1, "strength": -9.0}, {"feature": 2, "strength": 3.0}], "1:-9,2:3")]:
        for reach in ("state", "output"):
            fields = {"steer": steered, "steer_reach": reach}
            expected = subject.program("generate", BEGINNING, "-t", "0", "-n", "30", f"--steer={flag}",
                                       "--steer-reach", reach)["text"]
            same(subject.text(BEGINNING, temperature=0, max_tokens=30, extra_body=fields), expected, f"with {fields}")
            changed += expected != alone
    assert changed, "no text is another one for all this"
    raises_status(subject, "steer", [{"feature": 10**6, "strength": 1.0}])
    return f"{changed} of 8 texts are others"


def raises_status(subject, field, value):
    """The error of a completion, with the field that it is about."""
    try:
        subject.complete(extra_body={field: value})
    except APIStatusError as problem:
        assert problem.status_code in (400, 404), f"status {problem.status_code}"
        same(str(problem.param).partition("[")[0], field, "param")
        return problem
    raise AssertionError(f"no error with {field} {value}")


@check("steered probabilities and scores")
def steered_scores(subject):
    if not has_features(subject):
        return "the model has no features"
    steered = [{"feature": 3, "strength": 40.0}]
    echoed = subject.complete(TEXT, echo=True, max_tokens=0, logprobs=1, extra_body={"steer": steered})
    nats = subject.program("evaluate", "-", "--steer=3:40", given=TEXT)
    expected = nats["loss_nats"] * nats["tokens"]
    near(-sum(echoed.choices[0].logprobs.token_logprobs[1:]), expected, 1e-3, "nats of an echo")
    scored = ask(f"{subject.base}/score", {"text": TEXT, "steer": steered}).json()
    near(scored["nats"], expected, 1e-3, "nats of /v1/score")
    own, other = (ask(f"{subject.base}/probs", {"prompt": PROMPT, "top": 3} | fields).json()["candidates"]
                  for fields in ({}, {"steer": steered}))
    assert own != other, "the same probabilities"


@check("the list of features, and one of them")
def listed(subject):
    if not has_features(subject):
        for route in ("/v1/features", "/v1/features/1", "/v1/features/map"):
            answer = ask(subject.url + route)
            same((answer.status, answer.json()["error"]["code"]), (404, "no_features"), route)
        return "the model has none, which is said"
    # While it reads the text of the model it says 503, and the client tries again.
    client = subject.client.with_options(max_retries=LOADING_TRIES)
    found = client.get("/features?limit=5&order=density", cast_to=object)
    same((found["object"], found["d_sae"], len(found["data"])), ("list", 64, 5), "the list")
    densities = [feature["density"] for feature in found["data"]]
    same(densities, sorted(densities, reverse=True), "densities in order")
    one = client.get(f"/features/{found['data'][0]['id']}", cast_to=object)
    same({name: one[name] for name in found["data"][0]}, found["data"][0], "one of them, as in the list")
    same(len(one["bands"]), 10, "bands")
    assert one["contexts"] and one["promotes"] and one["suppresses"], "nothing to look at"
    rest = client.get("/features?limit=64&offset=5&order=density", cast_to=object)
    assert rest["total"] - 5 == len(rest["data"]), f"{len(rest['data'])} of {rest['total']}"
    points = client.get("/features/map", cast_to=object)["points"]
    assert points and all(0 <= point[axis] <= 1 for point in points for axis in "xy"), "points beyond the map"
    return f"{found['total']} features"


@check("activations of a text")
def activations(subject):
    if not has_features(subject):
        return "the model has no features"
    client = subject.client.with_options(max_retries=LOADING_TRIES)
    tokens = client.post("/activations", cast_to=object, body={"text": TEXT, "top": 3})["tokens"]
    same([token["id"] for token in tokens], subject.tokens(TEXT), "ids")
    for token in tokens:
        found = [feature["share"] for feature in token["features"]]
        assert len(found) <= 3 and found == sorted(found, reverse=True) and all(found), f"shares {found}"
    return f"{sum(len(token['features']) for token in tokens)} of {len(tokens)} tokens"
