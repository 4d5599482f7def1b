//! The `vgpu` binary as a user meets it: exit statuses, messages, files.

use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const BROKEN: &str = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry f()\n{\n\t.reg .b32 %r<3>;\n\tadd.u33 %r1, %r2, 1;\n\tret;\n}\n";

/// Stores 1 through its pointer for ever when `n` is not 0.
const LOOP: &str = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry spin(.param .u64 p, .param .u32 n)\n{\n\
    \t.reg .b64 %rd<2>;\n\t.reg .b32 %r<3>;\n\t.reg .pred %q<2>;\n\tld.param.u64 %rd1, [p];\n\tld.param.u32 %r1, [n];\n\
    $again:\n\tst.volatile.global.u32 [%rd1], 1;\n\tld.volatile.global.u32 %r2, [%rd1];\n\tmul.lo.u32 %r2, %r2, %r1;\n\
    \tsetp.ne.u32 %q1, %r2, 0;\n\t@%q1 bra $again;\n\tret;\n}\n";

/// A folder of this test's own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vgpu-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn kernel(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kernels").join(name)
}

/// Longest time that a command may take; one that hangs fails its test instead of the whole run.
const DEADLINE: Duration = Duration::from_secs(120);

fn vgpu(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vgpu"));
    command.args(args).env("VGPU_CACHE", "off").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let read = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("the pipe can be read");
            bytes
        })
    };
    let stdout = read(Box::new(child.stdout.take().expect("it is piped")));
    let stderr = read(Box::new(child.stderr.take().expect("it is piped")));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        if started.elapsed() > DEADLINE {
            child.kill().expect("the child is ours");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let join = |reader: std::thread::JoinHandle<Vec<u8>>| reader.join().expect("the reader does not panic");
    Output { status, stdout: join(stdout), stderr: join(stderr) }
}

fn check(args: &[&str], status: i32, out: &[&str], err: &[&str]) -> String {
    let output = vgpu(args);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{args:?}\n{stdout}\n{stderr}");
    for text in out {
        assert!(stdout.contains(text), "{args:?}: no \"{text}\" in standard output:\n{stdout}");
    }
    for text in err {
        assert!(stderr.contains(text), "{args:?}: no \"{text}\" in standard error:\n{stderr}");
    }
    stdout.into_owned()
}

fn json(args: &[&str], status: i32) -> Value {
    let out = check(args, status, &[], &[]);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}:\n{out}"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// A `.npy` file of floats, written here independently of the program's own writer.
