//! The draws of Python's `random.Random`, by which lm-evaluation-harness takes worked examples.
//!
//! The generator is the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded by an array of 32-bit words;
//! what is drawn from it follows CPython's `Lib/random.py`.

/// Words of the generator's state.
const STATE_LEN: usize = 624;
/// How far apart the words are that a new one is made of.
const MIDDLE: usize = 397;

/// `random.Random(seed)`.
#[derive(Clone, Debug)]
pub struct PythonRandom {
    state: [u32; STATE_LEN],
    next: usize,
}

impl PythonRandom {
    /// The generator that Python has after `random.seed(seed)` with an integer.
    pub fn new(seed: u64) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        let key = if key[1] == 0 { &key[..1] } else { &key[..] };
        let mut state = [0u32; STATE_LEN];
        state[0] = 19_650_218;
        for i in 1..STATE_LEN {
            state[i] = mixed(state[i - 1], 1_812_433_253).wrapping_add(i as u32);
        }
        let mut i = 1;
        for j in (0..key.len()).cycle().take(STATE_LEN.max(key.len())) {
            state[i] = (state[i] ^ mixed(state[i - 1], 1_664_525)).wrapping_add(key[j]).wrapping_add(j as u32);
            i = following(&mut state, i);
        }
        for _ in 1..STATE_LEN {
            state[i] = (state[i] ^ mixed(state[i - 1], 1_566_083_941)).wrapping_sub(i as u32);
            i = following(&mut state, i);
        }
        state[0] = 1 << 31;
        Self { state, next: STATE_LEN }
    }

    /// `random.sample(range(population), count)`: different indices in the order drawn; all of them if `count` is larger.
    pub fn sample(&mut self, population: usize, count: usize) -> Vec<usize> {
        let count = count.min(population);
        // Python swaps in a list where that takes less memory than a set of what is chosen.
        let mut list_len = 21;
        if count > 5 {
            let mut power = 1;
            while power < 3 * count {
                power *= 4;
            }
            list_len += power;
        }
        let mut chosen = Vec::with_capacity(count);
        if population <= list_len {
            let mut pool: Vec<usize> = (0..population).collect();
            for left in (population - count + 1..=population).rev() {
                let drawn = self.below(left);
                chosen.push(pool[drawn]);
                pool[drawn] = pool[left - 1];
            }
        } else {
            while chosen.len() < count {
                let drawn = self.below(population);
                if !chosen.contains(&drawn) {
                    chosen.push(drawn);
                }
            }
        }
        chosen
    }

    /// A number below `bound`: as many bits as the bound has, drawn again until they are below it.
    fn below(&mut self, bound: usize) -> usize {
        let bits = usize::BITS - bound.leading_zeros();
        assert!((1..=32).contains(&bits), "a bound of 1 to 32 bits");
        loop {
            let drawn = (self.word() >> (32 - bits)) as usize;
            if drawn < bound {
                return drawn;
            }
        }
    }

    /// The next 32 bits.
    fn word(&mut self) -> u32 {
        if self.next == STATE_LEN {
            for i in 0..STATE_LEN {
                let bits = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE_LEN] & 0x7fff_ffff);
                let odd = if bits & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + MIDDLE) % STATE_LEN] ^ (bits >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }
}

fn mixed(word: u32, factor: u32) -> u32 {
    (word ^ (word >> 30)).wrapping_mul(factor)
}

/// The place after `i`; at the end the last word becomes the first, and places begin again at 1.
fn following(state: &mut [u32; STATE_LEN], i: usize) -> usize {
    if i + 1 < STATE_LEN {
        return i + 1;
    }
    state[0] = state[STATE_LEN - 1];
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_python() {
        // [random.Random(1234).getrandbits(32) for ...]; Random(0), Random(2**40 + 7)
        let words = |seed, count| {
            let mut random = PythonRandom::new(seed);
            (0..count).map(|_| random.word()).collect::<Vec<_>>()
        };
        assert_eq!(words(1234, 3), [4150886329, 3342196574, 1892932127]);
        assert_eq!(words(0, 3), [3626764237, 1654615998, 3255389356]);
        assert_eq!(words((1 << 40) + 7, 3), [2635837658, 3209733218, 3500038837]);
        assert_eq!(words(1234, 1000)[999], 3677914080);
    }

    #[test]
    fn samples_are_those_of_python() {
        // r = random.Random(1234); r.sample(range(7473), 5), then r.sample(range(21), 5), (22, 5), (30, 8), (1000, 6), (3, 3)
        let mut random = PythonRandom::new(1234);
        let shapes = [(7473, 5), (21, 5), (22, 5), (30, 8), (1000, 6), (3, 3)];
        let drawn: Vec<Vec<usize>> =
            shapes.iter().map(|&(population, count)| random.sample(population, count)).collect();
        let expected: [&[usize]; 6] = [
            &[6374, 3610, 957, 61, 742],
            &[18, 1, 2, 3, 11],
            &[7, 0, 11, 20, 19],
            &[15, 19, 14, 4, 2, 5, 22, 3],
            &[865, 14, 515, 498, 901, 988],
            &[0, 2, 1],
        ];
        assert_eq!(drawn, expected);
        assert_eq!(random.sample(2, 5).len(), 2);
    }
}
