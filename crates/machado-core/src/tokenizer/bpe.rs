//! Parts of words, down to single bytes: byte pair encoding, by Hugging Face's `tokenizers`.
//!
//! A text is cut into words, and each word into its bytes. Then the pair of neighbours that is most
//! frequent in the training part becomes a token, again and again. Any text can be told in these
//! tokens, since each byte is one.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, BpeTrainer};

use super::pieces::{self, Pieces};
use super::{Encoding, PieceCounts, VocabularyConfig};

/// Tokens of the vocabulary, where no other number is given.
pub(super) const MAX_VOCAB: usize = 2048;

/// How often a pair must come to be joined, where no other number is given.
pub(super) const MIN_COUNT: u64 = 2;

/// Bytes of different words that are learnt from, the most frequent first. Learning takes about 100
/// times as much memory, and what is rarer than all of them has no say in the most frequent pairs.
const LEARNT_BYTES: usize = 8 << 20;

/// Bytes of a word that are learnt from together. The trainer's time grows with the square of a word's
/// length, and there are texts without any space.
const LONGEST: usize = 128;

/// The character by which a `tokenizer.json` names each byte: itself where it is visible, or else
/// one from U+0100 on.
static BYTE_NAMES: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut others = '\u{100}'..;
    std::array::from_fn(|byte| match byte as u8 {
        visible @ (b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff) => visible.into(),
        _ => others.next().expect("there are more characters than bytes"),
    })
});

/// A vocabulary of parts of words, with the order in which they are joined.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct BpeTokenizer {
    /// The `tokenizer.json`.
    json: Value,
    model: BPE,
    /// The bytes of each token.
    tokens: Vec<Box<[u8]>>,
    newline: u32,
}

/// How a [`BpeTokenizer`] is written to files.
#[derive(Serialize, Deserialize)]
struct File {
    /// In the format of Hugging Face's `tokenizer.json`.
    tokenizer: Value,
}

impl From<BpeTokenizer> for File {
    fn from(tokenizer: BpeTokenizer) -> Self {
        Self { tokenizer: tokenizer.json }
    }
}

impl PartialEq for BpeTokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

/// The parts of a `tokenizer.json` that are read.
#[derive(Deserialize)]
struct Json {
    pre_tokenizer: Value,
    model: JsonModel,
}

#[derive(Deserialize)]
struct JsonModel {
    vocab: HashMap<String, u32>,
    merges: Vec<(String, String)>,
}

impl TryFrom<File> for BpeTokenizer {
    type Error = String;

    fn try_from(File { tokenizer: json }: File) -> Result<Self, String> {
        let Json { pre_tokenizer, model: JsonModel { vocab, merges } } =
            Json::deserialize(&json).map_err(|error| error.to_string())?;
        if pre_tokenizer != self::pre_tokenizer() {
            return Err("it cuts texts into words by other rules than this program".into());
        }
        let mut tokens = vec![None; vocab.len()];
        for (name, &id) in &vocab {
            let Some(token) = tokens.get_mut(id as usize) else {
                return Err(format!("{name:?} has id {id}, but there are {} tokens", vocab.len()));
            };
            *token = Some(bytes_of(name).ok_or_else(|| format!("{name:?} names no bytes"))?);
        }
        let tokens: Option<Vec<Box<[u8]>>> = tokens.into_iter().collect();
        let tokens = tokens.ok_or("two tokens have the same id")?;
        let byte_id = |byte: u8| vocab.get(&name_of(&[byte])).copied();
        if let Some(byte) = (0..=255).find(|&byte| byte_id(byte).is_none()) {
            return Err(format!("no token stands for the byte {byte}"));
        }
        let newline = byte_id(b'\n').expect("each byte has a token");
        // The builder takes this on trust.
        if let Some((a, b)) = merges.iter().find(|(a, b)| !vocab.contains_key(&(a.clone() + b))) {
            return Err(format!("{a:?} and {b:?} are joined to something that is no token"));
        }
        let vocab = vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>();
        let builder = BPE::builder().vocab_and_merges(vocab, merges).cache_capacity(0);
        let model = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { json, model, tokens, newline })
    }
}

