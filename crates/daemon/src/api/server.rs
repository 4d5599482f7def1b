//! Connections: accepted, limited, served, drained.
//!
//! One task per connection, at most so many at a time; headers must be there within ten seconds, so that a client that sends
//! a byte now and then holds a connection and nothing else. At the end no new connections are taken, event streams end,
//! and requests that are being answered get their answers.

use super::caller::Peer;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service as _;

/// Time for a request's headers.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Bytes of headers.
const HEADER_BYTES: usize = 64 << 10;
/// Number of headers.
const HEADERS: usize = 100;

/// Where connections come from.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Serves a listener until `draining` says so, then waits for the connections that are left, at most `patience`.
pub(crate) async fn serve(
    listener: Listener,
    router: Router,
    connections: Arc<Semaphore>,
    mut draining: watch::Receiver<bool>,
    patience: Duration,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            _ = draining.wait_for(|draining| *draining) => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            _ = draining.wait_for(|draining| *draining) => break,
        };
        match accepted {
            Ok((stream, peer)) => start(stream, peer, router.clone(), &graceful, permit),
            Err(error) => {
                // Out of descriptors, mostly: wait for some to come back.
                eprintln!("vgpud: cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(patience) => eprintln!("vgpud: some connections did not end within {patience:?}"),
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn accept(listener: &Listener) -> std::io::Result<(Box<dyn Stream>, Peer)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // Without it small answers wait for the client's acknowledgement; a refusal changes speed only.
            let _ = stream.set_nodelay(true);
            Ok((Box::new(stream), Peer::Address(address.ip())))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let user = stream.peer_cred()?.uid();
            Ok((Box::new(stream), Peer::User(user)))
        }
    }
}

fn start(
    stream: Box<dyn Stream>,
    peer: Peer,
    router: Router,
    graceful: &GracefulShutdown,
    permit: OwnedSemaphorePermit,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        // The router is always ready, and its errors are answers.
        router.clone().call(request.map(Body::new))
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_headers(HEADERS).max_buf_size(HEADER_BYTES);
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        // A client that breaks off is no news.
        let _ = connection.await;
        drop(permit);
    });
}
