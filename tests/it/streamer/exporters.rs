//! Exporters: what a good one says is published, and what a bad one does is survived.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::support::Process;

const GOOD: &str = r#"# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-1",device="nvidia0",modelName="Yardstone T80",Hostname="yard-1",exported_pod="p"} 41
DCGM_FI_DEV_GPU_TEMP{gpu="1",UUID="GPU-2",device="nvidia1",modelName="Yardstone T80",Hostname="yard-1"} 2147483632 1767225600000
this is no line of an exporter
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-1",device="nvidia0",modelName="Yardstone \"T80\"",Hostname="yard-1"} 301.5
go_goroutines 17
"#;

/// What an exporter does to whoever connects.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Good,
    /// Takes the request and never answers.
    Hang,
    /// Answers and stops in the middle of the body.
    Stall,
    /// No HTTP.
    Garbage,
    /// HTTP, and no exposition.
    Page,
    /// A body without an end.
    Flood,
    /// One line without an end.
    Line,
    /// A head without an end.
    Head,
    Refuse,
    /// Closes in the middle of the body.
    Close,
}

/// An exporter that does one after the other, and then is good for ever.
struct Exporter {
    address: SocketAddr,
    /// Connections so far.
    visits: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Exporter {
    async fn start(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let visits = Arc::new(AtomicUsize::new(0));
        let (seen, manners) = (visits.clone(), manners.to_vec());
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = seen.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, manners.get(number).copied().unwrap_or(Manner::Good)));
            }
        });
        Self { address, visits, serving }
    }

    fn source(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, manner: Manner) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    assert!(request.starts_with(b"GET /metrics HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&request));
    // Whoever has seen enough goes away, and the rest cannot be written.
    let _ = answer(&mut stream, manner).await;
}

async fn answer(stream: &mut TcpStream, manner: Manner) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";
    let whole = |text: &str| format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
    let million = "x".repeat(1 << 20);
    match manner {
        Manner::Good => stream.write_all(whole(GOOD).as_bytes()).await,
        Manner::Hang => std::future::pending().await,
        Manner::Stall => {
            stream.write_all(&whole(GOOD).as_bytes()[..head.len() + 60]).await?;
            std::future::pending().await
        }
        Manner::Garbage => stream.write_all(b"\x16\x03\x01 what is this\r\n\r\n\0\0\0").await,
        Manner::Page => stream.write_all(whole("<html>\n<body>\n\"}{,=\n</html>\n").as_bytes()).await,
        Manner::Flood => {
            stream.write_all(format!("{head}\r\n").as_bytes()).await?;
            // A gigabyte, if anybody takes it.
            let lines = GOOD.repeat(1 << 10);
            for _ in 0..(1 << 30) / lines.len() {
                stream.write_all(lines.as_bytes()).await?;
            }
            Ok(())
        }
        Manner::Line => {
            stream.write_all(format!("{head}\r\n").as_bytes()).await?;
            for _ in 0..1 << 10 {
                stream.write_all(million.as_bytes()).await?;
            }
            Ok(())
        }
        Manner::Head => {
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..1 << 10 {
                stream.write_all(million.as_bytes()).await?;
            }
            Ok(())
        }
        Manner::Refuse => stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await,
        Manner::Close => stream.write_all(&whole(GOOD).as_bytes()[..head.len() + 200]).await,
    }
}

#[tokio::test]
async fn what_an_exporter_says_is_published_at_each_interval() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let exporter = Exporter::start(&[]).await;
    let streamer = start(&app.stores, &exporter.source(), &["--streamer-interval=100ms"]).await;
    let taken = queue.samples(9).await;
    streamer.stop().await;
    assert_eq!(taken.len() % 3, 0);
    for look in taken.chunks(3) {
        let of = |index: usize, name: &str| look[index][name].clone();
        assert!(look.iter().all(|sample| sample["timestamp"] == look[0]["timestamp"]), "{look:?}");
        assert_eq!((of(0, "uuid"), of(0, "value"), of(0, "pod")), (json!("GPU-1"), json!(41.0), json!("p")));
        assert_eq!((of(1, "uuid"), of(1, "value"), of(1, "gpu_id")), (json!("GPU-2"), Value::Null, json!("1")));
        assert_eq!((of(2, "value"), of(2, "model_name")), (json!(301.5), json!("Yardstone \"T80\"")));
        assert_eq!((of(2, "hostname"), of(2, "device")), (json!("yard-1"), json!("nvidia0")));
        assert!(of(0, "labels_raw").as_str().unwrap().contains("__name__=\"DCGM_FI_DEV_GPU_TEMP\",device=\"nvidia0\""));
    }
    let times: Vec<_> = taken.chunks(3).map(|look| look[0]["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
    let rest = queue.left().await * 3;
    let position = position(&app.stores, &ada, &exporter.source()).await;
    assert_eq!(position.published, taken.len() as i64 + rest);
    assert_eq!(position.bad * 3, position.published);
}

#[tokio::test]
async fn an_exporter_that_misbehaves_in_any_way_is_survived_and_read_again() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let manners = [
        Manner::Hang,
        Manner::Garbage,
        Manner::Flood,
        Manner::Line,
        Manner::Head,
        Manner::Stall,
        Manner::Refuse,
        Manner::Page,
        Manner::Close,
    ];
    let exporter = Exporter::start(&manners).await;
    let more = ["--streamer-interval=50ms", "--upstream-timeout=2s", "--streamer-max-scrape=1MiB"];
    let arguments = streamer(&exporter.source(), &more);
    let streamer = Process::start(app.stores.clone(), &strs(&arguments)).await;
    let taken = queue.samples(3).await;
    assert_eq!(taken[0]["uuid"], "GPU-1");
    assert!(exporter.visits.load(Ordering::SeqCst) > manners.len());
    let log = streamer.log();
    for said in ["takes too long", "more than 1048576 bytes", "answers 503", "no sample of a GPU"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", streamer.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: u64 = peak.split(' ').next().unwrap().parse().unwrap();
    assert!(peak < 200 * 1024, "it took {peak} KiB at its peak");
}

#[tokio::test]
async fn streamers_of_one_exporter_look_at_it_once_in_an_interval() {
    let app = TestApp::with(&[QUEUE]).await;
    let ada = app.user("ada").await;
    let queue = Queue(ada.clone());
    let exporter = Exporter::start(&[]).await;
    let one = start(&app.stores, &exporter.source(), &["--streamer-interval=1h"]).await;
    let other = start(&app.stores, &exporter.source(), &["--streamer-interval=1h"]).await;
    let taken = queue.samples(3).await;
    one.stop().await;
    other.stop().await;
    assert_eq!((taken.len(), queue.left().await), (3, 0));
    assert_eq!(position(&app.stores, &ada, &exporter.source()).await.published, 3);
}
