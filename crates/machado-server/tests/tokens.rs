//! Between texts and tokens.

use serde_json::json;

use crate::common::{MODELS, TEXT, server};

#[test]
fn a_text_comes_back_from_its_tokens_in_both_dialects() {
    for model in MODELS {
        for name in ["content", "prompt"] {
            let request = json!({ "model": model, name: TEXT, "add_special_tokens": false });
            let tokens = server().post("/tokenize", &request).json()["tokens"].clone();
            let text = server().post("/detokenize", &json!({ "model": model, "tokens": tokens }));
            assert_eq!(text.json(), json!({ "content": TEXT, "prompt": TEXT }));
        }
    }
}

#[test]
fn lm_eval_finds_what_it_asks_for() {
    let info = server().get("/tokenizer_info").json();
    assert_eq!((&info["eos_token"], &info["bos_token"]), (&json!(null), &json!("\n")));
    assert_eq!(info["tokenizer"], "char");
    assert_eq!(server().get("/tokenizer_info?model=bpe").json()["tokenizer"], "bpe");
}

#[test]
fn models_are_listed_and_found_by_name() {
    let list = server().get("/v1/models").json();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(ids, MODELS);
    for (number, id) in ids.iter().enumerate() {
        // With a slash behind it, too.
        for slash in ["", "/"] {
            let one = server().get(&format!("/v1/models/{id}{slash}")).json();
            assert_eq!(one, list["data"][number]);
        }
    }
    assert_eq!(list["data"][0]["meta"]["layers"], json!(["embedding", "gru", "dense"]));
}
