//! Instructions that exist but are refused: what they are and where the manual describes them.
//!
//! Nothing is silently ignored: a module that has one of these does not load.

use super::Lowered;
use super::operand::InstCx;

/// Opcode prefixes (whole dotted parts) with what they are and their section of the manual.
const UNSUPPORTED: [(&str, &str, &str); 29] = [
    ("tex", "textures", "9.7.10.3, Texture Instructions: tex"),
    ("tld4", "textures", "9.7.10.4, Texture Instructions: tld4"),
    ("txq", "textures", "9.7.10.5, Texture Instructions: txq"),
    ("istypep", "textures", "9.7.10.6, Texture Instructions: istypep"),
    ("suld", "surfaces", "9.7.11.1, Surface Instructions: suld"),
    ("sust", "surfaces", "9.7.11.2, Surface Instructions: sust"),
    ("sured", "surfaces", "9.7.11.3, Surface Instructions: sured"),
    ("suq", "surfaces", "9.7.11.4, Surface Instructions: suq"),
    ("barrier.cluster", "block clusters", "9.7.13.4, barrier.cluster"),
    ("mapa", "block clusters", "9.7.9.23, mapa"),
    ("getctarank", "block clusters", "9.7.9.24, getctarank"),
    ("multimem", "multicast memory", "9.7.9.14, multimem"),
    ("fence.proxy.tensormap", "tensor maps", "9.7.13.5, fence.proxy"),
    ("fence.mbarrier_init", "block clusters", "9.7.13.5, fence.mbarrier_init"),
    ("cp.async.bulk", "bulk copies", "9.7.9.27, Asynchronous bulk copy"),
    ("cp.reduce.async.bulk", "bulk copies", "9.7.9.27.4.2, cp.reduce.async.bulk"),
    ("prefetch.tensormap", "tensor maps", "9.7.9.16, prefetch"),
    ("cp.prefetch", "bulk copies", "9.7.9.27, Asynchronous bulk copy"),
    ("tensormap", "tensor maps", "9.7.9.28, tensormap.replace"),
    ("st.async", "block clusters", "9.7.9.12, st.async"),
    ("st.bulk", "bulk stores", "9.7.9.13, st.bulk"),
    ("red.async", "block clusters", "9.7.13.7, red.async"),
    ("wgmma", "warpgroup matrix instructions", "9.7.15, Asynchronous Warpgroup Level Matrix Instructions"),
    ("tcgen05", "fifth-generation tensor cores", "9.7.16, TensorCore 5th Generation Family Instructions"),
    ("clusterlaunchcontrol", "cluster launch control", "9.7.13.16, clusterlaunchcontrol"),
    ("mma.block_scale", "block-scaled matrices (sm_120)", "9.7.14.3, Block Scaling for mma.sync"),
    ("ldmatrix.m16n16", "sub-byte matrices (sm_100)", "9.7.14.5.15, ldmatrix"),
    ("ldmatrix.m8n16", "sub-byte matrices (sm_100)", "9.7.14.5.15, ldmatrix"),
    ("stmatrix.m16n8", "sub-byte matrices (sm_100)", "9.7.14.5.16, stmatrix"),
];

/// An error when the instruction is on the list.
pub(super) fn check(cx: &InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    for &(prefix, what, section) in &UNSUPPORTED {
        if !prefix.starts_with(root) {
            continue;
        }
        let mut parts = prefix.split('.');
        if parts.next() == Some(root) && parts.all(|part| cx.mods.has(part)) {
            return cx.unsupported(what, section);
        }
    }
    Ok(())
}