impl BpeTokenizer {
    /// The tokenizer for the training part of a text.
    pub(super) fn learn(counts: &PieceCounts<'_>, config: &VocabularyConfig) -> Self {
        let (words, unit) = words_to_learn(counts);
        let words = words.into_iter().map(|(word, count)| (name_of(word).into(), count));
        // Or else it would look into the environment for it, and its threads gain nothing here.
        tokenizers::parallelism::set_parallelism(false);
        let trainer = BpeTrainer::builder()
            .show_progress(false)
            .progress_format(tokenizers::ProgressFormat::Silent)
            .vocab_size(config.max_vocab.unwrap_or(MAX_VOCAB))
            .min_frequency(config.min_count.unwrap_or(MIN_COUNT).div_ceil(unit))
            .initial_alphabet(BYTE_NAMES.iter().copied().collect())
            .build();
        let mut model = BPE::default();
        trainer.do_train(&words.collect(), &mut model).expect("counted words can be learnt from");
        let model = serde_json::to_value(&model).expect("a model of strings has a JSON form");
        let tokenizer = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [],
            "normalizer": null,
            "pre_tokenizer": pre_tokenizer(),
            "post_processor": null,
            "decoder": byte_level(),
            "model": model,
        });
        Self::try_from(File { tokenizer }).expect("what was just learnt is sound")
    }

    /// The bytes of each token, in the order of their ids.
    pub fn tokens(&self) -> &[Box<[u8]>] {
        &self.tokens
    }

    /// What Hugging Face's `tokenizers` reads, to get the same ids.
    pub fn tokenizer_json(&self) -> &Value {
        &self.json
    }

    /// The token of a line end.
    pub(super) fn newline(&self) -> u32 {
        self.newline
    }

    pub(super) fn encode_text(&self, text: &str, encoding: &mut Encoding) {
        Pieces::new(text).for_each(|piece| self.encode_word(piece, encoding));
    }

    /// Appends the tokens of a word.
    pub(super) fn encode_word(&self, word: &str, encoding: &mut Encoding) {
        encoding.characters += word.chars().count() as u64;
        if !encoding.push_remembered(word) {
            let tokens = self.model.tokenize(&name_of(word.as_bytes()));
            let tokens = tokens.expect("each byte is a token");
            encoding.remember_and_push(word, tokens.into_iter().map(|token| token.id));
        }
    }
}

/// The most frequent words of the training part, and how often each comes, in units of so many
/// times: the trainer counts in 31 bits.
fn words_to_learn<'t>(counts: &PieceCounts<'t>) -> (HashMap<&'t [u8], u64>, u64) {
    let pieces = counts.pieces.iter().zip(&counts.in_training).filter(|&(_, &count)| count > 0);
    let mut pieces: Vec<(&str, u64)> = pieces.map(|(p, &count)| (&**p, count)).collect();
    pieces.sort_by_key(|&(piece, count)| (Reverse(count), piece));
    let all: u64 = pieces.iter().map(|&(piece, count)| piece.len() as u64 * count).sum();
    let unit = all / (i32::MAX as u64 / 2) + 1;
    let mut bytes = 0;
    let chunks = pieces
        .into_iter()
        .flat_map(|(piece, count)| piece.as_bytes().chunks(LONGEST).map(move |c| (c, count)));
    let learnt = chunks.take_while(|(chunk, _)| {
        bytes += chunk.len();
        bytes <= LEARNT_BYTES
    });
    let mut words = HashMap::new();
    learnt.for_each(|(chunk, count)| *words.entry(chunk).or_default() += count.div_ceil(unit));
    (words, unit)
}

/// How a `tokenizer.json` says how texts are cut.
fn pre_tokenizer() -> Value {
    let split = json!({
        "type": "Split",
        "pattern": {"Regex": pieces::pattern()},
        "behavior": "Isolated",
        "invert": false,
    });
    json!({"type": "Sequence", "pretokenizers": [split, byte_level()]})
}

/// How it says that tokens are made of bytes.
fn byte_level() -> Value {
    json!({
        "type": "ByteLevel",
        "add_prefix_space": false,
        "trim_offsets": true,
        "use_regex": false,
    })
}

/// Bytes by the characters that name them.
fn name_of(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| BYTE_NAMES[usize::from(byte)]).collect()
}

/// The bytes that some characters name.
fn bytes_of(name: &str) -> Option<Box<[u8]>> {
    static BYTES: LazyLock<HashMap<char, u8>> =
        LazyLock::new(|| BYTE_NAMES.iter().copied().zip(0..=255).collect());
    name.chars().map(|c| BYTES.get(&c).copied()).collect()
}
