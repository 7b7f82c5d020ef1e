//! Rules `cardinality-min` and `cardinality-max`, noted at the element that lacks something or holds
//! too much of it.

use super::at::At;
use super::check::Check;
use super::model::Shape;

impl Check<'_> {
    /// Elements of a type that must be there and are not: a bit each.
    pub(super) fn missing(&mut self, shape: &Shape, mut bits: u128, at: &At<'_>) {
        while bits != 0 {
            let index = usize::try_from(bits.trailing_zeros()).unwrap_or(usize::MAX);
            bits &= bits - 1;
            if let Some(element) = shape.elements.get(index) {
                self.too_few(element.min, 0, &element.name, at);
            }
        }
    }

    /// Fewer than needed.
    pub(super) fn too_few(&mut self, min: u32, count: usize, name: &str, at: &At<'_>) {
        let words = format!("needs at least {min} of {name}, has {count}");
        self.error("required", "cardinality-min", at, words);
    }

    /// More than allowed, if so.
    pub(super) fn at_most(&mut self, count: usize, max: u32, name: &str, at: &At<'_>) {
        if u32::try_from(count).is_ok_and(|count| count > max) {
            let words = format!("allows at most {max} of {name}, has {count}");
            self.error("structure", "cardinality-max", at, words);
        }
    }
}
