//! Figures for people: percentiles, and the processor time of processes.

use std::time::Duration;

/// A clock tick of /proc is a hundredth of a second on every Linux that people have.
const TICKS_PER_SECOND: f64 = 100.0;

/// Times in the order of their length.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that this share of all are not longer than, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: f64) -> f64 {
        let rank = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).map_or(f64::NAN, |time| 1000.0 * time.as_secs_f64())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "count": self.0.len(),
            "p50_ms": self.percentile_ms(50.0),
            "p90_ms": self.percentile_ms(90.0),
            "p99_ms": self.percentile_ms(99.0),
            "max_ms": self.percentile_ms(100.0),
        })
    }

    /// A row of the table that `header` begins.
    pub(crate) fn row(&self, name: &str) -> String {
        let [p50, p90, p99, max] = [50.0, 90.0, 99.0, 100.0].map(|at| self.percentile_ms(at));
        format!("| {name} | {} | {p50:.2} | {p90:.2} | {p99:.2} | {max:.2} |", self.0.len())
    }

    pub(crate) fn header() -> &'static str {
        "| milliseconds | count | p50 | p90 | p99 | max |\n|---|---|---|---|---|---|"
    }
}

/// Seconds of processor time that a process has had, `self` being this one.
pub(crate) fn cpu_seconds(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may have spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// Cores' worth of processor time from one moment to the other.
pub(crate) struct CpuClock {
    processes: Vec<(String, &'static str, f64)>,
    began: std::time::Instant,
}

impl CpuClock {
    /// Of this process and, if its id is known, of the server.
    pub(crate) fn start(server: Option<u32>) -> Self {
        let server = server.map(|id| (id.to_string(), "server"));
        let processes = std::iter::once(("self".to_owned(), "load"))
            .chain(server)
            .filter_map(|(id, name)| cpu_seconds(&id).map(|seconds| (id, name, seconds)))
            .collect();
        Self { processes, began: std::time::Instant::now() }
    }

    /// `load 0.10, server 1.82`.
    pub(crate) fn cores(&self) -> Vec<(&'static str, f64)> {
        let wall = self.began.elapsed().as_secs_f64();
        self.processes
            .iter()
            .filter_map(|(id, name, before)| Some((*name, (cpu_seconds(id)? - before) / wall)))
            .collect()
    }
}

/// A number with commas: 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_there_were() {
        let times = Times::new((1..=200).rev().map(Duration::from_millis).collect());
        let found = [50.0, 99.0, 100.0].map(|percent| times.percentile_ms(percent).round());
        assert_eq!(found, [100.0, 198.0, 200.0]);
        assert!(Times::new(Vec::new()).percentile_ms(50.0).is_nan());
    }

    #[test]
    fn commas_come_before_every_third_digit() {
        let found = [0, 12, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(found, ["0", "12", "999", "1,000", "1,234,567"]);
    }
}
