//! The demonstration: three tenants that work and trade by themselves, so that there is something to see.
//!
//! They use the same functions as the HTTP routes: real kernels in real worker processes, real orders. Each works a while and
//! rests a while, so that a small machine stays usable. Their tokens are in `demo-tokens.json` in the state folder.

use crate::api::types::{Argument, JobClass, JobRequest, LifetimeName, OrderKind, OrderRequest, SideName};
use crate::hub::{Hub, HubError};
use crate::serve::{ServeError, write_secret};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use vgpu_market::{Command, Credits, TenantId, Utility};

/// A tenant of the demonstration.
#[derive(Clone, Copy, Debug)]
struct Plan {
    name: &'static str,
    budget: i32,
    weights: [u32; 7],
    class: JobClass,
    kernel: &'static str,
    module: &'static str,
    grid: [u32; 2],
    block: [u32; 2],
    /// Between two jobs.
    rest: Duration,
}

const PLANS: [Plan; 3] = [
    Plan {
        name: "training",
        budget: 5000,
        weights: [8, 2, 1, 1, 1, 1, 2],
        class: JobClass::MlTraining,
        kernel: "matmul16",
        module: include_str!("../../../kernels/matmul16.ptx"),
        grid: [24, 24],
        block: [16, 16],
        rest: Duration::from_millis(150),
    },
    Plan {
        name: "rendering",
        budget: 3000,
        weights: [6, 1, 1, 1, 1, 1, 1],
        class: JobClass::Batch,
        kernel: "mandel",
        module: include_str!("../../../kernels/mandel.ptx"),
        grid: [24, 48],
        block: [32, 8],
        rest: Duration::from_millis(250),
    },
    Plan {
        name: "inference",
        budget: 2000,
        weights: [4, 2, 1, 2, 2, 2, 4],
        class: JobClass::Interactive,
        kernel: "saxpy",
        module: include_str!("../../../kernels/saxpy.ptx"),
        grid: [2048, 1],
        block: [256, 1],
        rest: Duration::from_millis(100),
    },
];

/// Side of the square matrices.
const SIDE: u64 = 384;
/// Numbers in a vector.
const LENGTH: u64 = 2048 * 256;
/// The picture.
const PICTURE: (u64, u64) = (768, 384);

/// The tenants: found, or made.
pub(crate) async fn tenants(hub: &Hub, state_dir: &Path) -> Result<Vec<u32>, ServeError> {
    let path = state_dir.join("demo-tokens.json");
    let kept = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut tokens: BTreeMap<String, String> = kept.unwrap_or_default();
    let mut ids = Vec::new();
    for plan in PLANS {
        let views = hub.ask(|state| state.tenant_views()).await?;
        let (id, token) = match views.iter().find(|tenant| tenant.name == plan.name) {
            Some(found) if tokens.contains_key(plan.name) => (found.id, None),
            Some(found) => {
                let id = found.id;
                let (_, token, ticket) = hub.ask(move |state| state.new_token(id)).await??;
                ticket.durable().await.map_err(HubError::from)?;
                (id, Some(token))
            }
            None => {
                let budget = Credits::whole(plan.budget);
                let (tenant, token, ticket) = hub.ask(move |state| state.open_tenant(plan.name, budget)).await??;
                ticket.durable().await.map_err(HubError::from)?;
                (tenant.id, Some(token))
            }
        };
        let utility = Utility::CobbDouglas { weights: plan.weights.to_vec() };
        hub.command(Command::Declare { tenant: TenantId(id), utility }).await?;
        if let Some(token) = token {
            tokens.insert(plan.name.to_owned(), token);
        }
        ids.push(id);
    }
    write_secret(&path, &serde_json::to_string_pretty(&tokens).unwrap_or_default())?;
    println!("vgpud: the tokens of the tenants {} are in {}", PLANS.map(|plan| plan.name).join(", "), path.display());
    Ok(ids)
}

