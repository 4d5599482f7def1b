//! The live picture: everything the dashboard shows, pushed twice a second.

use super::Api;
use super::caller::{AsViewer, Caller};
use super::failure::Answer;
use super::types::*;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use std::convert::Infallible;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(status)).routes(routes!(live)).routes(routes!(picture))
}

/// JSON texts as server-sent events, until they end or the daemon goes down.
pub(super) fn events(api: &Api, texts: impl Stream<Item = String> + Send + 'static) -> Response {
    let ends = WatchStream::new(api.draining.clone()).filter(|draining| *draining).map(|_| None);
    let texts = texts.map(Some).chain(tokio_stream::once(None));
    let both = texts.merge(ends).take_while(Option::is_some);
    let events = both.filter_map(|text| Some(Ok::<_, Infallible>(Event::default().data(text?))));
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// The daemon and its device.
#[utoipa::path(get, path = "/api/v1/status", tag = "live", responses((status = 200, body = Status)))]
async fn status(State(api): State<Api>, _: AsViewer) -> Answer<Json<Status>> {
    Ok(Json(api.hub.ask(|state| state.status()).await?))
}

/// What a viewer may see of the picture: a tenant sees its own jobs and itself.
fn cut(viewer: AsViewer, mut live: Live) -> Live {
    if let Caller::Tenant(own) = viewer.0 {
        live.jobs.retain(|job| job.tenant == own);
        live.errors.clear();
        for tenant in &mut live.tenants {
            if tenant.id != own {
                (tenant.free_credits, tenant.equity, tenant.pid) = (0.0, 0.0, None);
            }
        }
    }
    live
}

/// Everything the dashboard shows, as server-sent events twice a second.
#[utoipa::path(get, path = "/api/v1/live", tag = "live", responses(
    (status = 200, content_type = "text/event-stream", body = Live)))]
async fn live(State(api): State<Api>, viewer: AsViewer) -> Answer<Response> {
    let first = api.hub.ask(|state| state.live_picture()).await?;
    let first = serde_json::to_string(&cut(viewer, first)).unwrap_or_default();
    let pictures = WatchStream::from_changes(api.hub.live()).map(move |text| match viewer.0 {
        Caller::Tenant(_) => serde_json::from_str(&text)
            .ok()
            .and_then(|picture| serde_json::to_string(&cut(viewer, picture)).ok())
            .unwrap_or_default(),
        _ => text.to_string(),
    });
    Ok(events(&api, tokio_stream::once(first).chain(pictures)))
}

/// The same once.
#[utoipa::path(get, path = "/api/v1/picture", tag = "live", responses((status = 200, body = Live)))]
async fn picture(State(api): State<Api>, viewer: AsViewer) -> Answer<Json<Live>> {
    Ok(Json(cut(viewer, api.hub.ask(|state| state.live_picture()).await?)))
}
