use machado_core::data::{CorpusReader, Part, ReadText, Split};
use machado_core::error::Error;
use machado_core::evaluate::{Help, evaluate};
use machado_core::generate::{Generator, GeneratorConfig};
use machado_core::ids::TokenIds;
use machado_core::math::simd::VectorUnit;
use machado_core::model::Model;
use machado_core::predict::{PredictConfig, predict};
use machado_core::rng::Purpose;
use machado_core::run::{RunConfig, TextConfig};
use machado_core::sample::{Bans, Sampler};
use machado_core::text::Standardize;
use machado_core::tokenizer::{Tokenizer, TokenizerKind, UnknownPolicy, VocabularyConfig};
use machado_core::train::Event;
use proptest::prelude::*;

use crate::common::{compute, config, text, trainer};

const KINDS: [TokenizerKind; 3] = [TokenizerKind::Char, TokenizerKind::Word, TokenizerKind::Bpe];

fn vocabulary(kind: TokenizerKind, max_vocab: usize, min_count: u64) -> VocabularyConfig {
    VocabularyConfig { kind, max_vocab: Some(max_vocab), min_count: Some(min_count) }
}

fn read(text: &str, config: VocabularyConfig, split: &str) -> ReadText {
    let mut reader = CorpusReader::new(config, text.len());
    reader.add(text);
    reader.finish(&split.parse::<Split>().unwrap(), None).unwrap()
}

fn learn(text: &str, config: VocabularyConfig) -> Tokenizer {
    read(text, config, "1.0:0.0").tokenizer
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
    tokenizer.encode_piece(text, &mut encoding).unwrap();
    assert_eq!(encoding.characters, text.chars().count() as u64);
    encoding.ids.to_vec()
}

fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    encode(tokenizer, text).into_iter().map(|id| tokenizer.token(id)).collect()
}

/// ` cor` 3 times, ` do` and `.` twice, all else once: ` céu` and ` mar` are spelled. Of the
/// characters the space comes twice in them; those that only words have never come.
#[test]
fn words_by_hand() {
    let text = "a cor do céu. cor do mar. cor";
    let ReadText { tokenizer, rare, .. } =
        read(text, vocabulary(TokenizerKind::Word, 100, 2), "1.0:0.0");
    assert_eq!(tokens(&tokenizer, "a cor do céu."), ["a", " cor", " do", " ", "c", "é", "u", "."]);
    assert_eq!(rare.spelled, [(" céu".into(), 1), (" mar".into(), 1)]);
    let Tokenizer::Word(words) = &tokenizer else { panic!("words") };
    let vocabulary: Vec<&str> = words.vocabulary().iter().map(|token| &**token).collect();
    assert_eq!(vocabulary, [" cor", " ", " do", ".", "a", "c", "m", "r", "u", "é", "d", "o"]);
}

/// `ab` is the most frequent pair (6), then `abc` (3), then ` ab` (2, one of them at the beginning
/// of `abc`, which is joined already).
#[test]
fn parts_of_words_by_hand() {
    let tokenizer = learn("abc ab abc ab abd abc", vocabulary(TokenizerKind::Bpe, 259, 2));
    let learnt: Vec<String> = (256..259).map(|id| tokenizer.token(id)).collect();
    assert_eq!(learnt, ["ab", " ab", " abc"]);
    assert_eq!(tokens(&tokenizer, "abc abc abd"), ["ab", "c", " abc", " ab", "d"]);
    assert_eq!(tokens(&tokenizer, "é"), ["<0xC3>", "<0xA9>"]);
    assert_eq!(tokenizer.vocabulary_size(), 259);
}

#[test]
fn a_prompt_has_the_tokens_of_the_text() {
    for kind in [TokenizerKind::Word, TokenizerKind::Bpe] {
        let tokenizer = learn(&text(), vocabulary(kind, 400, 2));
        let long = encode(&tokenizer, "e o mar\na cor do céu é azul, e o mar");
        let prompt = encode(&tokenizer, tokenizer.read_of_prompt("a cor do céu "));
        let place = long.windows(prompt.len()).position(|window| window == prompt);
        assert!(place.is_some(), "{kind:?}: {prompt:?} in {long:?}");
    }
    let characters = learn("a b", vocabulary(TokenizerKind::Char, 400, 1));
    assert_eq!(characters.read_of_prompt("a "), "a ");
}

