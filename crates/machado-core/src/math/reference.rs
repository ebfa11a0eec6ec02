//! The plainest version of each routine: the specification that the fast ones are tested against.
//!
//! Nothing here is fast. Sums are kept in `f64`, so a test compares a fast result with the value
//! that it should have, not with another rounding of it.

/// `a · b` for `a: [M, K]` and `b: [K, N]`; returns `[M, N]`.
pub fn matmul(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    assert_eq!((a.len(), b.len()), (m * k, k * n), "sizes of a product {m}×{k}×{n}");
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            let sum: f64 = (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j])).sum();
            out[i * n + j] = sum as f32;
        }
    }
    out
}

/// The transpose of `a: [M, N]`, `[N, M]`.
pub fn transpose(a: &[f32], [m, n]: [usize; 2]) -> Vec<f32> {
    (0..n).flat_map(|j| (0..m).map(move |i| a[i * n + j])).collect()
}

/// The logistic function `1 / (1 + e⁻ˣ)`.
pub fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(x)).exp())) as f32
}

/// The hyperbolic tangent.
pub fn tanh(x: f32) -> f32 {
    f64::from(x).tanh() as f32
}

/// The probabilities `eˣⁱ / Σ eˣʲ`.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f64> = logits.iter().map(|&x| f64::from(x - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|e| (e / sum) as f32).collect()
}

/// One step of a GRU as in Keras with `reset_after=True`, for one row.
///
/// `gates_x`: `[3H]`, the input's part `x·W + b₀`; `gates_h`: `[3H]`, the state's part
/// `h·U + b₁`; both in Keras' order z, r, h. Returns the new state `[H]`:
/// `h' = z∘h + (1−z)∘tanh(x_h + r∘h_h)` with `z = σ(x_z + h_z)`, `r = σ(x_r + h_r)`.
pub fn gru_step(gates_x: &[f32], gates_h: &[f32], state: &[f32]) -> Vec<f32> {
    let units = state.len();
    (0..units)
        .map(|i| {
            let z = sigmoid(gates_x[i] + gates_h[i]);
            let r = sigmoid(gates_x[units + i] + gates_h[units + i]);
            let candidate = tanh(gates_x[2 * units + i] + r * gates_h[2 * units + i]);
            z * state[i] + (1.0 - z) * candidate
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [1 2; 3 4]·[5; 6] = [1·5+2·6; 3·5+4·6] = [17; 39].
    #[test]
    fn a_product_by_hand() {
        assert_eq!(matmul(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0], [2, 2, 1]), [17.0, 39.0]);
        assert_eq!(
            transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }

    /// With every gate at 0: z = r = ½, candidate = tanh(0) = 0, so h' = ½·h.
    #[test]
    fn a_gru_step_by_hand() {
        assert_eq!(gru_step(&[0.0; 3], &[0.0; 3], &[0.8]), [0.4]);
    }

    /// softmax(ln 1, ln 3) = (¼, ¾).
    #[test]
    fn a_softmax_by_hand() {
        let p = softmax(&[0.0, 3f32.ln()]);
        assert!((p[0] - 0.25).abs() < 1e-6 && (p[1] - 0.75).abs() < 1e-6);
    }
}
