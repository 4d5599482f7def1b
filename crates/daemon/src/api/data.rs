//! Routes for modules and buffers: bytes in and out, streamed.

use super::Api;
use super::body::{Bytes, PathPart, QueryPart};
use super::caller::{AsTenant, AsViewer};
use super::failure::{Answer, Failure};
use super::types::*;
use crate::jobs::Buffer;
use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use std::sync::Arc;
use tokio_stream::StreamExt as _;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The largest module.
const MODULE_BYTES: usize = 64 << 20;
/// Bytes read from a buffer at a time.
const CHUNK: u64 = 256 << 10;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    let modules = OpenApiRouter::new().routes(routes!(modules, upload)).layer(DefaultBodyLimit::max(MODULE_BYTES));
    let contents = OpenApiRouter::new().routes(routes!(download, write, remove)).layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .merge(modules)
        .merge(contents)
        .routes(routes!(forget))
        .routes(routes!(buffers, create))
        .routes(routes!(memory))
}

/// The tenant's modules.
#[utoipa::path(get, path = "/api/v1/modules", tag = "data", responses((status = 200, body = Vec<ModuleView>)))]
async fn modules(State(api): State<Api>, AsTenant(tenant): AsTenant) -> Json<Vec<ModuleView>> {
    Json(api.hub.jobs().modules(tenant))
}

/// Uploads a module: PTX text, a fat binary, or an ELF file with fat binaries in it.
#[utoipa::path(post, path = "/api/v1/modules", tag = "data",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = ModuleView), (status = 422, body = Problem), (status = 413, body = Problem)))]
async fn upload(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    Bytes(bytes): Bytes,
) -> Answer<(StatusCode, Json<ModuleView>)> {
    let view = api.hub.jobs().upload_module(tenant, bytes.to_vec()).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Forgets a module.
#[utoipa::path(delete, path = "/api/v1/modules/{id}", tag = "data", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn forget(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    PathPart(id): PathPart<String>,
) -> Answer<StatusCode> {
    api.hub.jobs().remove_module(tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Size {
    /// Size of the buffer.
    bytes: u64,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Part {
    /// First byte; 0 when absent.
    #[serde(default)]
    offset: u64,
    /// How many; up to the end when absent.
    bytes: Option<u64>,
}

/// The tenant's buffers.
#[utoipa::path(get, path = "/api/v1/buffers", tag = "data", responses((status = 200, body = Vec<BufferView>)))]
async fn buffers(State(api): State<Api>, AsTenant(tenant): AsTenant) -> Json<Vec<BufferView>> {
    Json(api.hub.jobs().buffers(tenant))
}

/// Makes a buffer of zeros.
#[utoipa::path(post, path = "/api/v1/buffers", tag = "data", params(Size), responses(
    (status = 201, body = BufferView), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn create(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    QueryPart(size): QueryPart<Size>,
) -> Answer<(StatusCode, Json<BufferView>)> {
    Ok((StatusCode::CREATED, Json(api.hub.jobs().create_buffer(tenant, size.bytes)?)))
}

fn outside(buffer: &Buffer, offset: u64, bytes: u64) -> Failure {
    let size = buffer.bytes();
    Failure::invalid(format!("{bytes} bytes at {offset} are not inside the buffer, which has {size}"))
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Answer<T> {
    let done = tokio::task::spawn_blocking(act).await.map_err(std::io::Error::other).and_then(|done| done);
    done.map_err(|error| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "broken", error.to_string()))
}

/// Writes the body into a buffer, as it comes.
#[utoipa::path(put, path = "/api/v1/buffers/{id}", tag = "data", params(("id" = u64, Path),
    ("offset" = Option<u64>, Query, description = "First byte; 0 when absent.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn write(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    PathPart(id): PathPart<u64>,
    QueryPart(part): QueryPart<Part>,
    mut body: Body,
) -> Answer<StatusCode> {
    let buffer = api.hub.jobs().buffer(tenant, id)?;
    let mut offset = part.offset;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Failure::new(StatusCode::BAD_REQUEST, "cut_off", format!("the body ended early: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = data.len() as u64;
        if !buffer.contains(offset, length) {
            return Err(outside(&buffer, offset, length));
        }
        let to = Arc::clone(&buffer);
        blocking(move || to.write(offset, &data)).await?;
        offset += length;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Reads a part of a buffer.
#[utoipa::path(get, path = "/api/v1/buffers/{id}", tag = "data", params(("id" = u64, Path), Part), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn download(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    PathPart(id): PathPart<u64>,
    QueryPart(part): QueryPart<Part>,
) -> Answer<Response> {
    let buffer = api.hub.jobs().buffer(tenant, id)?;
    let bytes = part.bytes.unwrap_or_else(|| buffer.bytes().saturating_sub(part.offset));
    if !buffer.contains(part.offset, bytes) {
        return Err(outside(&buffer, part.offset, bytes));
    }
    let end = part.offset + bytes;
    let chunks = tokio_stream::iter((part.offset..end).step_by(CHUNK as usize)).then(move |at| {
        let buffer = Arc::clone(&buffer);
        async move {
            let length = CHUNK.min(end - at) as usize;
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; length];
                buffer.read(at, &mut chunk).map(|()| chunk)
            });
            read.await.map_err(std::io::Error::other)?
        }
    });
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, bytes.to_string())];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// Frees a buffer. Jobs that were submitted with it keep it until they end.
#[utoipa::path(delete, path = "/api/v1/buffers/{id}", tag = "data", params(("id" = u64, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn remove(State(api): State<Api>, AsTenant(tenant): AsTenant, PathPart(id): PathPart<u64>) -> Answer<StatusCode> {
    api.hub.jobs().remove_buffer(tenant, id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What lies where; a tenant sees its own buffers.
#[utoipa::path(get, path = "/api/v1/memory", tag = "data", responses((status = 200, body = MemoryMap)))]
async fn memory(State(api): State<Api>, viewer: AsViewer) -> Answer<Json<MemoryMap>> {
    let mut map = api.hub.ask(|state| state.memory_map()).await?;
    map.tenants.retain(|tenant| viewer.may_see(tenant.tenant).is_ok());
    Ok(Json(map))
}
