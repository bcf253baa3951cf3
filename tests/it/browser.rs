//! The page of `acme graph --format html`, in the machine's own Chromium or Chrome.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    acme::{Acme, repository_stack, write_file},
    standin,
};

/// Driver of the browser; it does not include one.
const DRIVER: &str = "puppeteer-core@24.43.1";
/// Names of browsers, the most common first.
const BROWSERS: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// `CHROME_PATH`, or the first browser in `PATH`.
fn find_browser() -> Option<PathBuf> {
    if let Some(path) = env::var_os("CHROME_PATH").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    BROWSERS.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// The browser and the folder of its driver, or the missing part.
pub fn find_tools() -> Result<(PathBuf, PathBuf), &'static str> {
    let browser = find_browser().ok_or("no Chromium or Chrome: install one, or name it in CHROME_PATH")?;
    let works = |program: &str, arguments: &[&str]| Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success());
    if !works("node", &["-e", "process.exit(Number.parseInt(process.versions.node) < 20 ? 1 : 0)"]) || !works("npm", &["--version"]) {
        return Err("no Node.js 20 or newer with npm");
    }
    let driver = standin::ensure_installed("browser", &[DRIVER], |folder| {
        fs::create_dir_all(folder).expect("a folder");
        standin::run_installer(
            Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(folder).arg(DRIVER),
        );
    });
    Ok((browser, driver))
}

/// Observations of a script of this folder on a page in a browser.
fn inspect((browser, driver): &(PathBuf, PathBuf), script: &str, page: &Path, more: &[&Path]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
    let done = Command::new("node").arg(script).args([browser, page]).args(more).current_dir(driver).output().expect("node runs");
    assert!(done.status.success(), "{}: {}", browser.display(), String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("it prints JSON")
}

/// Left, top, right, bottom of every box.
fn bounding_boxes(seen: &Value) -> Vec<[f64; 4]> {
    let side = |one: &Value, side: &str| one[side].as_f64().expect("a number");
    seen.as_array().expect("boxes").iter().map(|one| ["left", "top", "right", "bottom"].map(|name| side(one, name))).collect()
}

/// The tools, or none outside CI, with a note.
fn tools_or_skip() -> Option<(PathBuf, PathBuf)> {
    let missing = match find_tools() {
        Ok(tools) => return Some(tools),
        Err(missing) => missing,
    };
    assert!(env::var_os("CI").is_none_or(|value| value.is_empty()), "CI needs the browser test: {missing}");
    // Not `eprintln!`, which the test harness hides for a passing test.
    let _ = writeln!(io::stderr(), "SKIPPED: the graph page was not tested in a browser: {missing}");
    None
}

#[test]
fn graph_page_of_a_large_stack_opens_with_its_sections() {
    let Some(tools) = tools_or_skip() else { return };
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    let html = acme.run("graph", &repository_stack("microservices.yaml"), &["--format", "html"]).assert_success().stdout;
    let seen = inspect(&tools, "sections.mjs", &write_file(folder.path(), "graph.html", &html), &[]);
    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    let names = |part: &Value| part.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let sections = names(&seen["sections"]["names"]);
    assert!(sections.len() < 30 && sections.contains(&"network".to_owned()) && sections.contains(&"platform".to_owned()), "{sections:?}");
    let network = names(&seen["network"]["names"]);
    assert!(network.contains(&"vpc.main".to_owned()) && !network.iter().any(|name| name.starts_with("helm_release.")), "{network:?}");
    assert_eq!(seen["network"]["part"], "network");
    assert_eq!(names(&seen["found"]["names"]), ["eks_cluster.main"]);
    assert_eq!(names(&seen["back"]), sections, "the end of a search returns to the sections");
    for part in ["sections", "network", "found"] {
        let labels = &seen[part]["labels"];
        assert!(labels["visible"] == true && labels["height"].as_f64().unwrap() > 9.0, "labels of {part} are readable: {labels}");
    }
}

#[test]
fn graph_page_works_in_a_browser() {
    let Some(tools) = tools_or_skip() else { return };
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    let text = fs::read_to_string(repository_stack("reference.yaml")).unwrap().replace("Signs the sessions of the shop", "</script><b>&");
    let html = acme.run("graph", &write_file(folder.path(), "stack.yaml", &text), &["--format", "html", "--plan"]).assert_success().stdout;
    let page = write_file(folder.path(), "graph.html", &html);
    let screenshot = standin::target_dir().join("graph.png");
    let seen = inspect(&tools, "browser.mjs", &page, &[&screenshot]);

    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    assert_eq!(seen["requests"].as_array().unwrap().len(), 1, "the page itself, and nothing else: {:#}", seen["requests"]);

    let drawn = bounding_boxes(&seen["boxes"]);
    assert_eq!(drawn.len(), 45);
    let header = seen["header"].as_f64().unwrap();
    let (width, height) = (seen["size"]["width"].as_f64().unwrap(), seen["size"]["height"].as_f64().unwrap());
    for [left, top, right, bottom] in &drawn {
        assert!(
            *left >= 0.0 && *right <= width && *top >= header && *bottom <= height,
            "the whole graph is visible: {left} {top} {right} {bottom}"
        );
    }
    for (i, a) in drawn.iter().enumerate() {
        for b in &drawn[i + 1..] {
            assert!(a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1], "two boxes overlap: {a:?} {b:?}");
        }
    }

    // A click shows the spec; a link in it opens the next one; Escape closes it; the keyboard does the same.
    assert_eq!((&seen["before"], &seen["escaped"]), (&Value::Null, &Value::Null));
    assert_eq!(seen["clicked"]["title"], "rds_instance.orders");
    let clicked = seen["clicked"]["text"].as_str().unwrap();
    assert!(clicked.contains("\"class\": \"db.m6g.large\"") && clicked.contains("rds_subnet_group.main"), "{clicked}");
    let [right, room] = ["right", "room"].map(|key| seen["chosen"][key].as_f64().unwrap());
    assert!(right < room && room < width, "the panel does not hide the selected resource: {right} {room}");
    assert!(seen["near"].as_u64().unwrap() > 1, "its edges stand out");
    assert_eq!(seen["followed"]["title"], "kms_key.main");
    assert_eq!(seen["entered"]["title"], "secret.session-key");
    assert!(seen["entered"]["text"].as_str().unwrap().contains("</script><b>&"), "user input is text: {}", seen["entered"]);
    assert_eq!(seen["entered"]["bold"], 0);

    assert_eq!(seen["found"], serde_json::json!(["nat_gateway.a", "nat_gateway.b", "nat_gateway.c"]));
    let closer = bounding_boxes(&seen["closer"]);
    assert!(closer[0][2] - closer[0][0] > drawn[0][2] - drawn[0][0]);
    assert_eq!(bounding_boxes(&seen["fitted"]), drawn);
    assert!(fs::metadata(&screenshot).unwrap().len() > 10_000, "the screenshot is empty");
}
