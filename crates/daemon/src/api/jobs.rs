//! Routes for jobs: submitted, watched, cancelled.

use super::Api;
use super::body::{JsonBody, PathPart, QueryPart};
use super::caller::AsTenant;
use super::failure::Answer;
use super::live::events;
use super::market::Most;
use super::types::*;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, submit)).routes(routes!(show, cancel)).routes(routes!(watch))
}

/// The tenant's newest jobs.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(Most), responses((status = 200, body = Vec<JobView>)))]
async fn list(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    QueryPart(most): QueryPart<Most>,
) -> Json<Vec<JobView>> {
    Json(api.hub.jobs().jobs(Some(tenant), most.n()))
}

/// Submits a launch. It is on disk when the answer comes.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = JobRequest, responses(
    (status = 202, body = JobView), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
async fn submit(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    JsonBody(request): JsonBody<JobRequest>,
) -> Answer<(StatusCode, Json<JobView>)> {
    Ok((StatusCode::ACCEPTED, Json(api.hub.jobs().submit(tenant, request).await?)))
}

/// A job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = u64, Path)), responses(
    (status = 200, body = JobView), (status = 404, body = Problem)))]
async fn show(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    PathPart(id): PathPart<u64>,
) -> Answer<Json<JobView>> {
    Ok(Json(api.hub.jobs().job(tenant, id)?))
}

/// Cancels a job; one that runs is ended with its worker process.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = u64, Path)), responses(
    (status = 200, body = JobView), (status = 404, body = Problem)))]
async fn cancel(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    PathPart(id): PathPart<u64>,
) -> Answer<Json<JobView>> {
    Ok(Json(api.hub.jobs().cancel(tenant, id).await?))
}

/// A job's states as server-sent events, from the one it is in to the final one.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs", params(("id" = u64, Path)), responses(
    (status = 200, content_type = "text/event-stream", body = JobView), (status = 404, body = Problem)))]
async fn watch(State(api): State<Api>, AsTenant(tenant): AsTenant, PathPart(id): PathPart<u64>) -> Answer<Response> {
    let mut states = api.hub.jobs().watch(tenant, id)?;
    let (sender, texts) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            let view = states.borrow_and_update().clone();
            let text = serde_json::to_string(&view).unwrap_or_default();
            // The client went away, the job is over, or the daemon forgot it.
            if sender.send(text).await.is_err() || view.state.is_final() || states.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(events(&api, ReceiverStream::new(texts)))
}
