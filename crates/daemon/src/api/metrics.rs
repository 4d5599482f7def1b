//! `/metrics` in Prometheus's text form, with DCGM's names where DCGM has one; `/healthz` and `/readyz`.

use super::Api;
use super::caller::AsViewer;
use super::failure::{Answer, Failure};
use super::types::Live;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use std::fmt::Write as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(metrics)).routes(routes!(healthz)).routes(routes!(readyz))
}

/// Figures for Prometheus. A sensor that is missing has no line.
#[utoipa::path(get, path = "/metrics", tag = "machines", responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics(State(api): State<Api>, _: AsViewer) -> Answer<impl IntoResponse> {
    let live = api.hub.ask(|state| state.live_picture()).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(&live)))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "machines", responses((status = 200, body = String)), security(()))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// The daemon takes work: the journal and the market are well, and it is not going down.
#[utoipa::path(get, path = "/readyz", tag = "machines", responses((status = 200, body = String),
    (status = 503, body = super::types::Problem)), security(()))]
async fn readyz(State(api): State<Api>) -> Answer<&'static str> {
    if *api.draining.borrow() {
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "the daemon is shutting down"));
    }
    if !api.hub.is_healthy() {
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "broken", "the market takes no more commands"));
    }
    Ok("ready\n")
}

struct Metrics(String);

impl Metrics {
    fn family(&mut self, name: &str, kind: &str, help: &str, lines: impl IntoIterator<Item = (String, f64)>) {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_none() {
            return;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in lines {
            let _ = writeln!(self.0, "{name}{{{labels}}} {value}");
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn text(live: &Live) -> String {
    let mut to = Metrics(String::new());
    let device = &live.status.device;
    let gpu = format!("gpu=\"0\",UUID=\"vgpu-0\",modelName=\"{}\"", escape(&device.name));
    let one = |value: f64| [(gpu.clone(), value)];
    let some = |value: Option<f64>| value.map(|value| (gpu.clone(), value));
    let mib = (1u64 << 20) as f64;
    to.family("DCGM_FI_DEV_GPU_UTIL", "gauge", "Utilisation in percent.", one(device.utilisation_percent));
    to.family("DCGM_FI_DEV_GPU_TEMP", "gauge", "Temperature in degrees Celsius.", some(device.temperature_c.value));
    to.family("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power in watts.", some(device.power_w.value));
    to.family("DCGM_FI_DEV_POWER_MGMT_LIMIT", "gauge", "Power limit in watts.", one(device.power_limit_w));
    let (used, free) = (device.memory_used_bytes, device.memory_bytes.saturating_sub(device.memory_used_bytes));
    to.family("DCGM_FI_DEV_FB_USED", "gauge", "Memory in buffers, in MiB.", one(used as f64 / mib));
    to.family("DCGM_FI_DEV_FB_FREE", "gauge", "Memory free, in MiB.", one(free as f64 / mib));
    to.family("vgpu_pace_ratio", "gauge", "Pace of launches.", one(f64::from(device.pace_permille) / 1000.0));
    to.family("vgpu_uptime_seconds", "counter", "Time since the start.", one(live.status.uptime_s));
    to.family("vgpu_epoch", "counter", "The market's epoch.", one(f64::from(live.status.epoch)));
    to.family("vgpu_trades_total", "counter", "Trades.", one(live.market.n_trades as f64));
    to.family("vgpu_healthy", "gauge", "The market takes commands.", one(f64::from(u8::from(live.status.healthy))));
    let jobs = live.status.jobs;
    let state = |name: &str, n: u64| (format!("{gpu},state=\"{name}\""), n as f64);
    to.family(
        "vgpu_jobs",
        "gauge",
        "Jobs that wait or run.",
        [state("queued", jobs.queued), state("running", jobs.running)],
    );
    let ended = [state("done", jobs.done), state("failed", jobs.failed), state("cancelled", jobs.cancelled)];
    to.family("vgpu_jobs_ended_total", "counter", "Jobs that ended.", ended);
    let quantile = |q: &str, ms: f64| (format!("{gpu},quantile=\"{q}\""), ms / 1000.0);
    let launches = live.launches;
    let runs = [quantile("0.5", launches.run_p50_ms), quantile("0.99", launches.run_p99_ms)];
    to.family("vgpu_job_run_seconds", "gauge", "How long jobs ran.", runs);
    let waits = [quantile("0.5", launches.wait_p50_ms), quantile("0.99", launches.wait_p99_ms)];
    to.family("vgpu_job_wait_seconds", "gauge", "How long jobs waited.", waits);
    let label = |tenant: &super::types::TenantView| format!("{gpu},tenant=\"{}\"", escape(&tenant.name));
    let per_tenant = |figure: fn(&super::types::TenantView) -> f64| {
        live.tenants.iter().map(|tenant| (label(tenant), figure(tenant))).collect::<Vec<_>>()
    };
    to.family(
        "vgpu_tenant_entitled_ratio",
        "gauge",
        "Share of compute.",
        per_tenant(|tenant| tenant.entitled_percent / 100.0),
    );
    to.family(
        "vgpu_tenant_cpu_seconds_total",
        "counter",
        "Processor time.",
        per_tenant(|tenant| tenant.cpu_ns as f64 / 1e9),
    );
    to.family(
        "vgpu_tenant_memory_bytes",
        "gauge",
        "Bytes in buffers.",
        per_tenant(|tenant| tenant.memory_bytes as f64),
    );
    to.family("vgpu_tenant_credits", "gauge", "Credits and leases.", per_tenant(|tenant| tenant.equity));
    let price = |resource: &super::types::ResourceView| {
        (format!("{gpu},resource=\"{}\"", escape(&resource.name)), resource.price)
    };
    to.family(
        "vgpu_price_credits",
        "gauge",
        "Price of a unit in the next epoch.",
        live.market.resources.iter().map(price),
    );
    to.0
}
