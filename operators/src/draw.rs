//! Random draws and the few functions of analysis that simulators need, the same to the last bit on every machine.
//!
//! Draws are counter-based: draw `n` of a stream is a hash of (seed, crane or lift, stream, `n`), so any of them can be had
//! without the ones before, and no draw depends on how many another stream made. The hash is the finalizer of
//! SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Of floating point only `+ - * /`, comparison and rounding are used,
//! which IEEE 754 defines exactly; `exp`, `ln` and `sin` of the platform may differ in their last bits.

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
/// 2^-53: one step of a uniform draw.
const UNIT_STEP: f64 = 1.0 / 9_007_199_254_740_992.0;

const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// What a stream of draws is for. The number is part of every draw: never change one, only add.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Phase = 1,
    Lift = 2,
    LoadNoise = 3,
    Drift = 4,
    Stuck = 5,
    Outage = 6,
    ClockJump = 7,
    ClockOffset = 8,
    DropoutRate = 9,
    Dropout = 10,
    Duplicate = 11,
    Latency = 12,
    WindMean = 13,
    WindGust = 14,
    Operator = 15,
    Reeving = 16,
    LiftDay = 17,
    LiftKind = 18,
    LiftRows = 19,
    PowerCut = 20,
    LiftWear = 21,
    LiftTrip = 22,
}

/// One stream of draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    key: u64,
}

impl Draws {
    pub(crate) fn new(seed: u64, who: u32, purpose: Purpose) -> Self {
        let who = (u64::from(who) << 8) | purpose as u64;
        Self { key: mix(mix(seed.wrapping_add(GOLDEN_GAMMA)) ^ mix(who.wrapping_mul(GOLDEN_GAMMA))) }
    }

    #[inline]
    pub(crate) fn bits(self, n: u64) -> u64 {
        mix(self.key.wrapping_add(n.wrapping_mul(GOLDEN_GAMMA)))
    }

    /// Uniform in [0, 1).
    #[inline]
    pub(crate) fn unit(self, n: u64) -> f64 {
        (self.bits(n) >> 11) as f64 * UNIT_STEP
    }

    /// Uniform in [low, high).
    #[inline]
    pub(crate) fn between(self, n: u64, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit(n)
    }

    /// True with the given probability.
    #[inline]
    pub(crate) fn chance(self, n: u64, probability: f64) -> bool {
        self.unit(n) < probability
    }

    /// Close to a standard normal: the scaled sum of four uniform draws of 16 bits, all from one hash. Its tails end at
    /// 3.46 standard deviations.
    #[inline]
    pub(crate) fn normal(self, n: u64) -> f64 {
        let bits = self.bits(n);
        let sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
        // Four uniforms on [0, 1) have mean 2 and variance 4/12; 1.732... is the root of 3.
        ((sum as f64 + 2.0) / 65_536.0 - 2.0) * 1.732_050_807_568_877_2
    }

    /// Exponential with the given mean, above 0.
    pub(crate) fn exponential(self, n: u64, mean: f64) -> f64 {
        -mean * ln(1.0 - self.unit(n))
    }
}

/// e^x to about 1e-15 relative; the argument is cut to [-700, 700].
pub(crate) fn exp(x: f64) -> f64 {
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = if x.is_nan() { return x } else { x.clamp(-700.0, 700.0) };
    let twos = (x * std::f64::consts::LOG2_E).round();
    let rest = x - twos * LN_2_HIGH - twos * LN_2_LOW;
    let mut sum = 1.0;
    for term in (1..=14).rev() {
        sum = 1.0 + rest / f64::from(term) * sum;
    }
    sum * f64::from_bits(((1_023 + twos as i64) as u64) << 52)
}

/// Natural logarithm of a normal positive number, to about 1e-15; negative infinity for 0.
pub(crate) fn ln(x: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let bits = x.to_bits();
    let mut twos = ((bits >> 52) & 0x7FF) as i64 - 1_023;
    let mut mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | (1_023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        twos += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for odd in (0..11).rev() {
        sum = sum * square + 1.0 / f64::from(2 * odd + 1);
    }
    2.0 * s * sum + twos as f64 * std::f64::consts::LN_2
}

/// The sine of an angle given in full turns, to about 1e-10.
#[inline]
pub(crate) fn sin_turns(turns: f64) -> f64 {
    let part = turns - (turns + 0.5).floor();
    // Fold the half turn onto a quarter turn either side of zero, where the series converges fast.
    let folded = if part > 0.25 {
        0.5 - part
    } else if part < -0.25 {
        -0.5 - part
    } else {
        part
    };
    let x = folded * std::f64::consts::TAU;
    let square = x * x;
    let mut sum = 1.0;
    for step in [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        sum = 1.0 - square / (2.0 * step * (2.0 * step + 1.0)) * sum;
    }
    x * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_pinned() {
        let draws = Draws::new(42, 7, Purpose::Lift);
        let first: Vec<u64> = (0..3).map(|n| draws.bits(n)).collect();
        assert_eq!(first, PINNED, "{first:#x?}");
    }

    /// A change here changes every simulated site.
    const PINNED: [u64; 3] = [0x6c29_4fac_9c94_f549, 0x8d0e_c7d2_1f17_784f, 0x53c1_e2c2_6f42_ffb8];

    #[test]
    fn the_hash_is_splitmix64() {
        // The first outputs of the published generator from seed 0.
        assert_eq!(mix(GOLDEN_GAMMA), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(GOLDEN_GAMMA.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn streams_do_not_follow_one_another() {
        let one = Draws::new(1, 1, Purpose::Lift);
        for other in
            [Draws::new(2, 1, Purpose::Lift), Draws::new(1, 2, Purpose::Lift), Draws::new(1, 1, Purpose::Drift)]
        {
            let equal = (0..64).filter(|&n| one.bits(n) == other.bits(n)).count();
            assert_eq!(equal, 0);
        }
    }

    #[test]
    fn moments_of_the_draws() {
        let draws = Draws::new(3, 1, Purpose::LoadNoise);
        let count = 200_000;
        let mean = |of: &dyn Fn(u64) -> f64| (0..count).map(of).sum::<f64>() / count as f64;
        assert!((mean(&|n| draws.unit(n)) - 0.5).abs() < 0.003);
        assert!(mean(&|n| draws.normal(n)).abs() < 0.01);
        assert!((mean(&|n| draws.normal(n) * draws.normal(n)) - 1.0).abs() < 0.02);
        assert!((mean(&|n| draws.exponential(n, 5.0)) - 5.0).abs() < 0.06);
        assert!((mean(&|n| f64::from(u8::from(draws.chance(n, 0.02)))) - 0.02).abs() < 0.002);
    }

    #[test]
    fn functions_agree_with_the_platform() {
        for step in -4_000..4_000 {
            let x = f64::from(step) / 100.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-14, "exp {x}");
            assert!((sin_turns(x) - (x * std::f64::consts::TAU).sin()).abs() < 1e-9, "sin {x}");
        }
        for step in 1..4_000 {
            let x = f64::from(step * step) / 1_000.0;
            assert!((ln(x) - x.ln()).abs() < 1e-14 * x.ln().abs().max(1.0), "ln {x}");
        }
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert!(exp(1e9).is_finite() && exp(-1e9) > 0.0 && exp(f64::NAN).is_nan());
    }
}
