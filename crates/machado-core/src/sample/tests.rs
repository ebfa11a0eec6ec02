use proptest::prelude::*;

use super::*;
use crate::rng::{Purpose, Rng};
use crate::tokenizer::{CharTokenizer, Tokenizer};

/// Logits of the probabilities ½, ¼, ⅛, ⅛, in another order.
const LOGITS: [f32; 4] = [-2.079_441_5, -std::f32::consts::LN_2, -2.079_441_5, -1.386_294_4];

fn check_after(sampler: Sampler, history: &[u32], expected: [f64; 4]) {
    sampler.check().expect("a sampler");
    let distribution = sampler.distribution(&LOGITS, history);
    for (found, expected) in distribution.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{sampler:?}: {distribution:?}");
    }
    // What is drawn has these frequencies, within 4 standard deviations.
    let mut rng = Rng::new(8, Purpose::Generate, 0);
    let n = 40_000;
    let mut counts = [0; 4];
    let mut draw = Draw::new(sampler.clone(), VectorUnit::detect()).expect("a sampler");
    for _ in 0..n {
        counts[draw.draw(&LOGITS, history, &mut rng) as usize] += 1;
    }
    for (count, p) in counts.iter().zip(expected) {
        let mean = f64::from(n) * p;
        let deviation = (mean * (1.0 - p)).sqrt();
        assert!((f64::from(*count) - mean).abs() <= 4.0 * deviation, "{sampler:?}: {counts:?}");
    }
}

fn check(sampler: Sampler, expected: [f64; 4]) {
    check_after(sampler, &[], expected);
}

fn plain() -> Sampler {
    Sampler::default()
}

fn bans(sequences: &[&[u32]]) -> Bans {
    let tokenizer = Tokenizer::Char(CharTokenizer::from_text("aaaabbbccd"));
    Bans::new(&tokenizer, sequences.iter().map(|ids| ids.to_vec()).collect()).expect("bans")
}

