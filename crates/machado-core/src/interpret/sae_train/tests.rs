use super::*;
use crate::interpret::superposition::Superposition;
use crate::math::simd::VectorUnit;

fn config(architecture: Architecture) -> SaeConfig {
    SaeConfig {
        architecture,
        d_sae: 21,
        k: 3,
        prefixes: vec![21],
        batch_size: 70,
        steps: 10,
        learning_rate: None,
        seed: 5,
    }
}

fn states(d_in: usize, count: usize) -> Vec<f32> {
    let mut states = Vec::new();
    Superposition::new(d_in, 18, 2.0, 3).draw(count, &mut states);
    states
}

fn trainer(config: SaeConfig, threads: usize) -> SaeTrainer {
    let scaling = Scaling { mean: (0..9).map(|i| 0.02 * i as f32).collect(), factor: 1.7 };
    let compute = Compute::new(threads, VectorUnit::detect()).unwrap();
    let mut trainer = SaeTrainer::new(config, scaling, compute).unwrap();
    // Biases that are 0 would hide mistakes.
    let len = trainer.weights.len();
    for (place, weight) in trainer.weights[len - 30..].iter_mut().enumerate() {
        *weight = 0.03 * ((place * 7 % 11) as f32 - 4.0);
    }
    trainer
}

/// Each gradient is the slope of the loss. Where a small change decides who is kept, there is none,
/// so a few places may be off.
#[test]
fn gradients_are_finite_differences() {
    let l1 = Architecture::L1 { coefficient: 0.05 };
    for architecture in [Architecture::BatchTopK, Architecture::TopK, l1] {
        for prefixes in [vec![21], vec![4, 13, 21]] {
            let config = SaeConfig { prefixes, ..config(architecture) };
            let mut trainer = trainer(config, 1);
            let states = states(9, 70);
            trainer.compare(&states);
            let gradients = trainer.gradients.clone();
            let (mut off, mut largest) = (Vec::new(), 0.0f64);
            for (place, &gradient) in gradients.iter().enumerate() {
                let mut loss_at = |by: f32| {
                    let weight = trainer.weights[place];
                    trainer.weights[place] = weight + by;
                    let loss = trainer.compare(&states).0.loss;
                    trainer.weights[place] = weight;
                    loss
                };
                let slope = (loss_at(2e-3) - loss_at(-2e-3)) / 4e-3;
                let found = f64::from(gradient);
                largest = largest.max(found.abs());
                if (slope - found).abs() > 2e-4 + 0.02 * found.abs() {
                    off.push((place, slope, found));
                }
            }
            assert!(largest > 0.01, "a check of zeros proves nothing: {largest}");
            let few = gradients.len() / 20;
            assert!(off.len() <= few, "{architecture:?}: {} off, {:?}", off.len(), &off[..few]);
        }
    }
}

/// Directions that point away from all states never fire; what the others leave over revives them.
#[test]
fn dead_features_learn_from_what_the_others_leave_over() {
    let config = SaeConfig { steps: 600, batch_size: 512, ..config(Architecture::TopK) };
    let mut trainer = trainer(config, 1);
    // Features 0 to 9 can not be positive for any state.
    let len = trainer.weights.len();
    trainer.weights[len - 30..][..10].fill(-50.0);
    let mut truth = Superposition::new(9, 18, 2.0, 3);
    let mut batch = Vec::new();
    let mut dead = Vec::new();
    for _ in 0..600 {
        batch.clear();
        truth.draw(512, &mut batch);
        dead.push(trainer.step(&batch).unwrap().dead);
    }
    // A bias of −50 is beyond reach, and what is not positive is not even asked.
    assert_eq!((dead[0], dead[599]), (0, 10));
    assert!(trainer.chunks.iter().all(|chunk| chunk.aux.is_empty()));
    // Within reach they describe the error, and their gradients are not 0.
    trainer.weights[len - 30..][..10].fill(0.0);
    trainer.compare(&batch);
    assert!(trainer.chunks.iter().any(|chunk| !chunk.aux.is_empty()));
    let of_dead = &trainer.gradients[..10 * 9];
    assert!(of_dead.iter().any(|gradient| *gradient != 0.0));
}

#[test]
fn one_thread_and_three_give_the_same_weights() {
    let states = states(9, 700);
    let weights = [1, 3].map(|threads| {
        let prefixes = vec![7, 21];
        let mut trainer =
            trainer(SaeConfig { prefixes, ..config(Architecture::BatchTopK) }, threads);
        for batch in states.chunks(70 * 9) {
            trainer.step(batch).unwrap();
        }
        trainer.weights
    });
    assert_eq!(weights[0], weights[1]);
}

#[test]
fn the_threshold_lets_k_features_through_and_scaling_is_folded() {
    let states = states(9, 700);
    let mut trainer = trainer(config(Architecture::BatchTopK), 1);
    for batch in states.chunks(70 * 9) {
        trainer.step(batch).unwrap();
    }
    let scaled = trainer.compare(&states).0;
    let chunk = &trainer.chunks[0];
    let factor = trainer.scaling.factor;
    let expected: Vec<(u32, f32)> =
        chunk.kept.iter().map(|k| (k.feature, k.value / factor)).collect();
    let rows = chunk.centred.len() / 9;
    let sae = trainer.finish(&states).unwrap();
    let (mut count, mut first, mut squared) = (0, Vec::new(), 0.0);
    sae.encoder(VectorUnit::detect()).encode(&states, |row, active| {
        count += active.len();
        if row < rows {
            first.extend(active.iter().map(|active| (active.feature, active.value)));
        }
        let mut decoded = [0.0; 9];
        sae.decode(active, &mut decoded);
        let state = &states[row * 9..][..9];
        squared += decoded.iter().zip(state).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    });
    let l0 = count as f64 / 700.0;
    assert!((l0 - 3.0).abs() < 0.01, "{l0} features a state");
    // The batch was all states, so its own choice is that of the threshold.
    assert_eq!(first.len(), expected.len());
    for (found, expected) in first.iter().zip(&expected) {
        assert_eq!(found.0, expected.0);
        assert!((found.1 - expected.1).abs() < 1e-5, "{found:?} {expected:?}");
    }
    let expected = scaled.loss * 700.0 * 9.0 / f64::from(factor).powi(2);
    assert!((squared / expected - 1.0).abs() < 1e-3, "{squared} {expected}");
}

#[test]
fn numbers_out_of_range_are_errors() {
    let error = |change: fn(&mut SaeConfig)| {
        let mut config = config(Architecture::TopK);
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert_eq!(error(|c| c.k = 22), "k must be from 1 to 21, the number of features, not 22");
    assert_eq!(
        error(|c| c.prefixes = vec![4, 20]),
        "the prefixes must be rising numbers that end with 21, not [4, 20]"
    );
    assert!(error(|c| c.d_sae = 0).starts_with("the number of features must be"));
}
