//! Structured input from bytes. What is missing reads as zero, so every prefix is an input too.

/// Event times at the edges of what can be reckoned with, in milliseconds since 1970.
pub(crate) const EDGES_MS: [i64; 12] = [
    0,
    -1,
    -62_135_596_800_000, // year 1
    253_370_764_800_000, // year 9999
    1 << 57,
    1 << 60,
    (1 << 60) + 1,
    -(1 << 60),
    -(1 << 60) - 1,
    i64::MIN,
    i64::MAX - 1,
    i64::MAX,
];

/// Numbers at the edges of what a sensor can send.
const EDGES: [f64; 16] = [
    0.0,
    -0.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    1e-300,
    -1e300,
    1.0,
    20.0,
    50.0,
    3_920.0,
    6_000.0,
];

/// Reads an input from its front.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (front, rest) = self.bytes.split_at(self.bytes.len().min(N));
        self.bytes = rest;
        let mut all = [0; N];
        all[..front.len()].copy_from_slice(front);
        all
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    /// From 0 up to, but not, `end`.
    pub(crate) fn below(&mut self, end: u8) -> u8 {
        self.u8() % end
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// Any number there is: one of the edges, a plain one, or 64 bits as they come.
    pub(crate) fn number(&mut self) -> f64 {
        match self.u8() {
            edge @ 0..64 => EDGES[usize::from(edge % 16)],
            64..200 => f64::from(self.u16()) / 8.0,
            _ => f64::from_le_bytes(self.array()),
        }
    }

    /// A duration in milliseconds: mostly short, now and then an edge.
    pub(crate) fn span_ms(&mut self) -> i64 {
        match self.u8() {
            short @ 0..200 => i64::from(short) * 25,
            200..240 => i64::from(self.u16()) * 100,
            edge => EDGES_MS[usize::from(edge % 12)],
        }
    }
}

/// Walks through event time: small steps, some back, and now and then to an edge.
pub(crate) struct Walk {
    now_ms: i64,
}

impl Walk {
    pub(crate) fn from(start_ms: i64) -> Self {
        Walk { now_ms: start_ms }
    }

    /// The next event time. A step back and a leap to an edge are of one row alone, unless the leap says that it stays.
    pub(crate) fn next(&mut self, input: &mut Input<'_>) -> i64 {
        match input.u8() {
            step @ 0..160 => self.now_ms = self.now_ms.saturating_add(i64::from(step) * 7),
            step @ 160..200 => self.now_ms = self.now_ms.saturating_add(i64::from(step - 159) * 977),
            200..230 => return self.now_ms.saturating_sub(i64::from(input.u16()) / 4),
            230..240 => return EDGES_MS[usize::from(input.below(12))],
            240..250 => self.now_ms = EDGES_MS[usize::from(input.below(12))],
            _ => return input.i64(),
        }
        self.now_ms
    }
}
