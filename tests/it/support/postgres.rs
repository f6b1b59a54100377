//! PostgreSQL servers for tests: each is a process of its own under a temporary folder, which a test may stop, freeze
//! and restart, and which ends with its test.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::process::signal;
use super::redis::outages;
use super::until;

/// One private PostgreSQL server.
pub struct PostgresServer {
    programs: Programs,
    process: Child,
    port: u16,
    folder: TempDir,
}

impl PostgresServer {
    /// A running server; nothing when only embedded back ends are tested.
    ///
    /// Panics when PostgreSQL's programs are missing: a test of PostgreSQL must not pass without it.
    pub async fn start() -> Option<Self> {
        if !outages() {
            return None;
        }
        let programs = Programs::find();
        let folder = tempfile::tempdir().unwrap();
        // The server runs as another user, who must be able to come this far.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        programs.make_cluster(&folder.path().join("data"));
        // Between finding a free port and using it somebody else may take it; then the process ends, and we retry.
        let port = free_port();
        let process = programs.serve(&folder.path().join("data"), port);
        let mut server = Self { programs, process, port, folder };
        for _ in 0..20 {
            if server.answers().await {
                return Some(server);
            }
            server.port = free_port();
            server.process = server.programs.serve(&server.data(), server.port);
        }
        panic!("PostgreSQL found no free port");
    }

    /// The argument that makes a server use it.
    pub fn argument(&self) -> String {
        format!("--database-url={}", Self::url_at(self.address()))
    }

    /// Its URL for somebody who reaches it at this address.
    pub fn url_at(address: SocketAddr) -> String {
        format!("postgres://runyard@{address}/postgres")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Ends it as an operator does: it cuts every connection, saying why.
    pub fn stop(&mut self) {
        signal("-INT", self.process.id());
        self.process.wait().unwrap();
    }

    /// Ends it as a crash does.
    pub fn crash(&mut self) {
        signal("-QUIT", self.process.id());
        self.process.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub async fn restart(&mut self) {
        self.process = self.programs.serve(&self.data(), self.port);
        assert!(self.answers().await, "PostgreSQL did not come back on port {}", self.port);
    }

    /// Stops it and all who work for it, with all connections open.
    pub fn freeze(&self) {
        // The one who makes new workers goes first.
        signal("-STOP", self.process.id());
        self.signal_workers("-STOP");
    }

    /// Lets everything go on.
    pub fn thaw(&self) {
        self.signal_workers("-CONT");
        signal("-CONT", self.process.id());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Some of them come and go, so that a signal may find nobody.
    fn signal_workers(&self, name: &str) {
        let pids = self.workers().into_iter().map(|pid| pid.to_string());
        let _ = Command::new("kill").arg(name).args(pids).stderr(Stdio::null()).status().unwrap();
    }

    /// The processes that work for it.
    fn workers(&self) -> Vec<u32> {
        let ours = |entry: &fs::DirEntry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // After the name, which is in parentheses and may hold anything: the state and the parent.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            (parent == self.process.id().to_string()).then_some(pid)
        };
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| ours(&entry)).collect()
    }

    /// Waits until it is ready; false when its process ended instead.
    async fn answers(&mut self) -> bool {
        let mut ready = false;
        until("PostgreSQL is ready", async || {
            let ended = self.process.try_wait().unwrap().is_some();
            let status = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let lines: Vec<&str> = status.lines().map(str::trim).collect();
            let ours = lines.first() == Some(&self.process.id().to_string().as_str());
            ready = ours && lines.get(7) == Some(&"ready");
            ready || ended
        })
        .await;
        ready
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.thaw();
            signal("-QUIT", self.process.id());
            let _ = self.process.wait();
        }
    }
}

/// Where PostgreSQL's programs are, and as whom they run.
struct Programs {
    folder: PathBuf,
    /// The user and the group, when we are root: PostgreSQL refuses to run as root.
    user: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut debian: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
        debian.sort();
        let mut folders = std::env::split_paths(&path).chain(debian.into_iter().rev());
        let folder = folders.find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
        let folder = folder.expect("TEST_STORES=distributed needs the programs initdb and postgres of PostgreSQL");
        let user = (id(&["-u"]) == Some(0)).then(|| {
            let of = |name: &str| Some((id(&["-u", name])?, id(&["-g", name])?));
            of("postgres").or_else(|| of("nobody")).expect("PostgreSQL does not run as root, and there is nobody else")
        });
        Self { folder, user }
    }

    fn make_cluster(&self, data: &Path) {
        fs::create_dir(data).unwrap();
        if let Some((user, group)) = self.user {
            chown(data, Some(user), Some(group)).unwrap();
        }
        let mut initdb = self.command("initdb", data);
        initdb.args(["--username=runyard", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }

    fn serve(&self, data: &Path, port: u16) -> Child {
        let mut postgres = self.command("postgres", data);
        postgres.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        postgres.args(["-c", "unix_socket_directories=", "-c", "max_connections=50"]);
        postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command(&self, program: &str, data: &Path) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.arg("-D").arg(data).current_dir("/").stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What the program `id` answers.
fn id(arguments: &[&str]) -> Option<u32> {
    let answer = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
}
