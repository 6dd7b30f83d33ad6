//! Regular expressions with the meaning Go (RE2) gives them, compiled once.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

/// Compiled patterns kept; beyond that the cache starts anew.
const MAX_CACHED: usize = 4096;
/// Bytes a compiled pattern may take.
const MAX_COMPILED: usize = 1 << 20;

type Cache = HashMap<String, Result<Arc<Regex>, String>>;

static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

/// The compiled form of a Go pattern.
///
/// # Errors
/// Why it does not compile.
pub(crate) fn compiled(pattern: &str) -> Result<Arc<Regex>, String> {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cache.get(pattern) {
        return known.clone();
    }
    if cache.len() >= MAX_CACHED {
        cache.clear();
    }
    let built = go_regex(pattern).map(Arc::new);
    cache.insert(pattern.to_owned(), built.clone());
    built
}

/// Compiles a Go pattern without caching it.
///
/// # Errors
/// Why it does not compile, in one line.
pub(crate) fn go_regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translated(pattern)).size_limit(MAX_COMPILED).nest_limit(200).build().map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// Go's `\d`, `\w`, `\s` and `\b` are ASCII; `[` and `&&` within a class are plain characters; `\Q…\E` quotes.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '\\' {
            if !class && let Some(quoted) = after.strip_prefix('Q') {
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                out.push_str(&regex::escape(&quoted[..end]));
                rest = quoted.get(end + 2..).unwrap_or_default();
                continue;
            }
            rest = escape(after, class, &mut out);
            continue;
        }
        match c {
            '[' if class => {
                // `[:alpha:]` is the one bracket that means something inside a class.
                match after.strip_prefix(':').and_then(|name| name.find(":]").map(|end| end + 4)) {
                    Some(end) => {
                        out.push_str(&rest[..end]);
                        rest = &rest[end..];
                        continue;
                    }
                    None => out.push_str("\\["),
                }
            }
            '[' => {
                class = true;
                out.push('[');
                let negated = after.strip_prefix('^');
                let mut body = negated.unwrap_or(after);
                if negated.is_some() {
                    out.push('^');
                }
                // A bracket right at the start stands for itself.
                if let Some(inner) = body.strip_prefix(']') {
                    out.push_str("\\]");
                    body = inner;
                }
                rest = body;
                continue;
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        rest = after;
    }
    out
}

/// Translates what follows a backslash and returns the rest.
fn escape<'p>(after: &'p str, class: bool, out: &mut String) -> &'p str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let ascii = match (c, class) {
        ('d', true) => "0-9",
        ('w', true) => "0-9A-Za-z_",
        ('s', true) => "\\t\\n\\f\\r ",
        ('d', false) => "[0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('D', _) => "[^0-9]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('S', _) => "[^\\t\\n\\f\\r ]",
        ('b', false) => "(?-u:\\b)",
        ('<', _) => "<",
        ('>', _) => ">",
        _ => {
            out.push('\\');
            out.push(c);
            return &after[c.len_utf8()..];
        }
    };
    out.push_str(ascii);
    &after[c.len_utf8()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_go_means() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^[\w-]+$", "a_b-c", true),
            (r"^[^\s]+$", "a b", false),
            (r"^[[]$", "[", true),
            (r"^[]a]+$", "a]", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"\<a\>", "<a>", true),
            (r"^(\S)+$", "é", true),
            (r"a{1,3}", "aa", true),
        ];
        for (pattern, text, want) in cases {
            assert_eq!(compiled(pattern).unwrap().is_match(text), want, "{pattern} {text}");
        }
        assert!(compiled("(").is_err() && compiled("a(?=b)").is_err() && compiled("(a{1000}){1000}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[\\\\\\[\\]^$(){}a-dQEdwsb:&~.*+?|-]{0,30}|\\PC{0,20}") {
            let _ = go_regex(&pattern);
        }
    }
}
