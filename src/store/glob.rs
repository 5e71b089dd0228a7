//! Matching of keys against the globs of `KEYS` and `SCAN`: `*`, `?`, `[abc]`, `[^a]`, `[a-z]` and `\x`, on bytes.
//! The rules are those of `stringmatchlen` in Redis' util.c, its treatment of unfinished classes included, so that
//! a pattern means the same in every store. One pass with one place to go back to: the worst pattern costs the
//! product of both lengths, never more.

/// Whether the whole of `text` fits `pattern`.
///
/// Bytes above 0x7F in a range are ordered as unsigned numbers, as Redis does where C's `char` is unsigned.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Behind the last `*`, and the text it has not taken yet. Earlier ones need no second try: whatever they could
    // take in addition, the last one can.
    let mut last_star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            if rest.is_empty() {
                return true;
            }
            last_star = Some((rest, text));
            pattern = rest;
            continue;
        }
        let Some((&byte, text_rest)) = text.split_first() else {
            return pattern.is_empty();
        };
        if let Some(pattern_rest) = after_one(pattern, byte) {
            (pattern, text) = (pattern_rest, text_rest);
            continue;
        }
        let Some((rest, [_, left @ ..])) = last_star else {
            return false;
        };
        last_star = Some((rest, left));
        (pattern, text) = (rest, left);
    }
}

/// What remains of `pattern` after its first item, when that item takes `byte`. Every item but `*` takes one.
fn after_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (takes, rest) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => (true, rest),
        [b'[', class @ ..] => class_takes(class, byte),
        [b'\\', escaped, rest @ ..] => (*escaped == byte, rest),
        [literal, rest @ ..] => (*literal == byte, rest),
    };
    takes.then_some(rest)
}

