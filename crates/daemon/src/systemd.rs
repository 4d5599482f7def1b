//! What systemd asks of a service: readiness, watchdog, and sockets that it opened before.
//!
//! Notifications are datagrams to the socket that `NOTIFY_SOCKET` names (sd_notify(3)). Sockets are descriptors from 3 on, as
//! many as `LISTEN_FDS` says, when `LISTEN_PID` is this process (sd_listen_fds(3)).

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

/// Tells systemd, when it asked to be told.
pub fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let path = path.to_string_lossy().into_owned();
    let send = || -> std::io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        let address = match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&path)?,
        };
        socket.send_to_addr(state.as_bytes(), &address).map(|_| ())
    };
    if let Err(error) = send() {
        eprintln!("vgpud: cannot notify systemd at {path}: {error}");
    }
}

/// How often systemd wants to hear that all is well: twice in its interval.
pub fn watchdog_interval() -> Option<Duration> {
    let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros / 2))
}

/// Sockets that systemd opened.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Internet sockets.
    pub tcp: Vec<TcpListener>,
    /// Local sockets.
    pub unix: Vec<UnixListener>,
}

/// Takes the sockets that systemd passed to this process.
///
/// # Errors
/// A descriptor is no listening socket.
pub fn listeners() -> std::io::Result<Listeners> {
    let mut found = Listeners::default();
    let mut given = listenfd::ListenFd::from_env();
    for idx in 0..given.len() {
        if let Ok(Some(listener)) = given.take_unix_listener(idx) {
            found.unix.push(listener);
        } else if let Some(listener) = given.take_tcp_listener(idx)? {
            found.tcp.push(listener);
        }
    }
    Ok(found)
}