proptest! {
    /// With words all characters must be known; parts of words tell any text.
    #[test]
    fn nothing_is_lost(
        text in "[ \n\ta-cé'’.?!0-9—日🎻-]{0,60}", other in "\\PC{0,30}", most in 20usize..400,
    ) {
        let all = format!("{text} \n\ta-cé'’.?!0-9—日🎻abc0123456789");
        for kind in KINDS {
            let most = if kind == TokenizerKind::Bpe { 256 + most } else { 40 + most };
            let tokenizer = learn(&all, vocabulary(kind, most, 1));
            assert_eq!(tokenizer.decode(&encode(&tokenizer, &text)), text, "{kind:?}");
            assert!(tokenizer.vocabulary_size() <= most);
            if kind == TokenizerKind::Bpe {
                assert_eq!(tokenizer.decode(&encode(&tokenizer, &other)), other);
            }
            let json = serde_json::to_string(&tokenizer).unwrap();
            let back: Tokenizer = serde_json::from_str(&json).unwrap();
            assert!(back == tokenizer, "{kind:?}");
            assert_eq!(encode(&back, &text), encode(&tokenizer, &text));
        }
    }

    /// What is kept in a model file gives the same ids in Hugging Face's library.
    #[test]
    fn the_tokenizer_json_says_the_same_elsewhere(
        texts in prop::collection::vec("[ \n\ta-cé\u{301}'’.?!0-9—日-]{0,40}|\\PC{0,30}", 8),
    ) {
        let tokenizer = learn(&text(), vocabulary(TokenizerKind::Bpe, 350, 2));
        let Tokenizer::Bpe(bpe) = &tokenizer else { panic!("parts of words") };
        let theirs = tokenizers::Tokenizer::from_bytes(bpe.tokenizer_json().to_string()).unwrap();
        for text in &texts {
            let encoding = theirs.encode(text.as_str(), false).unwrap();
            assert_eq!(encoding.get_ids(), encode(&tokenizer, text), "{text:?}");
            assert_eq!(&theirs.decode(encoding.get_ids(), false).unwrap(), text);
        }
    }

    /// Learning uses hash maps with other seeds each time. Texts of few letters have many pairs
    /// that are equally frequent, and tokens that come about in several ways.
    #[test]
    fn the_same_text_gives_the_same_parts_of_words(text in "([ab]{1,12} ){0,60}") {
        let learn = || {
            let tokenizer = learn(&text, vocabulary(TokenizerKind::Bpe, 330, 1));
            serde_json::to_string(&tokenizer).unwrap()
        };
        prop_assume!(!text.is_empty());
        let first = learn();
        (0..3).for_each(|_| assert!(learn() == first, "{text:?}"));
    }
}

#[test]
fn only_the_training_part_is_learnt_from_but_all_characters_are_known() {
    // 40 characters to train on; the word that is frequent comes only behind them.
    let text = "uma cor ".repeat(5) + &"outra cor, ~ ".repeat(10);
    let read = read(&text, vocabulary(TokenizerKind::Word, 100, 2), "40:60");
    assert_eq!(tokens(&read.tokenizer, " cor outra ~")[..4], [" cor", " ", "o", "u"]);
    assert_eq!(read.characters, text.chars().count() as u64);
    let ids = read.corpus.ids().to_vec();
    assert_eq!(read.tokenizer.decode(&ids), text);
    // Parts are cut at the tokens that begin at their first character or after it.
    let part = |part: Part| read.tokenizer.decode(&ids[read.corpus.range(part)]);
    let (train, validation, test) = (part(Part::Train), part(Part::Validation), part(Part::Test));
    assert_eq!(train + &validation + &test, text);
    assert_eq!(part(Part::Train), "uma cor ".repeat(5).trim_end().to_owned() + " outra");
    let bpe = self::read(&text, vocabulary(TokenizerKind::Bpe, 400, 2), "40:60").tokenizer;
    assert!((256..bpe.vocabulary_size() as u32).all(|id| !bpe.token(id).contains("out")));
}

