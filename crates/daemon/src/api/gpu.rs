//! The software GPU's routes, under the names that its users know: statistics, benchmark, comparison, matrix product, SIMD.

use super::Api;
use super::body::JsonBody;
use super::caller::AsViewer;
use super::failure::{Answer, Failure};
use super::types::{Problem, Sensor};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vgpu_num::{MatMut, MatRef, Scratch, Serial, gemm};

/// The largest body of a matrix product.
const MATRIX_BYTES: usize = 64 << 20;
/// The largest side of a matrix.
const MAX_SIDE: usize = 2048;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(OpenApiRouter::new().routes(routes!(matmul)).layer(DefaultBodyLimit::max(MATRIX_BYTES)))
        .routes(routes!(stats))
        .routes(routes!(benchmark))
        .routes(routes!(vs_hardware))
        .routes(routes!(simd_info))
}

/// What the device does now.
#[derive(Debug, Serialize, ToSchema)]
struct Stats {
    name: String,
    utilization_percent: f64,
    memory_total_bytes: u64,
    memory_used_bytes: u64,
    temperature_c: Sensor,
    power_w: Sensor,
    processors: u32,
    tenants: u32,
    jobs_running: u64,
    jobs_queued: u64,
    uptime_s: f64,
}

/// Statistics of the device.
#[utoipa::path(get, path = "/api/gpu/stats", tag = "gpu", responses((status = 200, body = Stats)))]
async fn stats(State(api): State<Api>, _: AsViewer) -> Answer<Json<Stats>> {
    let status = api.hub.ask(|state| state.status()).await?;
    let device = status.device;
    Ok(Json(Stats {
        name: device.name,
        utilization_percent: device.utilisation_percent,
        memory_total_bytes: device.memory_bytes,
        memory_used_bytes: device.memory_used_bytes,
        temperature_c: device.temperature_c,
        power_w: device.power_w,
        processors: device.processors,
        tenants: status.tenants,
        jobs_running: status.jobs.running,
        jobs_queued: status.jobs.queued,
        uptime_s: status.uptime_s,
    }))
}

/// Runs the benchmark: matrix product, convolution and memory hierarchy, as kernels on the software device. Takes seconds; one
/// at a time.
#[utoipa::path(get, path = "/api/gpu/software/benchmark", tag = "gpu", responses(
    (status = 200, body = serde_json::Value), (status = 503, body = Problem)))]
async fn benchmark(State(api): State<Api>, _: AsViewer) -> Answer<Json<serde_json::Value>> {
    let _one_at_a_time = api.benchmark.lock().await;
    Ok(Json(api.hub.jobs().benchmark().await?))
}

/// A GPU that is not here, by its published peak figures.
#[derive(Debug, Serialize, ToSchema)]
struct Hardware {
    name: &'static str,
    /// Published peak of single-precision arithmetic, in 10^9 operations per second.
    peak_gflops: f64,
    /// Published memory bandwidth, in 10^9 bytes per second.
    peak_gb_per_s: f64,
    /// What the model takes it to reach in a matrix product.
    modelled_matmul_gflops: f64,
    /// The software device's matrix product as a part of that, in percent.
    software_matmul_percent: Option<f64>,
    /// The software device's bandwidth as a part of the published one, in percent.
    software_bandwidth_percent: Option<f64>,
}

/// The comparison.
#[derive(Debug, Serialize, ToSchema)]
struct Comparison {
    /// How the figures of GPUs that are not here come about.
    model: &'static str,
    /// What was measured here, now.
    software: serde_json::Value,
    hardware: Vec<Hardware>,
}

/// Part of the published peak that large matrix products reach with NVIDIA's library.
const MATMUL_OF_PEAK: f64 = 0.8;

/// Compares the software device, measured now, with published figures of GPUs.
#[utoipa::path(get, path = "/api/gpu/software/vs-hardware", tag = "gpu", responses(
    (status = 200, body = Comparison), (status = 503, body = Problem)))]
async fn vs_hardware(State(api): State<Api>, _: AsViewer) -> Answer<Json<Comparison>> {
    let software = {
        let _one_at_a_time = api.benchmark.lock().await;
        api.hub.jobs().benchmark().await?
    };
    let gflops = software.pointer("/matmul/gflops").and_then(serde_json::Value::as_f64);
    let bandwidth = software.pointer("/memory/best_gb_per_s").and_then(serde_json::Value::as_f64);
    // NVIDIA's data sheets: GeForce RTX 3080 (10 GB), A100 (PCIe, 40 GB; FP32 without tensor cores).
    let published = [("GeForce RTX 3080", 29_770.0, 760.0), ("A100 PCIe 40GB", 19_500.0, 1555.0)];
    let hardware = published.map(|(name, peak_gflops, peak_gb_per_s)| Hardware {
        name,
        peak_gflops,
        peak_gb_per_s,
        modelled_matmul_gflops: peak_gflops * MATMUL_OF_PEAK,
        software_matmul_percent: gflops.map(|found| found / (peak_gflops * MATMUL_OF_PEAK) * 100.0),
        software_bandwidth_percent: bandwidth.map(|found| found / peak_gb_per_s * 100.0),
    });
    let model = "no GPU was measured: a matrix product is taken to reach 80 % of the published single-precision peak";
    Ok(Json(Comparison { model, software, hardware: hardware.into() }))
}

