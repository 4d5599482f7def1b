//! A job from upload to result, orders, shares, and what is left after the daemon was killed.

use super::harness::{Daemon, Folder, PATHS, SAXPY, until};
use serde_json::json;

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[test]
fn a_job_computes_and_its_data_comes_back() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder.0, &["--benchmark", "--epoch-ms", "100"]);
    let (id, token) = daemon.tenant("anna");
    let module = daemon.module(&token, SAXPY);
    let x: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let (x, y) = (daemon.buffer(&token, &floats(&x)), daemon.buffer(&token, &floats(&vec![1.0; 1000])));
    let job = json!({
        "module": module, "kernel": "saxpy", "grid": [8], "block": [128],
        "args": [{ "u32": 1000 }, { "f32": 2.0 }, { "buffer": x }, { "buffer": y }],
    });
    let number = daemon.submit(&token, &job);
    let ended = daemon.ended(&token, number);
    assert_eq!(ended["state"], "done", "{ended}");
    let result = daemon.get(&format!("/api/v1/buffers/{y}"), &token).expect(200).body;
    let expected: Vec<f32> = (0..1000).map(|i| 2.0 * i as f32 + 1.0).collect();
    assert_eq!(result, floats(&expected));
    let part = daemon.get(&format!("/api/v1/buffers/{y}?offset=4&bytes=8"), &token).expect(200).body;
    assert_eq!(part, floats(&[3.0, 5.0]));
    // The worker found itself confined, as far as this kernel can.
    let tenant = daemon.get(&format!("/api/v1/tenants/{id}"), &daemon.operator).expect(200).json();
    let measures = tenant["isolation"].as_array().expect("measures");
    for name in ["limits", "landlock", "seccomp", "cgroup"] {
        let found = measures.iter().find(|measure| measure["name"] == name).expect(name);
        assert!(!found["detail"].as_str().expect("words").is_empty(), "{found}");
        assert!(name != "seccomp" || found["active"] == true, "{found}");
    }
    let metrics = daemon.get("/metrics", &daemon.operator).expect(200).text();
    for name in ["DCGM_FI_DEV_GPU_UTIL{", "DCGM_FI_DEV_FB_USED{", "vgpu_jobs_ended_total{", "tenant=\"anna\""] {
        assert!(metrics.contains(name), "{metrics}");
    }
    let audit = daemon.get("/api/v1/audit", &daemon.operator).expect(200).json();
    let shares = audit.as_array().expect("decisions").iter().filter(|decision| decision["by"] == "market");
    assert!(shares.count() > 0, "every share came through the gate: {audit}");
    daemon.terminate();
}

#[test]
fn an_order_moves_a_share() {
    let folder = Folder::new();
    // Epochs begin when the test has placed its orders, not before.
    let daemon = Daemon::start(&folder.0, &["--benchmark", "--epoch-ms", "3000"]);
    let ((_, anna), (_, bert)) = (daemon.tenant("anna"), daemon.tenant("bert"));
    let order = |token: &str, side: &str, epoch: u64, price: f64| {
        let body = json!({ "resource": "compute", "epoch": epoch, "side": side, "type": "limit",
            "price": price, "quantity": 100 });
        daemon.send("POST", "/api/v1/orders", token, &body)
    };
    // An epoch may begin in between; then the orders were for different ones, and are placed again.
    let mut traded = None;
    until(|| {
        let book = daemon.get("/api/v1/market/books?resource=compute", &anna).expect(200).json();
        let (epoch, mark) = (book["epoch"].as_u64().expect("an epoch"), book["mark"].as_f64().expect("a price"));
        // At the mark, on a step of the ladder: far from it the circuit breaker would act.
        let price = (mark * 1000.0).ceil() / 1000.0;
        if order(&bert, "sell", epoch, price).status != 201 {
            return false;
        }
        let bought = order(&anna, "buy", epoch, price);
        traded = Some(epoch);
        bought.status == 201 && bought.json()["filled"] == 100
    });
    let epoch = traded.expect("traded");
    let line = |token: &str| {
        let me = daemon.get("/api/v1/me", token).expect(200).json()["id"].as_u64().expect("a number");
        let portfolio = daemon.get(&format!("/api/v1/tenants/{me}/portfolio"), token).expect(200).json();
        let lines = portfolio["lines"].as_array().expect("lines").clone();
        lines
            .iter()
            .find(|line| line["resource"] == "compute" && line["epoch"] == epoch)
            .map(|line| line["held"].clone())
    };
    if let (Some(of_anna), Some(of_bert)) = (line(&anna), line(&bert)) {
        // Both were cleared alike; the trade made the difference.
        let (of_anna, of_bert) = (of_anna.as_u64().expect("units"), of_bert.as_u64().expect("units"));
        assert!(of_anna >= of_bert + 100, "{of_anna} {of_bert}");
    }
    let mut shares = (0, 0);
    until(|| {
        let status = daemon.get("/api/v1/picture", &daemon.operator).expect(200).json();
        let share = |name: &str| {
            let tenants = status["tenants"].as_array().expect("tenants");
            let found = tenants.iter().find(|tenant| tenant["name"] == name).expect("there");
            found["shares"]["compute"].as_u64().expect("units")
        };
        shares = (share("anna"), share("bert"));
        status["status"]["epoch"].as_u64() >= Some(epoch)
    });
    let trades = daemon.get("/api/v1/market/trades", &daemon.operator).expect(200).json();
    assert_eq!(trades[0]["quantity"], 100, "{trades}");
    assert!(shares.0 + shares.1 <= 10_000, "{shares:?}");
    // Refusals are answers, with reasons.
    let greedy = json!({ "resource": "compute", "side": "buy", "type": "limit", "price": 4.0, "quantity": 5000 });
    let refused = daemon.send("POST", "/api/v1/orders", &anna, &greedy).expect(409).json();
    assert_eq!(refused["error"], "refused", "{refused}");
    let nonsense = json!({ "resource": "gold", "side": "buy", "type": "market", "quantity": 1 });
    daemon.send("POST", "/api/v1/orders", &anna, &nonsense).expect(422);
}

