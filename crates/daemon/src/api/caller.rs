//! Who asks: tokens, users of the local socket, and what may be seen without either.
//!
//! A request comes from a *tenant* (its token), from the *operator* (the operator's token, or the daemon's own user over the Unix
//! socket), or from *anybody*. Anybody may see the pages for machines (`/healthz`, `/readyz`); in demonstration mode on loopback
//! anybody may look at everything that names no secret, and use the software GPU's routes.
//!
//! Before that: the `Host` must be one of ours, so that a web page elsewhere cannot reach us by giving its own name our
//! address (DNS rebinding); a request from another origin may change nothing; and each caller has a budget of requests.

use super::Api;
use super::failure::Failure;
use crate::settings::{Mode, Settings};
use crate::token::{self, TokenHash};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// Over TCP.
    Address(IpAddr),
    /// Over the Unix socket: the user's number.
    User(u32),
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Without a token.
    Anybody,
    /// This tenant.
    Tenant(u32),
    /// Who runs the daemon.
    Operator,
}

/// What decides who somebody is.
#[derive(Debug)]
pub(crate) struct Access {
    pub operator: TokenHash,
    /// The daemon's own user.
    pub own_user: u32,
    pub allowed_hosts: Vec<String>,
    pub open_on_loopback: bool,
}

impl Access {
    pub fn new(settings: &Settings, operator: TokenHash) -> Self {
        let mut allowed_hosts: Vec<String> = settings.allowed_hosts.iter().map(|host| host.to_lowercase()).collect();
        allowed_hosts.push("localhost".to_owned());
        for address in &settings.listen {
            allowed_hosts.push(address.ip().to_string());
        }
        let own_user = rustix::process::geteuid().as_raw();
        Self { operator, own_user, allowed_hosts, open_on_loopback: settings.mode == Mode::Demonstration }
    }

    /// Whether this name is ours. A number cannot be a rebound name, so a loopback number always is.
    fn knows_host(&self, host: &str) -> bool {
        let name = host.to_lowercase();
        let bare = match name.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or("").to_owned(),
            None => match name.rsplit_once(':') {
                Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare.to_owned(),
                _ => name.clone(),
            },
        };
        self.allowed_hosts.contains(&bare) || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Whose budget a request is paid from.
type Payer = (Option<TokenHash>, Peer);

/// A bucket of requests per caller, filled at a fixed rate.
#[derive(Debug)]
pub(crate) struct Limiter {
    per_second: f64,
    buckets: Mutex<HashMap<Payer, (f64, Instant)>>,
}

/// Buckets beyond this are thrown away when they are full again.
const MAX_BUCKETS: usize = 65_536;

impl Limiter {
    pub fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), buckets: Mutex::default() }
    }

    fn admit(&self, who: Payer, now: Instant) -> bool {
        let most = self.per_second * 2.0;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&who) {
            let rate = self.per_second;
            buckets.retain(|_, (left, at)| *left + now.saturating_duration_since(*at).as_secs_f64() * rate < most);
            if buckets.len() >= MAX_BUCKETS {
                return false;
            }
        }
        let (left, at) = buckets.entry(who).or_insert((most, now));
        *left = (*left + now.saturating_duration_since(*at).as_secs_f64() * self.per_second).min(most);
        *at = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

/// Stands before every route.
pub(crate) async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::User(u32::MAX));
    let token = bearer(request.headers()).map(token::hash);
    match identify(&api, request.headers(), request.method(), token, peer) {
        Ok(caller) => {
            if !api.limiter.admit((token.filter(|_| caller != Caller::Anybody), peer), Instant::now()) {
                let message = format!("more than {} requests per second", api.settings.requests_per_second);
                return Failure::new(StatusCode::TOO_MANY_REQUESTS, "rate", message).into_response();
            }
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            protect(response.headers_mut());
            response
        }
        Err(failure) => failure.into_response(),
    }
}

