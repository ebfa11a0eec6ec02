"""Completions as a whole: what each field of a request does, and what comes back."""

import time

from .checking import check, same
from .server import ask
from .subject import PROMPT, TEXT

# In each model's vocabulary, whatever its tokens are. Without a space at the end, which in models of words and
# their parts is no token of a prompt but the beginning of the next one.
PROMPTS = ["A menina", "O mar era", "Ela disse"]


@check("a plain completion")
def plain(subject):
    answer = subject.complete()
    same(answer.object, "text_completion", "object")
    assert answer.id.startswith("cmpl-"), answer.id
    same(answer.model, subject.facts["id"], "model")
    assert abs(answer.created - time.time()) < 60, answer.created
    assert answer.system_fingerprint, "no system_fingerprint"
    [choice] = answer.choices
    assert choice.text, "no text"
    same((choice.index, choice.finish_reason, choice.logprobs), (0, "length", None), "the choice")


@check("usage counts tokens")
def usage(subject):
    for prompt, count in [(PROMPTS[0], len(subject.tokens(PROMPTS[0]))),
                          (PROMPTS, sum(len(subject.tokens(prompt)) for prompt in PROMPTS))]:
        used = subject.complete(prompt).usage
        written = 16 * (len(prompt) if isinstance(prompt, list) else 1)
        same((used.prompt_tokens, used.completion_tokens, used.total_tokens),
             (count, written, count + written), "usage")


@check("a list of prompts, choices in the order of prompt * n + j")
def several_prompts(subject):
    alone = [subject.text(prompt, temperature=0, max_tokens=12) for prompt in PROMPTS]
    answer = subject.complete(PROMPTS, temperature=0, max_tokens=12, n=2)
    same([choice.index for choice in answer.choices], list(range(6)), "indices")
    same([choice.text for choice in answer.choices], [text for text in alone for _ in range(2)], "texts")


@check("prompts of token ids")
def token_ids(subject):
    texts = [subject.text(prompt, temperature=0) for prompt in PROMPTS]
    ids = [subject.tokens(prompt) for prompt in PROMPTS]
    same(subject.text(ids[0], temperature=0), texts[0], "one list of ids")
    same([choice.text for choice in subject.complete(ids, temperature=0).choices], texts, "lists of ids")


@check("no prompt, and an empty one")
def no_prompt(subject):
    for prompt in ("", None):
        assert subject.text(prompt, max_tokens=20), f"no text after {prompt!r}"


@check("n and a seed: other texts, the same again")
def several_choices(subject):
    texts = [[choice.text for choice in subject.complete(n=4, seed=7, max_tokens=40).choices] for _ in range(2)]
    same(texts[0], texts[1], "the second time")
    same(len(set(texts[0])), 4, "different texts")
    same(subject.text(seed=7, max_tokens=40), texts[0][0], "the first of one")
    assert subject.text(seed=8, max_tokens=40) != texts[0][0], "another seed, the same text"


@check("best_of returns the likeliest by mean log-probability")
def best_of(subject):
    everything = subject.complete(n=4, seed=3, max_tokens=20, logprobs=0).choices
    means = {choice.text: sum(choice.logprobs.token_logprobs) / 20 for choice in everything}
    ranked = sorted(means, key=means.get, reverse=True)
    answer = subject.complete(n=1, best_of=4, seed=3, max_tokens=20)
    same([choice.text for choice in answer.choices], ranked[:1], "the best of 4")
    answer = subject.complete(n=2, best_of=4, seed=3, max_tokens=20)
    same([choice.index for choice in answer.choices], [0, 1], "indices")
    same({choice.text for choice in answer.choices}, set(ranked[:2]), "the best 2 of 4")


@check("stop strings")
def stop(subject):
    whole = subject.text(temperature=0, max_tokens=60)
    for at in (0, 5, 20, 40):
        for length in (1, 3, 6):
            end = whole[at:at + length]
            choice = subject.complete(temperature=0, max_tokens=60, stop=end).choices[0]
            same((choice.text, choice.finish_reason), (whole[:whole.index(end)], "stop"), f"until {end!r}")
    choice = subject.complete(temperature=0, max_tokens=60, stop=[whole[30:33], "☃", whole[9:12]]).choices[0]
    same(choice.text, whole[:min(whole.index(whole[30:33]), whole.index(whole[9:12]))], "the first of three")
    choice = subject.complete(temperature=0, max_tokens=60, stop=["☃", "☄", "★", "☎", "☕", "☘"]).choices[0]
    same((choice.text, choice.finish_reason), (whole, "length"), "six that never come")
    same(subject.text(temperature=0, max_tokens=60, stop=[]), whole, "an empty list")


