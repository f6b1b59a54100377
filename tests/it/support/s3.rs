//! A real HTTP S3 server in this process, over a folder of its own that goes with it.
//!
//! It runs on threads of its own, so that tests with different runtimes can share one and stopping it is prompt.

use std::convert::Infallible;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use runyard::config::{AwsConfig, BlobUrl};
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

/// Requests that a server has answered, stopped or not.
#[derive(Debug, Default)]
struct Counts {
    put: AtomicUsize,
    post: AtomicUsize,
    get: AtomicUsize,
    head: AtomicUsize,
    delete: AtomicUsize,
    other: AtomicUsize,
}

impl Counts {
    fn of(&self, method: &Method) -> &AtomicUsize {
        match *method {
            Method::PUT => &self.put,
            Method::POST => &self.post,
            Method::GET => &self.get,
            Method::HEAD => &self.head,
            Method::DELETE => &self.delete,
            _ => &self.other,
        }
    }
}

/// An S3 server; it stops when it is dropped.
pub struct S3Server {
    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// The only access key that it takes.
    pub access_key: &'static str,
    /// The secret of that key.
    pub secret_key: &'static str,
    address: SocketAddr,
    folder: TempDir,
    counts: Arc<Counts>,
    runtime: Option<Runtime>,
}

impl S3Server {
    /// Starts a server without any bucket on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Self {
            endpoint: format!("http://{address}"),
            access_key: "runyard-test",
            secret_key: "runyard-test-secret",
            address,
            folder: tempfile::tempdir().unwrap(),
            counts: Arc::default(),
            runtime: None,
        };
        server.serve(listener);
        server
    }

    /// Starts it again on the port that it had, with what it had stored.
    pub fn restart(&mut self) {
        self.stop();
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    /// Cuts every connection and listens no more; what was stored stays.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime must not be waited for on a thread of another one.
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(10))).join().unwrap();
        }
    }

    /// The folder in which the buckets are folders, and the objects files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How many requests with this method it has answered.
    pub fn requests(&self, method: &Method) -> usize {
        self.counts.of(method).load(Ordering::Relaxed)
    }

    /// A store in this server, as the configuration names it.
    pub fn url(&self, bucket: &str, prefix: &str) -> BlobUrl {
        BlobUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    /// Access to this server.
    pub fn aws(&self) -> AwsConfig {
        AwsConfig {
            aws_endpoint_url: Some(self.endpoint.clone()),
            aws_region: "us-east-1".to_owned(),
            aws_access_key_id: Some(self.access_key.to_owned()),
            aws_secret_access_key: Some(SecretString::from(self.secret_key)),
            aws_session_token: None,
        }
    }

    /// Files that belong to uploads in parts which were neither finished nor given up.
    pub fn unfinished(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap());
        let unfinished = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".upload"));
        unfinished.map(|entry| entry.path()).collect()
    }

    fn serve(&mut self, listener: TcpListener) {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(self.folder()).unwrap());
        service.set_auth(SimpleAuth::from_single(self.access_key, self.secret_key));
        let service = service.build();
        let folder: Arc<Path> = self.folder().into();
        let counts = self.counts.clone();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let (service, folder, counts) = (service.clone(), folder.clone(), counts.clone());
                tokio::spawn(async move {
                    let answer = service_fn(|request| answer(&service, &folder, &counts, request));
                    // A client may go away at any time, which is its own affair.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await);
                });
            }
        });
        self.runtime = Some(runtime);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn answer(
    service: &S3Service,
    folder: &Path,
    counts: &Counts,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let method = request.method().clone();
    let listing = method == Method::GET && request.uri().query().is_some_and(|query| query.contains("uploads"));
    let answer = if listing {
        Response::new(Body::from(list_uploads(folder, request.uri().path().trim_matches('/'))))
    } else {
        // A task of its own: S3 does not stop in the middle of a step because who asked for it is gone.
        let service = service.clone();
        let answer = tokio::spawn(async move { service.call(request.map(Body::from)).await }).await.unwrap();
        answer.unwrap_or_else(|error| {
            let mut answer = Response::new(Body::from(format!("{error:?}")));
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            answer
        })
    };
    counts.of(&method).fetch_add(1, Ordering::Relaxed);
    Ok(answer)
}

/// `ListMultipartUploads`, which s3s-fs lacks, read off the names of the files that it keeps for each upload:
/// `.bucket-<base64>.object-<base64>.upload-<id>.metadata.json`.
fn list_uploads(folder: &Path, bucket: &str) -> String {
    let mut text = format!("<ListMultipartUploadsResult><Bucket>{bucket}</Bucket><IsTruncated>false</IsTruncated>");
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let Some((place, id)) = name.strip_suffix(".metadata.json").and_then(|name| name.split_once(".upload-")) else {
            continue;
        };
        let Some((of, object)) = place.strip_prefix(".bucket-").and_then(|place| place.split_once(".object-")) else {
            continue;
        };
        if of == URL_SAFE_NO_PAD.encode(bucket) {
            let key = String::from_utf8(URL_SAFE_NO_PAD.decode(object).unwrap()).unwrap();
            let begun = DateTime::<Utc>::from(entry.metadata().unwrap().modified().unwrap());
            let begun = begun.to_rfc3339_opts(SecondsFormat::Millis, true);
            text +=
                &format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>");
        }
    }
    text + "</ListMultipartUploadsResult>"
}
