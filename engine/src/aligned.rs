//! Buffers that start on a cache line.

/// A buffer whose first element lies on a cache line: kernels read and write 64 bytes at a time, and one that spans two
/// lines costs two.
#[derive(Debug, Default)]
pub struct Aligned<T> {
    buffer: Vec<T>,
    start: usize,
    len: usize,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl<T: Copy + Default> Aligned<T> {
    /// `len` elements, zero.
    pub fn zeroed(len: usize) -> Self {
        let mut aligned = Self { buffer: Vec::new(), start: 0, len: 0 };
        aligned.resize(len);
        aligned
    }

    /// Changes the length; what the elements are then is not defined, unless the buffer was made here.
    pub fn resize(&mut self, len: usize) {
        let slack = LINE / size_of::<T>();
        if self.buffer.len() < len + slack {
            self.buffer = vec![T::default(); len + slack];
            // Zero where the address is not to be known (Miri): alignment is speed, never correctness.
            self.start = Some(self.buffer.as_ptr().align_offset(LINE)).filter(|&start| start <= slack).unwrap_or(0);
        }
        self.len = len;
    }

    /// Makes it `len` long, keeping the elements; new ones are zero if they never were any. Room grows by doubling.
    pub fn grow(&mut self, len: usize) {
        let old = self.len;
        if self.buffer.len() < len + LINE / size_of::<T>() {
            let mut grown = Self::zeroed(len.max(2 * old));
            grown.as_mut_slice()[..old].copy_from_slice(self.as_slice());
            *self = grown;
        }
        self.len = len;
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        &self.buffer[self.start..self.start + self.len]
    }

    /// The elements.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
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
    fn every_length_starts_on_a_line() {
        let mut floats = Aligned::<f32>::zeroed(0);
        for len in [1, 100, 15, 1 << 18] {
            floats.resize(len);
            assert_eq!((floats.as_slice().len(), floats.as_mut_slice().as_ptr().addr() % LINE), (len, 0));
        }
        let mut grown = Aligned::<f32>::default();
        for i in 0..100 {
            grown.grow(7 * (i + 1));
            assert_eq!(grown.as_slice()[7 * i..], [0.0; 7]);
            grown.as_mut_slice()[7 * i..].fill(i as f32);
        }
        assert_eq!(
            (grown.as_slice()[699], grown.as_slice()[7], grown.as_slice().as_ptr().addr() % LINE),
            (99.0, 1.0, 0)
        );
        let copy = floats.clone();
        assert_eq!((copy.as_slice(), copy.as_slice().as_ptr().addr() % LINE), (floats.as_slice(), 0));
        assert_eq!(Aligned::<i8>::zeroed(77).as_slice(), [0; 77]);
    }
}