/// Two matrices, by rows.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Matrices {
    matrix_a: Vec<Vec<f64>>,
    matrix_b: Vec<Vec<f64>>,
}

/// Their product.
#[derive(Debug, Serialize, ToSchema)]
struct Product {
    result: Vec<Vec<f64>>,
    shape: [usize; 2],
    /// Time of the product alone.
    time_ms: f64,
    gflops: f64,
}

fn shape(name: &str, matrix: &[Vec<f64>]) -> Answer<(usize, usize)> {
    let n = matrix.first().map_or(0, Vec::len);
    if matrix.is_empty() || n == 0 {
        return Err(Failure::invalid(format!("{name} is empty")));
    }
    if let Some(row) = matrix.iter().position(|row| row.len() != n) {
        let found = matrix[row].len();
        return Err(Failure::invalid(format!("{name} has {n} numbers in row 0 and {found} in row {row}")));
    }
    if matrix.len() > MAX_SIDE || n > MAX_SIDE {
        return Err(Failure::invalid(format!("{name} is {} x {n}; accepted is up to {MAX_SIDE}", matrix.len())));
    }
    Ok((matrix.len(), n))
}

/// Multiplies two matrices in double precision.
#[utoipa::path(post, path = "/api/gpu/software/matmul-optimized", tag = "gpu", request_body = Matrices, responses(
    (status = 200, body = Product), (status = 422, body = Problem), (status = 413, body = Problem)))]
async fn matmul(_: State<Api>, _: AsViewer, JsonBody(matrices): JsonBody<Matrices>) -> Answer<Json<Product>> {
    let (m, k) = shape("matrix_a", &matrices.matrix_a)?;
    let (rows, n) = shape("matrix_b", &matrices.matrix_b)?;
    if k != rows {
        return Err(Failure::invalid(format!("matrix_a is {m} x {k} and matrix_b is {rows} x {n}: {k} is not {rows}")));
    }
    let product = tokio::task::spawn_blocking(move || {
        let (a, b) = (matrices.matrix_a.concat(), matrices.matrix_b.concat());
        let start = Instant::now();
        multiply(&a, &b, [m, k, n]).map(|c| (c, start.elapsed()))
    });
    let broken = |error: String| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "broken", error);
    let product = product.await.map_err(|error| broken(error.to_string()))?;
    let (c, time) = product.map_err(|error| broken(error.to_string()))?;
    let gflops = 2.0 * (m * k * n) as f64 / time.as_secs_f64().max(1e-9) / 1e9;
    let result = c.chunks(n).map(<[f64]>::to_vec).collect();
    Ok(Json(Product { result, shape: [m, n], time_ms: time.as_secs_f64() * 1e3, gflops }))
}

fn multiply(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Result<Vec<f64>, vgpu_num::Error> {
    let mut c = vec![0.0; m * n];
    let (left, right) = (MatRef::row_major(a, m, k)?, MatRef::row_major(b, k, n)?);
    let out = MatMut::row_major(&mut c, m, n)?;
    gemm::gemm(&gemm::Options::default(), left, right, out, &Serial, &mut Scratch::new())?;
    Ok(c)
}

/// What the processor's vector units can do.
#[derive(Debug, Serialize, ToSchema)]
struct SimdInfo {
    architecture: &'static str,
    /// Vector extensions that are there.
    features: Vec<&'static str>,
    /// Bits of the widest vector.
    vector_bits: u32,
    /// Single-precision numbers in it.
    f32_lanes: u32,
    processors: u32,
}

/// Vector extensions of the processor.
#[utoipa::path(get, path = "/api/gpu/software/simd-info", tag = "gpu", responses((status = 200, body = SimdInfo)))]
async fn simd_info(State(api): State<Api>, _: AsViewer) -> Json<SimdInfo> {
    let features = features();
    let vector_bits = if features.contains(&"avx512f") {
        512
    } else if features.contains(&"avx2") || features.contains(&"avx") {
        256
    } else {
        128
    };
    Json(SimdInfo {
        architecture: std::env::consts::ARCH,
        features,
        vector_bits,
        f32_lanes: vector_bits / 32,
        processors: api.settings.processors,
    })
}

fn features() -> Vec<&'static str> {
    macro_rules! found {
        ($($name:tt)*) => {{
            let mut found = Vec::new();
            #[cfg(target_arch = "x86_64")]
            {
                $(if std::arch::is_x86_feature_detected!($name) { found.push($name); })*
            }
            #[cfg(target_arch = "aarch64")]
            found.push("neon");
            found
        }};
    }
    found!("sse2" "sse4.1" "sse4.2" "avx" "avx2" "fma" "f16c" "avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vnni" "avx512bf16" "avx512fp16" "gfni" "vaes")
}