#[test]
fn a_run_that_goes_on_keeps_its_vocabulary() {
    let split: Split = "0.5:0.25".parse().unwrap();
    for kind in [TokenizerKind::Word, TokenizerKind::Bpe] {
        let first = read(&text(), vocabulary(kind, 320, 2), "0.5:0.25");
        let mut reader = CorpusReader::new(vocabulary(kind, 320, 2), 0);
        reader.add(&text());
        let again = reader.finish(&split, Some(&first.tokenizer)).unwrap();
        assert!(again.tokenizer == first.tokenizer);
        assert_eq!(again.corpus.ids(), first.corpus.ids());
        assert_eq!(again.corpus.parts(), first.corpus.parts());
        assert_eq!(again.characters, first.characters);
    }
}

#[test]
fn rare_characters_are_left_out_and_named() {
    let left_out = |most, least| {
        let read = read("abracadabra", vocabulary(TokenizerKind::Char, most, least), "1.0:0.0");
        let text = read.tokenizer.decode(&read.corpus.ids().to_vec());
        assert_eq!(read.characters, text.chars().count() as u64);
        (text, read.rare.left_out)
    };
    assert_eq!(left_out(9, 2), ("abraaabra".into(), vec![('c', 1), ('d', 1)]));
    assert_eq!(left_out(2, 1).0, "araaara");
    assert_eq!(left_out(2, 1).1, [('b', 2), ('c', 1), ('d', 1)]);
    assert_eq!(left_out(9, 1), ("abracadabra".into(), vec![]));
    // Words: only if there are more characters than tokens.
    let words = read("ab ab ab ç", vocabulary(TokenizerKind::Word, 3, 1), "1.0:0.0");
    assert_eq!(words.rare.left_out, [('ç', 1)]);
    assert_eq!((words.characters, words.tokenizer.vocabulary_size()), (9, 3));
}

/// A word is banned with the space before it too, unless a space is written.
#[test]
fn bans_of_words_hold_after_a_space() {
    for kind in KINDS {
        let tokenizer = learn(&text(), vocabulary(kind, 400, 2));
        let check = |text: &str, forms: &[&str]| {
            let bans = Bans::of_texts(&tokenizer, Standardize::Lower, &[text.into()]).unwrap();
            let forms = forms.iter().map(|form| encode(&tokenizer, form)).collect();
            assert_eq!(bans, Bans::new(&tokenizer, forms).unwrap(), "{kind:?}: {text:?}");
        };
        check(" Cor", &[" cor"]);
        if kind == TokenizerKind::Char {
            check("Cor do", &["cor do"]);
        } else {
            check("Cor", &["cor", " cor"]);
            check("cor do", &["cor do", " cor do"]);
            check(",", &[",", " ,"]);
        }
    }
}

fn run_config(kind: TokenizerKind) -> RunConfig {
    let mut config = config();
    config.text = TextConfig {
        tokenizer: kind,
        max_vocab: (kind != TokenizerKind::Char).then_some(300),
        ..TextConfig::default()
    };
    config.training.epochs = Some(1);
    config
}

fn model(kind: TokenizerKind) -> Model {
    let mut trainer = trainer(&run_config(kind), 1);
    trainer.by_ref().for_each(|event| drop(event.unwrap()));
    trainer.model().clone()
}