#[test]
fn probabilities_and_frequencies_follow_the_closed_form() {
    check(plain(), [0.125, 0.5, 0.125, 0.25]);
    // p^(1/T): with T = ½ the squares ¼, 1/16, 1/64, 1/64, over their sum 22/64.
    check(
        Sampler { temperature: 0.5, ..plain() },
        [1.0 / 22.0, 16.0 / 22.0, 1.0 / 22.0, 4.0 / 22.0],
    );
    check(Sampler { temperature: 0.0, ..plain() }, [0.0, 1.0, 0.0, 0.0]);
    check(Sampler { top_k: Some(2), ..plain() }, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    check(Sampler { top_k: Some(99), ..plain() }, [0.125, 0.5, 0.125, 0.25]);
    check(Sampler { top_p: Some(0.6), ..plain() }, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    check(Sampler { top_p: Some(0.49), ..plain() }, [0.0, 1.0, 0.0, 0.0]);
    check(Sampler { min_p: Some(0.4), ..plain() }, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    check(Sampler { min_p: Some(1.0), ..plain() }, [0.0, 1.0, 0.0, 0.0]);
    // Of equals the smaller id.
    check(Sampler { top_k: Some(3), ..plain() }, [1.0 / 7.0, 4.0 / 7.0, 0.0, 2.0 / 7.0]);
}

/// The probabilities ½, ¼, ⅛, ⅛ have the surprises 1, 2, 3, 3 and so the entropy ½·1 + ¼·2 + ¼·3 =
/// 1.75 bits. From it 2 is 0.25 away, 1 is 0.75 and 3 is 1.25. So the token of ¼ comes first, then
/// the one of ½, although it is the likeliest, then the first of ⅛.
#[test]
fn typical_keeps_what_surprises_as_much_as_is_to_be_expected() {
    let typical = |p| Sampler { typical_p: Some(p), ..plain() };
    check(typical(0.2), [0.0, 0.0, 0.0, 1.0]);
    check(typical(0.24), [0.0, 0.0, 0.0, 1.0]);
    check(typical(0.3), [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    check(typical(0.6), [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    check(typical(0.8), [1.0 / 7.0, 4.0 / 7.0, 0.0, 2.0 / 7.0]);
    check(typical(1.0), [0.125, 0.5, 0.125, 0.25]);
}

/// A penalty of 2 doubles the logits, which are negative here: of ½ and ¼ it makes ¼ and 1/16.
#[test]
fn the_penalty_is_for_tokens_of_the_window() {
    let sampler =
        |window| Sampler { repetition_penalty: Some(2.0), repetition_window: window, ..plain() };
    check_after(sampler(64), &[], [0.125, 0.5, 0.125, 0.25]);
    // ⅛, ¼, ⅛, 1/16 over their sum 9/16.
    let both = [2.0 / 9.0, 4.0 / 9.0, 2.0 / 9.0, 1.0 / 9.0];
    check_after(sampler(64), &[1, 3, 1], both);
    check_after(sampler(2), &[0, 1, 3], both);
    // ⅛, ½, ⅛, 1/16 over 13/16.
    check_after(sampler(1), &[1, 3], [2.0 / 13.0, 8.0 / 13.0, 2.0 / 13.0, 1.0 / 13.0]);
    // The likeliest of all is another one then.
    let greedy = Sampler { temperature: 0.0, repetition_penalty: Some(3.0), ..plain() };
    check_after(greedy.clone(), &[], [0.0, 1.0, 0.0, 0.0]);
    check_after(greedy, &[1], [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn what_is_banned_never_comes() {
    let sampler = |sequences: &[&[u32]]| Sampler { bans: bans(sequences), ..plain() };
    check(sampler(&[&[1]]), [0.25, 0.0, 0.25, 0.5]);
    let sequences = sampler(&[&[1, 1], &[0, 1, 3]]);
    check_after(sequences.clone(), &[0], [0.125, 0.5, 0.125, 0.25]);
    check_after(sequences.clone(), &[2, 1], [0.25, 0.0, 0.25, 0.5]);
    check_after(sequences.clone(), &[0, 1], [0.5, 0.0, 0.5, 0.0]);
    check_after(Sampler { temperature: 0.0, ..sequences }, &[0, 1], [1.0, 0.0, 0.0, 0.0]);
    let hot = Sampler { temperature: 1e300, ..sampler(&[&[0], &[3]]) };
    check(hot, [0.0, 0.5, 0.5, 0.0]);
}

/// Pairs of which each gives something else in the other order.
#[test]
fn the_order_is_penalty_bans_temperature_top_k_top_p_min_p_typical() {
    // Penalty before top-k: the token of ½, which a penalty of 3 makes ⅛, is not among the two
    // likeliest.
    let penalty = Sampler { repetition_penalty: Some(3.0), top_k: Some(2), ..plain() };
    check_after(penalty, &[1], [1.0 / 3.0, 0.0, 0.0, 2.0 / 3.0]);
    // Bans before top-k: two are left, not one.
    let ban = Sampler { bans: bans(&[&[1]]), top_k: Some(2), ..plain() };
    check(ban, [1.0 / 3.0, 0.0, 0.0, 2.0 / 3.0]);
    // Temperature before top-p: at ½ the likeliest alone reaches 0.7.
    let sharp = Sampler { temperature: 0.5, top_p: Some(0.7), ..plain() };
    check(sharp, [0.0, 1.0, 0.0, 0.0]);
    // Top-k before top-p: of ½, ¼, ⅛ over ⅞, the first two reach 0.8; of all four they do not.
    let top = Sampler { top_k: Some(3), top_p: Some(0.8), ..plain() };
    check(top, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    // Min-p before typical-p. Of all four the typical ones are ¼, ½, ⅛ (see above). Min-p leaves ½
    // and ¼, as ⅔ and ⅓ with 0.58 and 1.58 bits and an entropy of 0.92: now ½ comes first.
    let typical = Sampler { min_p: Some(0.4), typical_p: Some(0.5), ..plain() };
    check(typical, [0.0, 1.0, 0.0, 0.0]);
    // Top-p before typical-p, likewise.
    let typical = Sampler { top_p: Some(0.7), typical_p: Some(0.5), ..plain() };
    check(typical, [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn places_follow_the_weights_and_never_have_weight_0() {
    let mut weights = vec![0.0; 40];
    (weights[3], weights[17], weights[38]) = (1.0, 2.0, 1.0);
    for (share, expected) in [(0.0, 3), (0.24, 3), (0.26, 17), (0.74, 17), (0.76, 38)] {
        assert_eq!(place_of(&weights, share), expected, "{share}");
    }
    assert_eq!(place_of(&weights, 1.0), 38, "rounding");
    weights[0] = 4.0;
    assert_eq!(place_of(&weights, 1.0), 38, "rounding, with a likely first token");
}

#[test]
fn temperatures_at_the_ends_of_their_range() {
    for unit in VectorUnit::available() {
        let drawn = |temperature: f64| -> Vec<u32> {
            let sampler = Sampler { temperature, ..plain() };
            let mut draw = Draw::new(sampler, unit).expect("a sampler");
            let mut rng = Rng::new(9, Purpose::Generate, 0);
            (0..400).map(|_| draw.draw(&LOGITS, &[], &mut rng)).collect()
        };
        for low in [1e-300, 1e-39, 1e-20] {
            assert!(drawn(low).iter().all(|&id| id == 1), "{} at {low}", unit.name());
        }
        // Nearly even: each of the four about 100 times.
        for high in [1e20, 1e39, 1e300] {
            for id in 0..4 {
                let count = drawn(high).iter().filter(|&&drawn| drawn == id).count();
                assert!((60..140).contains(&count), "{} at {high}: {count}", unit.name());
            }
        }
    }
}

#[test]
fn numbers_outside_their_range_are_named() {
    for (sampler, flag) in [
        (Sampler { temperature: -1.0, ..plain() }, "--temperature"),
        (Sampler { temperature: f64::NAN, ..plain() }, "--temperature"),
        (Sampler { top_k: Some(0), ..plain() }, "--top-k"),
        (Sampler { top_p: Some(1.5), ..plain() }, "--top-p"),
        (Sampler { min_p: Some(0.0), ..plain() }, "--min-p"),
        (Sampler { typical_p: Some(f64::NAN), ..plain() }, "--typical-p"),
        (Sampler { repetition_penalty: Some(0.0), ..plain() }, "--repetition-penalty"),
        (Sampler { repetition_penalty: Some(1e7), ..plain() }, "--repetition-penalty"),
        (Sampler { repetition_window: 0, ..plain() }, "--repetition-window"),
    ] {
        let message = sampler.check().expect_err("out of range").to_string();
        assert!(message.starts_with(flag), "{message}");
    }
}

#[test]
fn the_likeliest_come_in_order_of_equals_the_smaller_id_and_without_the_impossible() {
    let probabilities = [0.125, 0.5, 0.0, 0.125, 0.25];
    let ids = |count| -> Vec<u32> {
        likeliest(&probabilities, count).into_iter().map(|(id, _)| id).collect()
    };
    assert!(ids(0).is_empty());
    assert_eq!(ids(3), [1, 4, 0]);
    assert_eq!(ids(4), [1, 4, 0, 3]);
    assert_eq!(ids(99), [1, 4, 0, 3]);
}

fn samplers() -> impl Strategy<Value = Sampler> {
    let share = || prop::option::of(0.001f64..=1.0);
    let filters = (prop::option::of(1usize..400), share(), share(), share());
    let temperature = prop_oneof![Just(0.0), Just(1.0), 0.01f64..5.0];
    (temperature, filters, prop::option::of(0.1f64..10.0), 1usize..20).prop_map(
        |(temperature, (top_k, top_p, min_p, typical_p), repetition_penalty, window)| Sampler {
            temperature,
            top_k,
            top_p,
            min_p,
            typical_p,
            repetition_penalty,
            repetition_window: window,
            bans: bans(&[&[1], &[2, 3]]),
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_asked_for_probabilities_sum_to_1_and_only_the_possible_is_drawn(
        sampler in samplers(),
        logits in prop::collection::vec(-30.0f32..30.0, 4..300),
        history in prop::collection::vec(0u32..4, 0..30),
        seed in 0u64..1000,
    ) {
        let distribution = sampler.distribution(&logits, &history);
        prop_assert!((distribution.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(distribution.iter().all(|p| (0.0..=1.0).contains(p)));
        let possible = distribution.iter().filter(|&&p| p > 0.0).count();
        prop_assert!(possible >= 1 && possible <= sampler.top_k.unwrap_or(usize::MAX));
        prop_assert_eq!(distribution[1], 0.0);
        prop_assert!(!history.ends_with(&[2]) || distribution[3] == 0.0);
        // The end of the history is enough.
        let recent = &history[history.len().saturating_sub(sampler.memory())..];
        prop_assert_eq!(&sampler.distribution(&logits, recent), &distribution);
        let mut draw = Draw::new(sampler, VectorUnit::detect()).expect("a sampler");
        let mut rng = Rng::new(seed, Purpose::Generate, 0);
        for _ in 0..5 {
            let drawn = draw.draw(&logits, &history, &mut rng) as usize;
            prop_assert!(distribution[drawn] > 0.0, "{} of {:?}", drawn, distribution);
        }
    }

    /// The filters as their definitions say it, with everything sorted.
    #[test]
    fn filters_without_a_whole_sort_keep_what_sorting_keeps(
        logits in prop::collection::vec(-9.0f32..9.0, 1..3000),
        share in 0.01f64..0.999,
    ) {
        let all = plain().distribution(&logits, &[]);
        let entropy: f64 = all.iter().map(|p| -p * p.ln()).sum();
        let kept = |rank: &dyn Fn(f64) -> f64| {
            let mut order: Vec<usize> = (0..all.len()).collect();
            order.sort_by(|&a, &b| rank(all[a]).total_cmp(&rank(all[b])));
            let mut sum = 0.0;
            let below = order.iter().take_while(|&&id| { sum += all[id]; sum < share }).count();
            order.truncate(below + 1);
            order.sort_unstable();
            order
        };
        let found = |sampler: Sampler| -> Vec<usize> {
            let distribution = sampler.distribution(&logits, &[]);
            (0..distribution.len()).filter(|&id| distribution[id] > 0.0).collect()
        };
        prop_assert_eq!(found(Sampler { top_p: Some(share), ..plain() }), kept(&|p| -p));
        let typical = Sampler { typical_p: Some(share), ..plain() };
        prop_assert_eq!(found(typical), kept(&|p| (-p.ln() - entropy).abs()));
    }
}