/// Works and trades until the daemon ends.
pub(crate) async fn work(hub: Hub, tenants: Vec<u32>, draining: watch::Receiver<bool>) {
    let mut all = tokio::task::JoinSet::new();
    for (plan, tenant) in PLANS.into_iter().zip(tenants) {
        let (hub, draining) = (hub.clone(), draining.clone());
        all.spawn(async move {
            while !*draining.borrow() {
                // Memory comes with the first clearing, and anything may fail while the daemon ends.
                if let Err(error) = live(&hub, plan, tenant, &draining).await
                    && !*draining.borrow()
                {
                    eprintln!("vgpud: the tenant {} waits: {error}", plan.name);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    while all.join_next().await.is_some() {}
}

async fn live(hub: &Hub, plan: Plan, tenant: u32, draining: &watch::Receiver<bool>) -> Result<(), HubError> {
    while hub.ask(move |state| state.tenant_view(tenant)).await??.memory_quota_bytes == 0 {
        if *draining.borrow() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let jobs = hub.jobs();
    for buffer in jobs.buffers(tenant) {
        jobs.remove_buffer(tenant, buffer.id)?;
    }
    let module = jobs.upload_module(tenant, plan.module.as_bytes().to_vec()).await?.id;
    let args = match plan.kernel {
        "matmul16" => {
            let buffer = || jobs.create_buffer(tenant, SIDE * SIDE * 4).map(|buffer| Argument::Buffer(buffer.id));
            vec![buffer()?, buffer()?, buffer()?, Argument::U32(SIDE as u32)]
        }
        "mandel" => {
            let picture = jobs.create_buffer(tenant, PICTURE.0 * PICTURE.1 * 4)?;
            let f = Argument::F32;
            let (dx, dy) = (3.0 / PICTURE.0 as f32, 2.0 / PICTURE.1 as f32);
            let size = [PICTURE.0, PICTURE.1].map(|side| Argument::I32(side as i32));
            let [w, h] = size;
            vec![Argument::Buffer(picture.id), w, h, f(-2.0), f(-1.0), f(dx), f(dy), Argument::I32(400)]
        }
        _ => {
            let buffer = || jobs.create_buffer(tenant, LENGTH * 4).map(|buffer| Argument::Buffer(buffer.id));
            vec![Argument::U32(LENGTH as u32), Argument::F32(0.5), buffer()?, buffer()?]
        }
    };
    let request = JobRequest {
        module,
        kernel: plan.kernel.to_owned(),
        grid: plan.grid.to_vec(),
        block: plan.block.to_vec(),
        shared_bytes: 0,
        args,
        timeout_ms: Some(60_000),
        class: plan.class,
        cooperative: false,
    };
    for round in 0u32.. {
        if *draining.borrow() {
            break;
        }
        let job = jobs.submit(tenant, request.clone()).await?;
        let mut states = jobs.watch(tenant, job.id)?;
        // The daemon's end drops the sender, which ends the wait as well.
        if states.wait_for(|view| view.state.is_final()).await.is_err() {
            break;
        }
        if round % 16 == tenant % 16 {
            trade(hub, tenant, round).await?;
        }
        tokio::time::sleep(plan.rest).await;
    }
    Ok(())
}

/// Offers or bids a little compute of a coming epoch near its price.
async fn trade(hub: &Hub, tenant: u32, round: u32) -> Result<(), HubError> {
    let market = hub.ask(|state| state.market_view()).await?;
    let Some(compute) = market.resources.first() else { return Ok(()) };
    let side = if (round / 16 + tenant).is_multiple_of(2) { SideName::Buy } else { SideName::Sell };
    let request = OrderRequest {
        resource: compute.name.clone(),
        epoch: None,
        side,
        kind: OrderKind::Limit,
        price: Some(compute.price.clamp(compute.floor, compute.ceiling)),
        trigger: None,
        quantity: 50 + round % 50,
        lifetime: LifetimeName::Standing,
    };
    let (command, _) = hub.ask(move |state| state.order_command(tenant, &request)).await??;
    match hub.command(command).await {
        // Limits refuse now and then; that is their work.
        Ok(_) | Err(HubError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
