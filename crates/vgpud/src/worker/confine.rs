//! What a worker gives up before it sees anything of a tenant's.
//!
//! A kernel cannot make system calls; but a tenant that finds a hole in the compiler might run code of its own. Then:
//! * **landlock**: of the file system, the folder for compiled kernels may be written and facts about the machine read, nothing
//!   else; no TCP connections, no abstract sockets, no signals to others (as far as the kernel's version can).
//! * **seccomp**: no new sockets, programs, processes, traces, mounts, namespaces, modules, keys or performance counters.
//! * **limits**: few descriptors, no core files (which would hold data), no new processes' worth of locked memory.
//!
//! Each measure is tried, and its effect tested by doing what it forbids; what is reported is what the test found.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use vgpu_daemon::api::types::Measure;
use vgpu_daemon::protocol::Setup;

/// Facts about the machine that the runtime and the system's libraries look at.
const READABLE: &[&str] =
    &["/proc", "/sys/devices/system", "/sys/fs/cgroup", "/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib"];

/// Confines this process; what acts and what does not.
pub fn confine(setup: &Setup) -> Vec<Measure> {
    if !setup.confined {
        let detail = "switched off when the daemon was started".to_owned();
        return vec![Measure { name: "confinement".to_owned(), active: false, detail }];
    }
    vec![limits(), landlock(setup), seccomp(), cgroup()]
}

fn measure(name: &str, outcome: Result<String, String>) -> Measure {
    let (active, detail) = match outcome {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    Measure { name: name.to_owned(), active, detail }
}

fn limits() -> Measure {
    let set = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    let outcome = set(Resource::Core, 0).and_then(|()| set(Resource::Nofile, 4096));
    let outcome = outcome.map(|()| "no core files, 4096 descriptors".to_owned());
    measure("limits", outcome.map_err(|error| format!("cannot be set: {error}")))
}

fn landlock(setup: &Setup) -> Measure {
    let restrict = || -> Result<String, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("not available: {error}");
        let abi = ABI::V6;
        let writable: Vec<PathBuf> = setup.cache.iter().cloned().collect();
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))
            .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
            .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
            .and_then(|ruleset| ruleset.create())
            .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(READABLE, AccessFs::from_read(abi))))
            .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(writable, AccessFs::from_all(abi))));
        let status = ruleset.and_then(|ruleset| ruleset.restrict_self()).map_err(|error| wrong(&error))?;
        let how = match status.ruleset {
            RulesetStatus::FullyEnforced => "files, TCP, abstract sockets and signals",
            RulesetStatus::PartiallyEnforced => "as far as this kernel can",
            RulesetStatus::NotEnforced => return Err("this kernel has no landlock".to_owned()),
        };
        // Readable by everybody, and none of ours.
        match std::fs::File::open("/etc/passwd") {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(how.to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(format!("{how} (untested: no /etc/passwd)"))
            }
            Ok(_) => Err("in force, and still /etc/passwd can be opened".to_owned()),
            Err(error) => Err(format!("in force, and /etc/passwd answers {error}")),
        }
    };
    measure("landlock", restrict())
}

/// What a worker never calls, by number; `asm/unistd_64.h` and `asm-generic/unistd.h`.
mod forbidden_calls {
    #[cfg(target_arch = "x86_64")]
    pub const NUMBERS: &[i64] = &[
        41,  // socket
        42,  // connect
        43,  // accept
        49,  // bind
        50,  // listen
        53,  // socketpair
        57,  // fork
        58,  // vfork
        59,  // execve
        101, // ptrace
        155, // pivot_root
        161, // chroot
        165, // mount
        166, // umount2
        167, // swapon
        169, // reboot
        175, // init_module
        246, // kexec_load
        248, // add_key
        249, // request_key
        250, // keyctl
        272, // unshare
        288, // accept4
        298, // perf_event_open
        304, // open_by_handle_at
        308, // setns
        310, // process_vm_readv
        311, // process_vm_writev
        313, // finit_module
        321, // bpf
        322, // execveat
        323, // userfaultfd
        425, // io_uring_setup
        434, // pidfd_open
        438, // pidfd_getfd
    ];
    #[cfg(target_arch = "aarch64")]
    pub const NUMBERS: &[i64] = &[
        198, 199, 200, 201, 202, 203, // socket, socketpair, bind, listen, accept, connect
        221, 281, // execve, execveat
        117, // ptrace
        41, 51, 40, 39, 224, 142, // pivot_root, chroot, mount, umount2, swapon, reboot
        105, 273, 104, // init_module, finit_module, kexec_load
        217, 218, 219, // add_key, request_key, keyctl
        97, 268, // unshare, setns
        242, 241, // accept4, perf_event_open
        265, 270, 271, // open_by_handle_at, process_vm_readv, process_vm_writev
        280, 282, // bpf, userfaultfd
        425, 434, 438, // io_uring_setup, pidfd_open, pidfd_getfd
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub const NUMBERS: &[i64] = &[];
}

fn seccomp() -> Measure {
    let restrict = || -> Result<String, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("not available: {error}");
        let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| wrong(&error))?;
        let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
            forbidden_calls::NUMBERS.iter().map(|call| (*call, Vec::new())).collect();
        // EPERM, so that a library that tries something optional goes on without it.
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), arch);
        let filter: BpfProgram = filter
            .map_err(|error| wrong(&error))?
            .try_into()
            .map_err(|error: seccompiler::BackendError| wrong(&error))?;
        seccompiler::apply_filter_all_threads(&filter).map_err(|error| wrong(&error))?;
        match TcpListener::bind("127.0.0.1:0") {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Ok("no sockets, programs, processes, traces, mounts, namespaces, keys".to_owned())
            }
            Ok(_) => Err("in force, and still a socket can be made".to_owned()),
            Err(error) => Err(format!("in force, and a socket answers {error}")),
        }
    };
    measure("seccomp", restrict())
}

/// Control groups are the daemon's unit's: this only tells how the process stands.
fn cgroup() -> Measure {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let unified = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let limit = std::fs::read_to_string(format!("/sys/fs/cgroup{unified}/memory.max"));
    measure(
        "cgroup",
        match limit {
            Ok(limit) if limit.trim() != "max" => Ok(format!("memory.max of {unified} is {} bytes", limit.trim())),
            Ok(_) => Err(format!("the group {unified} sets no memory limit; quotas are the daemon's")),
            Err(error) => Err(format!("no memory controller at {unified}: {error}; quotas are the daemon's")),
        },
    )
}
