//! The daemon as a whole: opened, served until a signal, drained.
//!
//! The end has an order: readiness goes first, so that nobody sends more; then connections are no longer taken, event streams
//! end and answers under way go out; jobs that run get their time; then the hub, whose answers are on disk. A second signal
//! ends it at once, which loses nothing that was answered.

use crate::api::caller::{Access, Limiter};
use crate::api::server::{Listener, serve};
use crate::api::{Api, router};
use crate::demo;
use crate::hub::{Hub, HubError};
use crate::settings::{Mode, Settings};
use crate::systemd;
use crate::token;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

/// Why the daemon did not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The state.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// An address or a file.
    #[error("cannot {doing} {what}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// With what.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

fn system(doing: &'static str, what: impl ToString) -> impl FnOnce(std::io::Error) -> ServeError {
    let what = what.to_string();
    move |source| ServeError::System { doing, what, source }
}

/// Runs a daemon until it is told to end.
///
/// # Errors
/// It cannot start.
pub fn run(settings: Settings) -> Result<(), ServeError> {
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("vgpud-http").build();
    runtime.map_err(system("start", "the HTTP threads"))?.block_on(daemon(settings))
}

async fn daemon(settings: Settings) -> Result<(), ServeError> {
    // Before anything else, so that a signal that comes early is not the system's to handle.
    let mut interrupted = signal(SignalKind::interrupt()).map_err(system("handle", "SIGINT"))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(system("handle", "SIGTERM"))?;
    let own = settings.clone();
    // Opening waits for the disk, which must not be done on a thread that serves.
    let opened = tokio::task::spawn_blocking(move || Hub::open(own)).await;
    let hub = opened.map_err(|error| HubError::System(format!("opening the state failed: {error}")))??;
    let operator = operator_token(&settings.state_dir)?;
    let (drain, draining) = watch::channel(false);
    let (listeners, addresses) = listen(&settings).await?;
    let mut access = Access::new(&settings, token::hash(&operator));
    access.allowed_hosts.extend(addresses.iter().map(|address| address.ip().to_string()));
    let api = Api {
        hub: hub.clone(),
        access: Arc::new(access),
        limiter: Arc::new(Limiter::new(settings.requests_per_second)),
        benchmark: Arc::default(),
        draining: draining.clone(),
        settings: Arc::new(settings.clone()),
    };
    let router = router(api);
    let connections = Arc::new(Semaphore::new(settings.max_connections));
    let mut serving = tokio::task::JoinSet::new();
    for listener in listeners {
        let (router, connections, draining) = (router.clone(), Arc::clone(&connections), draining.clone());
        serving.spawn(serve(listener, router, connections, draining, settings.drain));
    }
    if settings.mode == Mode::Demonstration {
        let tenants = demo::tenants(&hub, &settings.state_dir).await?;
        tokio::spawn(demo::work(hub.clone(), tenants, draining.clone()));
    }
    announce(&settings, &addresses);
    systemd::notify("READY=1");
    let mut watchdog = systemd::watchdog_interval().map(tokio::time::interval);
    loop {
        tokio::select! {
            _ = interrupted.recv() => break,
            _ = terminated.recv() => break,
            () = tick(&mut watchdog) => if hub.is_healthy() { systemd::notify("WATCHDOG=1") },
        }
    }
    systemd::notify("STOPPING=1");
    eprintln!("vgpud: ending; jobs that run have {:?}", settings.drain);
    drain.send_replace(true);
    let end = async {
        while serving.join_next().await.is_some() {}
        let own = hub.clone();
        // It has nothing to say.
        let _ = tokio::task::spawn_blocking(move || own.shut_down(settings.drain)).await;
    };
    tokio::select! {
        () = end => {}
        _ = interrupted.recv() => eprintln!("vgpud: ended at once"),
        _ = terminated.recv() => eprintln!("vgpud: ended at once"),
    }
    Ok(())
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

async fn listen(settings: &Settings) -> Result<(Vec<Listener>, Vec<SocketAddr>), ServeError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    let given = systemd::listeners().map_err(system("take", "systemd's sockets"))?;
    let from_systemd = !given.tcp.is_empty() || !given.unix.is_empty();
    for listener in given.tcp {
        listener.set_nonblocking(true).map_err(system("use", "systemd's socket"))?;
        let listener = TcpListener::from_std(listener).map_err(system("use", "systemd's socket"))?;
        addresses.extend(listener.local_addr().ok());
        listeners.push(Listener::Tcp(listener));
    }
    for listener in given.unix {
        listener.set_nonblocking(true).map_err(system("use", "systemd's socket"))?;
        listeners.push(Listener::Unix(UnixListener::from_std(listener).map_err(system("use", "systemd's socket"))?));
    }
    if !from_systemd {
        for address in &settings.listen {
            let listener = TcpListener::bind(address).await.map_err(system("listen at", address))?;
            addresses.extend(listener.local_addr().ok());
            listeners.push(Listener::Tcp(listener));
        }
    }
    if let Some(path) = &settings.unix_socket {
        // The journal's lock says that no other daemon has this state; a socket that is left over may go.
        if fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket()) {
            fs::remove_file(path).map_err(system("remove", path.display()))?;
        }
        listeners.push(Listener::Unix(UnixListener::bind(path).map_err(system("listen at", path.display()))?));
    }
    Ok((listeners, addresses))
}

/// The operator's token: made at the first start, in a file that only the daemon's user may read.
fn operator_token(state_dir: &Path) -> Result<String, ServeError> {
    let path = state_dir.join("operator.token");
    match fs::read_to_string(&path) {
        Ok(token) if token.trim().len() >= 32 => return Ok(token.trim().to_owned()),
        Ok(_) | Err(_) => {}
    }
    let token = token::new_token().map_err(system("make", "a token"))?;
    write_secret(&path, &format!("{token}\n"))?;
    Ok(token)
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), ServeError> {
    let failed = |source| ServeError::System { doing: "write", what: path.display().to_string(), source };
    let unfinished = path.with_extension("new");
    // Left over from a crash, perhaps with other rights.
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&unfinished, path).map_err(failed)
}

fn announce(settings: &Settings, addresses: &[SocketAddr]) {
    let path = settings.state_dir.join("address");
    let text: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    if let Err(error) = fs::write(&path, text.join("\n") + "\n") {
        eprintln!("vgpud: cannot write {}: {error}", path.display());
    }
    for address in addresses {
        println!("vgpud: listening at http://{address}/ ({})", settings.mode.name());
    }
    println!("vgpud: the operator's token is in {}", settings.state_dir.join("operator.token").display());
    // Whoever waits for these lines waits through a pipe.
    let _ = std::io::stdout().flush();
}

/// Every buffer and connection is a descriptor.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, fewer clients fit.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