fn npy(values: &[f32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", values.len());
    header.push_str(&" ".repeat(117 - header.len()));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(header.as_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    file
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("the output was written");
    bytes[128..].as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn check_accepts_the_collection() {
    for name in ["saxpy.ptx", "sha256d.ptx", "softmax.ptx"] {
        check(&["check", text(&kernel(name))], 0, &["ok, 1 kernel\n"], &[]);
    }
}

#[test]
fn check_shows_a_caret() {
    let folder = Folder::new("check");
    let file = folder.file("broken.ptx", BROKEN);
    check(
        &["check", text(&file)],
        1,
        &["error[", "broken.ptx:7:", "add.u33 %r1, %r2, 1;", "^", "1 error, 0 warnings"],
        &[],
    );
    let report = json(&["check", "--json", text(&file)], 1);
    assert_eq!(report[0]["diagnostics"][0]["place"]["line"], 7);
    assert_eq!(report[0]["diagnostics"][0]["severity"], "error");
}

#[test]
fn usage_has_its_own_status() {
    check(&["check", "no-such-file.ptx"], 2, &[], &["cannot read no-such-file.ptx"]);
    check(&["run", "no-such-file.ptx"], 2, &[], &["cannot read no-such-file.ptx"]);
    check(&["dump", "no-such-file.ptx", "--stage", "ir"], 2, &[], &["cannot read no-such-file.ptx"]);
    check(&["check"], 2, &[], &["Usage"]);
    check(&["run", text(&kernel("saxpy.ptx")), "--arg", "u33:1"], 2, &[], &["is no argument; accepted are"]);
    check(&["run", text(&kernel("saxpy.ptx")), "--grid", "0"], 2, &[], &["is no shape"]);
    let (ptx, block) = (kernel("saxpy.ptx"), ["--block", "1024,2"]);
    let whole = ["--arg", "u32:1", "--arg", "f32:2", "--arg", "zeros:f32[1]", "--arg", "zeros:f32[1]"];
    check(&[&["run", text(&ptx)][..], &block, &whole].concat(), 2, &[], &["block (1024, 2, 1) is outside the limits"]);
    check(
        &["dump", text(&ptx), "--stage", "ssa", "--kernel", "daxpy"],
        2,
        &[],
        &["has no kernel \"daxpy\"; it has saxpy"],
    );
    check(&["trace"], 2, &[], &["Usage"]);
    check(&["run", text(&kernel("saxpy.ptx")), "--kernel", "daxpy"], 2, &[], &["daxpy", "saxpy"]);
    check(&["run", text(&kernel("saxpy.ptx")), "--arg", "u32:1"], 2, &[], &["takes 4 arguments, 1 were given"]);
    let narrow = ["--arg", "u64:1", "--arg", "f32:2", "--arg", "zeros:f32[1]", "--arg", "zeros:f32[1]"];
    let ptx = kernel("saxpy.ptx");
    let args = [&["run", text(&ptx)][..], &narrow].concat();
    check(&args, 2, &[], &["argument 1 of kernel \"saxpy\" has 8 bytes; parameter \"saxpy_param_0\" has 4"]);
}

/// A process of the test's own, ended with it.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ps_shows_who_is_on_the_device_while_it_is() {
    let folder = Folder::new("ps");
    let ptx = folder.file("spin.ptx", LOOP);
    let args = ["run", text(&ptx), "--arg", "zeros:u32[1000]", "--arg", "u32:1", "--timeout-ms", "120000"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_vgpu"));
    command.args(args).env("VGPU_CACHE", "off").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("the binary starts"));
    let pid = running.0.id();
    let seen = || {
        let list = json(&["ps", "--json"], 0);
        list.as_array().expect("it is a list").iter().find(|process| process["pid"] == pid).cloned()
    };
    let started = Instant::now();
    let process = loop {
        if let Some(process) = seen().filter(|process| process["memory_used"] != 0) {
            break process;
        }
        assert!(started.elapsed() < DEADLINE, "it is not listed");
        assert!(running.0.try_wait().expect("it can be asked").is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(process["command"].as_str().is_some_and(|command| command.contains("spin.ptx")), "{process}");
    assert!(process["memory_used"].as_u64() >= Some(4000), "{process}");
    let table = check(&["ps"], 0, &["COMMAND", &pid.to_string()], &[]);
    assert!(table.lines().count() >= 2, "{table}");
    drop(running);
    assert_eq!(seen(), None);
}

#[test]
fn dump_shows_each_stage() {
    let ptx = kernel("saxpy.ptx");
    let file = text(&ptx);
    for (stage, expected) in [("ast", "saxpy"), ("ir", "saxpy"), ("llvm", "define"), ("asm", ".text")] {
        check(&["dump", file, "--stage", stage], 0, &[expected], &[]);
    }
    let report = json(&["dump", file, "--stage", "ir", "--json"], 0);
    assert_eq!(report["parts"][0]["kernel"], "saxpy");
    check(&["dump", file, "--stage", "none"], 2, &[], &["\"none\" is no stage; accepted are ast, ir,"]);
    check(&["dump", file, "--stage", "ir", "--kernel", "daxpy"], 2, &[], &["kernel \"daxpy\"", "saxpy"]);
    check(&["dump", file, "--stage", "asm", "--block", "1025"], 2, &[], &["1024 threads"]);
}

#[test]
fn version_and_info() {
    check(&["--version"], 0, &[env!("CARGO_PKG_VERSION")], &[]);
    check(&["info"], 0, &["Warp size", "Vector instructions in use"], &[]);
    let info = json(&["info", "--json"], 0);
    assert_eq!(info["warp_size"], 32);
    assert_eq!(info["max_threads_per_block"], 1024);
}

#[test]
fn run_saxpy_on_files() {
    let folder = Folder::new("saxpy");
    let x: Vec<f32> = (0..1000).map(|i| i as f32 * 0.5).collect();
    let y: Vec<f32> = (0..1000).map(|i| 1000.0 - i as f32).collect();
    let (x_file, y_file) = (folder.file("x.npy", npy(&x)), folder.file("y.npy", npy(&y)));
    let (x_arg, y_arg) = (format!("in:{}", text(&x_file)), format!("inout:{}", text(&y_file)));
    let ptx = kernel("saxpy.ptx");
    let args = [
        "run",
        text(&ptx),
        "--grid",
        "4",
        "--block",
        "256",
        "--arg",
        "u32:1000",
        "--arg",
        "f32:2",
        "--arg",
        &x_arg,
        "--arg",
        &y_arg,
    ];
    check(
        &args,
        0,
        &["saxpy: grid (4, 1, 1), block (256, 1, 1)", "kernel time", "12000 bytes", "y.npy f32[1000]"],
        &[],
    );
    let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| 2.0 * x + y).collect();
    assert_eq!(floats(&y_file), expected);
}

#[test]
fn repeated_launches_start_from_the_same_arrays() {
    let folder = Folder::new("repeat");
    let out = folder.0.join("out.npy");
    let (ptx, out_arg) = (kernel("reduce_shfl.ptx"), format!("out:{}:f32[1]", text(&out)));
    let ones = folder.file("ones.npy", npy(&[1.0; 4096]));
    let in_arg = format!("in:{}", text(&ones));
    let args = [
        "run",
        text(&ptx),
        "--json",
        "--grid",
        "4",
        "--block",
        "256",
        "--repeat",
        "3",
        "--arg",
        &in_arg,
        "--arg",
        &out_arg,
        "--arg",
        "u32:4096",
    ];
    let report = json(&args, 0);
    assert_eq!(report["times_ms"].as_array().map(Vec::len), Some(3));
    assert_eq!(report["array_bytes"], 4097 * 4);
    assert_eq!(floats(&out), [4096.0]);
}

#[test]
fn a_runaway_kernel_ends() {
    let folder = Folder::new("spin");
    let file = folder.file("spin.ptx", LOOP);
    let args = |n| ["run", text(&file), "--timeout-ms", "300", "--arg", "zeros:u32[1]", "--arg", n];
    check(&args("u32:0"), 0, &["spin: grid (1, 1, 1)"], &[]);
    check(&args("u32:1"), 1, &[], &["spin"]);
    let report = json(&[&args("u32:1")[..], &["--json"]].concat(), 1);
    assert_eq!(report["error"]["kind"], "input");
}

#[test]
fn a_fault_is_an_error() {
    let ptx = kernel("saxpy.ptx");
    let wild = "u64:0x10000000000000";
    let args = ["run", text(&ptx), "--block", "32", "--arg", "u32:32", "--arg", "f32:2", "--arg", wild, "--arg", wild];
    check(&args, 1, &[], &["saxpy", "address"]);
}

#[test]
fn cuda_source_compiles_or_says_how() {
    let folder = Folder::new("cuda");
    let file = folder.file("one.cu", "extern \"C\" __global__ void one(float* p) { p[threadIdx.x] = 1.0f; }");
    let out = folder.0.join("p.npy");
    let output = vgpu(&["run", text(&file), "--block", "64", "--arg", &format!("out:{}:f32[64]", text(&out))]);
    if output.status.success() {
        assert_eq!(floats(&out), [1.0; 64]);
    } else {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("pip install nvidia-cuda-nvrtc nvidia-cuda-runtime"), "{error}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vgpu"));
    let many = "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [t, {%f1, %f2}];\n".repeat(150);
    let text = format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{{\n.reg .f32 %f<5>;\n{many}ret;\n}}\n"
    );
    let file = std::env::temp_dir().join(format!("vgpu-closed-pipe-{}.ptx", std::process::id()));
    std::fs::write(&file, text).expect("the temporary folder is writable");
    let mut child = command
        .args(["check", file.to_str().expect("the path is UTF-8")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    std::fs::remove_file(&file).expect("the file is ours");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_checkpoint_file_is_checked_and_listed() {
    use vgpu::checkpoint::{Section, Store};
    let folder = Folder::new("checkpoint");
    let path = folder.0.join("state");
    let mut store = Store::open(&path).expect("the temporary folder can be written");
    let sections = [Section { name: "extra step".to_owned(), bytes: 70_000 }];
    let saved = store.save(&sections, |_, at, to| {
        to.iter_mut().zip(at..).for_each(|(byte, at)| *byte = (at % 253) as u8);
        Ok(())
    });
    saved.expect("the disk has room");
    let name = path.to_str().expect("the path is UTF-8");
    let output = vgpu(&["checkpoint", name]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.starts_with("checkpoint 0: 1 sections, 70000 bytes, all intact"), "{text}");
    let value: Value =
        serde_json::from_slice(&vgpu(&["--json", "checkpoint", name]).stdout).expect("standard output is JSON");
    assert_eq!(value["sections"][0]["bytes"], 70_000);

    let mut bytes = std::fs::read(&path).expect("it was written");
    bytes[5000] ^= 1;
    let damaged = folder.file("damaged", bytes);
    let output = vgpu(&["checkpoint", damaged.to_str().expect("the path is UTF-8")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("is damaged: section \"extra step\""), "{said}");
}

/// `vgpu mem` with a folder for what processes publish.
fn mem(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vgpu"));
    command.arg("mem").args(args).env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null());
    command.output().expect("the binary starts")
}

#[test]
fn mem_shows_the_tiers_of_living_processes() {
    let folder = Folder::new("mem");
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let none = mem(&folder.0, &[]);
    assert!(none.status.success() && text(&none).contains("no process with a memory budget"), "{}", text(&none));
    let process = std::process::id().to_string();
    let published = folder.0.join("vgpu-mem");
    std::fs::create_dir(&published).expect("the temporary folder can be written");
    let lines = format!(
        "vgpu-mem 1\nprocess {process}\npage_bytes 65536\ncommitted_pages 96\nfaults 7\nmissed 1\nforeseen 3\n\
         tier VRAM 64 4194304 4194304\ntier vSSD 32 2097152 1073741824\nrun 0 64 VRAM 0\nrun 64 32 vSSD 64\n"
    );
    std::fs::write(published.join(format!("{process}-0")), lines).expect("the folder can be written");
    let table = mem(&folder.0, &[]);
    assert!(text(&table).contains("prefetch hit rate 75.0 %"), "{}", text(&table));
    let map = mem(&folder.0, &["map", "--process", &process]);
    assert!(text(&map).contains(&"#".repeat(64)) && text(&map).contains(&"o".repeat(32)), "{}", text(&map));
    let json: Value = serde_json::from_str(&text(&mem(&folder.0, &["--json"]))).expect("it is JSON");
    assert_eq!(json[0]["tiers"][1]["pages"], 32);
    let picture = folder.0.join("map.svg");
    let drawn = mem(&folder.0, &["map", "--svg", &picture.display().to_string()]);
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    assert!(std::fs::read_to_string(&picture).expect("it was written").starts_with("<svg"));
    let missing = mem(&folder.0, &["--process", "4294967295"]);
    assert_eq!(missing.status.code(), Some(1));
}