/// Whether the class, given from behind its `[`, takes `byte`, and what follows its `]`. A class without end goes
/// on to the end of the pattern; the `]` of `[a-]` is the end of a range.
fn class_takes(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let mut found = false;
    loop {
        let (takes, rest) = match class {
            [] => return (found != negated, class),
            [b'\\', escaped, rest @ ..] => (*escaped == byte, rest),
            [b']', rest @ ..] => return (found != negated, rest),
            [a, b'-', b, rest @ ..] => ((*a.min(b)..=*a.max(b)).contains(&byte), rest),
            [literal, rest @ ..] => (*literal == byte, rest),
        };
        found |= takes;
        class = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use crate::redis::testing::Server;

    use super::matches;

    /// Pattern, what it takes, what it does not.
    const RULES: [(&str, &[&str], &[&str]); 26] = [
        ("", &[""], &["a"]),
        ("abc", &["abc"], &["ab", "abcd", "abC"]),
        ("*", &["a", "abc"], &[]),
        ("a*", &["a", "abc"], &["ba"]),
        ("**c", &["c", "abc"], &["cb"]),
        ("a*b*c", &["abc", "axbxc", "abcbc"], &["acb", "abcd"]),
        ("?", &["a", "*"], &["", "ab"]),
        ("a?c", &["abc"], &["ac"]),
        ("[abc]x", &["ax", "cx"], &["dx", "x"]),
        ("[^abc]", &["d", "^"], &["a", ""]),
        ("[a^]", &["a", "^"], &["b"]),
        ("[a-c]", &["a", "b", "c"], &["d", "-"]),
        ("[c-a]", &["a", "b", "c"], &["d", "-"]),
        ("[c-]", &["]", "a", "b", "c"], &["-", "d"]),
        ("[a-", &["a", "-"], &["b"]),
        ("[a", &["a"], &["[a", "b"]),
        ("[", &[], &["[", "a", ""]),
        ("[^", &["a", "^"], &["", "ab"]),
        ("[]", &[], &["]", "[]", ""]),
        ("[^]", &["a", "]"], &["", "ab"]),
        ("[]a]", &[], &["]", "a", "a]"]),
        ("[\\]a]", &["]", "a"], &["\\"]),
        ("[a\\-c]", &["a", "-", "c"], &["b", "\\"]),
        ("\\*\\a", &["*a"], &["xa", "\\*\\a"]),
        ("a\\", &["a\\"], &["a"]),
        ("[\\", &["\\"], &["[\\"]),
    ];

    #[test]
    fn patterns_mean_what_the_table_says() {
        for (pattern, takes, refuses) in RULES {
            for text in takes {
                assert!(
                    matches(pattern.as_bytes(), text.as_bytes()),
                    "{pattern:?} takes {text:?}"
                );
            }
            for text in refuses {
                assert!(
                    !matches(pattern.as_bytes(), text.as_bytes()),
                    "{pattern:?} refuses {text:?}"
                );
            }
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_the_product_of_the_lengths() {
        let pattern = [&b"a*".repeat(2000)[..], b"b"].concat();
        let text = b"a".repeat(20_000);
        let started = Instant::now();
        assert!(!matches(&pattern, &text));
        assert!(matches(&pattern, &[&text[..], b"b"].concat()));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn ranges_of_high_bytes_are_unsigned() {
        assert!(matches(b"[\x7f-\x81]", b"\x80"));
        assert!(!matches(b"[a-\xff]", b"A"));
    }

    #[test]
    fn a_server_agrees_on_the_table_and_on_random_patterns() {
        let server = Server::start();
        let client = redis::Client::open(format!("unix://{}", server.socket().display())).unwrap();
        let mut connection = client.get_connection().unwrap();
        // KEYS answers the bare `*` before it looks at the keys; another star shows what the matcher thinks.
        for (pattern, takes, refuses) in RULES.iter().filter(|rule| rule.0 != "*") {
            let texts: Vec<&str> = takes.iter().chain(*refuses).copied().collect();
            let found = matching(&mut connection, pattern.as_bytes(), &texts);
            assert_eq!(
                found,
                takes.iter().map(|text| text.as_bytes().to_vec()).collect(),
                "{pattern:?}"
            );
        }

        let byte = || {
            prop_oneof![
                Just(b'a'),
                Just(b'b'),
                Just(b'c'),
                Just(b'-'),
                Just(b']'),
                Just(0x80),
                any::<u8>().prop_map(|b| b & 0x7f)
            ]
        };
        let special = prop_oneof![
            3 => Just(b'*'), 1 => Just(b'?'), 3 => Just(b'['), 2 => Just(b']'), 2 => Just(b'\\'), 2 => Just(b'^'), 2 => Just(b'-')
        ];
        let pattern = prop::collection::vec(prop_oneof![1 => byte(), 1 => special], 0..10);
        let texts = prop::collection::vec(prop::collection::vec(byte(), 1..6), 1..24);
        let case = (pattern, texts).prop_filter(
            "ranges of bytes that C's char orders by the machine",
            |(pattern, _)| !(pattern.contains(&b'-') && pattern.iter().any(|byte| *byte >= 0x80)),
        );
        let connection = RefCell::new(connection);
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 500,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let agreed = runner.run(&case, |(pattern, texts)| {
            let ours = texts
                .iter()
                .filter(|text| matches(&pattern, text))
                .cloned()
                .collect();
            prop_assert_eq!(
                matching(&mut connection.borrow_mut(), &pattern, &texts),
                ours
            );
            Ok(())
        });
        agreed.unwrap();
    }

    fn matching<T: AsRef<[u8]>>(
        connection: &mut redis::Connection,
        pattern: &[u8],
        texts: &[T],
    ) -> BTreeSet<Vec<u8>> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("FLUSHALL").ignore();
        for text in texts {
            pipeline.cmd("SET").arg(text.as_ref()).arg("").ignore();
        }
        let (keys,): (BTreeSet<Vec<u8>>,) =
            pipeline.cmd("KEYS").arg(pattern).query(connection).unwrap();
        keys
    }
}
