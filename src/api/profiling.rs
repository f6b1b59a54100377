//! `/debug/pprof`: profiles of the running server, in the paths and the form that pprof's tools know, and the level of
//! the log; all of it for the operator alone.
//!
//! These paths are a convention of tools, so they are not in the document of the API; the index is theirs.

use std::collections::HashMap;
use std::str::FromStr;

use poem::endpoint::{make, make_sync};
use poem::http::header;
use poem::{Endpoint, IntoResponse, Request, RequestBody, Response, Result, Route, get};

use super::json::{JSON, read_form};
use super::operator::Operator;
use super::paths::Paths;
use crate::error::Error;
use crate::logging::{Level, LogControl};
use crate::service::ProfilingService;
use crate::service::json::parse_object;
use crate::service::profiling::{Form, Memory};

/// The paths under `/debug` that are answered, with their methods.
const PATHS: [(&str, &str); 13] = [
    ("/debug/pprof", "GET"),
    ("/debug/pprof/profile", "GET"),
    ("/debug/pprof/heap", "GET"),
    ("/debug/pprof/heap/sampling", "GET, PUT"),
    ("/debug/pprof/allocs", "GET"),
    ("/debug/pprof/tasks", "GET"),
    ("/debug/pprof/goroutine", "GET"),
    ("/debug/pprof/block", "GET"),
    ("/debug/pprof/mutex", "GET"),
    ("/debug/pprof/threadcreate", "GET"),
    ("/debug/pprof/cmdline", "GET"),
    ("/debug/pprof/symbol", "GET, POST"),
    ("/debug/log-level", "GET, PUT"),
];

/// Largest body of the operator's forms.
const MAX_FORM: u64 = 64 * 1024;
/// A flame graph has a script of its own, and nothing from elsewhere.
const OWN_SCRIPT_ONLY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'";
/// Parts of names whose values no answer shows.
const SECRETS: [&str; 5] = ["secret", "password", "key", "token", "url"];

/// What can be taken.
#[derive(Clone, Copy)]
enum Kind {
    Cpu,
    Memory(Memory),
    Tasks,
    SlowPolls,
    Locks,
    Threads,
}

/// The same paths with those of the operator, for the log and for errors.
pub fn known(paths: Paths) -> Paths {
    paths.with(&PATHS)
}

/// What is under `/debug`.
pub fn routes(profiling: &ProfilingService, log: Option<&LogControl>) -> impl Endpoint<Output = Response> + use<> {
    let taken = |name: &'static str, kind: Kind| {
        let profiling = profiling.clone();
        get(make(move |request| {
            let profiling = profiling.clone();
            async move { take(&profiling, name, kind, &request).await }
        }))
    };
    let sampling = profiling.clone();
    let symbols = profiling.clone();
    let log = log.cloned();
    let routes = Route::new()
        .at("/pprof", get(make_sync(|_| index())))
        .at("/pprof/profile", taken("profile", Kind::Cpu))
        .at("/pprof/heap", taken("heap", Kind::Memory(Memory::InUse)))
        .at("/pprof/allocs", taken("allocs", Kind::Memory(Memory::Asked)))
        .at("/pprof/tasks", taken("tasks", Kind::Tasks))
        .at("/pprof/goroutine", taken("goroutine", Kind::Tasks))
        .at("/pprof/block", taken("block", Kind::SlowPolls))
        .at("/pprof/mutex", taken("mutex", Kind::Locks))
        .at("/pprof/threadcreate", taken("threadcreate", Kind::Threads))
        .at("/pprof/cmdline", get(make_sync(|_| text(command_line(arguments())))))
        .at("/pprof/symbol", {
            let endpoint = move |request: Request| {
                let profiling = symbols.clone();
                async move { symbol(&profiling, request).await }
            };
            get(make(endpoint.clone())).post(make(endpoint))
        })
        .at("/pprof/heap/sampling", {
            let endpoint = move |request: Request| {
                let profiling = sampling.clone();
                async move { sampled(&profiling, request).await }
            };
            get(make(endpoint.clone())).put(make(endpoint))
        })
        .at("/log-level", {
            let endpoint = move |request: Request| {
                let log = log.clone();
                async move { log_level(log.as_ref(), request).await }
            };
            get(make(endpoint.clone())).put(make(endpoint))
        });
    poem::EndpointExt::around(routes, |routes, request| async move {
        Operator::of(&request)?;
        routes.call(request).await.map(IntoResponse::into_response)
    })
}

