//! Energy counters of the processor: RAPL's package domains, as Linux shows them for Intel and AMD.
//!
//! They count all that a package takes, whoever computes on it and what it takes at rest. Many systems let only root
//! read them.

use std::path::{Path, PathBuf};

/// Where Linux shows them.
const ROOT: &str = "/sys/class/powercap";

/// The counters of all packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    packages: Vec<Package>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Package {
    name: String,
    /// Microjoules so far.
    counter: PathBuf,
    /// The largest number the counter can have; the next one is 0.
    range: u64,
}

impl Counters {
    /// Those of this machine.
    ///
    /// # Errors
    /// Why there is none to be read, as a text.
    pub fn of_machine() -> Result<Self, String> {
        Self::open(Path::new(ROOT))
    }

    /// Looks for counters below `root` and reads each of them once.
    fn open(root: &Path) -> Result<Self, String> {
        let mut packages = Vec::new();
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            // `intel-rapl:0:1` is a part of `intel-rapl:0`, `intel-rapl-mmio:0` counts the same once more.
            let folder = entry.file_name().to_string_lossy().into_owned();
            let number = folder.strip_prefix("intel-rapl:").unwrap_or_default();
            if number.parse::<u32>().is_err() {
                continue;
            }
            let path = entry.path();
            let name = text(&path.join("name"))?;
            if name.starts_with("package") {
                let range = number_in(&path.join("max_energy_range_uj"))?;
                packages.push(Package { name, counter: path.join("energy_uj"), range });
            }
        }
        if packages.is_empty() {
            return Err(format!("{} has no intel-rapl domain of a package", root.display()));
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        let counters = Self { packages };
        counters.read()?;
        Ok(counters)
    }

    /// The packages' names.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
        names.join(", ")
    }

    /// Every counter as it stands, in microjoules.
    ///
    /// # Errors
    /// Why one of them cannot be read, as a text.
    pub fn read(&self) -> Result<Vec<u64>, String> {
        self.packages.iter().map(|package| number_in(&package.counter)).collect()
    }

    /// What all packages took between two readings. A counter that is smaller than before began again at 0, once:
    /// measurements are shorter than the minutes that a whole range takes.
    pub fn joules(&self, before: &[u64], after: &[u64]) -> f64 {
        let mut microjoules = 0u64;
        for (package, (&before, &after)) in self.packages.iter().zip(before.iter().zip(after)) {
            let passed = if after < before { package.range.saturating_add(1) } else { 0 };
            microjoules += passed.saturating_add(after).saturating_sub(before);
        }
        microjoules as f64 / 1e6
    }
}

fn text(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim().to_string())
}

fn number_in(path: &Path) -> Result<u64, String> {
    let text = text(path)?;
    text.parse().map_err(|_| format!("{}: expected a number, found {text:?}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn domain(root: &Path, folder: &str, name: &str, energy: &str) {
        let path = root.join(folder);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("name"), format!("{name}\n")).unwrap();
        fs::write(path.join("energy_uj"), format!("{energy}\n")).unwrap();
        fs::write(path.join("max_energy_range_uj"), "999999\n").unwrap();
    }

    #[test]
    fn packages_are_summed_and_counters_begin_again() {
        let root = tempfile::tempdir().unwrap();
        domain(root.path(), "intel-rapl:1", "package-1", "999000");
        domain(root.path(), "intel-rapl:0", "package-0", "500");
        // Parts of packages, other domains, and the same package once more.
        domain(root.path(), "intel-rapl:0:0", "core", "7");
        domain(root.path(), "intel-rapl:2", "psys", "7");
        domain(root.path(), "intel-rapl-mmio:0", "package-0", "7");
        let counters = Counters::open(root.path()).unwrap();
        assert_eq!(counters.names(), "package-0, package-1");
        let before = counters.read().unwrap();
        assert_eq!(before, [500, 999_000]);
        domain(root.path(), "intel-rapl:0", "package-0", "1500");
        domain(root.path(), "intel-rapl:1", "package-1", "2000");
        let after = counters.read().unwrap();
        // 1000 of the one; 1000 to the end and 2000 from there of the other.
        assert_eq!(counters.joules(&before, &after), 0.004);
        assert_eq!(counters.joules(&before, &before), 0.0);
    }

    #[test]
    fn why_nothing_can_be_read() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing");
        assert!(Counters::open(&missing).unwrap_err().contains("has no intel-rapl domain"));
        domain(root.path(), "intel-rapl:0", "package-0", "many");
        let problem = Counters::open(root.path()).unwrap_err();
        assert!(problem.contains("energy_uj") && problem.contains("many"), "{problem}");
        fs::remove_file(root.path().join("intel-rapl:0/energy_uj")).unwrap();
        assert!(Counters::open(root.path()).unwrap_err().contains("energy_uj"));
    }
}
