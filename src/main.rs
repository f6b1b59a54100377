//! The command line: reads the configuration once and does what it says; the exit status is the answer.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use runyard::app::{self, App, stop_signal};
use runyard::config::{self, Cli, Command, Config, Direction, TelemetryAction, UserAction};
use runyard::service::accounts::Credentials;
use runyard::service::streamer::generator;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    load_env_file();
    let cli = Cli::read();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("starting the runtime")),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// `.env`, or `.env.test` under `RUN_HANDLER_ENV=test`; what the environment says already wins.
#[expect(clippy::disallowed_methods, reason = "which file to read cannot be said by the file")]
fn load_env_file() {
    let test = std::env::var_os("RUN_HANDLER_ENV").is_some_and(|kind| kind == "test");
    // A missing file is the normal case.
    let _ = dotenvy::from_filename(if test { ".env.test" } else { ".env" });
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("runyard: {error:#}");
    ExitCode::FAILURE
}

async fn run(cli: Cli) -> Result<()> {
    let config = cli.config;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Migrate { direction } => migrate(&config, direction).await,
        Command::Openapi => print(&app::openapi().await?),
        Command::User { action: UserAction::Create { email } } => create_user(&config, email).await,
        Command::Telemetry { action: TelemetryAction::Sample { gpus, hosts, rows, seed } } => {
            let sample = generator::write(generator::Plan { gpus, hosts, rows, seed }, std::io::stdout().lock());
            forgive(sample)
        }
        Command::Check => check(&config).await,
        Command::Health => health(&config),
        Command::EnvExample => print(&config::env_example()),
        Command::ConfigTable => print(&config::markdown_table()),
    }
}

async fn serve(config: Config) -> Result<()> {
    let log = runyard::logging::init(&config)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = ?config, "starting");
    let app = App::start(config).await?.with_log(log.control.clone());
    tracing::info!(address = %app.address(), "listening; the API is described at /docs");
    app.run(stop_signal()).await;
    log.finish().await;
    Ok(())
}

async fn migrate(config: &Config, direction: Direction) -> Result<()> {
    let database = app::open_database(config).await?;
    match direction {
        Direction::Up => database.migrate_up().await?,
        Direction::Down => database.migrate_down().await?,
        Direction::Status => {}
    }
    for (step, applied) in database.migrations().await? {
        print(&format!("{} {step}\n", if applied { "applied" } else { "pending" }))?;
    }
    Ok(())
}

async fn create_user(config: &Config, email: String) -> Result<()> {
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).context("reading the password from standard input")?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    let stores = app::open_stores(config).await?;
    if config.migrate {
        stores.database.migrate_up().await?;
    }
    let built = app::build(config, &stores)?;
    let user = built.services.accounts.create_user_as_operator(Credentials { email, password }).await?;
    print(&format!("{} {} in workspace {}\n", user.id, user.email, user.workspace_id))
}

async fn check(config: &Config) -> Result<()> {
    print(&format!("{config:#?}\n"))?;
    let database = async { app::open_database(config).await?.ping().await };
    let blob = async { app::open_blobs(config).await?.ping().await };
    let cache = async { app::open_cache(config).await?.ping().await };
    let checks = [("database", database.await), ("blob", blob.await), ("cache", cache.await)];
    let mut away = Vec::new();
    for (store, answer) in checks {
        match answer {
            Ok(()) => print(&format!("{store}: ok\n"))?,
            Err(error) => {
                print(&format!("{store}: {:#}\n", anyhow::Error::new(error)))?;
                away.push(store);
            }
        }
    }
    if away.is_empty() { Ok(()) } else { Err(anyhow!("not reached: {}", away.join(", "))) }
}

/// Asks `/readyz` of the server on this machine, for container health checks without a shell.
fn health(config: &Config) -> Result<()> {
    let host = if config.host.is_unspecified() { std::net::Ipv4Addr::LOCALHOST.into() } else { config.host };
    let mut connection = TcpStream::connect((host, config.port)).context("connecting to the server")?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    connection.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).context("reading the server's answer")?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") { Ok(()) } else { bail!("not ready: {status}") }
}

fn print(text: &str) -> Result<()> {
    forgive(std::io::stdout().lock().write_all(text.as_bytes()))
}

/// What came of writing to standard output; a reader who has seen enough, such as `head`, is no fault.
fn forgive(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}
