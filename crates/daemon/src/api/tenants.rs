//! Routes about tenants: made, shown, given credits and tokens, closed.

use super::Api;
use super::body::{JsonBody, PathPart};
use super::caller::{AsOperator, AsTenant, AsViewer, Caller};
use super::failure::Answer;
use super::types::*;
use crate::hub::views::{credits, utility};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vgpu_market::{Command, TenantId};

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, open))
        .routes(routes!(show, close))
        .routes(routes!(grant))
        .routes(routes!(token))
        .routes(routes!(me))
        .routes(routes!(declare))
        .routes(routes!(portfolio))
}

/// All tenants; a tenant sees itself.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "tenants", responses((status = 200, body = Vec<TenantView>)))]
async fn list(State(api): State<Api>, viewer: AsViewer) -> Answer<Json<Vec<TenantView>>> {
    let mut tenants = api.hub.ask(|state| state.tenant_views()).await?;
    if let Caller::Tenant(own) = viewer.0 {
        tenants.retain(|tenant| tenant.id == own);
    }
    Ok(Json(tenants))
}

/// Makes a tenant. The answer has its token, which cannot be shown again. Operator.
#[utoipa::path(post, path = "/api/v1/tenants", tag = "tenants", request_body = NewTenant, responses(
    (status = 201, body = TenantToken), (status = 422, body = Problem), (status = 409, body = Problem)))]
async fn open(
    State(api): State<Api>,
    _: AsOperator,
    JsonBody(new): JsonBody<NewTenant>,
) -> Answer<(StatusCode, Json<TenantToken>)> {
    let budget = credits(new.budget)?;
    let (tenant, token, ticket) = api.hub.ask(move |state| state.open_tenant(&new.name, budget)).await??;
    ticket.durable().await?;
    Ok((StatusCode::CREATED, Json(TenantToken { id: tenant.id, name: tenant.name, token })))
}

/// One tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{id}", tag = "tenants", params(("id" = u32, Path)), responses(
    (status = 200, body = TenantView), (status = 404, body = Problem)))]
async fn show(State(api): State<Api>, viewer: AsViewer, PathPart(id): PathPart<u32>) -> Answer<Json<TenantView>> {
    viewer.may_see(id)?;
    Ok(Json(api.hub.ask(move |state| state.tenant_view(id)).await??))
}

/// Ends a tenant with its jobs, data, orders and credits. Operator.
#[utoipa::path(delete, path = "/api/v1/tenants/{id}", tag = "tenants", params(("id" = u32, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn close(State(api): State<Api>, _: AsOperator, PathPart(id): PathPart<u32>) -> Answer<StatusCode> {
    let ticket = api.hub.ask(move |state| state.close_tenant(id)).await??;
    ticket.durable().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a tenant credits. Operator.
#[utoipa::path(post, path = "/api/v1/tenants/{id}/grant", tag = "tenants", params(("id" = u32, Path)),
    request_body = Amount, responses((status = 200, body = TenantView), (status = 404, body = Problem)))]
async fn grant(
    State(api): State<Api>,
    _: AsOperator,
    PathPart(id): PathPart<u32>,
    JsonBody(amount): JsonBody<Amount>,
) -> Answer<Json<TenantView>> {
    let credits = credits(amount.credits)?;
    api.hub.command(Command::Grant { tenant: TenantId(id), credits }).await?;
    Ok(Json(api.hub.ask(move |state| state.tenant_view(id)).await??))
}

/// Gives a tenant a new token; the old one is good no more. Operator.
#[utoipa::path(post, path = "/api/v1/tenants/{id}/token", tag = "tenants", params(("id" = u32, Path)), responses(
    (status = 200, body = TenantToken), (status = 404, body = Problem)))]
async fn token(State(api): State<Api>, _: AsOperator, PathPart(id): PathPart<u32>) -> Answer<Json<TenantToken>> {
    let (tenant, token, ticket) = api.hub.ask(move |state| state.new_token(id)).await??;
    ticket.durable().await?;
    Ok(Json(TenantToken { id: tenant.id, name: tenant.name, token }))
}

/// The tenant whose token this is.
#[utoipa::path(get, path = "/api/v1/me", tag = "tenants", responses((status = 200, body = TenantView)))]
async fn me(State(api): State<Api>, AsTenant(id): AsTenant) -> Answer<Json<TenantView>> {
    Ok(Json(api.hub.ask(move |state| state.tenant_view(id)).await??))
}

/// Says what the tenant wants of the resources, from the next clearing on.
#[utoipa::path(put, path = "/api/v1/me/utility", tag = "tenants", request_body = UtilityView, responses(
    (status = 204), (status = 422, body = Problem)))]
async fn declare(
    State(api): State<Api>,
    AsTenant(id): AsTenant,
    JsonBody(view): JsonBody<UtilityView>,
) -> Answer<StatusCode> {
    api.hub.command(Command::Declare { tenant: TenantId(id), utility: utility(view) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a tenant has: credits, leases, open orders.
#[utoipa::path(get, path = "/api/v1/tenants/{id}/portfolio", tag = "tenants", params(("id" = u32, Path)), responses(
    (status = 200, body = PortfolioView), (status = 404, body = Problem)))]
async fn portfolio(
    State(api): State<Api>,
    viewer: AsViewer,
    PathPart(id): PathPart<u32>,
) -> Answer<Json<PortfolioView>> {
    viewer.may_see(id)?;
    Ok(Json(api.hub.ask(move |state| state.portfolio_view(id)).await??))
}
