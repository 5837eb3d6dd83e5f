//! Topic names and filters (MQTT 5, section 4.7).

use std::fmt::Write;

/// The longest topic, in bytes.
const MAX_BYTES: usize = 65_535;

/// Whether messages can be published to `topic`.
pub(crate) fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= MAX_BYTES && !topic.contains(['+', '#', '\0'])
}

/// Whether `filter` can be subscribed to: wildcards stand for whole levels, and `#` only at the end.
pub(crate) fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > MAX_BYTES || filter.contains('\0') {
        return false;
    }
    let levels: Vec<&str> = filter.split('/').collect();
    levels.iter().enumerate().all(|(i, level)| match *level {
        "+" => true,
        "#" => i + 1 == levels.len(),
        level => !level.contains(['+', '#']),
    })
}

/// An id as one topic level: different ids give different levels, and none gives a wildcard or two levels.
pub(crate) fn level_of(id: &str) -> String {
    let mut level = String::with_capacity(id.len());
    for c in id.chars() {
        if c.is_control() || matches!(c, '%' | '/' | '+' | '#') {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(level, "%{byte:02X}");
            }
        } else {
            level.push(c);
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_one_level_each() {
        assert_eq!(level_of("crane K1"), "crane K1");
        assert_eq!(level_of("a/b+#%\0ü"), "a%2Fb%2B%23%25%00ü");
        assert!(is_topic(&level_of("+/#")));
    }

    #[test]
    fn filters_follow_the_standard() {
        for good in ["#", "+", "a/+/b/#", "/", "a//b", "+/+"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", "a/#/b", "a#", "a+/b", "#/"] {
            assert!(!is_filter(bad), "{bad}");
        }
        assert!(is_topic("a/b") && !is_topic("a/+") && !is_topic(""));
    }
}
