//! Instructions that exist but are refused: what they are and where the manual describes them.
//!
//! Nothing is silently ignored: a module that has one of these does not load.

use super::Lowered;
use super::operand::InstCx;

/// Opcode prefixes (whole dotted parts) with what they are and their section of the manual.
const UNSUPPORTED: [(&str, &str, &str); 29] = [
    ("tex", "textures", "Texture Instructions: tex"),
    ("tld4", "textures", "Texture Instructions: tld4"),
    ("txq", "textures", "Texture Instructions: txq"),
    ("istypep", "textures", "Texture Instructions: istypep"),
    ("suld", "surfaces", "Surface Instructions: suld"),
    ("sust", "surfaces", "Surface Instructions: sust"),
    ("sured", "surfaces", "Surface Instructions: sured"),
    ("suq", "surfaces", "Surface Instructions: suq"),
    ("barrier.cluster", "block clusters", "barrier.cluster"),
    ("mapa", "block clusters", "mapa"),
    ("getctarank", "block clusters", "getctarank"),
    ("multimem", "multicast memory", "multimem"),
    ("fence.proxy.tensormap", "tensor maps", "fence.proxy"),
    ("fence.mbarrier_init", "block clusters", "fence.mbarrier_init"),
    ("cp.reduce.async.bulk", "bulk copies", "cp.reduce.async.bulk"),
    ("cp.async.bulk", "bulk copies", "Asynchronous bulk copy"),
    ("prefetch.tensormap", "tensor maps", "prefetch"),
    ("cp.prefetch", "bulk copies", "Asynchronous bulk copy"),
    ("tensormap", "tensor maps", "tensormap.replace"),
    ("st.async", "block clusters", "st.async"),
    ("st.bulk", "bulk stores", "st.bulk"),
    ("red.async", "block clusters", "red.async"),
    ("wgmma", "warpgroup matrix instructions", "Asynchronous Warpgroup Level Matrix Instructions"),
    ("tcgen05", "fifth-generation tensor cores", "TensorCore 5th Generation Family Instructions"),
    ("clusterlaunchcontrol", "cluster launch control", "clusterlaunchcontrol"),
    ("mma.block_scale", "block-scaled matrices (sm_120)", "Block Scaling for mma.sync"),
    ("ldmatrix.m16n16", "sub-byte matrices (sm_100)", "ldmatrix"),
    ("ldmatrix.m8n16", "sub-byte matrices (sm_100)", "ldmatrix"),
    ("stmatrix.m16n8", "sub-byte matrices (sm_100)", "stmatrix"),
];

/// An error when the instruction is on the list.
pub(super) fn check(cx: &InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    for &(prefix, what, section) in &UNSUPPORTED {
        if !prefix.starts_with(root) {
            continue;
        }
        let mut parts = prefix.split('.');
        if parts.next() == Some(root) && parts.all(|part| cx.mods.has(part) || cx.mods.has_prefix(&format!("{part}::")))
        {
            return cx.unsupported(what, section);
        }
    }
    Ok(())
}
