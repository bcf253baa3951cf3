//! The layout of a definition's text: indentation, spacing and quotes. Comments, blank lines and the meaning stay.

use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions, LineBreak};

use super::{Diagnostic, Source, parse};

/// Maximum width of a line, if it can be broken.
const WIDTH: usize = 150;

/// Maximum number of passes until the layout stays the same.
const MAX_PASSES: usize = 5;

/// Returns the text in the standard layout.
///
/// # Errors
/// Returns the syntax errors of the text, or a problem if the layout would change its meaning.
pub fn formatted_text(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let (meaning, _) = parse::parse(source)?;
    let line_break = if source.text.contains("\r\n") { LineBreak::Crlf } else { LineBreak::Lf };
    let options = FormatOptions {
        layout: LayoutOptions { print_width: WIDTH, indent_width: 2, line_break },
        language: LanguageOptions { trailing_comma: false, ..LanguageOptions::default() },
    };
    let problem = |message: String| vec![Diagnostic::new("format", message).at(Some(0..0)).help("leave the file as it is, or simplify it")];
    let mut text = source.text.clone();
    for _ in 0..MAX_PASSES {
        let next = pretty_yaml::format_text(&text, &options).map_err(|error| problem(format!("the text can't be formatted: {error}")))?;
        if next == text {
            break;
        }
        text = next;
    }
    match parse::parse(&Source::new(source.path.clone(), text.clone())) {
        Ok((after, _)) if after == meaning => Ok(text),
        _ => Err(problem("the standard layout would change the meaning of this text".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::definition::{LoadOptions, environment_names, load};

    fn formatted(text: &str) -> String {
        formatted_text(&Source::new("stack.yaml", text)).unwrap_or_else(|problems| panic!("{}\n{text}", problems[0].message))
    }

    #[test]
    fn keeps_comments_and_expressions() {
        let text = "# shop\nstack:   shop   # ours\n\nvalues: {zones:   2}\nnetwork:\n    cidr: \"{{ cidr | default(value='10.0.0.0/16') }}\"\n    \
                    zones: '{{ zones }}'\nresources:\n  # one\n  vpc: {main:   {cidr: 10.0.0.0/16}}\n";
        let wanted = "# shop\nstack: shop # ours\n\nvalues: { zones: 2 }\nnetwork:\n  cidr: \"{{ cidr | default(value='10.0.0.0/16') }}\"\n  \
                      zones: \"{{ zones }}\"\nresources:\n  # one\n  vpc: { main: { cidr: 10.0.0.0/16 } }\n";
        assert_eq!(formatted(text), wanted);
        assert_eq!(formatted(wanted), wanted);
        assert_eq!(formatted("stack:   shop\r\nregion: eu-west-1\r\n"), "stack: shop\r\nregion: eu-west-1\r\n");
        assert!(formatted_text(&Source::new("stack.yaml", "a: [")).is_err());
    }

    /// Definitions of the repository compile to the same resources.
    #[test]
    fn formatting_keeps_the_compiled_stacks() {
        let mut checked = 0;
        for folder in ["stacks", "templates/github"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for entry in fs::read_dir(folder).expect("a folder").flatten() {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                let source = Source::new(entry.path().display().to_string(), text);
                let is_definition = source.text.lines().any(|line| line.starts_with("stack:"));
                if !is_definition {
                    continue;
                }
                let after = Source::new(source.path.clone(), formatted(&source.text));
                assert_eq!(formatted(&after.text), after.text, "{} is stable", source.path);
                for environment in environment_names(&source).expect("environments") {
                    let options = LoadOptions { environment: Some(environment), ..LoadOptions::default() };
                    let specs = |source: &Source| -> Vec<(String, Value)> {
                        let stack = load(source, &options).unwrap_or_else(|problems| panic!("{}: {}", source.path, problems[0].message));
                        stack.resources.values().map(|one| (one.address.to_string(), one.spec.clone())).collect()
                    };
                    assert_eq!(specs(&source), specs(&after), "{}", source.path);
                }
                checked += 1;
            }
        }
        assert!(checked >= 6, "{checked}");
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z0-9 :#'\"{}%.,-]{0,30}".prop_map(Value::from),
            "[a-z]{1,5}".prop_map(|name| Value::from(format!("{{{{ {name} }}}}"))),
            "[a-z ]{1,20}\n[a-z ]{1,20}\n".prop_map(Value::from),
            Just(Value::Null),
        ]
    }

    fn tree() -> impl Strategy<Value = Value> {
        scalar().prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z][a-z0-9_-]{0,12}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect::<Map<String, Value>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn formatting_is_idempotent_and_keeps_the_meaning(tree in tree(), comment in "[a-z ]{0,20}") {
            let text = format!("# {comment}\n{}", serde_yaml::to_string(&serde_json::json!({ "stack": "shop", "x-tree": tree })).expect("YAML"));
            if let Ok(once) = formatted_text(&Source::new("stack.yaml", text.as_str())) {
                let twice = formatted_text(&Source::new("stack.yaml", once.as_str()));
                prop_assert_eq!(twice.ok(), Some(once));
            } else {
                // It refuses what it can't keep, and there is little of it.
                prop_assert!(text.contains(['{', '%', '#', '\'', '"']), "{}", text);
            }
        }
    }
}
