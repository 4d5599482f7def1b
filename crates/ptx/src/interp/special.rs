//! Special registers.
//!
//! Clocks count executed instructions; timers tick in nanoseconds at one per instruction: strictly growing, and the same in every run.
//! Source: PTX ISA, chapter "Special Registers".

use super::execute::Lane;
use crate::ir::SpecialReg;
use vgpu_types::{Dim3, WARP_SIZE};

const fn dimension(of: Dim3, i: u8) -> u64 {
    match i {
        0 => of.x as u64,
        1 => of.y as u64,
        2 => of.z as u64,
        _ => 0,
    }
}

impl Lane<'_, '_> {
    /// The value of a special register for this thread.
    pub fn special(&self, register: SpecialReg) -> u64 {
        let config = &self.grid.config;
        let lane = self.thread.lane;
        let time = self.grid.steps;
        // Bits of lanes below this one.
        let below = (1u64 << lane) - 1;
        let all = u64::from(u32::MAX);
        match register {
            SpecialReg::Tid(i) => dimension(self.thread.tid, i),
            SpecialReg::Ntid(i) => dimension(config.block, i),
            SpecialReg::Ctaid(i) | SpecialReg::ClusterId(i) => dimension(self.block_idx, i),
            SpecialReg::Nctaid(i) | SpecialReg::NClusterId(i) => dimension(config.grid, i),
            SpecialReg::LaneId => u64::from(lane),
            SpecialReg::WarpId => u64::from(self.thread.linear / WARP_SIZE),
            SpecialReg::NWarpId => config.block.volume().div_ceil(u128::from(WARP_SIZE)) as u64,
            SpecialReg::SmId => 0,
            SpecialReg::NSmId => 1,
            SpecialReg::GridId => self.grid.grid_id,
            SpecialReg::LaneMaskEq => 1 << lane,
            SpecialReg::LaneMaskLe => below | 1 << lane,
            SpecialReg::LaneMaskLt => below,
            SpecialReg::LaneMaskGe => all & !below,
            SpecialReg::LaneMaskGt => all & !(below | 1 << lane),
            SpecialReg::Clock | SpecialReg::GlobalTimerLo => time & all,
            SpecialReg::ClockHi | SpecialReg::GlobalTimerHi => time >> 32,
            SpecialReg::Clock64 | SpecialReg::GlobalTimer => time,
            // Cooperative groups builds the address with `bfi.b64 d, envreg1, envreg2, 32, 32`.
            SpecialReg::EnvReg(1) => self.grid.workspace >> 32,
            SpecialReg::EnvReg(2) => self.grid.workspace & all,
            SpecialReg::EnvReg(_) | SpecialReg::Pm(_) | SpecialReg::Pm64(_) => 0,
            SpecialReg::TotalSmemSize | SpecialReg::AggrSmemSize => u64::from(self.grid.shared_bytes),
            SpecialReg::DynamicSmemSize => u64::from(config.dynamic_shared_bytes),
            SpecialReg::ReservedSmemOffset => 0,
            SpecialReg::ClusterCtaid(_) | SpecialReg::ClusterCtaRank => 0,
            SpecialReg::ClusterNctaid(_) | SpecialReg::ClusterNctaRank => 1,
            SpecialReg::IsExplicitCluster | SpecialReg::CurrentGraphExec => 0,
        }
    }
}
