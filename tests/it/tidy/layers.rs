//! Arrows point down and never skip a layer: `api` to `service` to `repository`, and only `app` builds them.

use super::{code, hold, names, sources};

/// What the files of a layer must not name.
struct Layer {
    folder: &'static str,
    forbidden: &'static [&'static str],
}

const LAYERS: [Layer; 3] = [
    Layer { folder: "src/api/", forbidden: &["repository", "sea_orm", "sqlx", "redis", "aws_", "migration"] },
    Layer {
        folder: "src/service/",
        forbidden: &["poem::", "api::", "sea_orm", "sqlx", "redis", "aws_", "http::", "StatusCode", "migration"],
    },
    Layer {
        folder: "src/repository/",
        forbidden: &["poem", "poem_openapi", "service", "api::", "http::", "StatusCode", "jsonwebtoken", "bcrypt"],
    },
];

fn arrows_point_down(path: &str, text: &str) -> Vec<String> {
    let Some(layer) = LAYERS.iter().find(|layer| path.starts_with(layer.folder)) else { return Vec::new() };
    let mut problems = Vec::new();
    for (number, line) in code(text) {
        for word in layer.forbidden.iter().filter(|word| names(line, word)) {
            problems.push(format!("{path}:{number}: {} must not name `{word}`", layer.folder));
        }
    }
    problems
}

#[test]
fn layers_name_only_what_is_below_them() {
    hold(arrows_point_down, &sources(&["src"]));
}

#[test]
fn an_arrow_that_points_up_or_skips_a_layer_is_noticed() {
    let planted = [
        ("src/api/runs/mod.rs", "use crate::repository::RunRepository;"),
        ("src/api/json.rs", "use sea_orm::DbErr;"),
        ("src/service/rates.rs", "use poem::Request;"),
        ("src/service/runs/read.rs", "use crate::api::error::render;"),
        ("src/service/health.rs", "let status = StatusCode::OK;"),
        ("src/service/runs/list.rs", "use sea_orm::EntityTrait;"),
        ("src/repository/text.rs", "use crate::service::time;"),
        ("src/repository/blob/mod.rs", "#[derive(poem_openapi::Object)]"),
    ];
    for (path, line) in planted {
        assert_eq!(arrows_point_down(path, &format!("//! x\n\n{line}\n")).len(), 1, "{path}: {line}");
    }
    let allowed = [
        ("src/service/health.rs", "use poem_openapi::Object;"),
        ("src/service/rates.rs", "// as api::context does with poem::Request"),
        ("src/app.rs", "use crate::api; use crate::repository::Stores; use sea_orm::DbErr;"),
    ];
    for (path, line) in allowed {
        assert_eq!(arrows_point_down(path, line), Vec::<String>::new());
    }
}

/// `app` builds everything, so whoever it builds must not ask it for anything.
fn nobody_below_asks_the_builder(path: &str, text: &str) -> Vec<String> {
    let may = path.starts_with("tests/") || ["src/main.rs", "src/lib.rs", "src/app.rs"].contains(&path);
    let asks = |line: &str| names(line, "app::") || names(line, "crate::app");
    let asking = code(text).filter(|(_, line)| !may && asks(line));
    asking.map(|(number, _)| format!("{path}:{number}: must not name `app`")).collect()
}

#[test]
fn only_the_program_and_its_tests_name_the_builder() {
    hold(nobody_below_asks_the_builder, &sources(&["src", "migration", "tests"]));
}

#[test]
fn a_service_that_asks_the_builder_is_noticed() {
    for line in ["use crate::app::App;", "crate::app::open_stores(&config)", "use crate::{app::App, error::Error};"] {
        assert_eq!(nobody_below_asks_the_builder("src/service/health.rs", line).len(), 1, "{line}");
        assert_eq!(nobody_below_asks_the_builder("src/main.rs", line).len(), 0);
    }
}

fn only_one_file_knows_the_database(path: &str, text: &str) -> Vec<String> {
    let asks =
        |line: &str| ["DbBackend", "get_database_backend", "DatabaseBackend"].iter().any(|name| names(line, name));
    // The steps of the schema are another crate, below the repository.
    let may = path.starts_with("src/repository/database/") || path == "migration/src/dialect.rs";
    let asking = code(text).filter(|(_, line)| !may && asks(line));
    asking
        .map(|(number, _)| format!("{path}:{number}: only repository/database/ may ask which database it is"))
        .collect()
}

#[test]
fn only_one_place_asks_which_database_it_talks_to() {
    hold(only_one_file_knows_the_database, &sources(&["src", "migration"]));
}

#[test]
fn a_second_file_that_asks_is_noticed() {
    for line in ["use sea_orm::DbBackend;", "match self.db.get_database_backend() {"] {
        assert_eq!(only_one_file_knows_the_database("src/repository/runs/list.rs", line).len(), 1, "{line}");
        assert_eq!(only_one_file_knows_the_database("src/repository/database/mod.rs", line).len(), 0);
    }
}

/// Files of the repository that must measure time, each with its reason.
const CLOCKS: [(&str, &str); 1] = [(
    "src/repository/cache/breaker.rs",
    "a breaker measures how long Redis has been away; no row depends on it, and callers have no time to give",
)];

fn times_are_arguments(path: &str, text: &str) -> Vec<String> {
    let measured = path.starts_with("src/repository/") && !CLOCKS.iter().any(|(file, _)| *file == path);
    let reads =
        |line: &str| ["Utc::now", "SystemTime::now", "Instant::now", "Local::now"].iter().any(|now| line.contains(now));
    let reading = code(text).filter(|(_, line)| measured && reads(line));
    reading.map(|(number, _)| format!("{path}:{number}: a repository is told the time")).collect()
}

#[test]
fn repositories_never_read_the_clock() {
    hold(times_are_arguments, &sources(&["src"]));
    for (file, reason) in CLOCKS {
        assert!(super::text_of(file).contains("::now()"), "{file} reads no clock any more: {reason}");
    }
}

#[test]
fn a_repository_that_reads_the_clock_is_noticed() {
    for line in ["let now = Utc::now();", "created_at: chrono::Utc::now(),", "let begun = std::time::Instant::now();"] {
        assert_eq!(times_are_arguments("src/repository/accounts/keys.rs", line).len(), 1, "{line}");
        assert_eq!(times_are_arguments("src/service/time.rs", line).len(), 0);
    }
}
