//! The repetition penalty: what came lately is made less likely.

/// Divides the logits of the tokens in `recent` by `penalty` where they are positive, and multiplies
/// them where they are negative. A token that came twice is penalised once.
///
/// `logits` are those of the model, `out` a copy of them.
pub(super) fn apply(penalty: f64, logits: &[f32], recent: &[u32], out: &mut [f32]) {
    for &id in recent {
        // From the model's logit, and not from the one in `out`: so the second time changes nothing.
        let logit = f64::from(logits[id as usize]);
        let penalised = if logit < 0.0 { logit * penalty } else { logit / penalty };
        // A token that is penalised stays possible: only bans make a logit infinite.
        out[id as usize] = (penalised as f32).clamp(f32::MIN, f32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a penalty of 2, of the logits 1, −1, 3, 0 those of the tokens 0 and 1 become ½ and −2.
    #[test]
    fn positive_logits_are_divided_and_negative_ones_multiplied_once() {
        let logits = [1.0, -1.0, 3.0, 0.0];
        let check = |penalty, recent: &[u32], expected: [f32; 4]| {
            let mut out = logits;
            apply(penalty, &logits, recent, &mut out);
            assert_eq!(out, expected, "{penalty} {recent:?}");
        };
        check(2.0, &[], logits);
        check(2.0, &[0, 1], [0.5, -2.0, 3.0, 0.0]);
        check(2.0, &[0, 1, 0, 0, 1, 3], [0.5, -2.0, 3.0, 0.0]);
        check(0.5, &[2, 1], [1.0, -0.5, 6.0, 0.0]);
        check(1.0, &[0, 1, 2, 3], logits);
        check(1e300, &[0, 1, 3], [0.0, f32::MIN, 3.0, 0.0]);
    }
}
