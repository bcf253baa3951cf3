//! What a command that fails prints: text for people on stderr, and with `-o json` one object on stdout.

use serde_json::{Value, json};

use super::{FAILED, OutputFormat, advice, open, refusal};
use crate::{
    definition::{Diagnostic, Source},
    docs::codes,
    engine::session::SessionError,
    report,
};

/// Format of an error; `docs/json.md` describes it.
const FORMAT: &str = "acme-error/1";
/// Code of an error that has none.
const GENERAL_CODE: &str = "error";
/// Code of an invalid definition, whose problems have their own.
const DEFINITION_CODE: &str = "invalid-definition";
/// Begin of a remedy in a message.
const HELP: &str = "\n  help: ";

/// Shows why a command failed, with the remedy, and returns its exit code.
pub(super) fn report_failure(error: &anyhow::Error, output: OutputFormat) -> u8 {
    if let Some(SessionError::InvalidDefinition { definition, problems }) = error.downcast_ref() {
        open::show_problems(definition, problems);
    }
    let message = advice::complete(&refusal::message(error));
    let remedy = general_remedy(error);
    report::eprint(&format!("{} {message}", report::Style::Removed.paint(refusal::label(error))));
    if let Some(help) = &remedy {
        report::eprint(&format!("  help: {help}"));
    }
    // The problems of a definition are already shown at its lines.
    if !matches!(error.downcast_ref(), Some(SessionError::InvalidDefinition { .. })) {
        report::github::annotate_error(None, None, &format!("{error:#}"));
    }
    // A plan that is blocked has its obstacles.
    if output == OutputFormat::Json && refusal::error_code(error) != Some("blocked") {
        report::print_json_line(&document(error, &message, remedy)).ok();
    }
    FAILED
}

fn general_remedy(error: &anyhow::Error) -> Option<String> {
    let help = error.chain().find_map(refusal::call_error).and_then(report::remedy::general_remedy)?;
    Some(advice::complete(&help))
}

/// An error as an object.
fn document(error: &anyhow::Error, message: &str, remedy: Option<String>) -> Value {
    let has_call = error.chain().any(|cause| refusal::call_error(cause).is_some());
    let (message, help) = match message.split_once(HELP) {
        Some((message, help)) => (message, Some(help.to_owned())),
        // The words of AWS hold no remedy.
        None if remedy.is_some() || has_call => (message, remedy),
        None => split_remedy(message),
    };
    let explanation = || {
        let code = refusal::error_code(error).filter(|code| codes::explain(code).is_some())?;
        Some(format!("run `acme explain {code}` for details"))
    };
    let help = help.or_else(explanation);
    let problems = match error.downcast_ref() {
        Some(SessionError::InvalidDefinition { definition, problems }) => self::problems(definition, problems),
        _ => Vec::new(),
    };
    let first = problems.first();
    let help = first.and_then(|problem| problem["help"].as_str().map(str::to_owned)).or(help);
    let place = |name: &str| first.map(|problem| problem[name].clone()).unwrap_or_default();
    let usual = if first.is_some() { DEFINITION_CODE } else { GENERAL_CODE };
    let request_id = error.chain().find_map(refusal::call_error).and_then(|error| error.request_id.clone());
    json!({
        "format": FORMAT,
        "error": {
            "code": refusal::error_code(error).unwrap_or(usual), "message": message, "help": help, "request_id": request_id,
            "file": place("file"), "line": place("line"), "column": place("column"),
        },
        "problems": problems,
    })
}

/// Words with which remedies begin, after a colon or a semicolon.
const REMEDIES: [&str; 34] = [
    "a region looks like ",
    "add ",
    "adopt ",
    "change ",
    "check ",
    "choose ",
    "continue ",
    "create ",
    "delete ",
    "did you mean ",
    "fix ",
    "give ",
    "install ",
    "name ",
    "omit ",
    "outputs: ",
    "pass ",
    "plan ",
    "push ",
    "put ",
    "remove ",
    "run ",
    "set ",
    "sign ",
    "try ",
    "types: ",
    "undo ",
    "use ",
    "wait ",
    "write ",
    "`acme ",
    "addresses: ",
    "environments: ",
    "services: ",
];

