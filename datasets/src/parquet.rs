//! Rows of parquet files, where this program was built with the feature `parquet`.

use crate::source::Source;
use crate::{Error, Result};
use serde_json::Value;

/// Every row as a JSON object.
#[cfg(not(feature = "parquet"))]
pub(crate) fn rows(source: &Source) -> Result<Vec<Value>> {
    Err(Error::Feature { file: source.label(), instead: "JSON lines or CSV of the same rows" })
}

#[cfg(feature = "parquet")]
pub(crate) use columns::rows;

#[cfg(feature = "parquet")]
mod columns {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, Row};
    use serde_json::Map;

    /// Every row as a JSON object.
    ///
    /// The crate that decodes was seen to panic on some damaged files: that becomes an error here, as everything that
    /// a file can cause.
    pub(crate) fn rows(source: &Source) -> Result<Vec<Value>> {
        let fail = |message: String| Error::Parquet { file: source.label(), message };
        match std::panic::catch_unwind(|| decode(&source.bytes)) {
            Ok(rows) => rows.map_err(fail),
            Err(_) => Err(fail("its structure is damaged".to_owned())),
        }
    }

    fn decode(bytes: &[u8]) -> std::result::Result<Vec<Value>, String> {
        let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(bytes)).map_err(|e| e.to_string())?;
        let rows = reader.get_row_iter(None).map_err(|e| e.to_string())?;
        rows.map(|row| object(&row.map_err(|e| e.to_string())?)).collect()
    }

    fn object(row: &Row) -> std::result::Result<Value, String> {
        let fields = row.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field)?)));
        Ok(Value::Object(fields.collect::<std::result::Result<Map<_, _>, String>>()?))
    }

    fn value(field: &Field) -> std::result::Result<Value, String> {
        Ok(match field {
            Field::Null => Value::Null,
            Field::Bool(flag) => Value::from(*flag),
            Field::Byte(number) => Value::from(*number),
            Field::Short(number) => Value::from(*number),
            Field::Int(number) => Value::from(*number),
            Field::Long(number) => Value::from(*number),
            Field::UByte(number) => Value::from(*number),
            Field::UShort(number) => Value::from(*number),
            Field::UInt(number) => Value::from(*number),
            Field::ULong(number) => Value::from(*number),
            Field::Float(number) => Value::from(*number),
            Field::Double(number) => Value::from(*number),
            Field::Str(text) => Value::from(text.as_str()),
            Field::Group(row) => object(row)?,
            Field::ListInternal(list) => {
                Value::Array(list.elements().iter().map(value).collect::<std::result::Result<_, _>>()?)
            }
            other => return Err(format!("a column holds {other}, of a type that benchmarks do not use")),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// Every file that is cut short or has one byte changed is read or refused, and never ends the program.
        #[test]
        fn damaged_files_are_refused_without_a_panic() {
            let files = [
                include_bytes!("../tests/parquet/arc.parquet").to_vec(),
                include_bytes!("../tests/parquet/ifeval.parquet").to_vec(),
            ];
            let read = |bytes: Vec<u8>| {
                let source =
                    Source { name: "a.parquet".into(), path: None, bytes: bytes.into(), sha256: String::new() };
                rows(&source)
            };
            for bytes in files {
                let whole = read(bytes.clone()).unwrap();
                let mut noticed = 0;
                for at in 0..bytes.len() {
                    assert!(read(bytes[..at].to_vec()).is_err(), "cut at {at}");
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 0xff;
                    noticed += usize::from(read(damaged).map_or(true, |rows| rows != whole));
                }
                assert!(noticed > bytes.len() / 8, "{noticed} of {} changes were noticed", bytes.len());
            }
        }
    }
}
