//! What kind of work a kernel is: from its instructions, and from how long it took before.
//!
//! The static class is a roofline in words: floating-point work per access to global memory decides between bound by compute
//! and by memory; kernels that mostly branch, wait at barriers or do atomics are bound by latency. The counts are of the text,
//! not of what runs, so loops count once; that is why history has the last word on how long jobs are.

use crate::api::types::{Counts, JobClass};

/// `compute_bound`, `memory_bound` or `latency_bound`.
pub fn static_class(counts: &Counts) -> &'static str {
    let waits = counts.atomic + counts.barrier + counts.branch;
    let work = counts.float + 64 * counts.matrix;
    if counts.matrix == 0 && waits * 3 > work + counts.integer && counts.atomic + counts.barrier > counts.global {
        return "latency_bound";
    }
    // A tile in shared memory stands for many accesses that did not go to global memory.
    if work + counts.shared >= 4 * counts.global.max(1) { "compute_bound" } else { "memory_bound" }
}

/// What a job is taken for. `mean_ms` is how long this kernel took on average, when it ran before.
pub fn classify(asked: JobClass, counts: &Counts, mean_ms: Option<f64>) -> String {
    let bound = static_class(counts);
    let kind = match (asked, mean_ms) {
        (JobClass::MlTraining, _) => "training",
        (JobClass::MlInference, _) => "inference",
        (JobClass::Interactive, _) => "interactive",
        (JobClass::Batch, _) => "batch",
        (JobClass::Auto, None) if counts.matrix > 0 => "inference",
        (JobClass::Auto, None) => "unknown",
        (JobClass::Auto, Some(ms)) if ms < 20.0 && counts.matrix > 0 => "inference",
        (JobClass::Auto, Some(ms)) if ms < 20.0 => "interactive",
        (JobClass::Auto, Some(ms)) if ms > 1000.0 && (counts.matrix > 0 || bound == "compute_bound") => "training",
        (JobClass::Auto, Some(_)) => "batch",
    };
    format!("{bound}, {kind}")
}

/// Jobs that somebody waits for come before the others of their tenant.
pub fn is_urgent(classified: &str) -> bool {
    classified.ends_with("interactive") || classified.ends_with("inference")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_known_kernels() {
        let saxpy = Counts { float: 1, integer: 6, global: 3, branch: 1, all: 14, ..Counts::default() };
        assert_eq!(static_class(&saxpy), "memory_bound");
        let matmul = Counts { float: 16, shared: 34, global: 3, barrier: 2, branch: 1, all: 90, ..Counts::default() };
        assert_eq!(static_class(&matmul), "compute_bound");
        let histogram =
            Counts { integer: 8, atomic: 4, barrier: 2, global: 2, branch: 3, all: 25, ..Counts::default() };
        assert_eq!(static_class(&histogram), "latency_bound");
    }

    #[test]
    fn history_and_the_tenant_have_a_word() {
        let counts = Counts { float: 100, global: 2, ..Counts::default() };
        assert_eq!(classify(JobClass::Auto, &counts, None), "compute_bound, unknown");
        assert_eq!(classify(JobClass::Auto, &counts, Some(5000.0)), "compute_bound, training");
        assert_eq!(classify(JobClass::Auto, &counts, Some(2.0)), "compute_bound, interactive");
        assert_eq!(classify(JobClass::Batch, &counts, Some(2.0)), "compute_bound, batch");
        assert!(is_urgent("compute_bound, interactive") && !is_urgent("compute_bound, batch"));
    }
}
