//! The server's memory and open descriptors, as /proc tells them.

/// Samples in a row whose median is compared: a minute's, or a tenth of all if that is less.
const WINDOW: usize = 60;

pub(crate) struct Memory {
    pid: Option<u32>,
    /// Whether samples count from now on.
    pub(crate) warm: bool,
    resident_kib: Vec<u64>,
    latest_kib: u64,
    descriptors: Option<(i64, i64)>,
}

impl Memory {
    pub(crate) fn new(pid: Option<u32>) -> Self {
        let mut new =
            Self { pid, warm: false, resident_kib: Vec::new(), latest_kib: 0, descriptors: None };
        new.sample();
        new
    }

    /// Looks once. False if there is no such process any more.
    pub(crate) fn sample(&mut self) -> bool {
        let Some(pid) = self.pid else { return true };
        let Some(kib) = resident_kib(pid) else { return false };
        self.latest_kib = kib;
        if self.warm {
            self.resident_kib.push(kib);
        }
        if let Some(now) = descriptors(pid) {
            let first = self.descriptors.map_or(now, |(first, _)| first);
            self.descriptors = Some((first, now));
        }
        true
    }

    /// The median of the last window in comparison to that of the first after the warm-up.
    pub(crate) fn growth(&self) -> Option<f64> {
        let (first, last) = self.medians_kib()?;
        Some(last as f64 / first as f64 - 1.0)
    }

    fn medians_kib(&self) -> Option<(u64, u64)> {
        let window = WINDOW.min(self.resident_kib.len().div_ceil(10));
        let first = median(self.resident_kib.get(..window)?)?;
        let last = median(&self.resident_kib[self.resident_kib.len() - window..])?;
        Some((first, last))
    }

    pub(crate) fn more_descriptors(&self) -> Option<i64> {
        self.descriptors.map(|(first, now)| now - first)
    }

    pub(crate) fn line(&self) -> String {
        let mb = |kib: u64| kib as f64 / 1024.0;
        let most = self.resident_kib.iter().max().copied().unwrap_or(self.latest_kib);
        match self.medians_kib() {
            Some((first, last)) => {
                let (first, last, most) = (mb(first), mb(last), mb(most));
                format!("{first:.1} MiB when warm, {last:.1} MiB at last, {most:.1} MiB at most")
            }
            None => format!("{:.1} MiB", mb(self.latest_kib)),
        }
    }
}

fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn descriptors(pid: u32) -> Option<i64> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_compares_the_first_and_the_last_window() {
        let mut memory = Memory::new(None);
        assert_eq!(memory.growth(), None);
        memory.resident_kib = (1000..1500).collect();
        let (first, last) = memory.medians_kib().expect("samples");
        assert_eq!((first, last), (1025, 1475));
    }
}
