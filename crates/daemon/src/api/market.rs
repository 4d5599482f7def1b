//! Routes about the market: prices, books, orders, trades.

use super::Api;
use super::body::{JsonBody, PathPart, QueryPart};
use super::caller::{AsTenant, AsViewer, Caller};
use super::failure::{Answer, Failure};
use super::types::*;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vgpu_market::{Command, OrderId, Receipt, TenantId};

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(market))
        .routes(routes!(book))
        .routes(routes!(trades))
        .routes(routes!(orders, place))
        .routes(routes!(cancel, change))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BookQuery {
    /// Name of the resource.
    resource: String,
    /// Which epoch; the last that is open when absent.
    epoch: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Most {
    /// How many at most; 100 when absent.
    #[param(minimum = 0, maximum = 50000)]
    pub limit: Option<u32>,
}

impl Most {
    pub fn n(&self) -> usize {
        self.limit.unwrap_or(100).min(50_000) as usize
    }
}

/// Resources, supply and prices.
#[utoipa::path(get, path = "/api/v1/market", tag = "market", responses((status = 200, body = MarketView)))]
async fn market(State(api): State<Api>, _: AsViewer) -> Answer<Json<MarketView>> {
    Ok(Json(api.hub.ask(|state| state.market_view()).await?))
}

/// The book of a resource in a coming epoch.
#[utoipa::path(get, path = "/api/v1/market/books", tag = "market", params(BookQuery), responses(
    (status = 200, body = BookView), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn book(State(api): State<Api>, _: AsViewer, QueryPart(query): QueryPart<BookQuery>) -> Answer<Json<BookView>> {
    Ok(Json(api.hub.ask(move |state| state.book_view(&query.resource, query.epoch)).await??))
}

/// The newest trades; a tenant sees its own.
#[utoipa::path(get, path = "/api/v1/market/trades", tag = "market", params(Most), responses(
    (status = 200, body = Vec<TradeView>)))]
async fn trades(
    State(api): State<Api>,
    viewer: AsViewer,
    QueryPart(most): QueryPart<Most>,
) -> Answer<Json<Vec<TradeView>>> {
    let tenant = if let Caller::Tenant(tenant) = viewer.0 { Some(tenant) } else { None };
    Ok(Json(api.hub.ask(move |state| state.trade_views(tenant, most.n())).await?))
}

/// The tenant's open orders.
#[utoipa::path(get, path = "/api/v1/orders", tag = "market", responses((status = 200, body = Vec<OpenOrder>)))]
async fn orders(State(api): State<Api>, AsTenant(tenant): AsTenant) -> Answer<Json<Vec<OpenOrder>>> {
    Ok(Json(api.hub.ask(move |state| state.open_orders(tenant)).await??))
}

/// Places an order. It is on disk, and what it traded with settled, when the answer comes.
#[utoipa::path(post, path = "/api/v1/orders", tag = "market", request_body = OrderRequest, responses(
    (status = 201, body = OrderAnswer), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn place(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    JsonBody(request): JsonBody<OrderRequest>,
) -> Answer<(StatusCode, Json<OrderAnswer>)> {
    let (command, epoch) = api.hub.ask(move |state| state.order_command(tenant, &request)).await??;
    Ok((StatusCode::CREATED, Json(answer(api.hub.command(command).await?, epoch)?)))
}

fn answer(receipt: Receipt, epoch: u32) -> Answer<OrderAnswer> {
    let Receipt::Order(execution) = receipt else {
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "broken", "the market answered something else"));
    };
    Ok(OrderAnswer {
        filled: execution.filled,
        value: execution.value.as_f64(),
        order: execution.order.map(|order| order.0.to_string()),
        epoch,
    })
}

/// Takes an order back.
#[utoipa::path(delete, path = "/api/v1/orders/{id}", tag = "market", params(("id" = u64, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn cancel(State(api): State<Api>, AsTenant(tenant): AsTenant, PathPart(id): PathPart<u64>) -> Answer<StatusCode> {
    api.hub.command(Command::Cancel { tenant: TenantId(tenant), order: OrderId(id) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a resting order a new price and quantity.
#[utoipa::path(patch, path = "/api/v1/orders/{id}", tag = "market", params(("id" = u64, Path)),
    request_body = OrderMove, responses((status = 200, body = OrderAnswer), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
async fn change(
    State(api): State<Api>,
    AsTenant(tenant): AsTenant,
    PathPart(id): PathPart<u64>,
    JsonBody(request): JsonBody<OrderMove>,
) -> Answer<Json<OrderAnswer>> {
    let (command, epoch) = api
        .hub
        .ask(move |state| {
            let command = state.move_command(tenant, id, &request)?;
            let mut open = state.open_orders(tenant)?.into_iter();
            let epoch = open.find(|open| open.order == id.to_string()).map_or(0, |open| open.epoch);
            Ok::<_, crate::hub::HubError>((command, epoch))
        })
        .await??;
    Ok(Json(answer(api.hub.command(command).await?, epoch)?))
}
