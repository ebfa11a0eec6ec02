//! Candidates for the next token as rows: the token, its probability, a bar.

use machado_core::predict::Candidate;

use crate::columns::{fit, width};
use crate::number;

/// What stands behind the probability of the candidate that is always drawn.
const DRAWN: &str = " drawn";

/// The columns of a row; what stands between them is up to who shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The token in quotes, as wide in all rows.
    pub token: String,
    /// Its probability, as wide in all rows.
    pub number: String,
    probability: f64,
}

impl Row {
    /// A bar; `columns` stand for certainty.
    pub fn bar(&self, columns: usize) -> String {
        number::bar(self.probability, columns as f64)
    }
}

/// Which candidates can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// Each, as often as its probability says.
    Any,
    /// Always the first one, as at temperature 0; it is marked.
    First,
}

/// The rows of some candidates, with at most `most` columns for the tokens.
pub fn rows(candidates: &[Candidate], most: usize, drawing: Drawing) -> Vec<Row> {
    let tokens: Vec<String> = candidates.iter().map(|c| number::quoted(&c.token)).collect();
    let widest = tokens.iter().map(|token| width(token)).max().unwrap_or(0).min(most);
    let rows = candidates.iter().zip(&tokens).enumerate();
    rows.map(|(place, (candidate, token))| {
        let mark = match drawing {
            Drawing::Any => String::new(),
            Drawing::First if place == 0 => DRAWN.into(),
            Drawing::First => " ".repeat(DRAWN.len()),
        };
        let probability = candidate.probability;
        Row { token: fit(token, widest), number: format!("{probability:.4}{mark}"), probability }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_numbers_are_as_wide_in_all_rows() {
        let candidate =
            |token: &str, probability| Candidate { token: token.into(), id: 0, probability };
        let candidates = [candidate("世界", 0.5), candidate("\n", 0.25)];
        let shown = |most, drawing| {
            let rows = rows(&candidates, most, drawing).into_iter();
            rows.map(|row| format!("{}|{}|{}", row.token, row.number, row.bar(8)))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(9, Drawing::Any), ["\"世界\"|0.5000|████", "\"\\n\"  |0.2500|██"]);
        assert_eq!(
            shown(4, Drawing::First),
            ["\"世…|0.5000 drawn|████", "\"\\n\"|0.2500      |██"]
        );
    }
}
