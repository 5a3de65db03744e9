//! The tasks of a run, and the groups over them.

use super::{Inputs, MetricValue, Task, TaskId};
use crate::error::Error;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Tasks and groups of tasks.
#[derive(Default)]
pub struct Suite<'a> {
    tasks: Vec<Box<dyn Task + 'a>>,
    groups: Vec<Group>,
    requested: Vec<String>,
}

/// What weighs the same in the average of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Documents, as lm-evaluation-harness's `weight_by_size`.
    Micro,
    /// Members.
    Macro,
}

impl Average {
    /// The word in results.
    pub fn name(self) -> &'static str {
        match self {
            Average::Micro => "micro",
            Average::Macro => "macro",
        }
    }
}

/// Several tasks with one average of each metric that they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Full id, for example `mmlu_stem@lm-eval`.
    pub id: String,
    /// What weighs the same.
    pub average: Average,
    /// Its members, as indices into [`Suite::tasks`].
    pub members: Vec<usize>,
}

impl<'a> Suite<'a> {
    /// Makes the tasks of `ids`, reading their data.
    ///
    /// # Errors
    /// Missing or damaged data, a protocol that the model does not allow, an id asked for twice, two files of one name.
    pub fn build(ids: &[TaskId], inputs: &Inputs<'a>) -> Result<Self, Error> {
        check_file_names(ids)?;
        let mut suite = Suite::default();
        for id in ids {
            let full = id.to_string();
            if suite.requested.contains(&full) {
                return Err(Error::RepeatedTask { id: full });
            }
            (id.entry.build)(id, inputs, &mut suite)?;
            suite.requested.push(full);
        }
        Ok(suite)
    }

    /// Adds a task and returns its index; one that is there already is not added again.
    pub fn add(&mut self, task: Box<dyn Task + 'a>) -> Result<usize, Error> {
        if let Some(index) = self.tasks.iter().position(|known| known.id() == task.id()) {
            return Ok(index);
        }
        if task.document_count() == 0 {
            return Err(Error::NothingToScore { task: task.id().to_string(), reason: "the limit is 0".into() });
        }
        self.tasks.push(task);
        Ok(self.tasks.len() - 1)
    }

    /// Whether a task is there, and where.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.id() == id)
    }

    /// Adds a group; one that is there already is not added again.
    pub fn add_group(&mut self, group: Group) {
        if !self.groups.iter().any(|known| known.id == group.id) {
            self.groups.push(group);
        }
    }

    /// The tasks, in the order in which they were asked for.
    pub fn tasks(&self) -> &[Box<dyn Task + 'a>] {
        &self.tasks
    }

    /// The groups over them.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The ids that were asked for: of tasks and of groups.
    pub fn requested(&self) -> &[String] {
        &self.requested
    }
}

impl Group {
    /// A group without members.
    pub(super) fn new(id: &TaskId, average: Average) -> Self {
        Self { id: id.to_string(), average, members: Vec::new() }
    }

    /// The average of a metric over the members, each with its number of documents; `None` without members.
    ///
    /// Micro: sum(n_i m_i) / N, N = sum(n_i); the standard error is the pooled one of lm-evaluation-harness:
    /// sqrt(sum((n_i - 1) n_i se_i²) / (N - members) / N). Macro: sum(m_i) / members; the standard error is that of a
    /// mean of independent numbers: sqrt(sum(se_i²)) / members.
    pub fn average(&self, members: &[(usize, &MetricValue)]) -> Option<MetricValue> {
        let (_, first) = members.first()?;
        let weight = |count: usize| match self.average {
            Average::Micro => count as f64,
            Average::Macro => 1.0,
        };
        let (mut weighted, mut total) = (0.0, 0.0);
        let (mut squares, mut documents) = (Some(0.0), 0);
        for (count, metric) in members {
            weighted += metric.value * weight(*count);
            total += weight(*count);
            documents += count;
            squares = match (squares, metric.standard_error) {
                (Some(sum), Some(error)) => Some(sum + self.square(*count, error)),
                _ => None,
            };
        }
        let degrees = match self.average {
            Average::Micro => documents.saturating_sub(members.len()) as f64,
            Average::Macro => total,
        };
        let standard_error = squares.filter(|_| degrees > 0.0).map(|squares: f64| (squares / degrees / total).sqrt());
        Some(MetricValue { value: weighted / total, standard_error, ..(*first).clone() })
    }

    /// What a member adds to the sum of squares.
    fn square(&self, count: usize, error: f64) -> f64 {
        match self.average {
            Average::Micro => (count as f64 - 1.0) * (error * error) * count as f64,
            Average::Macro => error * error,
        }
    }
}

/// Refuses two different files of one name.
fn check_file_names(ids: &[TaskId]) -> Result<(), Error> {
    let mut seen: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for id in ids {
        let (Some(variant), Some(name)) = (id.variant.as_deref(), id.shown_variant()) else { continue };
        let typed = Path::new(variant);
        let path = typed.canonicalize().unwrap_or_else(|_| typed.to_path_buf());
        match seen.get(name) {
            Some(first) if *first != path => {
                return Err(Error::AmbiguousFileName { name: name.to_string(), first: first.clone(), second: path });
            }
            _ => {
                seen.insert(name, path);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accuracy(value: f64, standard_error: Option<f64>) -> MetricValue {
        MetricValue { name: "acc", filter: "none", value, standard_error, higher_is_better: true }
    }

    #[test]
    fn groups_average_over_documents_or_members() {
        // lm-evaluation-harness: aggregate_subtask_metrics([0.5, 0.25], [4, 8]) and
        // pooled_sample_stderr([0.2886751345948129, 0.16366341767699427], [4, 8])
        let (a, b) = (accuracy(0.5, Some(0.2886751345948129)), accuracy(0.25, Some(0.16366341767699427)));
        let group = |average| Group { id: "a".into(), average, members: Vec::new() };
        let micro = group(Average::Micro);
        let average = micro.average(&[(4, &a), (8, &b)]).unwrap();
        assert!((average.value - 1.0 / 3.0).abs() < 1e-15, "{average:?}");
        assert!((average.standard_error.unwrap() - 0.14433756729740643).abs() < 1e-15, "{average:?}");
        let alone = accuracy(1.0, None);
        assert_eq!(micro.average(&[(1, &alone), (8, &b)]).unwrap().standard_error, None);
        assert_eq!(micro.average(&[]), None);
        // Each member weighs the same: (0.5 + 0.25) / 2, and sqrt(0.3² + 0.4²) / 2.
        let average = group(Average::Macro);
        let average = average.average(&[(4, &accuracy(0.5, Some(0.3))), (8, &accuracy(0.25, Some(0.4)))]).unwrap();
        assert_eq!((average.value, average.standard_error), (0.375, Some(0.25)));
    }
}
