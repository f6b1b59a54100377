//! Documents that are printed from the code are current, and leave nothing out.

use runyard::config::{env_example, markdown_table};

use super::{code, sources, text_of};

const BEGIN: &str = "<!-- config table: begin -->";
const END: &str = "<!-- config table: end -->";

/// What stands between the markers of the configuration's table.
fn between_markers(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (table, _) = rest.split_once(END)?;
    Some(table.trim())
}

#[test]
fn the_example_of_the_environment_is_current() {
    assert!(text_of(".env.example") == env_example(), ".env.example is stale; run `make env-example`");
}

#[test]
fn the_table_of_the_configuration_is_current() {
    let text = text_of("docs/OPERATIONS.md");
    let table = between_markers(&text).expect("docs/OPERATIONS.md has the markers of the table");
    assert!(table == markdown_table().trim(), "the table in docs/OPERATIONS.md is stale; see `runyard config-table`");
}

#[test]
fn a_table_that_is_stale_or_missing_is_noticed() {
    let page = |table: &str| format!("# Operations\n\n{BEGIN}\n{table}{END}\n\nMore.\n");
    let table = markdown_table();
    assert_eq!(between_markers(&page(&table)), Some(table.trim()));
    assert_ne!(between_markers(&page(&table.replacen("8000", "8001", 1))), Some(table.trim()));
    assert_eq!(between_markers(&page(&table).replace(END, "")), None);
}

/// The variables that the configuration's source declares.
fn declared(source: &str) -> Vec<String> {
    let mut variables = Vec::new();
    let mut has_variable = false;
    for (_, line) in code(source) {
        let line = line.trim();
        if line.starts_with("#[arg(") {
            has_variable = line.contains("env");
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(':'))
            && std::mem::take(&mut has_variable)
        {
            variables.push(name.to_uppercase());
        }
    }
    variables
}

fn missing(variables: &[String], text: &str, form: impl Fn(&str) -> String) -> Vec<String> {
    variables.iter().filter(|name| !text.contains(&form(name))).cloned().collect()
}

#[test]
fn every_variable_is_documented() {
    let variables = declared(&(text_of("src/config/mod.rs") + &text_of("src/config/sections.rs")));
    assert!(variables.len() > 30 && variables.iter().any(|name| name == "JWT_SECRET"), "{variables:?}");
    let nothing: Vec<String> = Vec::new();
    assert_eq!(missing(&variables, &env_example(), |name| format!("\n#{name}=")), nothing);
    assert_eq!(missing(&variables, &markdown_table(), |name| format!("\n| `{name}` | ")), nothing);
}

#[test]
fn a_variable_that_is_not_documented_is_noticed() {
    let source =
        "#[arg(long, env)]\npub host: IpAddr,\n#[command(flatten)]\npub aws: X,\n#[arg(long)]\npub flag: bool,";
    assert_eq!(declared(source), ["HOST"]);
    assert_eq!(missing(&declared(source), "\n#PORT=1", |name| format!("\n#{name}=")), ["HOST"]);
}

#[test]
fn every_default_in_the_example_can_be_read() {
    let lines = env_example();
    let settings = lines.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let settings: Vec<_> = settings.filter(|(name, value)| !name.contains(' ') && !value.is_empty()).collect();
    assert!(settings.len() > 20);
    let arguments = settings.iter().map(|(name, value)| format!("--{}={value}", name.to_lowercase().replace('_', "-")));
    runyard::config::Config::from_args(std::iter::once("runyard".to_owned()).chain(arguments)).unwrap();
}

/// What a source says in the log from INFO on: the last text of each call.
fn said(source: &str) -> Vec<&str> {
    let mut said = Vec::new();
    for level in ["info", "warn", "error"] {
        for rest in source.split(&format!("tracing::{level}!(")).skip(1) {
            let (call, _) = rest.split_once(");").expect("a call has an end");
            said.extend(call.rsplit('"').nth(1));
        }
    }
    said
}

#[test]
fn every_line_of_the_log_is_in_the_runbook() {
    let page = text_of("docs/OPERATIONS.md");
    let sources = sources(&["src"]);
    let said: Vec<&str> = sources.iter().flat_map(|(_, text)| said(text)).collect();
    assert!(said.len() > 30, "{said:?}");
    let missing: Vec<_> = said.into_iter().filter(|said| !page.contains(&format!("`{said}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn what_is_said_in_the_log_is_found() {
    let source =
        "tracing::warn!(error = %format!(\"{:#}\", x(y)), \"it failed\");\ntracing::info!(\n    \"it works\"\n);";
    assert_eq!(said(source), ["it works", "it failed"]);
}
