//! What one tenant does to itself stays with it.

use super::harness::{Daemon, Folder, PATHS, SAXPY, until};
use serde_json::{Value, json};

fn saxpy(daemon: &Daemon, token: &str) -> Value {
    let module = daemon.module(token, SAXPY);
    let (x, y) = (daemon.buffer(token, &[0; 4096]), daemon.buffer(token, &[0; 4096]));
    json!({ "module": module, "kernel": "saxpy", "grid": [4], "block": [256],
        "args": [{ "u32": 1024 }, { "f32": 2.0 }, { "buffer": x }, { "buffer": y }] })
}

#[test]
fn faults_kills_and_runaways_touch_nobody_else() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder.0, &["--benchmark", "--epoch-ms", "100"]);
    let ((_, anna), (_, bert)) = (daemon.tenant("anna"), daemon.tenant("bert"));
    let good = saxpy(&daemon, &bert);
    let number = daemon.submit(&bert, &good);
    assert_eq!(daemon.ended(&bert, number)["state"], "done");
    let pid = || daemon.get("/api/v1/me", &bert).expect(200).json()["pid"].clone();
    let before = pid();
    assert!(before.is_u64(), "{before}");
    let module = daemon.module(&anna, PATHS);
    let bad = |kernel: &str, args: Value, more: Value| {
        let mut job = json!({ "module": module, "kernel": kernel, "grid": [1], "block": [32], "args": args });
        job.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        daemon.submit(&anna, &job)
    };
    for (kernel, error) in [("wild", "illegal_address"), ("stop", "trap")] {
        let ended = daemon.ended(&anna, bad(kernel, json!([]), json!({})));
        assert_eq!(ended["error"]["error"], error, "{ended}");
    }
    // A runaway ends at its limit.
    let flag = daemon.buffer(&anna, &[0; 4]);
    let endless = |more| bad("endless", json!([{ "buffer": flag }]), more);
    let ended = daemon.ended(&anna, endless(json!({ "timeout_ms": 300 })));
    assert_eq!(ended["error"]["error"], "launch_timeout", "{ended}");
    // One that runs is cancelled, and so is one that waits.
    let (running, waiting) = (endless(json!({})), endless(json!({})));
    until(|| daemon.state(&anna, running) == "running");
    daemon.send("DELETE", &format!("/api/v1/jobs/{waiting}"), &anna, &json!(null)).expect(200);
    assert_eq!(daemon.state(&anna, waiting), "cancelled");
    daemon.send("DELETE", &format!("/api/v1/jobs/{running}"), &anna, &json!(null)).expect(200);
    assert_eq!(daemon.ended(&anna, running)["state"], "cancelled");
    // A worker that is killed from outside.
    let killed = endless(json!({}));
    let mut own = Value::Null;
    until(|| {
        own = daemon.get("/api/v1/me", &anna).expect(200).json()["pid"].clone();
        own.is_u64() && daemon.state(&anna, killed) == "running"
    });
    assert!(std::process::Command::new("kill").args(["-9", &own.to_string()]).status().expect("runs").success());
    let ended = daemon.ended(&anna, killed);
    assert_eq!(ended["error"]["error"], "worker_lost", "{ended}");
    // While Anna runs away, Bert works; his process never changed.
    let away = endless(json!({}));
    until(|| daemon.state(&anna, away) == "running");
    let number = daemon.submit(&bert, &good);
    assert_eq!(daemon.ended(&bert, number)["state"], "done");
    assert_eq!(pid(), before);
    // And Anna's next job is as good as new.
    daemon.send("DELETE", &format!("/api/v1/jobs/{away}"), &anna, &json!(null)).expect(200);
    let number = daemon.submit(&anna, &saxpy(&daemon, &anna));
    assert_eq!(daemon.ended(&anna, number)["state"], "done");
}

#[test]
fn tenants_see_and_use_only_their_own() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder.0, &["--benchmark", "--epoch-ms", "100"]);
    let ((_, anna), (bert, token)) = (daemon.tenant("anna"), daemon.tenant("bert"));
    let job = saxpy(&daemon, &token);
    let number = daemon.submit(&token, &job);
    assert_eq!(daemon.ended(&token, number)["state"], "done");
    daemon.get(&format!("/api/v1/jobs/{number}"), &anna).expect(404);
    let buffer = job["args"][2]["buffer"].as_u64().expect("an id");
    daemon.get(&format!("/api/v1/buffers/{buffer}"), &anna).expect(404);
    daemon.send("DELETE", &format!("/api/v1/buffers/{buffer}"), &anna, &json!(null)).expect(404);
    daemon.get(&format!("/api/v1/tenants/{bert}"), &anna).expect(403);
    daemon.get(&format!("/api/v1/tenants/{bert}/portfolio"), &anna).expect(403);
    daemon.send("POST", "/api/v1/jobs", &anna, &job).expect(404);
    let others = daemon.get("/api/v1/tenants", &anna).expect(200).json();
    assert_eq!(others.as_array().map(Vec::len), Some(1));
    // Memory is bounded by the quota, shares and device only by the operator and the gate.
    daemon.send("POST", "/api/v1/buffers?bytes=1000000000000", &anna, &json!(null)).expect(409);
    let share = json!({ "resource": "compute", "units": 100 });
    daemon.send("PUT", &format!("/api/v1/tenants/{bert}/share"), &anna, &share).expect(403);
    let greedy = json!({ "resource": "compute", "units": 10_001, "because": "a test" });
    let denied = daemon.send("PUT", &format!("/api/v1/tenants/{bert}/share"), &daemon.operator, &greedy).expect(403);
    assert!(denied.text().contains("contract"), "{}", denied.text());
    daemon.send("PATCH", "/api/v1/device", &daemon.operator, &json!({ "workers": 3 })).expect(403);
    let status = daemon.send("PATCH", "/api/v1/device", &daemon.operator, &json!({ "workers": 1 })).expect(200).json();
    assert_eq!(status["device"]["workers"], 1);
    // Rules propose like everybody else.
    let rules = json!([{ "name": "calm", "when": "utilisation_percent >= 0.0", "propose": { "pace_permille": 900 } }]);
    daemon.send("PUT", "/api/v1/rules", &anna, &rules).expect(403);
    daemon.send("PUT", "/api/v1/rules", &daemon.operator, &rules).expect(200);
    until(|| daemon.get("/api/v1/status", &anna).expect(200).json()["device"]["pace_permille"] == 900);
    let broken = json!([{ "name": "odd", "when": "((", "propose": { "workers": 1 } }]);
    daemon.send("PUT", "/api/v1/rules", &daemon.operator, &broken).expect(422);
    // A tenant that is closed is gone, with its token.
    daemon.send("DELETE", &format!("/api/v1/tenants/{bert}"), &daemon.operator, &json!(null)).expect(204);
    daemon.get("/api/v1/me", &token).expect(401);
}