fn protect(headers: &mut HeaderMap) {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let all = [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn identify(
    api: &Api,
    headers: &HeaderMap,
    method: &Method,
    token: Option<TokenHash>,
    peer: Peer,
) -> Result<Caller, Failure> {
    if let Peer::Address(_) = peer {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        if !api.access.knows_host(host) {
            let message = format!("this daemon is not called {host:?}");
            return Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, "host", message));
        }
        let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
        let foreign = origin.is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != Some(host));
        if foreign && !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Failure::new(StatusCode::FORBIDDEN, "origin", "requests from other sites change nothing here"));
        }
    }
    if headers.contains_key(header::AUTHORIZATION) {
        let unknown = || Failure::new(StatusCode::UNAUTHORIZED, "token", "the token is not known");
        let token = token.ok_or_else(unknown)?;
        // Comparing hashes tells nothing about the token by the time it takes.
        if token == api.access.operator {
            return Ok(Caller::Operator);
        }
        return api.hub.tenant_of(&token).map(Caller::Tenant).ok_or_else(unknown);
    }
    Ok(match peer {
        Peer::User(user) if user == api.access.own_user || user == 0 => Caller::Operator,
        _ => Caller::Anybody,
    })
}

impl Caller {
    fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().copied().unwrap_or(Self::Anybody)
    }
}

fn unauthorized(what: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "token", format!("this needs {what} in the Authorization header"))
}

/// A handler that takes this is for tenants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsTenant(pub u32);

impl FromRequestParts<Api> for AsTenant {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        match Caller::of(parts) {
            Caller::Tenant(tenant) => Ok(Self(tenant)),
            Caller::Operator => {
                let message = "the operator has no jobs, data or orders; use a tenant's token";
                Err(Failure::new(StatusCode::FORBIDDEN, "not_a_tenant", message))
            }
            Caller::Anybody => Err(unauthorized("a tenant's token")),
        }
    }
}

/// A handler that takes this is for the operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsOperator;

impl FromRequestParts<Api> for AsOperator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        match Caller::of(parts) {
            Caller::Operator => Ok(Self),
            Caller::Tenant(_) => {
                Err(Failure::new(StatusCode::FORBIDDEN, "operator_only", "only the operator may do this"))
            }
            Caller::Anybody => Err(unauthorized("the operator's token")),
        }
    }
}

/// A handler that takes this shows what everybody with a token may see; in demonstration mode on loopback, anybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsViewer(pub Caller);

impl FromRequestParts<Api> for AsViewer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let local = match parts.extensions.get::<Peer>() {
            Some(Peer::Address(address)) => address.to_canonical().is_loopback(),
            Some(Peer::User(_)) => true,
            None => false,
        };
        match Caller::of(parts) {
            Caller::Anybody if api.access.open_on_loopback && local => Ok(Self(Caller::Anybody)),
            Caller::Anybody => Err(unauthorized("a token")),
            known => Ok(Self(known)),
        }
    }
}

impl AsViewer {
    /// Whether the viewer may see this tenant's own affairs.
    pub fn may_see(self, tenant: u32) -> Result<(), Failure> {
        match self.0 {
            Caller::Tenant(own) if own != tenant => {
                Err(Failure::new(StatusCode::FORBIDDEN, "other_tenant", "that is another tenant"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn hosts() {
        let access = Access {
            operator: [0; 32],
            own_user: 0,
            allowed_hosts: vec!["localhost".to_owned(), "gpu.example".to_owned(), "10.1.2.3".to_owned()],
            open_on_loopback: true,
        };
        for good in ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000", "gpu.example:1", "10.1.2.3"] {
            assert!(access.knows_host(good), "{good}");
        }
        for bad in
            ["", "evil.example", "localhost.evil.example", "10.1.2.4:8000", "[::2]", "127.0.0.1.evil", "localhost:x"]
        {
            assert!(!access.knows_host(bad), "{bad}");
        }
    }

    #[test]
    fn buckets_fill_again() {
        let limiter = Limiter::new(10);
        let peer = (None, Peer::Address(IpAddr::from([127, 0, 0, 1])));
        let now = Instant::now();
        assert_eq!((0..100).filter(|_| limiter.admit(peer, now)).count(), 20);
        let later = now + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| limiter.admit(peer, later)).count(), 5);
        assert!(limiter.admit((Some([1; 32]), peer.1), later), "another caller has its own");
    }
}
