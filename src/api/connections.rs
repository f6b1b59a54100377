//! Accepts connections and serves each within its bounds: how many there are, how long a head may take, how long a
//! reader may stand still. A connection that breaks them ends alone.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::watch::Watch;

/// How long is waited after the system refused a connection, mostly for want of file descriptors: those that are
/// open have to end first, and asking again at once would take a whole core.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// How long an answer may wait for a caller who takes none of it.
const STALLED_WRITE: Duration = Duration::from_secs(120);
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 256;
/// How often an HTTP/2 connection is asked whether somebody is still there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// Serves until `stop` ends; then idle connections close, the others finish what is in hand, for `patience` at most.
pub async fn serve(
    listener: TcpListener,
    routes: impl Endpoint + 'static,
    limits: &Limits,
    patience: Duration,
    watch: &Watch,
    stop: impl Future<Output = ()>,
) {
    let routes = Arc::new(routes);
    let seats = Arc::new(Semaphore::new(limits.max_connections));
    let graceful = GracefulShutdown::new();
    let cut = CancellationToken::new();
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout.0);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.max_header.as_u64()).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_EVERY);
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &seats) => accepted,
        };
        let (socket, remote, seat) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was refused by the system");
                tokio::time::sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        let local = LocalAddr(listener.local_addr().map_or(Addr::custom("tcp", "unknown"), Addr::SocketAddr));
        let routes = Arc::clone(&routes);
        let begun = CancellationToken::new();
        let silent = silent(limits.header_timeout.0, begun.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            begun.cancel();
            let routes = Arc::clone(&routes);
            let local = local.clone();
            async move {
                let remote = RemoteAddr(Addr::SocketAddr(remote));
                let request = Request::from((request, local, remote, Scheme::HTTP));
                Ok::<_, io::Error>(hyper::Response::from(routes.get_response(request).await))
            }
        });
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(STALLED_WRITE));
        let connection = http.serve_connection(TokioIo::new(Box::pin(socket)), service).into_owned();
        let connection = graceful.watch(connection);
        let cut = cut.clone();
        let connection = async move {
            // How it ended, the caller knows best.
            tokio::select! {
                _ = connection => {}
                () = cut.cancelled() => {}
                () = silent => {}
            }
            drop(seat);
        };
        tokio::spawn(watch.watched("connection", connection));
    }
    drop(listener);
    if tokio::time::timeout(patience, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections are cut that did not end in time");
        cut.cancel();
    }
}

/// Ends when no request has begun in time, and never otherwise. Which protocol a connection speaks is found out before
/// the limit of a head counts, so somebody who says nothing would keep a seat.
async fn silent(patience: Duration, begun: CancellationToken) {
    if tokio::time::timeout(patience, begun.cancelled_owned()).await.is_ok() {
        pending::<()>().await;
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let seat = Arc::clone(seats).acquire_owned().await.map_err(io::Error::other)?;
    let (socket, remote) = listener.accept().await?;
    // An answer is written as a whole; waiting for more would only delay it. A caller who has gone already is found
    // out by the first read.
    let _ = socket.set_nodelay(true);
    Ok((socket, remote, seat))
}