async fn take(profiling: &ProfilingService, name: &'static str, kind: Kind, request: &Request) -> Result<Response> {
    let query = Query::of(request)?;
    let form = query.form()?;
    let profile = match kind {
        Kind::Cpu => profiling.cpu(query.number("seconds")?, query.number("hz")?).await?,
        Kind::Memory(memory) => profiling.heap(query.number("seconds")?, memory).await?,
        Kind::Tasks => profiling.tasks().await,
        Kind::SlowPolls => profiling.slow_polls().await,
        Kind::Locks => profiling.locks(),
        Kind::Threads => profiling.threads().await?,
    };
    let bytes = profiling.render(profile, form).await?;
    Ok(match form {
        Form::Pprof => Response::builder()
            .content_type("application/octet-stream")
            .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pb.gz\""))
            .body(bytes),
        Form::Text => text(bytes),
        Form::Svg => Response::builder()
            .content_type("image/svg+xml")
            .header(header::CONTENT_SECURITY_POLICY, OWN_SCRIPT_ONLY)
            .body(bytes),
    })
}

/// The parameters of a request.
struct Query(HashMap<String, String>);

impl Query {
    fn of(request: &Request) -> Result<Self, Error> {
        let query = request.uri().query().unwrap_or_default();
        serde_urlencoded::from_str(query).map(Self).map_err(|_| Error::invalid("", "the query cannot be read"))
    }

    fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Error> {
        let parse = |text: &String| text.parse().map_err(|_| Error::invalid(name, "must be a whole number"));
        self.0.get(name).map(parse).transpose()
    }

    /// `?debug=1` is text, as Go's tools have it.
    fn form(&self) -> Result<Form, Error> {
        match self.0.get("format").map(String::as_str) {
            Some("svg") => Ok(Form::Svg),
            Some("text") => Ok(Form::Text),
            Some("pprof") => Ok(Form::Pprof),
            Some(_) => Err(Error::invalid("format", "must be `pprof`, `text` or `svg`")),
            None if self.number::<u8>("debug")?.unwrap_or_default() > 0 => Ok(Form::Text),
            None => Ok(Form::Pprof),
        }
    }
}

fn text(body: impl Into<poem::Body>) -> Response {
    Response::builder().content_type("text/plain; charset=utf-8").body(body)
}

fn arguments() -> impl Iterator<Item = String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned())
}

/// The arguments of the process, each ended by a NUL as the system keeps them, without the values of secrets.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let is_secret = |name: &str| name.starts_with("--") && SECRETS.iter().any(|part| name.contains(part));
    let (mut line, mut hides_next) = (String::new(), false);
    for argument in arguments {
        let shown = match argument.split_once('=') {
            _ if std::mem::take(&mut hides_next) => "***".to_owned(),
            Some((name, _)) if is_secret(name) => format!("{name}=***"),
            None if is_secret(&argument) => {
                hides_next = true;
                argument
            }
            _ => argument,
        };
        line.push_str(&shown);
        line.push('\0');
    }
    line
}

/// Which functions these addresses are in: `0x…+0x…` in the body or the query, one line for each that is known.
async fn symbol(profiling: &ProfilingService, mut request: Request) -> Result<Response> {
    let mut body = RequestBody::new(request.take_body());
    let asked = String::from_utf8_lossy(&read_form(&request, &mut body, MAX_FORM).await?).into_owned();
    let asked = if asked.is_empty() { request.uri().query().unwrap_or_default().to_owned() } else { asked };
    let profiling = profiling.clone();
    // Reading the program's own tables is no work for the threads that serve.
    let named = tokio::task::spawn_blocking(move || {
        let mut page = String::from("num_symbols: 1\n");
        for text in asked.split('+') {
            let address = usize::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
            if let Some(name) = address.and_then(|address| profiling.symbol(address)) {
                page.push_str(&format!("{} {name}\n", text.trim()));
            }
        }
        page
    });
    Ok(text(named.await.map_err(|error| Error::Internal(error.into()))?))
}