/// The message of a refusal, and the remedy at its end.
fn split_remedy(message: &str) -> (&str, Option<String>) {
    let mut ends = message.match_indices([':', ';']).map(|(at, _)| at);
    let begins = |at: &usize| {
        let rest = message[at + 1..].strip_prefix(' ').unwrap_or_default();
        REMEDIES.iter().any(|begin| rest.starts_with(begin))
    };
    // A colon in a name is not the end of a message.
    let is_outside = |at: &usize| message[..*at].matches('`').count().is_multiple_of(2);
    match ends.find(|at| begins(at) && is_outside(at)) {
        Some(at) => (&message[..at], Some(message[at + 2..].to_owned())),
        None => (message, None),
    }
}

/// Problems of a definition as objects.
pub(super) fn problems(definition: &Source, problems: &[Diagnostic]) -> Vec<Value> {
    let problem = |problem: &Diagnostic| {
        json!({
            "code": problem.code, "message": problem.message, "help": problem.help, "notes": problem.notes,
            "file": problem.range.as_ref().map(|range| definition.path_at(range.start)), "line": problem.line(definition), "column": column(problem, definition),
        })
    };
    problems.iter().map(problem).collect()
}

/// Column of a problem in characters, starting at 1.
fn column(problem: &Diagnostic, definition: &Source) -> Option<usize> {
    let before = definition.text.get(..problem.range.as_ref()?.start)?;
    let line = before.rsplit('\n').next().unwrap_or(before);
    Some(line.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_place_of_its_first_problem() {
        let definition = Source::new("shop.yaml", "stack: shop\nregion: é nowhere\n");
        let at = definition.text.find("nowhere").expect("it is there");
        let problem = Diagnostic::new("region", "no such region").at(Some(at..at + 7)).help("use another one");
        let error = anyhow::Error::from(SessionError::InvalidDefinition { definition, problems: vec![problem] });
        let shown = document(&error, "the definition has 1 problem", None);
        let expected = json!({
            "code": "invalid-definition", "message": "the definition has 1 problem", "help": "use another one", "request_id": null,
            "file": "shop.yaml", "line": 2, "column": 11,
        });
        assert_eq!(shown["error"], expected);
        assert_eq!((&shown["problems"][0]["code"], &shown["problems"][0]["help"]), (&json!("region"), &json!("use another one")));
    }

    #[test]
    fn a_remedy_after_a_colon_is_the_help() {
        for (message, expected, help) in [
            ("`a: use b` is a saved plan: run `acme apply a`", "`a: use b` is a saved plan", Some("run `acme apply a`")),
            (
                "nothing of shop exists in eu-west-1: create it with `acme apply`",
                "nothing of shop exists in eu-west-1",
                Some("create it with `acme apply`"),
            ),
            ("there is no output `a`; outputs: b, c", "there is no output `a`", Some("outputs: b, c")),
            ("there is no resource type `a`: types: b", "there is no resource type `a`", Some("types: b")),
            ("can't read it: no such file", "can't read it: no such file", None),
        ] {
            let error = anyhow::Error::from(refusal::Refusal { code: "no-such-code", message: message.into() });
            let shown = document(&error, message, None);
            assert_eq!((&shown["error"]["message"], &shown["error"]["help"]), (&json!(expected), &json!(help)), "{message}");
        }
    }

    /// Every refusal has a remedy, and if it is in `acme explain`.
    #[test]
    fn a_refusal_without_a_remedy_points_to_its_explanation() {
        let error = anyhow::Error::from(refusal::Refusal { code: "no-cluster", message: "the stack has no cluster that is ready".into() });
        assert_eq!(document(&error, &refusal::message(&error), None)["error"]["help"], json!("run `acme explain no-cluster` for details"));
    }

    #[test]
    fn a_problem_names_the_file_that_has_it() {
        let mut definition = Source::new("shop.yaml", "stack: shop\nvalues: { size: 1 }");
        definition.add_values("more.yaml", "size: 2\n  é wrong: 3\n");
        let at = definition.text.find("wrong").expect("it is there");
        let shown = problems(&definition, &[Diagnostic::new("unknown-value", "no such value").at(Some(at..at + 5))]);
        assert_eq!((&shown[0]["file"], &shown[0]["line"], &shown[0]["column"]), (&json!("more.yaml"), &json!(2), &json!(5)));
    }

    #[test]
    fn the_remedy_is_no_part_of_the_message() {
        let error =
            anyhow::Error::from(refusal::Refusal { code: "unknown-code", message: "unknown code\n  help: did you mean `cycle`?".into() });
        let shown = document(&error, &refusal::message(&error), None);
        assert_eq!((&shown["error"]["message"], &shown["error"]["help"]), (&json!("unknown code"), &json!("did you mean `cycle`?")));
        assert_eq!(shown["problems"], json!([]));
    }
}