/// Bits per character and per byte are those of the text itself: all nats of all tokens, over what
/// the text has of characters and bytes.
#[test]
fn bits_are_counted_by_the_text_and_not_by_its_tokens() {
    let measured = "a cor do céu é azul, 日本 e o mar 🎻";
    for kind in KINDS {
        let model = model(kind);
        let mut encoding = model.tokenizer.encoding(UnknownPolicy::Skip, "text");
        model.tokenizer.encode_piece(measured, &mut encoding).unwrap();
        let count = encoding.ids.len();
        let score =
            evaluate(&model, &compute(1), &encoding.ids, 0..count, Help::default(), |_| true);
        let score = score.unwrap().unwrap();
        let ids = encoding.ids.to_vec();
        let text = model.tokenizer.decode(&ids[1..]);
        assert_eq!(score.characters, text.chars().count() as u64, "{kind:?}");
        assert_eq!(score.bytes, text.len() as u64, "{kind:?}");
        let bits = score.loss_nats() * (count - 1) as f64 / std::f64::consts::LN_2;
        assert!((score.bits_per_character() * score.characters as f64 - bits).abs() < 1e-9);
        assert!((score.bits_per_byte() * score.bytes as f64 - bits).abs() < 1e-9);
        let nats = score.nats_per_character() / std::f64::consts::LN_2;
        assert!((nats - score.bits_per_character()).abs() < 1e-12);
    }
}

/// The validation of a training has the bits of its own part, too.
#[test]
fn validation_counts_bits_per_character_of_its_part() {
    for kind in KINDS {
        let mut trainer = trainer(&run_config(kind), 1);
        let range = trainer.corpus().range(Part::Validation);
        let tokens = range.len() as f64;
        let ids = trainer.corpus().ids().to_vec()[range].to_vec();
        let characters = trainer.model().tokenizer.decode(&ids).chars().count() as f64;
        let evaluation = trainer.find_map(|event| match event.unwrap() {
            Event::Evaluated(evaluation) => Some(evaluation),
            _ => None,
        });
        let evaluation = evaluation.unwrap();
        let expected = evaluation.loss / std::f64::consts::LN_2 * tokens / characters;
        assert!((evaluation.bits_per_character - expected).abs() < 1e-12, "{kind:?}");
    }
}

/// Single bytes, most of which are no characters: what is given out piece by piece is what comes out
/// at once, and what the drawn ids decode to.
#[test]
fn bytes_are_given_out_in_whole_characters() {
    let tokenizer = learn("céu", vocabulary(TokenizerKind::Bpe, 256, 2));
    let mut model = Model::new(config().model, tokenizer, 1).unwrap();
    // All bytes are about equally likely.
    model.weights.iter_mut().for_each(|weight| *weight *= 0.1);
    let settings = GeneratorConfig {
        mixture: None,
        interventions: Vec::new(),
        sampler: Sampler::default(),
        tokens: 300,
        stop: vec![],
        seed: 1,
        purpose: Purpose::Generate,
        first: 0,
    };
    let generator =
        || Generator::new(&model, VectorUnit::detect(), &[], 3, settings.clone()).unwrap();
    let mut pieces = vec![String::new(); 3];
    let mut stepping = generator();
    while stepping.step(|number, piece| pieces[number].push_str(piece)) {}
    let written = generator().finish();
    for (written, piece) in written.iter().zip(&pieces) {
        assert_eq!((&written.text, written.tokens), (piece, 300));
        assert!(written.text.contains('\u{fffd}'));
    }
}

#[test]
fn candidates_show_bytes_and_spaces() {
    let model = model(TokenizerKind::Bpe);
    let prompt = encode(&model.tokenizer, "a cor");
    let unit = VectorUnit::detect();
    let all =
        predict(&model, unit, &prompt, &PredictConfig::new(&Sampler::default(), 1000)).unwrap();
    assert_eq!(all.len(), model.tokenizer.vocabulary_size());
    let named = |name: &str| all.iter().any(|candidate| candidate.token == name);
    assert!(named("<0xC3>") && named("a") && named(" do"), "{all:?}");
}