/// Whether memory is sampled, and that it be.
async fn sampled(profiling: &ProfilingService, mut request: Request) -> Result<Response> {
    let sampling = if request.method() == poem::http::Method::PUT {
        let mut body = RequestBody::new(request.take_body());
        let wanted = parse_object("the body", &read_form(&request, &mut body, MAX_FORM).await?)?;
        profiling.set_sampling(wanted).await?
    } else {
        profiling.sampling().await?
    };
    json(&sampling)
}

/// The least level that is logged, and that it be another.
async fn log_level(log: Option<&LogControl>, mut request: Request) -> Result<Response> {
    let log = log.ok_or(Error::NotFound("log"))?;
    if request.method() == poem::http::Method::PUT {
        let mut body = RequestBody::new(request.take_body());
        let wanted: Level = parse_object("the body", &read_form(&request, &mut body, MAX_FORM).await?)?;
        log.set_level(&wanted)?;
    }
    json(&log.level()?)
}

fn json(value: &impl serde::Serialize) -> Result<Response> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::Internal(error.into()))?;
    Ok(Response::builder().content_type(JSON).body(bytes))
}

fn index() -> Response {
    let row = |path: &str, says: &str| {
        let link = |query: &str, name: &str| format!("<a href=\"/debug/pprof/{path}{query}\">{name}</a>");
        let (text, svg) = match path {
            "cmdline" | "symbol" | "heap/sampling" => (String::new(), String::new()),
            "profile" | "heap" | "allocs" => {
                (link("?debug=1&amp;seconds=5", "text"), link("?format=svg&amp;seconds=5", "flame graph"))
            }
            _ => (link("?debug=1", "text"), link("?format=svg", "flame graph")),
        };
        format!("<tr><td>{}</td><td>{text}</td><td>{svg}</td><td>{says}</td></tr>\n", link("", path))
    };
    let rows: String = [
        ("profile", "CPU; <code>seconds</code> 1 to 60 (30), <code>hz</code> 1 to 1000 (100)"),
        ("heap", "memory in use, of what was asked for while sampling was on; <code>seconds</code> 1 to 60 (10)"),
        ("allocs", "the same, all that was asked for"),
        ("heap/sampling", "whether memory is sampled all the time; <code>PUT {\"active\":true}</code>"),
        ("tasks", "tasks that live, with polls, longest poll and time since; also as <code>goroutine</code>"),
        ("block", "polls that kept a thread for longer than 10 ms"),
        ("mutex", "waiting for locks, of which there are none"),
        ("threadcreate", "threads by name"),
        ("cmdline", "the command line, secrets starred"),
        ("symbol", "functions by address"),
    ]
    .into_iter()
    .map(|(path, says)| row(path, says))
    .collect();
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>runyard: profiles</title>\n\
         <style>body{{font-family:sans-serif}}td{{padding:.2em 1em .2em 0}}</style></head>\n<body><h1>Profiles</h1>\n\
         <p>One at a time. <code>go tool pprof http://user:password@host/debug/pprof/profile</code> reads them.</p>\n\
         <table>\n{rows}</table>\n</body></html>\n"
    );
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'")
        .body(page)
}

#[cfg(test)]
mod tests {
    use super::command_line;

    #[test]
    fn a_command_line_is_shown_without_its_secrets() {
        let arguments = ["runyard", "--jwt-secret=a=b", "--port=1", "--metrics-password", "hidden", "serve"];
        let shown = command_line(arguments.map(str::to_owned).into_iter());
        assert_eq!(shown, "runyard\0--jwt-secret=***\0--port=1\0--metrics-password\0***\0serve\0");
    }
}
