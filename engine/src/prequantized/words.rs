//! Fields of a few bits in a row of 32-bit words.

/// Field `index` of fields of `bits` bits that lie one after the other, the lowest bits first; one that does not fit in
/// what is left of a word goes on in the next.
#[inline]
pub(super) fn dense_field(word: impl Fn(usize) -> u32, index: usize, bits: u32) -> u8 {
    let first = index * bits as usize;
    let (place, shift) = (first / 32, (first % 32) as u32);
    let mut field = word(place) >> shift;
    if shift + bits > 32 {
        field |= word(place + 1) << (32 - shift);
    }
    (field & ((1 << bits) - 1)) as u8
}

/// Field `index` where every word has as many whole fields as fit.
#[inline]
pub(super) fn padded_field(word: impl Fn(usize) -> u32, index: usize, bits: u32) -> u8 {
    let fields = 32 / bits as usize;
    ((word(index / fields) >> (index % fields * bits as usize)) & ((1 << bits) - 1)) as u8
}

/// Word `index` of little-endian bytes.
#[inline]
pub(super) fn word_at(words: &[[u8; 4]], index: usize) -> u32 {
    u32::from_le_bytes(words[index])
}

/// Writes fields of `bits` bits one after the other into words that are zero.
pub(crate) fn pack_dense(fields: impl Iterator<Item = u8>, bits: u32, words: &mut [u32]) {
    for (index, field) in fields.enumerate() {
        let first = index * bits as usize;
        let (place, shift) = (first / 32, (first % 32) as u32);
        words[place] |= u32::from(field) << shift;
        if shift + bits > 32 {
            words[place + 1] |= u32::from(field) >> (32 - shift);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_across_words() {
        for bits in [2, 3, 4, 8] {
            let fields: Vec<u8> = (0..77u32).map(|k| (k.wrapping_mul(2_654_435_761) >> (32 - bits)) as u8).collect();
            let mut words = vec![0; (77 * bits as usize).div_ceil(32)];
            pack_dense(fields.iter().copied(), bits, &mut words);
            let found: Vec<u8> = (0..77).map(|index| dense_field(|word| words[word], index, bits)).collect();
            assert_eq!(found, fields, "{bits} bits");
        }
        // Ten codes of 3 bits a word, and two bits that are not used.
        assert_eq!(padded_field(|word| [7 << 27, 5][word], 9, 3), 7);
        assert_eq!(padded_field(|word| [7 << 27, 5][word], 10, 3), 5);
    }
}
