//! A daemon for a measurement, and a client that keeps its connection.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The kernel of the measurements: every thread of a block iterates as often as it is told, so a block's length is chosen.
pub const MANDEL: &str = include_str!("../../../kernels/mandel.ptx");

/// A running daemon; ended on drop.
pub struct Daemon {
    child: Child,
    folder: PathBuf,
    pub address: String,
    pub operator: String,
}

impl Daemon {
    pub fn start(program: &Path, epoch: Duration) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("vgpud-bench-{}", std::process::id()));
        let mut command = Command::new(program);
        command.args(["--benchmark", "--listen", "127.0.0.1:0", "--drain-s", "1", "--requests-per-second", "1000000"]);
        command.args(["--epoch-ms", &epoch.as_millis().to_string()]).arg("--state-dir").arg(&folder);
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let lines = BufReader::new(child.stdout.take().context("no pipe")?).lines();
        let mut address = String::new();
        for line in lines.map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix("vgpud: listening at http://") {
                address = rest.split('/').next().unwrap_or("").to_owned();
            }
            if line.contains("operator's token") {
                break;
            }
        }
        ensure!(!address.is_empty(), "the daemon did not say where it listens");
        let operator = std::fs::read_to_string(folder.join("operator.token"))?.trim().to_owned();
        Ok(Self { child, folder, address, operator })
    }

    pub fn client(&self, token: &str) -> Result<Client> {
        Client::connect(&self.address, token)
    }

    /// Makes a tenant: number, token.
    pub fn tenant(&self, name: &str) -> Result<(u64, String)> {
        let body = json!({ "name": name, "budget": 1000.0 });
        let made = self.client(&self.operator)?.json("POST", "/api/v1/tenants", &body)?;
        let id = made["id"].as_u64().context("no number")?;
        Ok((id, made["token"].as_str().context("no token")?.to_owned()))
    }

    /// Sets shares of compute, in hundredths of a percent, whatever they were.
    pub fn set_shares(&self, shares: &[(u64, u32)]) -> Result<()> {
        let mut operator = self.client(&self.operator)?;
        for round in 0..2 {
            for (tenant, units) in shares {
                let body =
                    json!({ "resource": "compute", "units": if round == 0 { 0 } else { *units }, "because": "bench" });
                operator.json("PUT", &format!("/api/v1/tenants/{tenant}/share"), &body)?;
            }
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A client on one connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
    token: String,
}

impl Client {
    pub fn connect(address: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self { stream: BufReader::new(stream), host: address.to_owned(), token: token.to_owned() })
    }

    pub fn json(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (status, body) = self.request(method, path, "application/json", body.to_string().as_bytes())?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(&body));
        if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&body)?) }
    }

    pub fn request(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.host,
            self.token,
            body.len()
        );
        let mut text = head.into_bytes();
        text.extend_from_slice(body);
        self.stream.get_mut().write_all(&text)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status: u16 = line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status line")?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(found) = line.strip_prefix("content-length:") {
                length = found.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }

    pub fn wait_for(&mut self, path: &str, met: impl Fn(&Value) -> bool) -> Result<Value> {
        let start = Instant::now();
        loop {
            let found = self.json("GET", path, &Value::Null)?;
            if met(&found) {
                return Ok(found);
            }
            if start.elapsed() > Duration::from_secs(120) {
                bail!("{path} stayed {found}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Uploads the kernel and makes its picture: a job that runs `blocks` blocks of 256 threads with `iterations` each.
    pub fn prepare(&mut self, blocks: u32, iterations: u32) -> Result<Value> {
        let (status, body) = self.request("POST", "/api/v1/modules", "application/octet-stream", MANDEL.as_bytes())?;
        ensure!(status == 201, "{}", String::from_utf8_lossy(&body));
        let module: Value = serde_json::from_slice(&body)?;
        let bytes = u64::from(blocks) * 256 * 4;
        let buffer = self.json("POST", &format!("/api/v1/buffers?bytes={bytes}"), &Value::Null)?;
        Ok(json!({
            "module": module["id"], "kernel": "mandel", "grid": [blocks, 1], "block": [32, 8], "timeout_ms": 120_000,
            // All threads look at the origin, which never escapes.
            "args": [{ "buffer": buffer["id"] }, { "i32": blocks * 32 }, { "i32": 8 }, { "f32": 0.0 }, { "f32": 0.0 },
                { "f32": 0.0 }, { "f32": 0.0 }, { "i32": iterations }],
        }))
    }

    /// Submits a job and gives its number.
    pub fn submit(&mut self, job: &Value) -> Result<u64> {
        self.json("POST", "/api/v1/jobs", job)?["id"].as_u64().context("no number")
    }

    /// Waits for a job and gives it.
    pub fn ended(&mut self, id: u64) -> Result<Value> {
        let done = |job: &Value| ["done", "failed", "cancelled"].contains(&job["state"].as_str().unwrap_or(""));
        self.wait_for(&format!("/api/v1/jobs/{id}"), done)
    }
}
