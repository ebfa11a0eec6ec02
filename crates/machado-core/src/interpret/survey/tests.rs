use std::collections::HashSet;

use super::*;
use crate::interpret::{SaeWeights, properties};
use crate::math::threads::Compute;
use crate::tokenizer::{CharTokenizer, Tokenizer, UnknownPolicy};

const TEXT: &str = "mar alto\nno mar\ncéu azul, mar e mar\n";

fn labels() -> TokenLabels {
    let tokenizer = Tokenizer::Char(CharTokenizer::from_text(TEXT));
    let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
    tokenizer.encode_piece(TEXT, &mut encoding).unwrap();
    TokenLabels::of(&TokenText::new(&tokenizer, &encoding.ids, 0..encoding.ids.len()))
}

/// Two features of two units that just say the units.
fn sae() -> Sae {
    Sae::new(SaeWeights {
        d_in: 2,
        d_sae: 2,
        w_enc: vec![1.0, 0.0, 0.0, 1.0],
        b_enc: vec![0.0; 2],
        threshold: vec![0.0; 2],
        w_dec: vec![1.0, 0.0, 0.0, 1.0],
        b_dec: vec![0.0; 2],
    })
    .unwrap()
}

/// Unit 0 says the r of each "mar", and how often it has come; unit 1 each line end.
fn surveyed(config: SurveyConfig) -> Vec<FeatureSurvey> {
    let labels = labels();
    let compute = Compute::single();
    let mut survey =
        Survey::new((&sae(), &[0, 1]), &compute, &[4.0, 1.0], (&labels, config)).unwrap();
    let mut seen = 0.0;
    for (place, c) in TEXT.chars().enumerate() {
        let is_r = c == 'r';
        seen += if is_r { 1.0 } else { 0.0 };
        survey.add(&[place], &[if is_r { seen } else { 0.0 }, f32::from(u8::from(c == '\n'))]);
    }
    survey.finish(&[5, 6], 0..TEXT.chars().count())
}

#[test]
fn a_survey_by_hand() {
    let found = surveyed(SurveyConfig { contexts: 20, samples: 2, seed: 1, all_words: true });
    let mar = &found[0];
    assert_eq!((mar.feature, mar.active, mar.max), (5, 4, 4.0));
    assert_eq!(mar.positions, TEXT.chars().count() as u64);
    assert_eq!(mar.mean, 2.5);
    // 1, 2, 3 and 4 of 4.
    assert_eq!(mar.bands, [0, 0, 1, 0, 0, 1, 0, 1, 0, 1]);
    // The last line has two, of which the stronger counts.
    let places: Vec<(usize, f32)> = mar.contexts.iter().map(|f| (f.place, f.value)).collect();
    assert_eq!(places, [(34, 4.0), (14, 2.0), (2, 1.0)]);
    assert_eq!(mar.words.len(), 1);
    assert_eq!((&mar.words[0].word[..], mar.words[0].tokens), ("mar", 4));
    // All of the firing, and 16 of 36 tokens are of "mar" or right after it.
    assert_eq!(mar.words[0].share, 1.0);
    assert!((mar.words[0].lift - 36.0 / 16.0).abs() < 1e-9);
    let number =
        |word: &str| labels().words.names.iter().position(|name| name == word).unwrap() as u32;
    let [mar_is, azul_is] = ["mar", "azul"].map(number);
    assert_eq!(mar.strong, 4);
    assert_eq!(mar.all_words, [WordMet { word: mar_is, tokens: 4, times: 4 }]);
    // Once at each "mar", though at one of its letters only.
    assert_eq!(mar.f1_of_words(&[mar_is], 4), 1.0);
    // With "azul", which comes once, four of five times.
    assert!((mar.f1_of_words(&[mar_is, azul_is], 5) - 2.0 * 0.8 / 1.8).abs() < 1e-12);
    assert_eq!(mar.f1_of_words(&[azul_is], 1), 0.0);
    let ends = &found[1];
    let rule = ends.property.unwrap();
    assert_eq!((properties()[rule.property].name, rule.f1), ("a line end", 1.0));
    assert_eq!(ends.label(), "a line end");
    let (unit, correlation) = ends.unit.unwrap();
    assert!(unit == 1 && (correlation - 1.0).abs() < 1e-9);
}

#[test]
fn samples_are_of_their_band_and_the_seed_decides() {
    let config = SurveyConfig { contexts: 1, samples: 1, seed: 1, all_words: false };
    let ends = |seed| surveyed(SurveyConfig { seed, ..config })[1].samples[9][0].place;
    assert_eq!(ends(1), ends(1));
    let places: HashSet<usize> = (0..20).map(ends).collect();
    assert_eq!(places, HashSet::from([8, 15, 35]));
    assert!(surveyed(config)[1].samples[..9].iter().all(Vec::is_empty));
}
