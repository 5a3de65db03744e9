//! Bytes that start on a cache line.

/// Bytes of a cache line.
const LINE: usize = 64;

/// A zeroed buffer whose first byte lies on a cache line: kernels read 64 bytes at a time, and a load across two lines
/// costs two. Up to 63 bytes more are allocated than are held.
#[derive(Debug)]
pub(super) struct AlignedBytes {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBytes {
    /// `len` zeros. Pages of a large buffer take memory when they are first written to.
    pub(super) fn zeroed(len: usize) -> Self {
        let buffer = vec![0u8; len + LINE - 1];
        // Zero where the address is not to be known (Miri): alignment is speed, never correctness.
        let start = Some(buffer.as_ptr().align_offset(LINE)).filter(|&start| start < LINE).unwrap_or(0);
        Self { buffer, start, len }
    }

    /// The bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }

    /// The bytes.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}

impl Clone for AlignedBytes {
    /// A copy is aligned for itself: its buffer lies elsewhere.
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buffer_and_every_copy_starts_on_a_line() {
        for len in [0, 1, 63, 64, 65, 1000, 1 << 20] {
            let mut bytes = AlignedBytes::zeroed(len);
            assert_eq!(bytes.as_slice(), vec![0; len]);
            bytes.as_mut_slice().fill(7);
            let copies = [bytes.clone(), bytes.clone()];
            for bytes in [&bytes, &copies[0], &copies[1]] {
                assert_eq!(bytes.as_slice(), vec![7; len]);
                assert_eq!(bytes.as_slice().as_ptr().addr() % LINE, 0);
            }
        }
    }
}