/// A text read in blocks of any size has the same tokens.
#[test]
fn blocks_change_nothing() {
    use machado_core::text::Detector;
    let text = (text() + "\r\n\r\n  fim...  — disse-lhe  ").repeat(3);
    for kind in [TokenizerKind::Word, TokenizerKind::Bpe] {
        let whole = read(&Standardize::None.apply(&text), vocabulary(kind, 350, 2), "1.0:0.0");
        for size in [1, 7, 64, 1000] {
            let mut detector = Detector::default();
            detector.feed(text.as_bytes());
            let mut decoder = detector.finish().unwrap().decoder();
            let mut reader = CorpusReader::new(vocabulary(kind, 350, 2), 0);
            for block in text.as_bytes().chunks(size) {
                reader.add(&Standardize::None.apply(&decoder.feed(block)));
            }
            reader.add(&Standardize::None.apply(&decoder.finish()));
            let read = reader.finish(&"1.0:0.0".parse().unwrap(), None).unwrap();
            assert!(read.tokenizer == whole.tokenizer, "{kind:?} in blocks of {size}");
            assert_eq!(read.corpus.ids(), whole.corpus.ids(), "{kind:?} in blocks of {size}");
        }
    }
}

/// What is read while learning is what the tokenizer makes of the text afterwards.
#[test]
fn reading_gives_the_ids_of_the_tokenizer() {
    let text = text() + "disse-lhe: d'água, -lhe 'água —— 10  ";
    for (kind, most) in
        [(TokenizerKind::Word, 500), (TokenizerKind::Word, 40), (TokenizerKind::Bpe, 350)]
    {
        let read = read(&text, vocabulary(kind, most, 1), "0.9:0.1");
        assert_eq!(read.corpus.ids().to_vec(), encode(&read.tokenizer, &text), "{kind:?}");
    }
}

/// What a genome looks like: learning from it takes no longer than from words.
#[test]
fn a_text_without_any_space_is_learnt_from() {
    let letter = |i: u64| b"acgt"[(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as usize];
    let text: String = (0..200_000).map(|i| char::from(letter(i * i))).collect();
    let tokenizer = learn(&text, vocabulary(TokenizerKind::Bpe, 300, 2));
    assert_eq!(tokenizer.vocabulary_size(), 300);
    let ids = encode(&tokenizer, &text);
    assert!(ids.len() < text.len() * 2 / 3, "{} tokens", ids.len());
    assert_eq!(tokenizer.decode(&ids), text);
}

/// The word that begins in the training part ends only behind the validation part.
#[test]
fn a_word_over_the_whole_validation_part_is_an_error() {
    let finish = |text: &str, kind, split: &str, known: Option<&Tokenizer>| {
        let mut reader = CorpusReader::new(vocabulary(kind, 300, 1), 0);
        reader.add(text);
        reader.finish(&split.parse::<Split>().unwrap(), known)
    };
    for kind in [TokenizerKind::Word, TokenizerKind::Bpe] {
        let text = "ab ".repeat(3) + &"x".repeat(91);
        let message = finish(&text, kind, "0.9:0.05", None).unwrap_err().to_string();
        assert!(message.starts_with("the split 0.9:0.05 leaves nothing to validate on"));
        assert!(message.contains("one of 92 characters") && message.contains("--tokenizer char"));
        assert!(finish(&text, kind, "1.0:0.0", None).is_ok(), "nothing was asked for");
        // As long as one word less begins in the training part.
        let read = finish(&text, kind, "8:80", None).unwrap();
        assert_eq!(read.corpus.range(Part::Test).len(), 0);
        assert!(!read.corpus.range(Part::Validation).is_empty());
        // A run that began before this was an error goes on.
        let tokenizer = learn(&text, vocabulary(kind, 300, 1));
        assert!(finish(&text, kind, "0.9:0.05", Some(&tokenizer)).is_ok());
    }
    assert!(finish(&"x".repeat(100), TokenizerKind::Char, "0.9:0.05", None).is_ok());
}

#[test]
fn an_empty_text_is_an_error_of_its_own() {
    for kind in KINDS {
        let reader = CorpusReader::new(vocabulary(kind, 300, 1), 0);
        let error = reader.finish(&"1000:60".parse().unwrap(), None).unwrap_err();
        assert!(matches!(error, Error::EmptyText { .. }), "{kind:?}: {error}");
    }
}

#[test]
fn ids_of_words_take_two_bytes() {
    let read = read(&text(), vocabulary(TokenizerKind::Bpe, 300, 2), "1.0:0.0");
    assert!(matches!(read.corpus.ids(), TokenIds::U16(_)));
}
