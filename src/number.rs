//! Numbers as people read them.

use std::fmt::Debug;
use std::time::Duration;

pub use machado_core::error::grouped;

use crate::columns::clip;

/// `14.1 MB`.
pub fn bytes(count: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} bytes") } else { format!("{value:.1} {}", units[unit]) }
}

/// `7 s`, `2 min 05 s`, `1 h 02 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A token between quotes, with line ends and the like made visible.
pub fn quoted(token: &str) -> String {
    format!("{token:?}")
}

/// A bar in eighths of a character; `width` characters stand for certainty.
pub fn bar(share: f64, width: f64) -> String {
    let eighths = (share * width * 8.0).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + part
}

/// The first of some things and how often each comes, as in `'日' ×2, '本' ×1`, and how many more
/// there are.
pub fn counts<T: Debug>(things: &[(T, u64)]) -> String {
    const SHOWN: usize = 8;
    const COLUMNS: usize = 40;
    let shown = things.iter().take(SHOWN);
    let mut shown: Vec<String> =
        shown.map(|(thing, n)| format!("{} ×{n}", clip(&format!("{thing:?}"), COLUMNS))).collect();
    if things.len() > SHOWN {
        shown.push(format!("and {} more", grouped((things.len() - SHOWN) as u64)));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(1_780_501).to_string(), "1,780,501");
        assert_eq!(grouped(999).to_string(), "999");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(14_100_000), "14.1 MB");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
        assert_eq!(duration(Duration::from_secs(3725)), "1 h 02 min");
        assert_eq!(counted(1, "file", "files"), "1 file");
        assert_eq!(counts(&[('a', 2), ('b', 1)]), "'a' ×2, 'b' ×1");
        assert!(counts(&[(" de", 3); 1010]).ends_with(" de\" ×3, and 1,002 more"));
    }

    #[test]
    fn bars_are_as_long_as_probabilities_are_large() {
        assert_eq!(bar(1.0, 40.0), "█".repeat(40));
        assert_eq!(bar(0.5, 40.0), "█".repeat(20));
        assert_eq!(bar(0.0, 40.0), "");
        assert_eq!(bar(1.0 / 320.0, 40.0), "▏");
    }
}