#[test]
fn what_was_answered_survives_a_kill() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder.0, &["--benchmark", "--epoch-ms", "100"]);
    let (_, token) = daemon.tenant("anna");
    let module = daemon.module(&token, PATHS);
    let flag = daemon.buffer(&token, &[0; 4]);
    let job = json!({ "module": module, "kernel": "endless", "grid": [1], "block": [1], "args": [{ "buffer": flag }] });
    let (running, waiting) = (daemon.submit(&token, &job), daemon.submit(&token, &job));
    until(|| daemon.state(&token, running) == "running");
    let pid = daemon.get("/api/v1/me", &token).expect(200).json()["pid"].as_u64().expect("a worker");
    let operator = daemon.operator.clone();
    daemon.kill();
    // The worker does not outlive the daemon.
    until(|| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
    let daemon = Daemon::start(&folder.0, &["--benchmark", "--epoch-ms", "100"]);
    assert_eq!(daemon.operator, operator);
    let me = daemon.get("/api/v1/me", &token).expect(200).json();
    assert_eq!(me["name"], "anna");
    for job in [running, waiting] {
        let job = daemon.get(&format!("/api/v1/jobs/{job}"), &token).expect(200).json();
        assert_eq!((job["state"].as_str(), job["error"]["error"].as_str()), (Some("failed"), Some("daemon_restarted")));
    }
    let modules = daemon.get("/api/v1/modules", &token).expect(200).json();
    assert_eq!(modules[0]["id"].as_str(), Some(module.as_str()));
    // And it works on: the module from before, new data.
    let flag = daemon.buffer(&token, &[1, 0, 0, 0]);
    let job = json!({ "module": module, "kernel": "endless", "grid": [1], "block": [1], "args": [{ "buffer": flag }] });
    let number = daemon.submit(&token, &job);
    assert_eq!(daemon.ended(&token, number)["state"], "done");
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_vgpud"))
        .args(["--listen", "127.0.0.1:0", "--state-dir"])
        .arg(&folder.0)
        .output()
        .expect("runs");
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"), "one daemon per folder");
}

#[test]
fn the_demonstration_shows_itself_without_a_token() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder.0, &["--demo"]);
    let open = |path: &str| daemon.request("GET", path, None, "text/plain", b"");
    let page = open("/").expect(200);
    assert!(page.text().contains("<title>vgpud</title>") && page.headers.contains("content-security-policy"));
    for path in ["/style.css", "/script.js", "/icon.svg", "/metrics", "/openapi.json", "/healthz", "/readyz"] {
        assert!(!open(path).expect(200).body.is_empty(), "{path}");
    }
    assert!(open("/openapi.json").json()["openapi"].as_str().expect("a version").starts_with("3."));
    assert_eq!(open("/api/gpu/stats").expect(200).json()["tenants"], 3);
    let simd = open("/api/gpu/software/simd-info").expect(200).json();
    assert!(simd["vector_bits"].as_u64() >= Some(128), "{simd}");
    let matrices = json!({ "matrix_a": [[1.0, 2.0], [3.0, 4.0]], "matrix_b": [[5.0, 6.0], [7.0, 8.0]] });
    let body = matrices.to_string();
    let post = |body: &str| {
        let path = "/api/gpu/software/matmul-optimized";
        daemon.request("POST", path, None, "application/json", body.as_bytes())
    };
    assert_eq!(post(&body).expect(200).json()["result"], json!([[19.0, 22.0], [43.0, 50.0]]));
    post(&json!({ "matrix_a": [[1.0, 2.0]], "matrix_b": [[5.0, 6.0]] }).to_string()).expect(422);
    post(&json!({ "matrix_a": [[1.0], [2.0, 3.0]], "matrix_b": [[5.0, 6.0]] }).to_string()).expect(422);
    let figures = open("/api/gpu/software/benchmark").expect(200).json();
    for figure in ["/matmul/gflops", "/conv2d/gflops", "/memory/best_gb_per_s"] {
        assert!(figures.pointer(figure).and_then(serde_json::Value::as_f64) > Some(0.0), "{figures}");
    }
    // Looking is open; doing is not.
    daemon.request("POST", "/api/v1/jobs", None, "application/json", b"{}").expect(401);
    daemon.request("POST", "/api/v1/tenants", None, "application/json", b"{}").expect(401);
    // The three work: real launches end.
    until(|| open("/api/v1/status").expect(200).json()["jobs"]["done"].as_u64() >= Some(6));
}
