//! The HTTP interface: routes, who may use them, and what they answer.
//!
//! [`types`] has the JSON; `caller` says who asks; `failure` is the one table from errors to status codes. One file per group of
//! routes, each handler beside its part of the OpenAPI document. Routes under `/api/v1` are the daemon's own; those of `gpu` keep
//! the names that the software GPU's users know; `/metrics`, `/healthz`, `/readyz`, `/openapi.json` and `/` are for machines and
//! people who look.

pub mod types;

mod body;
pub(crate) mod caller;
#[expect(unused_qualifications, reason = "what utoipa makes of parameters")]
mod data;
mod failure;
mod gpu;
mod jobs;
mod live;
#[expect(unused_qualifications, reason = "what utoipa makes of parameters")]
mod market;
mod metrics;
mod operator;
mod pages;
pub(crate) mod server;
mod tenants;

use crate::hub::Hub;
use crate::settings::Settings;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use caller::{Access, Limiter};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct Api {
    pub hub: Hub,
    pub settings: Arc<Settings>,
    pub access: Arc<Access>,
    pub limiter: Arc<Limiter>,
    /// One benchmark at a time.
    pub benchmark: Arc<tokio::sync::Mutex<()>>,
    /// Set when the daemon goes down.
    pub draining: tokio::sync::watch::Receiver<bool>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vgpud",
        description = "Many tenants on one software GPU: jobs, data, market, gate. Tokens go into `Authorization: Bearer`.",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = document.components.get_or_insert_default();
        components.security_schemes.insert("token".to_owned(), scheme);
        document.security = Some(vec![SecurityRequirement::new::<_, [String; 0], String>("token", [])]);
    }
}

/// The largest JSON body of ordinary requests.
const JSON_BYTES: usize = 1 << 20;

/// The routes that the document names.
fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(tenants::routes())
        .merge(market::routes())
        .merge(data::routes())
        .merge(jobs::routes())
        .merge(operator::routes())
        .merge(live::routes())
        .merge(gpu::routes())
        .merge(metrics::routes())
}

/// All routes, and their document.
pub(crate) fn router(api: Api) -> Router {
    let (router, document) = documented().split_for_parts();
    let text: Arc<str> = Arc::from(document.to_json().expect("maps with strings as keys have a JSON form"));
    router
        .merge(pages::routes(text))
        .fallback(failure::no_route)
        .method_not_allowed_fallback(failure::no_method)
        .layer(DefaultBodyLimit::max(JSON_BYTES))
        .layer(axum::middleware::from_fn_with_state(api.clone(), caller::admit))
        .with_state(api)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes that clients rely on by name are served and documented: both come from one list.
    #[test]
    fn the_document_names_every_route() {
        let document = documented().to_openapi();
        let paths: Vec<&str> = document.paths.paths.keys().map(String::as_str).collect();
        for needed in [
            "/api/gpu/stats",
            "/api/gpu/software/benchmark",
            "/api/gpu/software/vs-hardware",
            "/api/gpu/software/matmul-optimized",
            "/api/gpu/software/simd-info",
            "/api/v1/jobs",
            "/api/v1/modules",
            "/api/v1/buffers",
            "/api/v1/orders",
            "/api/v1/tenants",
            "/metrics",
            "/healthz",
            "/readyz",
        ] {
            assert!(paths.contains(&needed), "{needed} is not in {paths:?}");
        }
    }
}
