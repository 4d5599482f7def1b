//! Requests that are wrong, large, slow or from elsewhere.

use super::harness::{Daemon, Folder, read};
use serde_json::json;
use std::io::Write as _;

#[test]
fn hostile_requests_are_answered_and_harm_nobody() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder.0, &["--benchmark", "--epoch-ms", "100"]);
    let (_, token) = daemon.tenant("anna");
    let raw = |text: &[u8]| {
        let mut stream = daemon.connect();
        stream.write_all(text).expect("sent");
        read(stream).status
    };
    // Another name for our address, as after DNS rebinding; another site's page.
    assert_eq!(raw(b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), 421);
    let origin = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: {}\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        daemon.address
    );
    assert_eq!(raw(origin.as_bytes()), 403);
    // Tokens.
    for bad in ["", "x", "vgpu_0000", &"a".repeat(10_000), "Ü\u{7f}"] {
        let status = daemon.get("/api/v1/me", bad).status;
        assert!([400, 401].contains(&status), "{bad:?}: {status}");
    }
    daemon.request("GET", "/api/v1/status", None, "text/plain", b"").expect(401);
    // Bodies.
    let jobs = |body: &[u8]| daemon.request("POST", "/api/v1/jobs", Some(&token), "application/json", body).status;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        b"[]",
        br#"{"module":1}"#,
        deep.as_bytes(),
        br#"{"module":"x","kernel":"y","grid":[0],"block":[1],"more":1}"#,
    ];
    for body in bodies {
        assert!([400, 422].contains(&jobs(body)), "{:?}", String::from_utf8_lossy(&body[..body.len().min(40)]));
    }
    assert_eq!(jobs(&vec![b' '; 2 << 20]), 413);
    daemon.request("POST", "/api/v1/jobs", Some(&token), "text/html", b"{}").expect(415);
    let no_ptx = daemon.request("POST", "/api/v1/modules", Some(&token), "application/octet-stream", b"\x7fELF");
    assert_eq!(no_ptx.status, 422, "{}", no_ptx.text());
    let wrong = ".version 7.0\n.target sm_70\n.address_size 64\n.entry k() { nonsense; }";
    let wrong = daemon.request("POST", "/api/v1/modules", Some(&token), "application/octet-stream", wrong.as_bytes());
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    // Paths.
    for path in
        ["/api/v1/jobs/x", "/api/v1/jobs/99999999999999999999", "/api/v1/jobs/1", "/../etc/passwd", "/api/v9", "/%00"]
    {
        assert_eq!(daemon.get(path, &token).status, 404, "{path}");
    }
    daemon.request("BREW", "/api/v1/jobs", Some(&token), "text/plain", b"").expect(405);
    // What is no HTTP at all.
    for text in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n\r\nX\r\n\r\n"] {
        let mut stream = daemon.connect();
        stream.write_all(text).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("shut");
        assert!([0, 400, 505].contains(&read(stream).status), "{text:?}");
    }
    let headers = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    let mut stream = daemon.connect();
    // It may be cut off before all of it is sent.
    let _ = stream.write_all(headers.as_bytes());
    assert!([0, 400, 431].contains(&read(stream).status));
    // Many that say nothing, or one byte, hold connections and nothing else; they are cut off in the end.
    let mut slow: Vec<_> = (0..200).map(|_| daemon.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /hea").expect("sent");
    }
    daemon.get("/healthz", &token).expect(200);
    let order = json!({ "resource": "compute", "side": "buy", "type": "limit", "price": -1.0, "quantity": 1 });
    daemon.send("POST", "/api/v1/orders", &token, &order).expect(422);
    let first = slow.swap_remove(0);
    assert!([0, 408].contains(&read(first).status), "the daemon closes it");
    daemon.terminate();
}
