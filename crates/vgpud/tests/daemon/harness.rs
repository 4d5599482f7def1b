//! A daemon in a folder of its own, at a port that the system chooses, and a plain HTTP client for it.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Long enough for any machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// A folder that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vgpud-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Daemon {
    pub child: Child,
    pub address: String,
    pub operator: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, when the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl Daemon {
    pub fn start(folder: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vgpud"));
        command.args(["--listen", "127.0.0.1:0", "--processors", "2", "--memory-mib", "256"]);
        command.args(more).arg("--state-dir").arg(folder);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut address = None;
        for line in lines.map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix("vgpud: listening at http://") {
                address = rest.split('/').next().map(str::to_owned);
            }
            if line.contains("operator's token") {
                break;
            }
        }
        let address = address.expect("the daemon says where it listens");
        let operator = std::fs::read_to_string(folder.join("operator.token")).expect("a token").trim().to_owned();
        Self { child, address, operator }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    pub fn request(&self, method: &str, path: &str, token: Option<&str>, kind: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(token) = token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).expect("sent");
        // The daemon may refuse before it has read everything.
        let _ = stream.write_all(body);
        read(stream)
    }

    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.request("GET", path, Some(token), "text/plain", b"")
    }

    pub fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        self.request(method, path, Some(token), "application/json", body.to_string().as_bytes())
    }

    /// A tenant that may use memory: number and token.
    pub fn tenant(&self, name: &str) -> (u64, String) {
        let body = json!({ "name": name, "budget": 1000.0 });
        let made = self.send("POST", "/api/v1/tenants", &self.operator, &body).expect(201).json();
        let token = made["token"].as_str().expect("a token").to_owned();
        until(|| self.get("/api/v1/me", &token).expect(200).json()["memory_quota_bytes"].as_u64() > Some(0));
        (made["id"].as_u64().expect("a number"), token)
    }

    pub fn module(&self, token: &str, ptx: &str) -> String {
        let kind = "application/octet-stream";
        let made = self.request("POST", "/api/v1/modules", Some(token), kind, ptx.as_bytes()).expect(201).json();
        made["id"].as_str().expect("an id").to_owned()
    }

    pub fn buffer(&self, token: &str, data: &[u8]) -> u64 {
        let made = self.send("POST", &format!("/api/v1/buffers?bytes={}", data.len()), token, &json!(null));
        let id = made.expect(201).json()["id"].as_u64().expect("an id");
        let path = format!("/api/v1/buffers/{id}");
        self.request("PUT", &path, Some(token), "application/octet-stream", data).expect(204);
        id
    }

    /// Submits a job and gives its number.
    pub fn submit(&self, token: &str, job: &Value) -> u64 {
        self.send("POST", "/api/v1/jobs", token, job).expect(202).json()["id"].as_u64().expect("an id")
    }

    /// A job's final state, taken from its event stream.
    pub fn ended(&self, token: &str, job: u64) -> Value {
        let events = self.get(&format!("/api/v1/jobs/{job}/events"), token).expect(200).text();
        let last = events.lines().filter_map(|line| line.strip_prefix("data:")).next_back().expect("an event");
        serde_json::from_str(last).expect("JSON")
    }

    pub fn state(&self, token: &str, job: u64) -> String {
        let job = self.get(&format!("/api/v1/jobs/{job}"), token).expect(200).json();
        job["state"].as_str().expect("a state").to_owned()
    }

    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Ends it as systemd would; it must end well.
    pub fn terminate(mut self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(status.success());
        assert!(self.child.wait().expect("reaped").success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something that must happen.
#[track_caller]
pub fn until(mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "it did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A connection that is reset after the answer has given the answer.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else { return Answer { status: 0, headers: String::new(), body: bytes } };
    let headers = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = bytes[end + 4..].to_vec();
    let body = if headers.contains("transfer-encoding: chunked") { unchunk(&body) } else { body };
    Answer { status, headers, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&bytes[..line]).trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        bytes = &bytes[line + 2 + size + 2..];
    }
    body
}

/// `y = a x + y`.
pub const SAXPY: &str = include_str!("../../../../kernels/saxpy.ptx");

/// Writes its thread's number where it is told, spins for ever, or walks off the end of the world.
pub const PATHS: &str = r"
.version 7.0
.target sm_70
.address_size 64
.visible .entry wild()
{
    .reg .b64 %rd<2>;
    mov.u64 %rd1, 4096;
    st.global.u32 [%rd1], 7;
    ret;
}
.visible .entry endless(.param .u64 flag)
{
    .reg .pred %p; .reg .b32 %r<2>; .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [flag];
again:
    ld.volatile.global.u32 %r1, [%rd1];
    setp.eq.u32 %p, %r1, 0;
    @%p bra again;
    ret;
}
.visible .entry stop()
{
    trap;
    ret;
}
";
