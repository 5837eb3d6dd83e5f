//! A logistic regression over all that is known at once, as a plain way to tell.

use watchfire::detect::Likely;

use crate::train::Known;

/// Weights of features in standard deviations, the intercept first.
#[derive(Clone)]
pub struct Logistic {
    means: Vec<f64>,
    deviations: Vec<f64>,
    weights: Vec<f64>,
}

/// How strongly weights are kept small, but for the intercept.
const L2: f64 = 100.0;

const STEPS: usize = 12;

/// Far steps overshoot where one can be told from the other.
const STEP_MAX: f64 = 3.0;

impl Logistic {
    /// By Newton's steps.
    pub fn fit(known: &Known<'_>) -> Logistic {
        let width = known.first().map_or(0, |(row, _)| row.len());
        let count = known.len().max(1) as f64;
        let mean = |of: &dyn Fn(&[f64]) -> f64| known.iter().map(|(row, _)| of(row)).sum::<f64>() / count;
        let means: Vec<f64> = (0..width).map(|of| mean(&|row| row[of])).collect();
        let deviation = |of: usize| mean(&|row| (row[of] - means[of]).powi(2)).sqrt();
        let deviations = (0..width).map(deviation).map(|of| if of > 1e-12 { of } else { 1.0 }).collect();
        let mut fitted = Logistic { means, deviations, weights: vec![0.0; width + 1] };
        let scaled: Vec<(Vec<f64>, bool)> = known.iter().map(|(row, of)| (fitted.scaled(row), *of)).collect();
        for _ in 0..STEPS {
            let Some(step) = fitted.step(&scaled) else { break };
            let largest = step.iter().fold(0.0_f64, |most, of| most.max(of.abs()));
            let shorter = (STEP_MAX / largest).min(1.0);
            fitted.weights.iter_mut().zip(&step).for_each(|(weight, step)| *weight += shorter * step);
            if largest < 1e-6 {
                break;
            }
        }
        fitted
    }

    pub fn predict(&self, row: &[f64]) -> Likely {
        let why: Vec<f64> = self.weights.iter().zip(self.scaled(row)).map(|(weight, of)| weight * of).collect();
        Likely { p: 1.0 / (1.0 + (-why.iter().sum::<f64>()).exp()), why }
    }

    fn scaled(&self, row: &[f64]) -> Vec<f64> {
        let of = row.iter().zip(&self.means).zip(&self.deviations);
        std::iter::once(1.0).chain(of.map(|((of, mean), sd)| ((of - mean) / sd).clamp(-10.0, 10.0))).collect()
    }

    fn step(&self, scaled: &[(Vec<f64>, bool)]) -> Option<Vec<f64>> {
        let width = self.weights.len();
        let (mut gradient, mut hessian) = (vec![0.0; width], vec![vec![0.0; width]; width]);
        for (row, happened) in scaled {
            let p = 1.0 / (1.0 + (-dot(&self.weights, row)).exp());
            let (missed, curve) = (f64::from(u8::from(*happened)) - p, (p * (1.0 - p)).max(1e-9));
            for (of, (gradient, hessian)) in gradient.iter_mut().zip(&mut hessian).enumerate() {
                *gradient += missed * row[of];
                let by = curve * row[of];
                hessian[..=of].iter_mut().zip(row).for_each(|(sum, value)| *sum += by * value);
            }
        }
        for of in 0..width {
            let l2 = if of == 0 { 1e-9 } else { L2 };
            gradient[of] -= l2 * self.weights[of];
            hessian[of][of] += l2;
        }
        solve(hessian, gradient)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// By Cholesky; only the lower half of `a` is read. None if it is not positive definite.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let size = b.len();
    for i in 0..size {
        for j in 0..=i {
            let left = a[i][j] - dot(&a[i][..j], &a[j][..j]);
            if i == j && left <= 0.0 {
                return None;
            }
            a[i][j] = if i == j { left.sqrt() } else { left / a[j][j] };
        }
        b[i] = (b[i] - dot(&a[i][..i], &b[..i])) / a[i][i];
    }
    for i in (0..size).rev() {
        b[i] = (b[i] - (i + 1..size).map(|k| a[k][i] * b[k]).sum::<f64>()) / a[i][i];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_fitted_weights_nothing_pulls() {
        let rows: Vec<(Vec<f64>, bool)> =
            (0..400_u32).map(|n| (vec![f64::from(n % 17), f64::from(n % 5)], n % 17 + n % 3 > 9)).collect();
        let known: Vec<(&[f64], bool)> = rows.iter().map(|(row, happened)| (row.as_slice(), *happened)).collect();
        let fitted = Logistic::fit(&known);
        let (mut pull, mut happened) = (0.0, 0.0);
        for (row, of) in &known {
            happened += f64::from(u8::from(*of));
            pull += fitted.predict(row).p;
        }
        assert!((pull - happened).abs() < 1e-6, "as many are foretold as have happened: {pull} {happened}");
        assert!(fitted.weights[1] > 10.0 * fitted.weights[2].abs(), "{:?}", fitted.weights);
    }
}
