use super::*;

fn report(name: &str, p_value: f64) -> ConceptReport {
    let way = |method: &str, score: f64| Did {
        method: method.into(),
        strength: 1.0,
        score,
        per_thousand_words: 6.0,
        extra_nats: 0.1,
        known_words: 0.9,
    };
    ConceptReport {
        name: name.into(),
        measured_words: Vec::new(),
        control_words: Vec::new(),
        tokens: 50,
        feature: 3,
        knows: Knows { auroc: 0.9, f1: 0.5, held_out_words: None },
        unit_knows: Knows::default(),
        difference_knows: Knows::default(),
        unsteered_per_thousand_words: 2.0,
        unsteered_known_words: 0.95,
        others: 100,
        ways: vec![way("feature", 1.5), way("best unit", 1.0), way("difference of means", 2.0)],
        p_value,
        p_value_holm: p_value,
        example: Default::default(),
    }
}

#[test]
fn holm_by_hand() {
    let mut reports = [0.03, 0.01, 0.02, 0.6].map(|p| report("", p));
    holm(&mut reports);
    // 4 · 0.01, 3 · 0.02, 2 · 0.03 (as sure as the one before), 1 · 0.6.
    let found = reports.map(|report| report.p_value_holm);
    for (found, expected) in found.into_iter().zip([0.06, 0.04, 0.06, 0.6]) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}

#[test]
fn bars_by_hand() {
    let concepts = vec![report("a", 0.01), report("b", 0.01)];
    let scores = vec![vec![1.5, 0.5], vec![1.75, 1.5]];
    let all = ConceptsReport { concepts, scores, rates: Vec::new() };
    let bars = concept_bars(&all);
    let bar = |name: &str| bars.iter().find(|bar| bar.name.contains(name)).expect("a bar");
    assert_eq!(bar("(steered + 1)").figures, [7.0 / 3.0, 7.0 / 3.0]);
    assert_eq!(bar("beyond the best unit").figures, [0.5, 0.5]);
    assert_eq!(bar("beyond the difference").figures, [-0.5, -0.5]);
    assert_eq!(bar("any other concept").figures, [1.0, -0.25]);
    // There is no figure without the control, and none of words that there are not.
    assert!(bar("read-out").figures[0].is_nan() && !bar("read-out").reached);
    assert!(!bar("held-out words").reached);
    // A single concept has no others to be compared with.
    let alone = ConceptsReport {
        concepts: vec![report("a", 0.01)],
        scores: vec![vec![1.5]],
        rates: Vec::new(),
    };
    let bars = concept_bars(&alone);
    assert!(bars.last().is_some_and(|bar| bar.figures[0].is_nan() && !bar.reached));
}
