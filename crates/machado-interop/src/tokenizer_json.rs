//! Tokenizers as Hugging Face's `tokenizer.json`, by which `tokenizers` gets the same ids.
//!
//! All three kinds are its model `BPE`, which looks characters up in the vocabulary and leaves out
//! those that it does not find, as machado does:
//!
//! - characters: without any pair to join;
//! - words: the same, but what the pre-tokenizer cuts out is taken whole where it is a token
//!   (`ignore_merges`), and spelled by characters where it is not;
//! - parts of words: as they were learnt.
//!
//! (`WordLevel` would have needed a token for what is unknown.) What the model's config does to a text
//! before, such as lower case, is not part of the tokenizer: the text must be given as the model
//! reads it.

use machado_core::tokenizer::{Tokenizer, piece_pattern};
use serde_json::{Map, Value, json};

/// The `tokenizer.json` of a tokenizer.
pub fn tokenizer_json(tokenizer: &Tokenizer) -> String {
    let json = match tokenizer {
        Tokenizer::Char(tokenizer) => {
            let tokens = tokenizer.vocabulary().iter().map(|c| c.to_string());
            // Short texts are faster one by one, and no token goes beyond a line.
            whole(tokens, "\n", false)
        }
        Tokenizer::Word(tokenizer) => {
            let tokens = tokenizer.vocabulary().iter().map(|token| token.to_string());
            whole(tokens, &piece_pattern(), true)
        }
        Tokenizer::Bpe(tokenizer) => tokenizer.tokenizer_json().clone(),
    };
    format!("{json:#}\n")
}

/// A file whose tokens are found whole within what `pattern` cuts out, or else by characters.
fn whole(tokens: impl Iterator<Item = String>, pattern: &str, ignore_merges: bool) -> Value {
    let vocab: Map<String, Value> = tokens.zip(0..).map(|(token, id)| (token, id.into())).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": pattern},
            "behavior": "Isolated",
            "invert": false,
        },
        "post_processor": null,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": ignore_merges,
            "vocab": vocab,
            "merges": [],
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use machado_core::data::CorpusReader;
    use machado_core::tokenizer::{TokenizerKind, UnknownPolicy, VocabularyConfig};

    use super::*;

    const TEXT: &str = "A cor do céu é azul, e o mar também; mas à noite...\n\
         — Que dizes? — disse-lhe o pai, a rir. «É o d’água!»  Dois espaços,\ttabs.\n\n";

    fn learnt(kind: TokenizerKind) -> Tokenizer {
        let config = VocabularyConfig { kind, ..VocabularyConfig::default() };
        let text = TEXT.repeat(3);
        let mut reader = CorpusReader::new(config, text.len());
        reader.add(&text);
        reader.finish(&"1.0:0.0".parse().unwrap(), None).unwrap().tokenizer
    }

    fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
        let mut encoding = tokenizer.encoding(UnknownPolicy::Skip, "text");
        tokenizer.encode_piece(text, &mut encoding).unwrap();
        encoding.ids.to_vec()
    }

    #[test]
    fn another_program_gets_the_same_ids_and_the_text_back() {
        for kind in [TokenizerKind::Char, TokenizerKind::Word, TokenizerKind::Bpe] {
            let tokenizer = learnt(kind);
            let other: tokenizers::Tokenizer = tokenizer_json(&tokenizer).parse().unwrap();
            assert_eq!(other.get_vocab_size(true), tokenizer.vocabulary_size());
            // Words that are not known, and in the last text also characters.
            for text in [TEXT, "a céu  mar-lhe\n\n\n rir", "", "Ωmega: 日本 e mar\u{301}"] {
                let expected = ids(&tokenizer, text);
                let found = other.encode(text, false).unwrap();
                assert_eq!(found.get_ids(), expected, "{}: {text:?}", kind.name());
                let decoded = other.decode(found.get_ids(), false).unwrap();
                assert_eq!(decoded, tokenizer.decode(&expected), "{}: {text:?}", kind.name());
            }
        }
    }
}
