//! Names of special registers.
//!
//! Source: PTX ISA chapter "Special Registers".

use crate::ir::SpecialReg;

/// The special register `name`, with `component` (`x`, `y`, `z`, `w`) for those that are vectors. `%tid.w` reads as
/// `None` in the inner option: it is always zero.
pub(super) fn special_register(name: &str, component: Option<&str>) -> Option<Option<SpecialReg>> {
    if let Some(make) = special_vector(name) {
        return match component {
            Some("x" | "r") => Some(Some(make(0))),
            Some("y" | "g") => Some(Some(make(1))),
            Some("z" | "b") => Some(Some(make(2))),
            Some("w" | "a") => Some(None),
            // 16-bit texts of PTX 1.x read `%tid` alone; everything since writes the component.
            _ => None,
        };
    }
    if component.is_some() {
        return None;
    }
    let fixed = match name {
        "%laneid" => SpecialReg::LaneId,
        "%warpid" => SpecialReg::WarpId,
        "%nwarpid" => SpecialReg::NWarpId,
        "%smid" => SpecialReg::SmId,
        "%nsmid" => SpecialReg::NSmId,
        "%gridid" => SpecialReg::GridId,
        "%lanemask_eq" => SpecialReg::LaneMaskEq,
        "%lanemask_le" => SpecialReg::LaneMaskLe,
        "%lanemask_lt" => SpecialReg::LaneMaskLt,
        "%lanemask_ge" => SpecialReg::LaneMaskGe,
        "%lanemask_gt" => SpecialReg::LaneMaskGt,
        "%clock" => SpecialReg::Clock,
        "%clock_hi" => SpecialReg::ClockHi,
        "%clock64" => SpecialReg::Clock64,
        "%globaltimer" => SpecialReg::GlobalTimer,
        "%globaltimer_lo" => SpecialReg::GlobalTimerLo,
        "%globaltimer_hi" => SpecialReg::GlobalTimerHi,
        "%total_smem_size" => SpecialReg::TotalSmemSize,
        "%aggr_smem_size" => SpecialReg::AggrSmemSize,
        "%dynamic_smem_size" => SpecialReg::DynamicSmemSize,
        "%reserved_smem_offset_begin" | "%reserved_smem_offset_end" | "%reserved_smem_offset_cap" => {
            SpecialReg::ReservedSmemOffset
        }
        "%reserved_smem_offset_0" | "%reserved_smem_offset_1" => SpecialReg::ReservedSmemOffset,
        "%cluster_ctarank" => SpecialReg::ClusterCtaRank,
        "%cluster_nctarank" => SpecialReg::ClusterNctaRank,
        "%is_explicit_cluster" => SpecialReg::IsExplicitCluster,
        "%current_graph_exec" => SpecialReg::CurrentGraphExec,
        _ => return numbered(name).map(Some),
    };
    Some(Some(fixed))
}

/// The vector special registers.
pub(super) fn special_vector(name: &str) -> Option<fn(u8) -> SpecialReg> {
    Some(match name {
        "%tid" => SpecialReg::Tid,
        "%ntid" => SpecialReg::Ntid,
        "%ctaid" => SpecialReg::Ctaid,
        "%nctaid" => SpecialReg::Nctaid,
        "%clusterid" => SpecialReg::ClusterId,
        "%nclusterid" => SpecialReg::NClusterId,
        "%cluster_ctaid" => SpecialReg::ClusterCtaid,
        "%cluster_nctaid" => SpecialReg::ClusterNctaid,
        _ => return None,
    })
}

fn numbered(name: &str) -> Option<SpecialReg> {
    let number = |text: &str, limit: u8| text.parse::<u8>().ok().filter(|&n| n < limit);
    if let Some(rest) = name.strip_prefix("%envreg") {
        return number(rest, 32).map(SpecialReg::EnvReg);
    }
    let rest = name.strip_prefix("%pm")?;
    match rest.strip_suffix("_64") {
        Some(rest) => number(rest, 8).map(SpecialReg::Pm64),
        None => number(rest, 8).map(SpecialReg::Pm),
    }
}
