//! Results in llama-bench's table and under its keys.

use super::super::failure::Failure;
use super::super::table::{Align, Cell, Table, csv_field, human_bytes, human_count, write_json};
use super::OutputFormat;
use engine::model::WeightSize;
use eval::efficiency::Test;
use serde_json::{Map, Value, json};
use std::io::Write;

/// One test of one model on one runtime.
pub struct Row {
    /// Name of the checkpoint.
    pub model_filename: String,
    /// Family.
    pub model_type: String,
    /// Recipe.
    pub quant: String,
    /// What the weights take.
    pub size: WeightSize,
    /// Elements of all tensors.
    pub parameters: u64,
    /// Processor.
    pub cpu: String,
    /// Instruction set.
    pub isa: &'static str,
    /// Threads.
    pub threads: usize,
    /// Tokens of a prompt in one pass.
    pub batch_size: usize,
    /// The test.
    pub test: Test,
    /// Bytes that all threads read a second.
    pub memory_bytes_per_second: f64,
    /// Bytes read for a token, of a test that only generates.
    pub bytes_per_token: Option<u64>,
    /// Energy of all repetitions, where it is counted.
    pub joules: Option<f64>,
    /// Of each repetition.
    pub seconds: Vec<f64>,
    /// SHA-256 of the last logits.
    pub digest: String,
}

impl Row {
    /// Tokens a second of each repetition.
    fn speeds(&self) -> Vec<f64> {
        self.seconds.iter().map(|seconds| self.test.tokens() as f64 / seconds).collect()
    }

    /// The share of the memory bandwidth that the bytes of its tokens take.
    fn share(&self) -> Option<f64> {
        let bytes = self.bytes_per_token? as f64;
        Some(bytes * mean(&self.speeds()) / self.memory_bytes_per_second)
    }

    fn joules_per_token(&self) -> Option<f64> {
        Some(self.joules? / (self.test.tokens() * self.seconds.len()) as f64)
    }

    fn nanoseconds(&self) -> Vec<f64> {
        self.seconds.iter().map(|seconds| (seconds * 1e9).round()).collect()
    }

    fn to_object(&self) -> Map<String, Value> {
        let (speeds, nanoseconds) = (self.speeds(), self.nanoseconds());
        let samples_ns: Vec<u64> = nanoseconds.iter().map(|&ns| ns as u64).collect();
        let value = json!({
            "cpu_info": self.cpu,
            "backends": "CPU",
            "isa": self.isa,
            "model_filename": self.model_filename,
            "model_type": format!("{} {} {}", self.model_type, human_count(self.parameters), self.quant),
            "model_size": self.size.bytes,
            "model_n_params": self.parameters,
            "quant": self.quant,
            "nominal_bits_per_weight": self.size.nominal_bits_per_weight(),
            "true_bits_per_weight": self.size.true_bits_per_weight(),
            "n_batch": self.batch_size,
            "n_threads": self.threads,
            "n_prompt": self.test.prompt,
            "n_gen": self.test.generated,
            "n_depth": self.test.depth,
            "avg_ns": mean(&nanoseconds).round() as u64,
            "stddev_ns": deviation(&nanoseconds).round() as u64,
            "avg_ts": mean(&speeds),
            "stddev_ts": deviation(&speeds),
            "memory_bytes_per_second": self.memory_bytes_per_second,
            "bytes_per_token": self.bytes_per_token,
            "share_of_memory_bandwidth": self.share(),
            "joules_per_token": self.joules_per_token(),
            "samples_ns": samples_ns,
            "samples_ts": speeds,
            "logits_digest": format!("sha256:{}", self.digest),
        });
        match value {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }
}

/// Writes the rows.
pub fn write(rows: &[Row], format: OutputFormat, out: &mut dyn Write) -> Result<(), Failure> {
    match format {
        OutputFormat::Md => write_markdown(rows, out),
        OutputFormat::Json => {
            let objects = rows.iter().map(|row| Value::Object(row.to_object())).collect();
            Ok(write_json(&Value::Array(objects), out)?)
        }
        OutputFormat::Jsonl => {
            for row in rows {
                writeln!(out, "{}", Value::Object(row.to_object()))?;
            }
            Ok(())
        }
        OutputFormat::Csv => {
            for (index, row) in rows.iter().enumerate() {
                let mut object = row.to_object();
                // A cell holds one value.
                object.retain(|_, value| !value.is_array());
                if index == 0 {
                    writeln!(out, "{}", object.keys().map(String::as_str).collect::<Vec<_>>().join(","))?;
                }
                writeln!(out, "{}", object.values().map(csv_field).collect::<Vec<_>>().join(","))?;
            }
            Ok(())
        }
    }
}

fn write_markdown(rows: &[Row], out: &mut dyn Write) -> Result<(), Failure> {
    let mut columns = vec![
        ("model", Align::Left),
        ("size", Align::Right),
        ("params", Align::Right),
        ("backend", Align::Left),
        ("threads", Align::Right),
        ("test", Align::Right),
        ("t/s", Align::Right),
        ("read", Align::Right),
    ];
    let is_counted = rows.iter().any(|row| row.joules.is_some());
    if is_counted {
        columns.push(("J/t", Align::Right));
    }
    let mut table = Table::new(&columns);
    for row in rows {
        let speeds = row.speeds();
        let speed = format!("{:.2} ± {:.2}", mean(&speeds), deviation(&speeds));
        let mut cells = vec![
            format!("{} {} {}", row.model_type, human_count(row.parameters), row.quant).into(),
            human_bytes(row.size.bytes as u64).into(),
            human_count(row.parameters).into(),
            format!("CPU {}", row.isa).into(),
            Cell::new(row.threads.to_string(), row.threads),
            row.test.name().into(),
            speed.into(),
            row.share().map_or_else(Cell::empty, |share| Cell::new(format!("{:.0} %", 100.0 * share), share)),
        ];
        if is_counted {
            cells.push(
                row.joules_per_token().map_or_else(Cell::empty, |joules| Cell::new(format!("{joules:.3}"), joules)),
            );
        }
        table.push(cells);
    }
    Ok(table.write(super::super::table::Format::Md, out)?)
}

fn mean(values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for value in values {
        sum += value;
    }
    sum / values.len() as f64
}

/// Standard deviation of a sample, n - 1 in the variance; 0 of a single value.
fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let mut sum = 0.0;
    for value in values {
        sum += (value - mean) * (value - mean);
    }
    (sum / (values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_of_a_sample() {
        assert_eq!((mean(&[1.0, 2.0, 3.0]), deviation(&[1.0, 2.0, 3.0])), (2.0, 1.0));
        assert_eq!(deviation(&[4.0]), 0.0);
    }
}
