//! The prefix tree of a set of token sequences: every shared prefix is one node.
//!
//! ```text
//! few-shot header ── question 1 ── choice A
//!        │                └─────── choice B
//!        └────────── question 2 ── ...
//! ```
//! A node's tokens are computed once, for all sequences below it.

use std::ops::Range;

/// A sequence to be computed.
#[derive(Clone, Debug)]
pub struct Sequence<'a> {
    /// Tokens fed to the model; not empty.
    pub tokens: &'a [u32],
    /// Only sequences with equal keys may share a prefix: position encodings can depend on the whole length.
    pub sharing_key: u64,
    /// Length position encodings are made for.
    pub sequence_len: usize,
}

/// Consecutive tokens that the same sequences share.
#[derive(Debug)]
pub struct Node {
    /// A sequence that passes through it, and which of its tokens these are.
    pub sequence: usize,
    /// Positions.
    pub tokens: Range<usize>,
    /// Nodes after this one, in the order of the sorted sequences.
    pub children: Vec<usize>,
    /// All sequences that pass through, as a range of [`Tree::order`].
    pub members: Range<usize>,
}

/// A forest over sequences, one root for each sharing key and first token.
#[derive(Debug)]
pub struct Tree {
    /// Nodes; parents come before their children.
    pub nodes: Vec<Node>,
    /// Nodes without a parent.
    pub roots: Vec<usize>,
    /// Indices of the sequences, sorted by key and tokens.
    pub order: Vec<usize>,
}

impl Tree {
    /// The tree of `sequences`.
    ///
    /// # Panics
    /// If a sequence is empty.
    pub fn new(sequences: &[Sequence<'_>]) -> Self {
        assert!(sequences.iter().all(|sequence| !sequence.tokens.is_empty()), "an empty sequence");
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|&index| (sequences[index].sharing_key, sequences[index].tokens, index));
        let mut tree = Self { nodes: Vec::new(), roots: Vec::new(), order };
        let mut work = Vec::new();
        tree.push_groups(sequences, 0..sequences.len(), 0, None, &mut work);
        while let Some(node) = work.pop() {
            let (members, depth) = (tree.nodes[node].members.clone(), tree.nodes[node].tokens.end);
            // Sequences that end here come first in the order.
            let ended = tree.order[members.clone()].iter().take_while(|&&s| sequences[s].tokens.len() == depth).count();
            tree.push_groups(sequences, members.start + ended..members.end, depth, Some(node), &mut work);
        }
        tree
    }

    /// Adds a node for each group of `members` that agree in key and token at `depth`.
    fn push_groups(
        &mut self,
        sequences: &[Sequence<'_>],
        members: Range<usize>,
        depth: usize,
        parent: Option<usize>,
        work: &mut Vec<usize>,
    ) {
        let mut start = members.start;
        while start < members.end {
            let first = &sequences[self.order[start]];
            let head = (first.sharing_key, first.tokens[depth]);
            let same = self.order[start..members.end]
                .iter()
                .take_while(|&&s| (sequences[s].sharing_key, sequences[s].tokens[depth]) == head)
                .count();
            let last = &sequences[self.order[start + same - 1]];
            // Sorted: what the first and the last share, all share.
            let common = first.tokens.iter().zip(last.tokens).take_while(|(a, b)| a == b).count();
            let index = self.nodes.len();
            self.nodes.push(Node {
                sequence: self.order[start],
                tokens: depth..common,
                children: Vec::new(),
                members: start..start + same,
            });
            match parent {
                Some(parent) => self.nodes[parent].children.push(index),
                None => self.roots.push(index),
            }
            work.push(index);
            start += same;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(sequences: &[(&[u32], u64)]) -> Tree {
        let sequences: Vec<_> = sequences
            .iter()
            .map(|&(tokens, sharing_key)| Sequence { tokens, sharing_key, sequence_len: tokens.len() })
            .collect();
        Tree::new(&sequences)
    }

    /// The tokens of sequence `index`, put together from the nodes of its path.
    fn path(tree: &Tree, sequences: &[(&[u32], u64)], index: usize) -> Vec<u32> {
        let place = tree.order.iter().position(|&s| s == index).unwrap();
        let mut tokens = Vec::new();
        for node in tree.nodes.iter().filter(|node| node.members.contains(&place)) {
            tokens.push((node.tokens.clone(), &sequences[node.sequence].0[node.tokens.clone()]));
        }
        tokens.sort_by_key(|(range, _)| range.start);
        tokens.into_iter().flat_map(|(_, tokens)| tokens.iter().copied()).collect()
    }

    #[test]
    fn shared_prefixes_are_one_node() {
        let header: &[u32] = &[1, 2, 3, 4];
        let a = [header, &[5, 6]].concat();
        let b = [header, &[5, 7, 8]].concat();
        let sequences: Vec<(&[u32], u64)> = vec![(&a, 0), (&b, 0), (header, 0), (&a, 0)];
        let tree = tree(&sequences);
        let computed: usize = tree.nodes.iter().map(|node| node.tokens.len()).sum();
        assert_eq!(computed, 4 + 1 + 1 + 2);
        assert_eq!(tree.roots.len(), 1);
        for (index, sequence) in sequences.iter().enumerate() {
            assert_eq!(path(&tree, &sequences, index), sequence.0);
        }
    }

    #[test]
    fn sequences_with_different_keys_share_nothing() {
        let sequences: Vec<(&[u32], u64)> = vec![(&[1, 2, 3], 0), (&[1, 2, 3], 9)];
        let tree = tree(&sequences);
        assert_eq!(tree.nodes.len(), 2);
        assert_eq!(tree.roots.len(), 2);
    }

    #[test]
    fn every_path_spells_its_sequence() {
        let mut seed = 1u64;
        let mut next = |bound: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % bound
        };
        for _ in 0..200 {
            let count = 1 + next(12);
            let owned: Vec<(Vec<u32>, u64)> =
                (0..count).map(|_| ((0..1 + next(6)).map(|_| next(2) as u32).collect(), next(2))).collect();
            let sequences: Vec<(&[u32], u64)> = owned.iter().map(|(tokens, key)| (tokens.as_slice(), *key)).collect();
            let tree = tree(&sequences);
            for (index, sequence) in sequences.iter().enumerate() {
                assert_eq!(path(&tree, &sequences, index), sequence.0);
            }
        }
    }
}
