//! Clipping by the norm of all gradients together, Keras' `global_clipnorm`.

/// Scales all gradients so that their common norm is at most `limit`; without a limit nothing
/// changes. Returns the norm before.
pub fn clip_by_global_norm(gradients: &mut [f32], limit: Option<f64>) -> f64 {
    let norm = gradients.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
    if let Some(limit) = limit
        && norm > limit
    {
        let factor = (limit / norm) as f32;
        gradients.iter_mut().for_each(|g| *g *= factor);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_norm_above_the_limit_is_scaled() {
        let mut gradients = [3.0, 4.0];
        assert_eq!(clip_by_global_norm(&mut gradients, Some(10.0)), 5.0);
        assert_eq!(gradients, [3.0, 4.0]);
        assert_eq!(clip_by_global_norm(&mut gradients, Some(1.0)), 5.0);
        assert!((gradients[0] - 0.6).abs() < 1e-7 && (gradients[1] - 0.8).abs() < 1e-7);
        assert!(clip_by_global_norm(&mut [f32::NAN], None).is_nan());
    }
}
