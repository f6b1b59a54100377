//! Prints the configuration's documentation from its struct, so that the two cannot differ.

use clap::{Arg, CommandFactory};

use super::Cli;

/// `.env.example`: every variable with its documentation and its default, all commented out.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Copy to .env and change what you need; every line below is a default or an example.\n\
         # Printed by `make env-example`; edit src/config/ instead of this file.\n",
    );
    for variable in variables() {
        text.push('\n');
        for line in variable.help.lines() {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("#{}={}\n", variable.name, variable.default));
    }
    text
}

/// The table in `docs/OPERATIONS.md`.
pub fn markdown_table() -> String {
    let mut text = String::from("| variable | default | meaning |\n|---|---|---|\n");
    for variable in variables() {
        let default = if variable.default.is_empty() { "unset".to_owned() } else { format!("`{}`", variable.default) };
        let help = variable.help.replace('\n', " ").replace('|', "\\|");
        text.push_str(&format!("| `{}` | {default} | {help} |\n", variable.name));
    }
    text
}

struct Variable {
    name: String,
    default: String,
    help: String,
}

fn variables() -> Vec<Variable> {
    Cli::command().get_arguments().filter_map(variable).collect()
}

fn variable(argument: &Arg) -> Option<Variable> {
    let name = argument.get_env()?.to_string_lossy().into_owned();
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    Some(Variable { name, default: defaults.join(","), help })
}
