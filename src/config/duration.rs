//! Durations as text: numbers with units, in whole milliseconds.

use std::time::Duration;

use crate::expiry::FOREVER_MS;

/// A duration as the cache keeps it: whole milliseconds, fractions rounded up; `Duration::MAX` from 10^15 ms on.
pub(crate) fn whole_millis(span: Duration) -> Duration {
    from_nanos(span.as_nanos())
}

/// The same where a duration may be missing, which is also what the longest ones are.
pub(crate) fn finite(span: Duration) -> Option<Duration> {
    Some(whole_millis(span)).filter(|span| *span != Duration::MAX)
}

fn from_nanos(nanos: u128) -> Duration {
    match u64::try_from(nanos.div_ceil(1_000_000)) {
        Ok(ms) if ms <= FOREVER_MS => Duration::from_millis(ms),
        _ => Duration::MAX,
    }
}

/// A duration as an error shows it.
pub(crate) fn show_duration(span: &Duration) -> String {
    match *span {
        Duration::ZERO => "0s".to_owned(),
        Duration::MAX => "never".to_owned(),
        span => format!("{span:?}"),
    }
}

/// `1h30m`, `1.5s`: numbers with units, the largest unit first.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u128); 6] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
    ];
    let mut nanos = 0_u128;
    let mut units = UNITS.iter();
    let mut rest = text;
    loop {
        let (number, behind) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let end = behind
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let (_, scale) = units.find(|(name, _)| *name == unit)?;
        nanos = nanos.saturating_add(scaled(number, *scale)?);
        if behind.is_empty() {
            return Some(from_nanos(nanos));
        }
        rest = behind;
    }
}

/// A decimal number times `scale`, rounded up.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return None;
    }
    let places = u32::try_from(fraction.len()).ok()?;
    let part = (fraction.parse::<u128>().ok()? * scale).div_ceil(10_u128.pow(places));
    let whole = whole.parse::<u128>().unwrap_or(u128::MAX);
    Some(whole.saturating_mul(scale).saturating_add(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(duration("250ms"), ms(250));
        assert_eq!(duration("5s"), ms(5_000));
        assert_eq!(duration("2m"), ms(120_000));
        assert_eq!(duration("1h30m"), ms(5_400_000));
        assert_eq!(duration("1d1h1m1s1ms"), ms(90_061_001));
        assert_eq!(duration("1.5s"), ms(1_500));
        assert_eq!(duration("0s"), ms(0));
    }

    #[test]
    fn durations_below_a_millisecond_round_up() {
        assert_eq!(duration("1us"), ms(1));
        assert_eq!(duration("0.0001ms"), ms(1));
        assert_eq!(duration("0.000000000000000001s"), ms(1));
        assert_eq!(duration("1.0001s"), ms(1_001));
        assert_eq!(
            whole_millis(Duration::from_nanos(1)),
            Duration::from_millis(1)
        );
    }

    #[test]
    fn durations_above_a_quadrillion_milliseconds_are_never() {
        assert_eq!(duration("1000000000000000ms"), ms(FOREVER_MS));
        assert_eq!(duration("1000000000000001ms"), Some(Duration::MAX));
        assert_eq!(
            duration(&format!("{}d", "9".repeat(60))),
            Some(Duration::MAX)
        );
        assert_eq!(finite(Duration::MAX), None);
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        let wrong = [
            "",
            "5",
            "0",
            "s",
            "5 s",
            " 5s",
            "5 minutes",
            "-5s",
            "+5s",
            "1e3s",
            "5S",
            "1m1h",
            "1s1s",
            "1.s",
            ".5s",
            "1..5s",
            "1,5s",
            "5s5",
            "1h30",
            "never",
            "5w",
            "5µs",
            "٣s",
            "0.0000000000000000001s",
        ];
        for text in wrong {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
