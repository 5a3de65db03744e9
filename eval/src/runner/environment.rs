//! What cannot be reproduced: when, where and how fast.

use super::Status;
use crate::error::Error;
use crate::machine;
use crate::output;
use crate::scheduler::TokenCounts;
use engine::runtime::Runtime;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One execution of the program on a run.
pub struct Invocation {
    started: SystemTime,
    clock: Instant,
    threads: usize,
    isa: String,
    recipes: Vec<Recipe>,
}

/// One recipe's part of it.
struct Recipe {
    name: String,
    build_seconds: f64,
    ask_seconds: f64,
    counts: TokenCounts,
}

/// Takes the time of one recipe.
pub struct Timing<'a> {
    recipe: &'a mut Recipe,
    clock: Instant,
}

impl Invocation {
    /// Begins now.
    pub fn begin(runtime: &Runtime) -> Self {
        Self {
            started: SystemTime::now(),
            clock: Instant::now(),
            threads: runtime.threads(),
            isa: runtime.kernels().isa().name().to_string(),
            recipes: Vec::new(),
        }
    }

    /// Begins a recipe.
    pub fn recipe(&mut self, name: &str) -> Timing<'_> {
        self.recipes.push(Recipe {
            name: name.to_string(),
            build_seconds: 0.0,
            ask_seconds: 0.0,
            counts: TokenCounts::default(),
        });
        let last = self.recipes.len() - 1;
        Timing { recipe: &mut self.recipes[last], clock: Instant::now() }
    }

    /// Adds it to the list in `run.json`, unless it did nothing.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn append_to(self, path: &Path, status: Status) -> Result<(), Error> {
        let old: Option<Value> = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut invocations = match old {
            Some(Value::Object(mut fields)) => match fields.remove("invocations") {
                Some(Value::Array(invocations)) => invocations,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        if self.recipes.is_empty() && !invocations.is_empty() {
            return Ok(());
        }
        invocations.push(self.to_json(status));
        output::write_json(path, &json!({"invocations": invocations}))
    }

    fn to_json(&self, status: Status) -> Value {
        let recipes = self.recipes.iter().map(|recipe| {
            let fields = json!({
                "build_seconds": recipe.build_seconds,
                "ask_seconds": recipe.ask_seconds,
                "tokens_requested": recipe.counts.requested,
                "tokens_computed": recipe.counts.computed,
                "tokens_generated": recipe.counts.generated,
            });
            (recipe.name.clone(), fields)
        });
        json!({
            "started": utc(self.started),
            "seconds": self.clock.elapsed().as_secs_f64(),
            "complete": status == Status::Complete,
            "host": host_name(),
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "threads": self.threads,
            "isa": self.isa,
            "peak_memory_bytes": machine::peak_memory_bytes(),
            "recipes": recipes.collect::<Map<_, _>>(),
        })
    }
}

impl Timing<'_> {
    /// The model is built.
    pub fn built(&mut self) {
        self.recipe.build_seconds = self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
    }

    /// Its questions are answered.
    pub fn asked(&mut self, counts: TokenCounts) {
        self.recipe.ask_seconds = self.clock.elapsed().as_secs_f64();
        self.recipe.counts = counts;
    }
}

/// The name of this machine where it can be read.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_string())
}

/// A time in UTC as `2026-01-31T23:59:59Z`.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 1 March of year 0, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn known_moments_in_utc() {
        // date -u -d @SECONDS +%Y-%m-%dT%H:%M:%SZ
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_785_542_399, "2026-07-31T23:59:59Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
