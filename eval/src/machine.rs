//! What this machine is: processor and memory, as the operating system tells.

use std::{fs, io};

/// The processor's name.
pub fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = information.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_string())
    });
    name.unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH))
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All there is, or all that this process may have.
    pub total: u64,
    /// What can be had without swapping.
    pub available: u64,
}

/// The memory, where the operating system tells.
pub fn memory() -> Option<Memory> {
    let information = fs::read_to_string("/proc/meminfo").ok()?;
    let of_machine =
        Memory { total: kibibytes(&information, "MemTotal")?, available: kibibytes(&information, "MemAvailable")? };
    // A container's limit, where there is one.
    let number = |file: &str| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max").filter(|&limit| limit < of_machine.total);
    Some(match limit {
        None => of_machine,
        Some(limit) => {
            let used = number("/sys/fs/cgroup/memory.current").unwrap_or(0);
            Memory { total: limit, available: of_machine.available.min(limit.saturating_sub(used)) }
        }
    })
}

/// The most memory this process has held since it began, or since [`reset_peak_memory`].
pub fn peak_memory_bytes() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// The memory this process holds now: pages of mapped files that are in memory included.
pub fn resident_bytes() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS")
}

/// Makes what is held now the peak, so that [`peak_memory_bytes`] tells of what comes; fails where the system has no
/// such thing.
pub fn reset_peak_memory() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn kibibytes(information: &str, key: &str) -> Option<u64> {
    let line = information.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|number| number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_meminfo() {
        let information = "MemTotal:       24571080 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(kibibytes(information, "MemAvailable"), Some(1 << 20));
        assert_eq!(kibibytes(information, "SwapTotal"), None);
    }
}
