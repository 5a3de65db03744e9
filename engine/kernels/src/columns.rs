//! Blocks of a row-major matrix: mutable ones, so that threads write disjoint outputs of one matrix product, and shared
//! ones, its operands.

use std::marker::PhantomData;
use std::ops::Range;

/// Rows and columns of a row-major matrix [rows, stride], borrowed. It may lie in the matrix that a [`ColumnsMut`] which
/// was split from it goes on writing.
#[derive(Clone, Copy)]
pub struct Columns<'a, T = f32> {
    start: *const T,
    rows: usize,
    stride: usize,
    width: usize,
    borrowed: PhantomData<&'a [T]>,
}

// SAFETY: a block is a shared borrow of its elements, as `&[T]` is.
unsafe impl<T: Sync> Send for Columns<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Columns<'_, T> {}

impl<'a, T> Columns<'a, T> {
    /// All columns of `matrix` [matrix.len() / stride, stride].
    ///
    /// # Panics
    /// If the length is not a multiple of the stride.
    pub fn new(matrix: &'a [T], stride: usize) -> Self {
        assert!(
            stride > 0 && matrix.len().is_multiple_of(stride),
            "matrix of {} elements, stride {stride}",
            matrix.len()
        );
        Self { start: matrix.as_ptr(), rows: matrix.len() / stride, stride, width: stride, borrowed: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows `rows` and columns `columns` of the block.
    ///
    /// # Panics
    /// If there are no such rows and columns.
    pub fn block(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        assert!(columns.start <= columns.end && columns.end <= self.width, "columns {columns:?} of {}", self.width);
        // An empty block may begin past the matrix: then its pointer is never used.
        let start = self.start.wrapping_add(rows.start * self.stride + columns.start);
        Self { start, rows: rows.len(), width: columns.len(), ..self }
    }

    /// The element of row `row` and column `column`.
    ///
    /// # Panics
    /// If there is none.
    pub fn get(&self, row: usize, column: usize) -> T
    where
        T: Copy,
    {
        assert!(row < self.rows && column < self.width, "element ({row}, {column}) of {} x {}", self.rows, self.width);
        // SAFETY: the element lies inside the matrix borrowed for 'a.
        unsafe { *self.start.add(row * self.stride + column) }
    }

    /// The block's first element, and the elements from one of its rows to the next.
    pub(crate) fn start_and_stride(&self) -> (*const T, usize) {
        (self.start, self.stride)
    }
}

/// Columns `first..first + width` of a row-major matrix [rows, stride], borrowed mutably.
///
/// Two blocks made by [`ColumnsMut::split_at`] never overlap, so each may go to its own thread.
pub struct ColumnsMut<'a, T = f32> {
    start: *mut T,
    rows: usize,
    stride: usize,
    width: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: a block is an exclusive borrow of its elements, as `&mut [T]` is.
unsafe impl<T: Send> Send for ColumnsMut<'_, T> {}

impl<'a, T> ColumnsMut<'a, T> {
    /// All columns of `matrix` [matrix.len() / stride, stride].
    ///
    /// # Panics
    /// If the length is not a multiple of the stride.
    pub fn new(matrix: &'a mut [T], stride: usize) -> Self {
        assert!(
            stride > 0 && matrix.len().is_multiple_of(stride),
            "matrix of {} elements, stride {stride}",
            matrix.len()
        );
        Self { start: matrix.as_mut_ptr(), rows: matrix.len() / stride, stride, width: stride, borrowed: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The first `column` columns, and the rest.
    ///
    /// # Panics
    /// If `column` is larger than the width.
    pub fn split_at(self, column: usize) -> (Self, Self) {
        assert!(column <= self.width, "split at column {column} of {}", self.width);
        let left = Self { width: column, ..self };
        // SAFETY: `column <= width <= stride`, so the pointer stays inside the matrix or one past its first row.
        let start = unsafe { self.start.add(column) };
        (left, Self { start, width: self.width - column, ..self })
    }

    /// The first `row` rows, and the rest.
    ///
    /// # Panics
    /// If `row` is larger than the number of rows.
    pub fn split_rows(self, row: usize) -> (Self, Self) {
        assert!(row <= self.rows, "split at row {row} of {}", self.rows);
        let first = Self { rows: row, ..self };
        // The rest may be empty and begin past the matrix: then its pointer is never used.
        let start = self.start.wrapping_add(row * self.stride);
        (first, Self { start, rows: self.rows - row, ..self })
    }

    /// Blocks of `width` columns, the last one narrower where it does not divide.
    pub fn chunks(self, width: usize) -> Vec<Self> {
        assert!(width > 0, "blocks of no column");
        let mut blocks = Vec::with_capacity(self.width.div_ceil(width));
        let mut rest = self;
        while rest.width > width {
            let (block, tail) = rest.split_at(width);
            blocks.push(block);
            rest = tail;
        }
        blocks.push(rest);
        blocks
    }

    /// The block, borrowed again.
    pub fn reborrow(&mut self) -> ColumnsMut<'_, T> {
        ColumnsMut { borrowed: PhantomData, ..*self }
    }

    /// The block, not to be written meanwhile.
    pub fn shared(&self) -> Columns<'_, T> {
        Columns { start: self.start, rows: self.rows, stride: self.stride, width: self.width, borrowed: PhantomData }
    }

    /// The block's first element, and the elements from one of its rows to the next.
    pub(crate) fn start_and_stride(&mut self) -> (*mut T, usize) {
        (self.start, self.stride)
    }

    /// Row `row` of the block, [width].
    ///
    /// # Panics
    /// If there is no such row.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the row lies inside the matrix borrowed for 'a, and no other block holds these columns.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.width) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_tile_the_matrix() {
        let mut matrix = vec![0; 3 * 7];
        for (index, mut block) in ColumnsMut::new(&mut matrix, 7).chunks(3).into_iter().enumerate() {
            for row in 0..block.rows() {
                for value in block.row(row) {
                    *value += index + 1;
                }
            }
        }
        assert_eq!(matrix, [1, 1, 1, 2, 2, 2, 3].repeat(3));
        let (_, mut last) = ColumnsMut::new(&mut matrix, 7).split_rows(2);
        assert_eq!((last.rows(), last.row(0)[6]), (1, 3));
        last.row(0).fill(9);
        assert_eq!((last.split_rows(1).1.rows(), matrix[13], matrix[14]), (0, 3, 9));
    }
}
