//! The n-body picture: two disc galaxies meet. The kernel gives the accelerations; a leapfrog here moves the bodies.

use crate::picture::Picture;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;
use workloads::kernels::{self, SOFTENING_SQUARED};
use workloads::{Arg, Buffer, Data, Device, Launch, Route, Workload};

const N: usize = 16384;
const STEPS: usize = 120;
const STEP_TIME: f32 = 0.012;
const SIDE: usize = 1024;
/// The part of a galaxy's mass that is in its middle body.
const CORE_MASS: f32 = 0.6;

/// Computes the encounter and draws its last moment.
pub fn draw(device: &mut Device, path: &Path) -> Result<()> {
    let (bodies, mut velocities) = galaxies();
    let mut workload = workload(bodies);
    device.load(&workload)?;
    let mut kernel_time = Duration::ZERO;
    for _ in 0..STEPS {
        device.restore(&workload)?;
        kernel_time += device.run(&workload)?;
        let after = device.read(&workload)?;
        advance(&mut workload.buffers[0].data, &mut velocities, after[1].f32s());
    }
    device.unload();
    let pairs = (N * N * STEPS) as f64 / kernel_time.as_secs_f64();
    println!(
        "two galaxies: {N} bodies, {STEPS} steps, {:.1} s in the kernel, {:.1e} pairs/s",
        kernel_time.as_secs_f64(),
        pairs
    );
    render(workload.buffers[0].data.f32s()).save(path)
}

/// The n-body kernel on these bodies; they are a written buffer so that each step brings new ones.
fn workload(bodies: Vec<f32>) -> Workload {
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::I32(N as i32), Arg::F32(SOFTENING_SQUARED)];
    Workload {
        name: "two galaxies",
        kernel: "nbody",
        size: "16384",
        buffers: vec![Buffer::output("p", bodies), Buffer::output("acc", vec![0.0f32; 4 * N])],
        launches: vec![Launch { grid: (N as u32 / 256, 1), block: (256, 1), args }],
        check: Box::new(|_| unreachable!("a picture has no reference; the nbody row checks the kernel")),
    }
}

/// Positions with masses, and velocities: a body on a circular orbit in each disc, the discs tilted and on a passing course.
fn galaxies() -> (Vec<f32>, Vec<[f32; 3]>) {
    let random = |stream: u64, body: usize| kernels::unit_random(100 + stream, body as u64);
    let (mut bodies, mut velocities) = (Vec::with_capacity(4 * N), Vec::with_capacity(N));
    for body in 0..N {
        let second = body >= N / 2;
        let sign = if second { -1.0f32 } else { 1.0 };
        let (centre, drift) = ([sign * 0.75, sign * 0.35, 0.0], [sign * -0.45, 0.0, 0.0]);
        let tilt: f32 = if second { 1.0 } else { 0.35 };
        let (mut place, mut speed, mut mass) = ([0.0; 3], [0.0; 3], CORE_MASS);
        if body % (N / 2) != 0 {
            let r = 0.06 + 0.6 * random(0, body).powf(0.8);
            let angle = std::f32::consts::TAU * random(1, body);
            let inside = CORE_MASS + (1.0 - CORE_MASS) * (r / 0.66).powi(2);
            let v = (inside * r * r / (r * r + SOFTENING_SQUARED).powf(1.5)).sqrt() * sign;
            mass = (1.0 - CORE_MASS) / (N / 2 - 1) as f32;
            let height = 0.02 * (random(2, body) - 0.5);
            let turn = |x: f32, y: f32, z: f32| [x, y * tilt.cos() - z * tilt.sin(), y * tilt.sin() + z * tilt.cos()];
            place = turn(r * angle.cos(), r * angle.sin(), height);
            speed = turn(-v * angle.sin(), v * angle.cos(), 0.0);
        }
        bodies.extend((0..3).map(|c| place[c] + centre[c]));
        bodies.push(mass);
        velocities.push([0, 1, 2].map(|c| speed[c] + drift[c]));
    }
    (bodies, velocities)
}

fn advance(bodies: &mut Data, velocities: &mut [[f32; 3]], accelerations: &[f32]) {
    let Data::F32(bodies) = bodies else { unreachable!("made as floats above") };
    for (body, velocity) in velocities.iter_mut().enumerate() {
        for c in 0..3 {
            velocity[c] += STEP_TIME * accelerations[4 * body + c];
            bodies[4 * body + c] += STEP_TIME * velocity[c];
        }
    }
}

/// Light of all bodies, the two galaxies in two colours, on a logarithmic scale.
fn render(bodies: &[f32]) -> Picture {
    let mut light = vec![[0.0f32; 3]; SIDE * SIDE];
    for (body, at) in bodies.chunks_exact(4).enumerate() {
        let color = if body >= N / 2 { [1.0, 0.55, 0.25] } else { [0.35, 0.6, 1.0] };
        let (px, py) = ((at[0] / 2.6 + 0.5) * SIDE as f32, (at[1] / 2.6 + 0.5) * SIDE as f32);
        for dy in -3i32..=3 {
            for dx in -3i32..=3 {
                let (x, y) = (px as i32 + dx, py as i32 + dy);
                if (0..SIDE as i32).contains(&x) && (0..SIDE as i32).contains(&y) {
                    let glow = (-0.5 * (dx * dx + dy * dy) as f32).exp();
                    let pixel = &mut light[y as usize * SIDE + x as usize];
                    (0..3).for_each(|c| pixel[c] += glow * color[c]);
                }
            }
        }
    }
    Picture::from_fn(SIDE, SIDE, |x, y| {
        light[y * SIDE + x].map(|l| ((1.0 + 6.0 * l).ln() / 4.0 * 255.0).min(255.0) as u8)
    })
}
