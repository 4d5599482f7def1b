//! Routes for who runs the daemon: signals, decisions, rules, changes to the device. All changes go through the gate.

use super::Api;
use super::body::{JsonBody, PathPart, QueryPart};
use super::caller::{AsOperator, AsViewer};
use super::failure::{Answer, Failure};
use super::market::Most;
use super::types::*;
use crate::hub::epoch::Author;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vgpu_policy::Change;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(signals))
        .routes(routes!(audit))
        .routes(routes!(rules, reload))
        .routes(routes!(dry_run))
        .routes(routes!(device))
        .routes(routes!(share))
        .routes(routes!(windows))
}

/// The newest signals.
#[utoipa::path(get, path = "/api/v1/signals", tag = "operation", params(Most), responses(
    (status = 200, body = Vec<SignalView>)))]
async fn signals(
    State(api): State<Api>,
    _: AsViewer,
    QueryPart(most): QueryPart<Most>,
) -> Answer<Json<Vec<SignalView>>> {
    Ok(Json(api.hub.ask(move |state| state.signal_views(most.n())).await?))
}

/// The newest decisions of the gate, with their reasons.
#[utoipa::path(get, path = "/api/v1/audit", tag = "operation", params(Most), responses(
    (status = 200, body = Vec<DecisionView>)))]
async fn audit(
    State(api): State<Api>,
    _: AsViewer,
    QueryPart(most): QueryPart<Most>,
) -> Answer<Json<Vec<DecisionView>>> {
    Ok(Json(api.hub.ask(move |state| state.decisions(most.n())).await?))
}

/// The rules in use, and the facts that they see.
#[utoipa::path(get, path = "/api/v1/rules", tag = "operation", responses((status = 200, body = RuleSet)))]
async fn rules(State(api): State<Api>, _: AsViewer) -> Answer<Json<RuleSet>> {
    Ok(Json(api.hub.ask(|state| state.rule_set()).await?))
}

/// Replaces the rules, when all of them can be read and decided. Operator.
#[utoipa::path(put, path = "/api/v1/rules", tag = "operation", request_body = Vec<RuleView>, responses(
    (status = 200, body = RuleSet), (status = 422, body = Problem)))]
async fn reload(
    State(api): State<Api>,
    _: AsOperator,
    JsonBody(rules): JsonBody<Vec<RuleView>>,
) -> Answer<Json<RuleSet>> {
    let ticket = api.hub.ask(move |state| state.reload_rules(&rules)).await??;
    ticket.durable().await?;
    Ok(Json(api.hub.ask(|state| state.rule_set()).await?))
}

/// What rules would do now, without taking them into use. Operator.
#[utoipa::path(post, path = "/api/v1/rules/dry-run", tag = "operation", request_body = Vec<RuleView>, responses(
    (status = 200, body = DryRunView), (status = 422, body = Problem)))]
async fn dry_run(
    State(api): State<Api>,
    _: AsOperator,
    JsonBody(rules): JsonBody<Vec<RuleView>>,
) -> Answer<Json<DryRunView>> {
    Ok(Json(api.hub.ask(move |state| state.dry_run(&rules)).await??))
}

/// Changes processors, pace or power limit, as far as the gate admits. Operator.
#[utoipa::path(patch, path = "/api/v1/device", tag = "operation", request_body = DeviceChange, responses(
    (status = 200, body = Status), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn device(
    State(api): State<Api>,
    _: AsOperator,
    JsonBody(change): JsonBody<DeviceChange>,
) -> Answer<Json<Status>> {
    let milliwatts = match change.power_limit_w {
        Some(watts) if watts.is_finite() && (0.0..=4e6).contains(&watts) => Some((watts * 1000.0).round() as u32),
        Some(watts) => return Err(Failure::invalid(format!("the power limit is {watts}; accepted is 0 to 4000000 W"))),
        None => None,
    };
    api.hub
        .ask(move |state| {
            if let Some(n) = change.workers {
                state.propose(Author::Operator, &change.because, Change::Workers { n })?;
            }
            if let Some(permille) = change.pace_permille {
                state.want_pace(permille, &change.because)?;
            }
            if let Some(milliwatts) = milliwatts {
                state.propose(Author::Operator, &change.because, Change::PowerLimit { milliwatts })?;
            }
            Ok::<(), crate::hub::HubError>(())
        })
        .await??;
    Ok(Json(api.hub.ask(|state| state.status()).await?))
}

/// Changes a tenant's share until the next clearing, as far as the gate admits. Operator.
#[utoipa::path(put, path = "/api/v1/tenants/{id}/share", tag = "operation", params(("id" = u32, Path)),
    request_body = ShareChange, responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn share(
    State(api): State<Api>,
    _: AsOperator,
    PathPart(tenant): PathPart<u32>,
    JsonBody(change): JsonBody<ShareChange>,
) -> Answer<StatusCode> {
    api.hub
        .ask(move |state| {
            state.tenant(tenant)?;
            let resource = state.resource_id(&change.resource)?;
            state.propose(Author::Operator, &change.because, Change::Share { tenant, resource, units: change.units })
        })
        .await??;
    Ok(StatusCode::NO_CONTENT)
}

/// What each tenant used in the last windows of 100 ms, oldest first.
#[utoipa::path(get, path = "/api/v1/windows", tag = "operation", responses((status = 200, body = Vec<WindowView>)))]
async fn windows(State(api): State<Api>, _: AsViewer) -> Json<Vec<WindowView>> {
    let tenant =
        |&(tenant, weight, used_ns, always): &(u32, u32, u64, bool)| WindowTenant { tenant, weight, used_ns, always };
    let view = |window: &crate::device::Window| WindowView {
        length_ns: window.length_ns,
        tenants: window.tenants.iter().map(tenant).collect(),
    };
    Json(api.hub.arbiter().windows().iter().map(view).collect())
}
