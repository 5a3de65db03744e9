//! What one document says about a model, as the sample log has it.

use crate::metric::first_largest;
use crate::task::Sample;
use serde_json::Value;

/// A document, as far as two models are compared on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// SHA-256 of the prompt: two models are compared only on equal ones.
    pub prompt_hash: String,
    /// What is compared, for example 1 for a right answer.
    pub score: f64,
    /// Passage or template that it shares with others.
    pub cluster: Option<String>,
    /// Log-likelihoods of the choices, where there are two or more and all are finite.
    pub choices: Vec<f64>,
    /// The answer taken: what was extracted, else the index of the likeliest choice.
    pub answer: Option<Value>,
}

impl Observation {
    /// The field of a sample that names its cluster.
    pub const CLUSTER: &'static str = "cluster";

    /// The cluster that a sample names.
    pub fn cluster_of(sample: &Sample) -> Option<&str> {
        sample.fields.get(Self::CLUSTER).and_then(Value::as_str)
    }

    /// What `sample` says; `None` without the number `score`.
    pub fn of(sample: &Sample, score: &str) -> Option<Self> {
        let field = |name: &str| sample.fields.get(name).filter(|value| !value.is_null());
        let text = |name: &str| field(name).and_then(Value::as_str).map(str::to_string);
        let numbers = field("log_probs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let choices: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
        let choices = choices.filter(|choices| choices.len() > 1).unwrap_or_default();
        let likeliest = || first_largest(&choices).ok().map(Value::from);
        Some(Self {
            prompt_hash: text("prompt_hash").unwrap_or_default(),
            score: sample.number(score)?,
            cluster: Self::cluster_of(sample).map(str::to_string),
            answer: field("extracted").cloned().or_else(likeliest),
            choices,
        })
    }

    /// The documents of `member`, a task of a group: clusters of two members are never one.
    pub fn of_member(member: &str, documents: &[Option<Self>]) -> impl Iterator<Item = Option<Self>> {
        documents.iter().cloned().map(move |observation| {
            let observation = observation?;
            let cluster = observation.cluster.map(|cluster| format!("{member}: {cluster}"));
            Some(Self { cluster, ..observation })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(fields: Value) -> Option<Observation> {
        let Value::Object(fields) = fields else { panic!("{fields}") };
        Observation::of(&Sample { fields }, "correct")
    }

    #[test]
    fn samples_say_what_they_hold() {
        let found = of(json!({
            "prompt_hash": "ab", "log_probs": [-2.0, -1.0], "extracted": "B", "correct": true, "cluster": "passage 7"
        }));
        let found = found.unwrap();
        assert_eq!((found.score, found.choices.as_slice()), (1.0, &[-2.0, -1.0][..]));
        assert_eq!((found.answer, found.cluster.as_deref()), (Some("B".into()), Some("passage 7")));
        let found = of(json!({"log_probs": [-2.0, -1.0], "correct": [0.5]})).unwrap();
        assert_eq!((found.score, found.answer), (0.5, Some(1.into())));
        // One number is no choice, and minus infinity, which JSON writes as null, has no share.
        assert_eq!(of(json!({"log_probs": [-2.0], "correct": 1})).unwrap().answer, None);
        assert!(of(json!({"log_probs": [-2.0, null], "correct": 1})).unwrap().choices.is_empty());
        assert_eq!(of(json!({"log_probs": [-2.0, -1.0]})), None);
    }
}
