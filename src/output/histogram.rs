//! Histograms: from buckets to the rows that are shown, and the picture SystemTap draws of them, to the byte; langref
//! "Histogram".
//!
//! ```text
//! value |-------------------------------------------------- count
//!     0 |                                                   0
//!     1 |@                                                  1
//!       ~
//! ```

use std::io::Write;

use tapdeck_ebpf::ir::HistShape;

use super::printf::decimal;

/// `HIST_WIDTH` and `HIST_ELISION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistStyle {
    /// Characters of the longest bar.
    pub width: u64,
    /// Rows without samples kept beside rows with some; `None` keeps all.
    pub elision: Option<usize>,
}

impl Default for HistStyle {
    fn default() -> Self {
        Self { width: 50, elision: Some(2) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistRow {
    /// The bucket's index.
    pub bucket: usize,
    pub label: i64,
    pub bound: Bound,
    pub count: u64,
    /// Empty rows before this one were left out.
    pub after_gap: bool,
}

/// What a label says of its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    From,
    /// `<`: everything below.
    Under,
    /// `>`: everything above.
    Over,
}

/// Rows worth showing, ascending: from two below the first sample to two above the last, long gaps left out.
/// Empty without samples.
pub fn rows(shape: HistShape, buckets: &[u64], elision: Option<usize>) -> Vec<HistRow> {
    let Some((low, high)) = shown_range(shape, buckets) else { return Vec::new() };
    let mut rows = Vec::new();
    let mut after_gap = false;
    for bucket in low..=high {
        if let Some(reach) = elision {
            let near = bucket.saturating_sub(reach).max(low)..=(bucket + reach).min(high);
            if buckets[near].iter().all(|n| *n == 0) {
                after_gap = true;
                continue;
            }
        }
        let bound = match shape {
            HistShape::Linear { .. } if bucket == 0 => Bound::Under,
            HistShape::Linear { .. } if bucket == buckets.len() - 1 => Bound::Over,
            _ => Bound::From,
        };
        rows.push(HistRow { bucket, label: shape.label(bucket), bound, count: buckets[bucket], after_gap });
        after_gap = false;
    }
    rows
}

/// First and last bucket shown.
fn shown_range(shape: HistShape, buckets: &[u64]) -> Option<(usize, usize)> {
    const ZERO: usize = 64;
    let mut low = buckets.iter().position(|n| *n != 0)?;
    let mut high = buckets.iter().rposition(|n| *n != 0)?;
    let last = buckets.len() - 1;
    for _ in 0..2 {
        if low > 0 && !(shape == HistShape::Log && low == ZERO) {
            low -= 1;
        }
        if high < last {
            high += 1;
        }
    }
    if let HistShape::Linear { .. } = shape {
        if low == 0 && buckets[0] == 0 {
            low += 1;
        }
        if high == last && buckets[last] == 0 {
            high -= 1;
        }
    }
    Some((low, high))
}

/// Appends the picture and an empty line. Nothing without samples: the caller raises "empty aggregate".
pub fn render(shape: HistShape, buckets: &[u64], style: HistStyle, out: &mut Vec<u8>) {
    let Some((low, high)) = shown_range(shape, buckets) else { return };
    let largest = buckets.iter().copied().max().unwrap_or(0);
    let scale = if largest <= style.width { 1 } else { largest.div_ceil(style.width.max(1)) };
    let count_width = text_len(largest as i64);
    let value_width = value_width(shape, buckets.len(), low, high);

    // Writing into a Vec cannot fail.
    let _ = write!(out, "{:>value_width$} |", "value");
    out.resize(out.len() + style.width as usize, b'-');
    out.extend_from_slice(b" count\n");
    for row in rows(shape, buckets, style.elision) {
        if row.after_gap {
            out.resize(out.len() + value_width, b' ');
            out.extend_from_slice(b" ~\n");
        }
        let sign = match row.bound {
            Bound::From => "",
            Bound::Under => "<",
            Bound::Over => ">",
        };
        let pad = value_width.saturating_sub(text_len(row.label) + sign.len());
        out.resize(out.len() + pad, b' ');
        out.extend_from_slice(sign.as_bytes());
        decimal(row.label, out);
        out.extend_from_slice(b" |");
        let bar = row.count / scale;
        out.resize(out.len() + bar as usize, b'@');
        let count_width = (style.width - bar.min(style.width)) as usize + 1 + count_width;
        let _ = writeln!(out, "{:>count_width$}", row.count);
    }
    out.push(b'\n');
}

/// Columns of labels.
fn value_width(shape: HistShape, n_buckets: usize, low: usize, high: usize) -> usize {
    let widest = match shape {
        HistShape::Log => text_len(shape.label(high)).max(text_len(shape.label(low))),
        // The highest label is measured one or two steps further than it is printed.
        HistShape::Linear { start, step, .. } => {
            let top = start.wrapping_add(step.wrapping_mul(high as i64));
            let under = usize::from(low == 0);
            let over = usize::from(high == n_buckets - 1);
            (text_len(start) + under).max(text_len(top) + over)
        }
    };
    widest.max(5)
}

fn text_len(n: i64) -> usize {
    let digits = n.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(n < 0)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(shape: HistShape, samples: &[(i64, u64)], expected: Expect) {
        let mut buckets = vec![0; shape.n_buckets()];
        samples.iter().for_each(|(value, n)| buckets[shape.bucket(*value)] += n);
        let mut out = Vec::new();
        render(shape, &buckets, HistStyle::default(), &mut out);
        expected.assert_eq(&String::from_utf8(out).unwrap());
    }

    // Expected texts come from an independent model of SystemTap's printer.

    #[test]
    fn picture_1() {
        check(
            HistShape::Log,
            &[(1, 1), (2, 1), (3, 1), (4, 1)],
            expect![[r#"
            value |-------------------------------------------------- count
                0 |                                                   0
                1 |@                                                  1
                2 |@@                                                 2
                4 |@                                                  1
                8 |                                                   0
               16 |                                                   0

        "#]],
        );
    }

    #[test]
    fn picture_2() {
        check(
            HistShape::Log,
            &[(-1, 1), (1, 1)],
            expect![[r#"
            value |-------------------------------------------------- count
               -4 |                                                   0
               -2 |                                                   0
               -1 |@                                                  1
                0 |                                                   0
                1 |@                                                  1
                2 |                                                   0
                4 |                                                   0

        "#]],
        );
    }

    #[test]
    fn picture_3() {
        check(
            HistShape::Log,
            &[(0, 1)],
            expect![[r#"
            value |-------------------------------------------------- count
                0 |@                                                  1
                1 |                                                   0
                2 |                                                   0

        "#]],
        );
    }

    #[test]
    fn picture_4() {
        check(
            HistShape::Linear { start: 0, stop: 1500, step: 50 },
            &[(444, 1), (999, 1)],
            expect![[r#"
            value |-------------------------------------------------- count
              300 |                                                   0
              350 |                                                   0
              400 |@                                                  1
              450 |                                                   0
              500 |                                                   0
                  ~
              850 |                                                   0
              900 |                                                   0
              950 |@                                                  1
             1000 |                                                   0
             1050 |                                                   0

        "#]],
        );
    }

    #[test]
    fn picture_5() {
        check(
            HistShape::Log,
            &[(1, 51), (2, 101)],
            expect![[r#"
            value |-------------------------------------------------- count
                0 |                                                     0
                1 |@@@@@@@@@@@@@@@@@                                   51
                2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@                  101
                4 |                                                     0
                8 |                                                     0

        "#]],
        );
    }

    #[test]
    fn picture_6() {
        check(
            HistShape::Log,
            &[(-5000, 1), (70000, 1), (4611686018427387904, 1)],
            expect![[r#"
                          value |-------------------------------------------------- count
                         -16384 |                                                   0
                          -8192 |                                                   0
                          -4096 |@                                                  1
                          -2048 |                                                   0
                          -1024 |                                                   0
                                ~
                          16384 |                                                   0
                          32768 |                                                   0
                          65536 |@                                                  1
                         131072 |                                                   0
                         262144 |                                                   0
                                ~
            1152921504606846976 |                                                   0
            2305843009213693952 |                                                   0
            4611686018427387904 |@                                                  1

        "#]],
        );
    }

    #[test]
    fn picture_7() {
        check(
            HistShape::Log,
            &[(i64::MIN, 1), (9223372036854775807, 1)],
            expect![[r#"
                           value |-------------------------------------------------- count
            -9223372036854775808 |@                                                  1
            -4611686018427387904 |                                                   0
            -2305843009213693952 |                                                   0
                                 ~
             1152921504606846976 |                                                   0
             2305843009213693952 |                                                   0
             4611686018427387904 |@                                                  1

        "#]],
        );
    }

    #[test]
    fn picture_8() {
        check(
            HistShape::Linear { start: 0, stop: 100, step: 10 },
            &[(-5, 1), (3, 2), (250, 1), (99, 1), (100, 1)],
            expect![[r#"
            value |-------------------------------------------------- count
               <0 |@                                                  1
                0 |@@                                                 2
               10 |                                                   0
               20 |                                                   0
                  ~
               70 |                                                   0
               80 |                                                   0
               90 |@                                                  1
              100 |@                                                  1
             >100 |@                                                  1

        "#]],
        );
    }

    #[test]
    fn picture_9() {
        check(
            HistShape::Linear { start: -1000, stop: 1000, step: 100 },
            &[(-1000, 40), (-999, 40), (0, 40), (5, 40), (1000, 1)],
            expect![[r#"
            value |-------------------------------------------------- count
            -1000 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@           80
             -900 |                                                    0
             -800 |                                                    0
                  ~
             -200 |                                                    0
             -100 |                                                    0
                0 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@           80
              100 |                                                    0
              200 |                                                    0
                  ~
              800 |                                                    0
              900 |                                                    0
             1000 |                                                    1

        "#]],
        );
    }

    #[test]
    fn picture_10() {
        check(
            HistShape::Linear { start: 10, stop: 20, step: 1 },
            &[(5, 1234)],
            expect![[r#"
            value |-------------------------------------------------- count
              <10 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@  1234
               10 |                                                      0
               11 |                                                      0

        "#]],
        );
    }

    #[test]
    fn picture_11() {
        check(
            HistShape::Log,
            &[(3, 1000), (1000000, 1)],
            expect![[r#"
              value |-------------------------------------------------- count
                  0 |                                                      0
                  1 |                                                      0
                  2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 1000
                  4 |                                                      0
                  8 |                                                      0
                    ~
             131072 |                                                      0
             262144 |                                                      0
             524288 |                                                      1
            1048576 |                                                      0
            2097152 |                                                      0

        "#]],
        );
    }

    #[test]
    fn picture_12() {
        check(
            HistShape::Linear { start: 0, stop: 1, step: 1 },
            &[(0, 1)],
            expect![[r#"
            value |-------------------------------------------------- count
                0 |@                                                  1
                1 |                                                   0

        "#]],
        );
    }

    #[test]
    fn picture_13() {
        check(
            HistShape::Linear { start: 0, stop: 100000, step: 1000 },
            &[(99999, 1), (1, 1)],
            expect![[r#"
             value |-------------------------------------------------- count
                 0 |@                                                  1
              1000 |                                                   0
              2000 |                                                   0
                   ~
             97000 |                                                   0
             98000 |                                                   0
             99000 |@                                                  1
            100000 |                                                   0

        "#]],
        );
    }

    #[test]
    fn picture_14() {
        check(
            HistShape::Linear { start: 0, stop: 100000, step: 1000 },
            &[(100001, 1), (99000, 1)],
            expect![[r#"
             value |-------------------------------------------------- count
             97000 |                                                   0
             98000 |                                                   0
             99000 |@                                                  1
            100000 |@                                                  1

        "#]],
        );
    }

    #[test]
    fn nothing_draws_nothing() {
        check(HistShape::Log, &[], expect![[""]]);
    }
}
