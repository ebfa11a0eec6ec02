//! What is written, and how likely it is.

use machado_core::evaluate::{Help, evaluate};
use machado_core::generate::{GeneratorConfig, write_texts};
use machado_core::ids::TokenIds;
use machado_core::math::threads::Compute;
use machado_core::rng::Purpose;
use machado_core::sample::Sampler;
use machado_core::tokenizer::{Tokenizer, UnknownPolicy};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{MODELS, TEXT, model, server, tokenizer};

/// A piece of the text.
fn piece() -> impl Strategy<Value = String> {
    let characters: Vec<char> = TEXT.chars().collect();
    (0..characters.len(), 0..24usize).prop_map(move |(begin, length)| {
        characters[begin..characters.len().min(begin + length)].iter().collect()
    })
}

/// A request for completions of any kind that can be streamed.
fn request() -> impl Strategy<Value = Value> {
    let prompts = prop_oneof![
        piece().prop_map(|text| json!(text)),
        proptest::collection::vec(piece(), 1..4).prop_map(|texts| json!(texts)),
        proptest::collection::vec(0u32..20, 1..12).prop_map(|ids| json!(ids)),
        Just(Value::Null),
    ];
    let stop = proptest::collection::vec("[a-e ]{1,3}|é|🎻|zul", 0..3);
    let rest = (0usize..40, 1usize..20, any::<bool>(), proptest::option::of(0usize..4));
    let drawing = (0u32..3, any::<i64>(), 0u32..3);
    (prop::sample::select(&MODELS[..]), prompts, stop, rest, drawing).prop_map(
        |(model, prompt, stop, (max_tokens, n, echo, logprobs), (heat, seed, penalty))| {
            json!({
                "model": model,
                "prompt": prompt,
                "stop": stop,
                "max_tokens": max_tokens,
                "n": n,
                "echo": echo,
                "logprobs": logprobs,
                "temperature": f64::from(heat) / 2.0,
                "seed": seed,
                "frequency_penalty": f64::from(penalty) / 2.0,
                "return_token_ids": true,
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// A stream adds up to the whole answer, whatever is asked for.
    #[test]
    fn a_stream_adds_up_to_the_whole(request in request()) {
        let whole = server().complete(&request);
        let (stream, _) = server().stream(&request);
        for name in ["object", "model", "system_fingerprint", "usage"] {
            prop_assert_eq!(&stream[name], &whole[name]);
        }
        let [streamed, whole] = [&stream, &whole].map(|answer| answer["choices"].as_array().unwrap());
        prop_assert_eq!(streamed.len(), whole.len());
        for (streamed, whole) in streamed.iter().zip(whole) {
            for name in ["index", "text", "finish_reason"] {
                prop_assert_eq!(&streamed[name], &whole[name], "{}", request);
            }
            // Where no token came, a stream has no chunk that could say so.
            for name in ["logprobs", "token_ids"] {
                let empty = streamed[name].is_null() || whole[name].is_null();
                prop_assert!(empty || streamed[name] == whole[name], "{}", request);
            }
        }
        check_lists(&request, whole);
    }

    /// Prompts that are repeated and scored have the loss that `evaluate` finds.
    #[test]
    fn scores_of_a_prompt_are_those_of_evaluate(
        id in prop::sample::select(&MODELS[..]), text in piece(), times in 1usize..80,
    ) {
        let text = text.repeat(times);
        let ids = encode(&tokenizer(id), &text);
        prop_assume!(ids.len() > 1);
        // As ids, since of a text the space at its end is left to the next word.
        let request = json!({
            "model": id, "prompt": ids, "max_tokens": 0, "echo": true, "logprobs": 0,
        });
        let answer = server().complete(&request);
        let logprobs = &answer["choices"][0]["logprobs"]["token_logprobs"];
        let logprobs = logprobs.as_array().unwrap();
        prop_assert_eq!(logprobs.len(), ids.len());
        prop_assert!(logprobs[0].is_null());
        let nats: f64 = -logprobs[1..].iter().map(|value| value.as_f64().unwrap()).sum::<f64>();

        let mut known = TokenIds::for_vocabulary(tokenizer(id).vocabulary_size());
        ids.iter().for_each(|&id| known.push(id));
        let model = model(tokenizer(id), 24);
        let range = 0..ids.len();
        let score =
            evaluate(&model, &Compute::single(), &known, range, Help::default(), |_| true);
        let score = score.unwrap().unwrap();
        prop_assert!((score.sum.nats - nats).abs() < 1e-6 * nats.abs().max(1.0), "{nats}");

        let scored = server().post("/v1/score", &json!({ "model": id, "text": text })).json();
        prop_assert_eq!(scored["scored_tokens"].as_u64().unwrap(), ids.len() as u64 - 1);
        let bits = scored["bits_per_character"].as_f64().unwrap();
        prop_assert!((bits - score.bits_per_character()).abs() < 1e-5);
    }
}

/// What must hold of each choice by itself.
fn check_lists(request: &Value, choices: &[Value]) {
    for choice in choices {
        let Some(logprobs) = choice["logprobs"].as_object() else { continue };
        let list = |name: &str| logprobs[name].as_array().unwrap();
        let count = list("tokens").len();
        assert!(logprobs.values().all(|list| list.as_array().unwrap().len() == count));
        assert_eq!(choice["token_ids"].as_array().unwrap().len(), count);
        for place in 0..count {
            let (token, logprob) = (&list("tokens")[place], &list("token_logprobs")[place]);
            let top = &list("top_logprobs")[place];
            if logprob.is_null() {
                assert!(place == 0 && top.is_null() && request["echo"] == true);
                continue;
            }
            // The very same number, and a likeliest one that none is above.
            assert_eq!(&top[token.as_str().unwrap()], logprob, "{choice}");
            let wanted = request["logprobs"].as_u64().unwrap() as usize;
            assert!((wanted.max(1)..=wanted + 1).contains(&top.as_object().unwrap().len()));
        }
        // Neither more nor less than the text: where a token is a character, the tokens are the text.
        if request["model"] == "char" {
            let tokens: String =
                list("tokens").iter().map(|token| token.as_str().unwrap()).collect();
            assert_eq!(choice["text"], tokens, "{request}");
        }
        let offsets: Vec<u64> =
            list("text_offset").iter().map(|offset| offset.as_u64().unwrap()).collect();
        assert!(offsets.is_sorted());
    }
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
    tokenizer.encode_piece(text, &mut encoding).unwrap();
    encoding.ids.to_vec()
}

fn texts(answer: &Value) -> Vec<String> {
    let choices = answer["choices"].as_array().unwrap();
    choices.iter().map(|choice| choice["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn texts_are_those_that_the_core_writes_with_the_same_seed() {
    for id in MODELS {
        let model = model(tokenizer(id), 24);
        let prompt = encode(&model.tokenizer, "a cor do");
        let config = GeneratorConfig {
            sampler: Sampler { temperature: 0.8, top_k: Some(9), ..Sampler::default() },
            tokens: 50,
            stop: vec!["mar".into()],
            seed: 5,
            purpose: Purpose::Generate,
            first: 0,
            mixture: None,
            interventions: Vec::new(),
        };
        let expected = write_texts(&model, &Compute::single(), &prompt, 40, &config).unwrap();
        let answer = server().complete(&json!({
            "model": id, "prompt": "a cor do", "max_tokens": 50, "temperature": 0.8, "top_k": 9,
            "stop": "mar", "seed": 5, "n": 40,
        }));
        for (number, (choice, expected)) in
            answer["choices"].as_array().unwrap().iter().zip(&expected).enumerate()
        {
            assert_eq!(choice["index"], number);
            assert_eq!(choice["text"], expected.text, "{id}");
            assert_eq!(choice["finish_reason"], expected.finish_reason.name());
        }
        let tokens: usize = expected.iter().map(|text| text.tokens).sum();
        assert_eq!(answer["usage"]["completion_tokens"], tokens);
        assert_eq!(answer["usage"]["prompt_tokens"], prompt.len());
    }
}

/// As lm-eval asks: token ids, one token more, the prompt repeated.
#[test]
fn a_prompt_and_one_token_are_scored_together() {
    let prompts = json!([[3, 1, 2, 5], [4, 4], [7, 1, 1]]);
    let answer = server().complete(&json!({
        "prompt": prompts, "temperature": 0, "max_tokens": 1, "logprobs": 1, "echo": true, "seed": 1234,
    }));
    for (choice, prompt) in answer["choices"].as_array().unwrap().iter().zip([4, 2, 3]) {
        let logprobs = &choice["logprobs"];
        let tokens = logprobs["tokens"].as_array().unwrap();
        assert_eq!(tokens.len(), prompt + 1);
        // Drawn at temperature 0, so it is the likeliest.
        let top = logprobs["top_logprobs"][prompt].as_object().unwrap();
        assert_eq!(top.len(), 1);
        assert_eq!(top[tokens[prompt].as_str().unwrap()], logprobs["token_logprobs"][prompt]);
    }
}

#[test]
fn the_best_of_several_is_the_likeliest_one() {
    let ask = |n: usize, best_of: Option<usize>| {
        server().complete(&json!({
            "prompt": "a", "max_tokens": 12, "n": n, "best_of": best_of, "seed": 3, "logprobs": 0,
        }))
    };
    let (all, best) = (ask(8, None), ask(2, Some(8)));
    let mean = |choice: &Value| {
        let logprobs = choice["logprobs"]["token_logprobs"].as_array().unwrap();
        logprobs.iter().map(|p| p.as_f64().unwrap()).sum::<f64>() / logprobs.len() as f64
    };
    let mut sorted = all["choices"].as_array().unwrap().clone();
    sorted.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    assert_eq!(texts(&best), [0, 1].map(|i| sorted[i]["text"].as_str().unwrap().to_owned()));
    assert_eq!(best["usage"]["completion_tokens"], 96);
    // A prompt that is repeated does not count.
    let repeated = server().complete(&json!({
        "prompt": "a", "max_tokens": 12, "n": 2, "best_of": 8, "seed": 3, "logprobs": 0, "echo": true,
    }));
    let expected: Vec<String> = texts(&best).iter().map(|text| format!("a{text}")).collect();
    assert_eq!(texts(&repeated), expected);
    let plain = server().complete(&json!({
        "prompt": "a", "max_tokens": 12, "best_of": 8, "seed": 3,
    }));
    assert_eq!(texts(&plain), texts(&best)[..1]);
    assert!(plain["choices"][0]["logprobs"].is_null());
}

#[test]
fn biases_force_and_ban_tokens() {
    let ask = |bias: Value| {
        let request = json!({
            "prompt": "a cor", "max_tokens": 30, "seed": 1, "logit_bias": bias,
        });
        texts(&server().complete(&request)).remove(0)
    };
    let a = encode(&tokenizer("char"), "a")[0].to_string();
    assert_eq!(ask(json!({ a.as_str(): 100 })), "a".repeat(30));
    assert_eq!(ask(json!({ "a": 100 })), "a".repeat(30));
    let free = ask(json!({}));
    let token = free.chars().next().unwrap().to_string();
    for ban in [json!(-100), json!(false)] {
        let text = ask(json!({ token.as_str(): ban }));
        assert!(!text.contains(&token), "{token:?} in {text}");
    }
}

/// A prompt with a space that belongs to the next word: what follows does not bring another one.
#[test]
fn a_space_at_the_end_of_a_prompt_is_not_written_twice() {
    let ask = |prompt: &str, seed: u64| {
        texts(&server().complete(&json!({
            "model": "word", "prompt": prompt, "max_tokens": 6, "seed": seed,
        })))
        .remove(0)
    };
    let mut spaces = 0;
    for seed in 0..40 {
        let (without, with) = (ask("a cor do", seed), ask("a cor do ", seed));
        assert_eq!(with, without.strip_prefix(' ').unwrap_or(&without));
        spaces += usize::from(without.starts_with(' '));
    }
    assert!(spaces > 0, "no text begins with a word");
}

/// Where the prompt is repeated, it and the text are what `machado generate` prints.
#[test]
fn a_repeated_prompt_and_its_text_have_no_seam() {
    for id in MODELS {
        for prompt in ["a cor do", "a cor do ", "a cor do céu é "] {
            let ask = |prompt: &str, echo: bool| {
                texts(&server().complete(&json!({
                    "model": id, "prompt": prompt, "max_tokens": 6, "seed": 2, "echo": echo,
                })))
                .remove(0)
            };
            let read = if id == "char" { prompt } else { prompt.trim_end() };
            assert_eq!(ask(prompt, true), format!("{read}{}", ask(read, false)), "{id} {prompt:?}");
        }
    }
}

/// Ids come without asking for probabilities, too, and are those of the text.
#[test]
fn ids_come_if_they_are_asked_for() {
    for id in MODELS {
        let request = json!({
            "model": id, "prompt": "a cor", "max_tokens": 9, "seed": 1, "return_token_ids": true,
        });
        let (whole, (stream, _)) = (server().complete(&request), server().stream(&request));
        let choice = &whole["choices"][0];
        let ids: Vec<u32> = serde_json::from_value(choice["token_ids"].clone()).unwrap();
        assert_eq!(ids.len(), 9);
        assert_eq!(tokenizer(id).decode(&ids), choice["text"].as_str().unwrap());
        assert_eq!(stream["choices"][0]["token_ids"], choice["token_ids"]);
        assert!(choice["logprobs"].is_null() && stream["choices"][0]["logprobs"].is_null());
    }
}

#[test]
fn what_the_model_does_not_know_is_left_out_and_said() {
    let request = json!({ "prompt": "a ßcor ß日", "max_tokens": 3, "echo": true, "seed": 1 });
    let answer = server().complete(&request);
    let skipped = json!([{ "character": "ß", "count": 2 }, { "character": "日", "count": 1 }]);
    assert_eq!(answer["machado"]["skipped"], skipped);
    assert!(texts(&answer)[0].starts_with("a cor "));
    let (stream, _) = server().stream(&request);
    assert_eq!(stream["machado"]["skipped"], skipped);
}

#[test]
fn probabilities_sum_to_one_and_follow_the_temperature() {
    let ask = |temperature: f64| {
        server()
            .post(
                "/v1/probs",
                &json!({
                    "prompt": "a cor", "top": 1000, "temperature": temperature,
                }),
            )
            .json()
    };
    let (plain, hot) = (ask(1.0), ask(1.7));
    let candidates = plain["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), plain["vocabulary_size"].as_u64().unwrap() as usize);
    let value = |candidate: &Value, name: &str| candidate[name].as_f64().unwrap();
    let sum: f64 = candidates.iter().map(|candidate| value(candidate, "probability")).sum();
    assert!((sum - 1.0).abs() < 1e-6);
    let entropy: f64 = candidates
        .iter()
        .map(|candidate| -value(candidate, "probability") * value(candidate, "logprob"))
        .sum();
    assert!((entropy - plain["entropy_nats"].as_f64().unwrap()).abs() < 1e-5);
    // softmax(logit / T), as the page computes it.
    let weight = |candidate: &Value| (value(candidate, "logit") / 1.7).exp();
    let all: f64 = candidates.iter().map(weight).sum();
    for (cold, hot) in candidates.iter().zip(hot["candidates"].as_array().unwrap()) {
        assert_eq!(cold["id"], hot["id"]);
        assert!((weight(cold) / all - value(hot, "probability")).abs() < 1e-6);
    }
}
