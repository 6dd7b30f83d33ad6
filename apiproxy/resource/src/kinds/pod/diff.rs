//! The difference of two objects as upstream's errors show it: a unified diff of their indented JSON.

use serde_json::Value;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// A unified diff without file names; empty when both are the same.
pub(crate) fn unified(old: &Value, new: &Value) -> String {
    let render = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let (old, new) = (render(old), render(new));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // Common head and tail are cut: one hunk shows the rest, which is what a refused update needs.
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let limit = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(limit).take_while(|(a, b)| a == b).count();
    if head == old.len() && head == new.len() {
        return String::new();
    }
    let start = head.saturating_sub(CONTEXT);
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let after = tail.min(CONTEXT);
    let mut text =
        format!("@@ -{},{} +{},{} @@\n", start + 1, old_end + after - start, start + 1, new_end + after - start);
    let mut write = |mark: char, lines: &[&str]| {
        for line in lines {
            text.push(mark);
            text.push_str(line);
            text.push('\n');
        }
    };
    write(' ', &old[start..head]);
    write('-', &old[head..old_end]);
    write('+', &new[head..new_end]);
    write(' ', &old[old_end..old_end + after]);
    text
}

#[cfg(test)]
mod tests {
    use super::unified;
    use serde_json::json;

    #[test]
    fn shows_one_change_with_context() {
        let text = unified(&json!({"a": 1, "b": 2, "c": 3}), &json!({"a": 1, "b": 5, "c": 3}));
        assert_eq!(text, "@@ -1,5 +1,5 @@\n {\n   \"a\": 1,\n-  \"b\": 2,\n+  \"b\": 5,\n   \"c\": 3\n }\n");
        assert_eq!(unified(&json!({}), &json!({})), "");
    }
}
