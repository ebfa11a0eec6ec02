//! Which part of a text is for what: training, validation, test.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a text is split, in its order: training first, then validation, then test. The numbers are
/// characters, whatever a token is: so models with different tokens compare on the same parts, and
/// the training part is known before there are tokens, which may be learnt from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Split {
    /// Characters for training and validation; `test` is the rest if it is not given.
    Counts {
        /// Characters to train on.
        train: u64,
        /// Characters to validate on.
        validation: u64,
        /// Characters to test on.
        test: Option<u64>,
    },
    /// Shares of the characters; `test` is the rest if it is not given.
    Fractions {
        /// Share to train on.
        train: f64,
        /// Share to validate on.
        validation: f64,
        /// Share to test on.
        test: Option<f64>,
    },
}

/// One part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the weights learn from.
    Train,
    /// What is looked at while training, to choose the best model.
    Validation,
    /// What no training ever looks at.
    Test,
}

impl Part {
    /// `training`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The places of the parts in a text, in tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The training part.
    pub train: Range<usize>,
    /// The validation part; may be empty.
    pub validation: Range<usize>,
    /// The test part; may be empty.
    pub test: Range<usize>,
}

impl Parts {
    /// The place of one part.
    pub fn range(&self, part: Part) -> Range<usize> {
        match part {
            Part::Train => self.train.clone(),
            Part::Validation => self.validation.clone(),
            Part::Test => self.test.clone(),
        }
    }
}

impl Split {
    /// The parts of a text with so many characters, in characters.
    ///
    /// # Errors
    /// If the split asks for more characters than there are.
    pub fn parts(&self, characters: usize) -> Result<Parts> {
        let (train, validation, test) = match *self {
            Self::Counts { train, validation, test } => (train, validation, test),
            Self::Fractions { train, validation, test } => {
                // 0.29 of 100 is 29, although the product of the stored numbers is a little less.
                let count = |share: f64| (share * characters as f64 + 1e-6) as u64;
                let (train_count, validation_count) = (count(train), count(validation));
                // What rounding leaves of two fractions that make a whole belongs to the second.
                let all = test.is_none() && train + validation > 1.0 - 1e-9 && validation > 0.0;
                let rest = characters as u64 - train_count;
                let validation_count = if all { rest } else { validation_count };
                (train_count, validation_count, test.map(count))
            }
        };
        let known = train + validation;
        let needed = known + test.unwrap_or(0);
        if needed > characters as u64 {
            return Err(Error::SplitTooLarge {
                split: self.to_string(),
                needed,
                characters: characters as u64,
            });
        }
        let [train, known] = [train as usize, known as usize];
        let end = test.map_or(characters, |test| known + test as usize);
        Ok(Parts { train: 0..train, validation: train..known, test: known..end })
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |problem: String| Error::Split { found: text.to_owned(), problem };
        let fields: Vec<&str> = text.split(':').map(str::trim).collect();
        if !(2..=3).contains(&fields.len()) {
            return Err(error(format!("it has {} parts", fields.len())));
        }
        let plain: Vec<String> = fields.iter().map(|f| f.replace(['_', ','], "")).collect();
        if let Ok(counts) = plain.iter().map(|f| f.parse()).collect::<Result<Vec<u64>, _>>() {
            if counts[0] == 0 {
                return Err(error("there is nothing to train on".into()));
            }
            if counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count)).is_none() {
                return Err(error("the numbers are too large".into()));
            }
            let test = counts.get(2).copied();
            return Ok(Self::Counts { train: counts[0], validation: counts[1], test });
        }
        let shares = fields
            .iter()
            .map(|f| f.parse::<f64>().map_err(|_| error(format!("\"{f}\" is not a number"))))
            .collect::<Result<Vec<f64>>>()?;
        let outside = shares.iter().any(|share| !(0.0..=1.0).contains(share));
        if outside || shares.iter().sum::<f64>() > 1.0 + 1e-9 {
            return Err(error("fractions lie between 0 and 1 and add up to 1 at most".into()));
        }
        if shares[0] == 0.0 {
            return Err(error("there is nothing to train on".into()));
        }
        let test = shares.get(2).copied();
        Ok(Self::Fractions { train: shares[0], validation: shares[1], test })
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counts { train, validation, test: None } => write!(f, "{train}:{validation}"),
            Self::Counts { train, validation, test: Some(test) } => {
                write!(f, "{train}:{validation}:{test}")
            }
            // `{:?}` writes 1.0 and not 1, which would be read back as a count.
            Self::Fractions { train, validation, test: None } => {
                write!(f, "{train:?}:{validation:?}")
            }
            Self::Fractions { train, validation, test: Some(test) } => {
                write!(f, "{train:?}:{validation:?}:{test:?}")
            }
        }
    }
}

impl TryFrom<String> for Split {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Split> for String {
    fn from(split: Split) -> Self {
        split.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(split: &str, tokens: usize, expected: [Range<usize>; 3]) {
        let split: Split = split.parse().expect("a split");
        let parts = split.parts(tokens).expect("it fits");
        assert_eq!([parts.train, parts.validation, parts.test], expected);
        assert_eq!(split.to_string().parse::<Split>().expect("what was written"), split);
    }

    #[test]
    fn counts_and_fractions() {
        check(
            "1000000:60000",
            1_780_501,
            [0..1_000_000, 1_000_000..1_060_000, 1_060_000..1_780_501],
        );
        check("1,000:60_0:5", 2000, [0..1000, 1000..1600, 1600..1605]);
        check("0.9:0.05", 1000, [0..900, 900..950, 950..1000]);
        check("0.9:0.1", 10, [0..9, 9..10, 10..10]);
        check("0.29:0.5", 100, [0..29, 29..79, 79..100]);
        check("0.9:0.1", 19, [0..17, 17..19, 19..19]);
        check("1.0:0.0", 10, [0..10, 10..10, 10..10]);
        check("0.5:0.25:0.25", 100, [0..50, 50..75, 75..100]);
    }

    #[test]
    fn a_split_larger_than_the_text_says_both_sizes() {
        let split: Split = "1000:60".parse().expect("a split");
        let message = split.parts(500).expect_err("too large").to_string();
        assert!(message.contains("1060") && message.contains("500"), "{message}");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "5", "a:b", "0:5", "-1:5", "0.9:0.2", "1:2:3:4", "nan:0.1", "0.0:0.5"] {
            assert!(text.parse::<Split>().is_err(), "{text}");
        }
        assert!("18446744073709551615:1".parse::<Split>().is_err());
    }
}