@check("temperature 0 writes what `machado generate` writes")
def greedy(subject):
    count = 50
    alone = subject.program("generate", PROMPT, "-t", "0", "-n", str(count))["text"]
    for fields in ({"temperature": 0}, {"temperature": 0, "seed": 5, "top_p": 0.5}, {"top_p": 0}):
        same(subject.text(max_tokens=count, **fields), alone, f"with {fields}")


@check("penalties")
def penalties(subject):
    """Follows the definition step by step, with the model's own probabilities."""
    size = min(subject.vocabulary_size, 1000)
    presence, frequency, written = 0.7, 0.9, []
    fields = dict(temperature=0, max_tokens=30, presence_penalty=presence, frequency_penalty=frequency)
    answer = subject.complete(logprobs=size, **fields).choices[0].logprobs
    for token, top in zip(answer.tokens, answer.top_logprobs):
        left = {other: value - frequency * written.count(other) - presence * (other in written)
                for other, value in top.items()}
        best = max(left.values())
        assert left[token] >= best - 1e-4, f"{token!r} at {left[token]} after {written}, where {best} was left"
        written.append(token)
    often = subject.text(temperature=0, max_tokens=60)
    return f"{len(set(often))} different characters become " \
           f"{len(set(subject.text(temperature=0, max_tokens=60, frequency_penalty=2)))}"


@check("logit_bias bans by -100 and forces by 100")
def logit_bias(subject):
    first = subject.complete(temperature=0, max_tokens=1, extra_body={"return_token_ids": True}).choices[0]
    [banned] = first.token_ids
    found = subject.complete(max_tokens=200, seed=1, logit_bias={str(banned): -100},
                             extra_body={"return_token_ids": True}).choices[0].token_ids
    assert banned not in found, f"{banned} is among {found}"
    forced = subject.tokens("mar")[0]
    found = subject.complete(max_tokens=20, logit_bias={str(forced): 100},
                             extra_body={"return_token_ids": True}).choices[0].token_ids
    same(found, [forced] * 20, "forced ids")


@check("fields that other servers have")
def extensions(subject):
    alone = subject.text(temperature=0, max_tokens=30)
    for fields in ({"top_k": 1}, {"min_p": 1.0}, {"top_k": 1, "typical_p": 0.9, "no_such_field": [1]}):
        same(subject.text(max_tokens=30, extra_body=fields), alone, f"with {fields}")
    choice = subject.complete(max_tokens=30, user="someone", extra_body={
        "return_token_ids": True, "repeat_penalty": 1.3, "repeat_last_n": 32}).choices[0]
    same(len(choice.token_ids), 30, "token ids")
    content = ask(f"{subject.url}/detokenize", {"tokens": choice.token_ids}).json()["content"]
    # The space before a word belongs to its token, but the prompt ends with it already.
    same(content.removeprefix(" "), choice.text.removeprefix(" "), "their text")


@check("characters that the model does not know are left out")
def skipped(subject):
    prompt = "A ☃menina☃ estava "
    answer = subject.complete(prompt, temperature=0)
    if subject.tokens(prompt) != subject.tokens(PROMPT):
        return "it knows them all"
    same(answer.choices[0].text, subject.text(temperature=0), "the text")
    same(answer.machado["skipped"], [{"character": "☃", "count": 2}], "what was skipped")


@check("the list of models, and one of them")
def models(subject):
    listed = list(subject.client.models.list())
    for model in listed:
        same(subject.client.models.retrieve(model.id), model, "the one asked for")
        same(model.object, "model", "object")
    return ", ".join(model.id for model in listed)


@check("tokenize and detokenize, by both names of the field")
def tokenize(subject):
    ids = [ask(f"{subject.url}/tokenize", {field: TEXT}).json()["tokens"] for field in ("content", "prompt")]
    same(ids[0], ids[1], "ids")
    back = ask(f"{subject.url}/detokenize", {"tokens": ids[0]}).json()
    same(back["content"], back["prompt"], "the text by its other name")
    same(back["content"].lower(), TEXT.lower(), "the text")
