//! How much memory this process takes.

/// The most bytes of memory that it has held at a time, where the system tells.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_grows_with_what_is_held() {
        let before = peak_bytes().expect("Linux tells");
        let held = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = peak_bytes().expect("Linux tells");
        assert!(after >= before.max(64 << 20), "{before} bytes, then {after} with {}", held.len());
    }
}
