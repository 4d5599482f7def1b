//! Threads working together, calls, addressing and the device's own functions: PTX texts run by the interpreter.

use vgpu_ptx::interp::{FaultKind, LaunchConfig, Machine};
use vgpu_ptx::ir::Module;

/// A module with one kernel `k(.u64 out)`; `before` stands in front of it.
fn kernel(before: &str, body: &str) -> Module {
    let source = format!(
        ".version 8.0\n.target sm_90\n.address_size 64\n{before}\n.visible .entry k(.param .u64 out)\n{{\n\
         .reg .pred %p<10>; .reg .b16 %h<10>; .reg .b32 %r<30>; .reg .f32 %f<10>; .reg .b64 %rd<20>; .reg .f64 %fd<10>;\n\
         ld.param.u64 %rd0, [out];\n{body}\nret;\n}}\n"
    );
    vgpu_ptx::load(&source).unwrap_or_else(|diagnostics| panic!("{source}\n{diagnostics:#?}"))
}

/// `%r0 = %tid.x`, `%rd1 = out + 4 * (%ctaid.x * %ntid.x + %tid.x)`.
const INDEX: &str = "mov.u32 %r0, %tid.x; mov.u32 %r28, %ctaid.x; mov.u32 %r29, %ntid.x;\n\
                     mad.lo.u32 %r29, %r28, %r29, %r0; mad.wide.u32 %rd1, %r29, 4, %rd0;\n";

fn run_with(module: &Module, config: LaunchConfig, n_words: usize) -> (Vec<u32>, String) {
    let mut machine = Machine::new(module).expect("no extern variables");
    let out = machine.memory.alloc(4 * n_words as u64);
    machine.launch("k", config, &out.to_le_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
    let bytes = machine.memory.read(out, 4 * n_words as u64).expect("allocated").to_vec();
    let words = bytes.chunks(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
    (words, machine.take_output())
}

fn run(module: &Module, grid: u32, block: u32) -> Vec<u32> {
    run_with(module, LaunchConfig::new(grid, block), (grid * block) as usize).0
}

fn fault(module: &Module, block: u32) -> FaultKind {
    let mut machine = Machine::new(module).expect("no extern variables");
    let out = machine.memory.alloc(4 * u64::from(block));
    machine.launch("k", LaunchConfig::new(1, block), &out.to_le_bytes()).expect_err("must fault").kind
}

#[test]
fn shuffles_read_the_lane_the_manual_says() {
    // Each lane reads lane-dependent distances in segments of 8 (c = 0x181f) and of 32 lanes.
    for (mode, c) in [("up", 0x0u32), ("up", 0x1800), ("down", 0x1f), ("down", 0x181f), ("bfly", 0x1f), ("idx", 0x181f)]
    {
        for distance in [0u32, 1, 3, 7, 16, 31] {
            let body = format!(
                "{INDEX} mov.u32 %r1, %laneid; shfl.sync.{mode}.b32 %r2|%p1, %r1, {distance}, {c}, 0xffffffff;\n\
                 selp.u32 %r3, 256, 0, %p1; or.b32 %r2, %r2, %r3; st.global.u32 [%rd1], %r2;"
            );
            let got = run(&kernel("", &body), 1, 32);
            let width = if c >> 8 == 0 { 32 } else { 8 };
            for lane in 0..32u32 {
                let start = lane / width * width;
                // Which lane is read, if it is inside the segment.
                let source = match mode {
                    "up" => lane.checked_sub(distance).filter(|&source| source >= start),
                    "down" => Some(lane + distance).filter(|&source| source < start + width),
                    "bfly" => Some(lane ^ distance).filter(|&source| source < start + width),
                    _ => Some(start + distance % width),
                };
                let expected = source.map_or(lane, |source| source | 256);
                assert_eq!(got[lane as usize], expected, "{mode} {distance} {c:#x} lane {lane}");
            }
        }
    }
}

#[test]
fn votes_matches_and_reductions() {
    let body = format!(
        "{INDEX} mov.u32 %r1, %laneid; and.b32 %r2, %r1, 3; setp.eq.u32 %p1, %r2, 1;\n\
         vote.sync.ballot.b32 %r3, %p1, 0xffffffff;\n\
         match.any.sync.b32 %r4, %r2, 0xffffffff;\n\
         match.all.sync.b32 %r5|%p2, %r2, 0xffffffff; selp.u32 %r6, 1, 0, %p2; add.u32 %r5, %r5, %r6;\n\
         redux.sync.add.s32 %r7, %r1, 0xffffffff; redux.sync.max.u32 %r8, %r1, 0xffffffff;\n\
         redux.sync.xor.b32 %r9, %r1, 0xffffffff; redux.sync.min.s32 %r10, %r1, 0xffffffff;\n\
         elect.sync %r11|%p3, 0xffffffff; selp.u32 %r12, 100, 0, %p3; add.u32 %r11, %r11, %r12;\n\
         vote.sync.any.pred %p4, %p1, 0xffffffff; vote.sync.all.pred %p5, %p1, 0xffffffff;\n\
         vote.sync.uni.pred %p6, %p1, 0xffffffff; selp.u32 %r13, 1, 0, %p4; selp.u32 %r14, 2, 0, %p5;\n\
         selp.u32 %r15, 4, 0, %p6; or.b32 %r13, %r13, %r14; or.b32 %r13, %r13, %r15; activemask.b32 %r16;\n\
         mul.wide.u32 %rd2, %r1, 40; add.u64 %rd2, %rd0, %rd2;\n\
         st.global.u32 [%rd2], %r3; st.global.u32 [%rd2+4], %r4; st.global.u32 [%rd2+8], %r5; st.global.u32 [%rd2+12], %r7;\n\
         st.global.u32 [%rd2+16], %r8; st.global.u32 [%rd2+20], %r9; st.global.u32 [%rd2+24], %r10;\n\
         st.global.u32 [%rd2+28], %r11; st.global.u32 [%rd2+32], %r13; st.global.u32 [%rd2+36], %r16;"
    );
    let (words, _) = run_with(&kernel("", &body), LaunchConfig::new(1, 32), 320);
    for lane in 0..32 {
        let same = 0x1111_1111 << (lane % 4);
        let elected = if lane == 0 { 100 } else { 0 };
        let expected = [0x2222_2222, same, 0, 496, 31, 0, 0, elected, 1, u32::MAX];
        assert_eq!(words[10 * lane..][..10], expected, "lane {lane}");
    }
}

/// Half of the warp synchronises while the other half waits for it in a spin loop, with disjoint masks.
#[test]
fn disjoint_halves_of_a_warp_make_progress() {
    let body = format!(
        "{INDEX} mov.u32 %r1, %laneid; setp.lt.u32 %p1, %r1, 16; @%p1 bra LOW;\n\
         SPIN: ld.volatile.global.u32 %r2, [%rd0]; setp.eq.u32 %p2, %r2, 0; @%p2 bra SPIN;\n\
         bar.warp.sync 0xffff0000; bra END;\n\
         LOW: bar.warp.sync 0x0000ffff; mov.u32 %r2, 7; setp.eq.u32 %p3, %r1, 5; @%p3 st.volatile.global.u32 [%rd0], %r2;\n\
         END: bar.warp.sync 0xffffffff; st.global.u32 [%rd1], %r2;"
    );
    assert_eq!(run(&kernel("", &body), 1, 32), [7; 32]);
}

#[test]
fn barrier_reductions_and_arrivals() {
    let body = format!(
        "{INDEX} setp.lt.u32 %p1, %r0, 40; barrier.sync.aligned 0; bar.red.popc.u32 %r1, 1, %p1; bar.red.and.pred %p2, 2, %p1;\n\
         bar.red.or.pred %p3, 3, %p1; selp.u32 %r2, 1000, 0, %p2; selp.u32 %r3, 100, 0, %p3;\n\
         add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r3; st.global.u32 [%rd1], %r1;"
    );
    assert_eq!(run(&kernel("", &body), 2, 96), [140; 192]);
    // Warp 0 produces and arrives; warp 1 consumes behind a barrier of 64 threads; warp 2 takes no part.
    let body = format!(
        "{INDEX} mov.u32 %r1, 0; setp.ge.u32 %p1, %r0, 64; @%p1 bra END; setp.ge.u32 %p2, %r0, 32; @%p2 bra CONSUME;\n\
         shl.b32 %r2, %r0, 2; mov.u32 %r3, buffer; add.u32 %r3, %r3, %r2; add.u32 %r4, %r0, 5; st.shared.u32 [%r3], %r4;\n\
         bar.arrive 1, 64; bra END;\n\
         CONSUME: bar.sync 1, 64; sub.u32 %r2, 63, %r0; shl.b32 %r2, %r2, 2; mov.u32 %r3, buffer; add.u32 %r3, %r3, %r2;\n\
         ld.shared.u32 %r1, [%r3];\n\
         END: st.global.u32 [%rd1], %r1;"
    );
    let got = run(&kernel(".shared .align 4 .b8 buffer[128];", &body), 1, 96);
    let expected: Vec<u32> = (0..96).map(|t| if (32..64).contains(&t) { 63 - t + 5 } else { 0 }).collect();
    assert_eq!(got, expected);
}

/// A warp with 16 lanes, and one that has lost lanes, count as whole warps; a barrier left half-full is a deadlock.
#[test]
fn incomplete_warps_count_whole() {
    let body = format!(
        "{INDEX} setp.eq.u32 %p1, %r0, 3; @%p1 bra END; bar.sync 1, 64; mov.u32 %r1, 9; st.global.u32 [%rd1], %r1; END:"
    );
    let expected: Vec<u32> = (0..48).map(|t| if t == 3 { 0 } else { 9 }).collect();
    assert_eq!(run(&kernel("", &body), 1, 48), expected);
    assert!(matches!(fault(&kernel("", "bar.sync 1, 96;"), 64), FaultKind::Deadlock(_)));
}

#[test]
fn atomics() {
    // (instruction on the block's 64 threads, initial value, final value): the sum of 0..=63 is 2016; in f32 1 + 64 * 0.5 is 33; in
    // f16x2 the halves go from (0, 1) to (64, 65).
    let table = [
        ("add.u32 %r1, [%rd0+512], %r0", 1, 2017),
        ("min.s32 %r1, [%rd0+512], %r2", 0, 0xffff_ffc1),
        ("max.u32 %r1, [%rd0+512], %r0", 0, 63),
        ("and.b32 %r1, [%rd0+512], %r0", 0xffff_ffff, 0),
        ("or.b32 %r1, [%rd0+512], %r0", 0, 63),
        ("xor.b32 %r1, [%rd0+512], %r0", 5, 5),
        ("inc.u32 %r1, [%rd0+512], 9", 0, 4),
        ("dec.u32 %r1, [%rd0+512], 9", 3, 9),
        ("exch.b32 %r1, [%rd0+512], 77", 3, 77),
        ("cas.b32 %r1, [%rd0+512], 3, 78", 3, 78),
        ("add.f32 %f1, [%rd0+512], %f2", 0x3f80_0000, 0x4204_0000),
        ("add.noftz.f16x2 %r1, [%rd0+512], %r3", 0x3c00_0000, 0x5410_5400),
    ];
    for (instruction, initial, expected) in table {
        let body = format!(
            "{INDEX} neg.s32 %r2, %r0; mov.f32 %f2, 0f3f000000; mov.u32 %r3, 0x3c003c00; atom.global.{instruction};\n\
             st.global.u32 [%rd1], %r0;"
        );
        let module = kernel("", &body);
        let mut machine = Machine::new(&module).expect("no extern variables");
        let out = machine.memory.alloc(516);
        machine.memory.write(out + 512, &u32::to_le_bytes(initial)).expect("allocated");
        machine
            .launch("k", LaunchConfig::new(1, 64), &out.to_le_bytes())
            .unwrap_or_else(|f| panic!("{instruction}: {f}"));
        let bytes = machine.memory.read(out + 512, 4).expect("allocated");
        assert_eq!(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]), expected, "{instruction}");
    }
}

#[test]
fn generic_addresses_and_windows() {
    let before = ".shared .align 8 .b8 s[64];\n.global .align 4 .u32 g = 11;\n.const .align 4 .u32 c = 22;";
    let body = format!(
        ".local .align 8 .b8 l[64]; {INDEX}\n\
         mov.u64 %rd2, s; cvta.shared.u64 %rd2, %rd2; mov.u64 %rd3, l; cvta.local.u64 %rd3, %rd3;\n\
         mov.u64 %rd4, g; cvta.global.u64 %rd4, %rd4; mov.u64 %rd5, c; cvta.const.u64 %rd5, %rd5;\n\
         mov.u32 %r1, 33; st.u32 [%rd2+4], %r1; st.u32 [%rd3+8], %r0; ld.shared.u32 %r2, [s+4]; ld.local.u32 %r3, [l+8];\n\
         ld.u32 %r4, [%rd4]; ld.u32 %r5, [%rd5]; add.u32 %r2, %r2, %r3; add.u32 %r2, %r2, %r4; add.u32 %r2, %r2, %r5;\n\
         isspacep.shared %p1, %rd2; isspacep.local %p2, %rd3; isspacep.global %p3, %rd4; isspacep.global %p4, %rd2;\n\
         selp.u32 %r6, 1000, 0, %p1; selp.u32 %r7, 2000, 0, %p2; selp.u32 %r8, 4000, 0, %p3; selp.u32 %r9, 9000, 0, %p4;\n\
         add.u32 %r2, %r2, %r6; add.u32 %r2, %r2, %r7; add.u32 %r2, %r2, %r8; add.u32 %r2, %r2, %r9;\n\
         st.global.u32 [%rd1], %r2;"
    );
    let got = run(&kernel(before, &body), 1, 8);
    assert_eq!(got, (0..8).map(|t| 33 + t + 11 + 22 + 7000).collect::<Vec<u32>>());
    let outside = kernel(before, "mov.u64 %rd2, s; ld.shared.u32 %r1, [%rd2+64];");
    assert_eq!(fault(&outside, 1), FaultKind::OutOfBounds { space: "shared", address: 64, size: 4 });
}

#[test]
fn loads_extend_by_their_type() {
    let before = ".global .align 8 .b8 g[16] = {0xfe, 0xff, 0x80, 0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};";
    let body = "ld.global.s8 %r1, [g]; ld.global.u8 %r2, [g]; ld.global.s16 %rd2, [g]; ld.global.u16 %r3, [g+2];\n\
                ld.global.v4.u8 {%h0, %h1, %h2, %h3}, [g+4]; ld.global.v2.u32 {%r8, %r9}, [g+8];\n\
                st.global.u32 [%rd0], %r1; st.global.u32 [%rd0+4], %r2; st.global.u64 [%rd0+8], %rd2; st.global.u32 [%rd0+16], %r3;\n\
                st.global.v4.u8 [%rd0+20], {%h3, %h2, %h1, %h0}; st.global.v2.u32 [%rd0+24], {%r9, %r8};";
    let (words, _) = run_with(&kernel(before, body), LaunchConfig::new(1, 1), 8);
    let expected = [0xffff_fffe, 0xfe, 0xffff_fffe, 0xffff_ffff, 0x7f80, 0x0102_0304, 0x0c0b_0a09, 0x0807_0605];
    assert_eq!(words, expected);
}

#[test]
fn indirect_calls_and_stack() {
    let before = ".visible .func (.param .b32 r) twice(.param .b32 a) { .reg .b32 %x; ld.param.u32 %x, [a]; add.u32 %x, %x, %x; st.param.b32 [r], %x; ret; }\n\
         .visible .func (.param .b32 r) square(.param .b32 a) { .reg .b32 %x; ld.param.u32 %x, [a]; mul.lo.u32 %x, %x, %x; st.param.b32 [r], %x; ret; }\n\
         .visible .func (.param .b32 r) two(.param .b32 a, .param .b32 b) { .reg .b32 %x; ld.param.u32 %x, [b]; st.param.b32 [r], %x; ret; }\n\
         .global .align 8 .u64 table[3] = {twice, square, two};";
    let call = |index: &str| {
        format!(
            "{INDEX} {index} mov.u64 %rd2, table; mad.wide.u32 %rd2, %r1, 8, %rd2; ld.global.u64 %rd3, [%rd2];\n\
             {{ .param .b32 argument; .param .b32 result; st.param.b32 [argument], %r0;\n\
             proto: .callprototype (.param .b32 _) _ (.param .b32 _);\n\
             call (result), %rd3, (argument), proto; ld.param.b32 %r2, [result]; }}\n\
             st.global.u32 [%rd1], %r2;"
        )
    };
    let got = run(&kernel(before, &call("and.b32 %r1, %r0, 1;")), 1, 40);
    let expected: Vec<u32> = (0..40).map(|t| if t % 2 == 0 { 2 * t } else { t * t }).collect();
    assert_eq!(got, expected);
    assert!(matches!(fault(&kernel(before, &call("mov.u32 %r1, 2;")), 1), FaultKind::BadCall(_)));
    // A dynamic array on the stack, released by stackrestore.
    let body = format!(
        "{INDEX} stacksave.u64 %rd2; alloca.u64 %rd3, 64; st.local.u32 [%rd3+60], %r0; ld.local.u32 %r1, [%rd3+60];\n\
         stackrestore.u64 %rd2; alloca.u64 %rd4, 64; sub.u64 %rd5, %rd4, %rd3; cvt.u32.u64 %r2, %rd5; add.u32 %r1, %r1, %r2;\n\
         st.global.u32 [%rd1], %r1;"
    );
    assert_eq!(run(&kernel("", &body), 1, 4), [0, 1, 2, 3]);
}

#[test]
fn traps_and_bad_branches() {
    assert_eq!(fault(&kernel("", "trap;"), 1), FaultKind::Trap);
    let body = "mov.u32 %r1, %tid.x; L: .branchtargets A, B;\nbrx.idx %r1, L;\nA: ret;\nB: ret;";
    assert_eq!(fault(&kernel("", body), 4), FaultKind::BadBranch { index: 2, targets: 2 });
}

const DEVICE_FUNCTIONS: &str = ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n\
     .extern .func (.param .b64 r) malloc(.param .b64 n);\n.extern .func free(.param .b64 p);\n\
     .extern .func __assertfail(.param .b64 m, .param .b64 f, .param .b32 l, .param .b64 n, .param .b64 s);\n\
     .extern .func (.param .b64 r) cudaCGGetIntrinsicHandle(.param .b32 s);\n\
     .extern .func (.param .b32 r) cudaCGSynchronize(.param .b64 h, .param .b32 f);\n";

fn global_text(name: &str, text: &str) -> String {
    let bytes: Vec<String> = text.bytes().chain([0]).map(|byte| byte.to_string()).collect();
    format!(".global .align 1 .b8 {name}[{}] = {{{}}};\n", bytes.len(), bytes.join(", "))
}

#[test]
fn printf_formats_as_c_does() {
    // (format, words of the argument buffer, text); doubles and pointers take two words.
    let double = |value: f64| [value.to_bits() as u32, (value.to_bits() >> 32) as u32];
    let [a, b] = double(3.25);
    let [c, d] = double(-1234567.0);
    let [e, f] = double(0.5);
    let [inf_low, inf_high] = double(f64::INFINITY);
    let table: [(&str, &[u32], &str); 20] = [
        ("%d|%i|%u", &[u32::MAX, 7, u32::MAX], "-1|7|4294967295"),
        ("[%5d][%-5d][%05d][%+d][% d]", &[42, 42, 42, 42, 42], "[   42][42   ][00042][+42][ 42]"),
        ("%x %X %#x %o %#o", &[255, 255, 255, 8, 8], "ff FF 0xff 10 010"),
        ("%.3d %5.3d %.0d|", &[7, 7, 0], "007   007 |"),
        ("%*d|%-*d|", &[6, 1, 4, 2], "     1|2   |"),
        ("%hd %hhu", &[0x1_8000, 0x1ff], "-32768 255"),
        ("%lld", &[u32::MAX, u32::MAX], "-1"),
        ("%lu", &[0, 1], "4294967296"),
        ("%c%c%%", &[65, 66], "AB%"),
        ("%f", &[a, b], "3.250000"),
        ("%.1f|%8.2f|%-8.2f|", &[a, b, a, b, a, b], "3.2|    3.25|3.25    |"),
        ("%e", &[c, d], "-1.234567e+06"),
        ("%g %G", &[c, d, a, b], "-1.23457e+06 3.25"),
        ("%g", &[e, f], "0.5"),
        ("%.0f %#.0f", &[e, f, a, b], "0 3."),
        ("%a", &[a, b], "0x1.ap+1"),
        ("%f %F %05f", &[inf_low, inf_high, inf_low, inf_high, inf_low, inf_high], "inf INF   inf"),
        ("%p", &[0x1234, 0], "0x1234"),
        ("100%", &[], "100%"),
        ("%y", &[], "%y"),
    ];
    for (format, arguments, expected) in table {
        let before = format!("{DEVICE_FUNCTIONS}{}", global_text("f", format));
        let stores: String = arguments
            .iter()
            .enumerate()
            .map(|(i, word)| format!("st.local.u32 [l+{}], {};\n", 4 * i, *word as i32))
            .collect();
        let body = format!(
            ".local .align 8 .b8 l[64]; {stores} mov.u64 %rd2, f; cvta.global.u64 %rd2, %rd2; mov.u64 %rd3, l; cvta.local.u64 %rd3, %rd3;\n\
             {{ .param .b64 x; .param .b64 y; .param .b32 z; st.param.b64 [x], %rd2; st.param.b64 [y], %rd3;\n\
             call (z), vprintf, (x, y); ld.param.b32 %r1, [z]; }} st.global.u32 [%rd0], %r1;"
        );
        let (_, printed) = run_with(&kernel(&before, &body), LaunchConfig::new(1, 1), 1);
        assert_eq!(printed, expected, "{format}");
    }
}

#[test]
fn device_heap_and_assertions() {
    let malloc =
        "{ .param .b64 n; .param .b64 p; st.param.b64 [n], 32; call (p), malloc, (n); ld.param.b64 %rd2, [p]; }";
    let free = "{ .param .b64 p; st.param.b64 [p], %rd2; call free, (p); }";
    let body = format!(
        "{INDEX} {malloc}\nst.u32 [%rd2+28], %r0; bar.sync 0; ld.u32 %r1, [%rd2+28]; st.global.u32 [%rd1], %r1;\n{free}"
    );
    assert_eq!(run(&kernel(DEVICE_FUNCTIONS, &body), 1, 64), (0..64).collect::<Vec<u32>>());
    let twice = kernel(DEVICE_FUNCTIONS, &format!("{malloc} {free} {free}"));
    assert!(matches!(fault(&twice, 1), FaultKind::Undefined(_)));
    let after = kernel(DEVICE_FUNCTIONS, &format!("{malloc} {free} ld.u32 %r1, [%rd2];"));
    assert!(matches!(fault(&after, 1), FaultKind::OutOfBounds { .. }));
    let before = format!(
        "{DEVICE_FUNCTIONS}{}{}{}",
        global_text("m", "i < n"),
        global_text("file", "a.cu"),
        global_text("fun", "kernel")
    );
    let body = "mov.u64 %rd2, m; mov.u64 %rd3, file; mov.u64 %rd4, fun;\n\
                { .param .b64 a; .param .b64 b; .param .b32 c; .param .b64 d; .param .b64 e;\n\
                st.param.b64 [a], %rd2; st.param.b64 [b], %rd3; st.param.b32 [c], 12; st.param.b64 [d], %rd4; st.param.b64 [e], 1;\n\
                call __assertfail, (a, b, c, d, e); }";
    let expected = FaultKind::Assert {
        message: "i < n".to_owned(),
        file: "a.cu".to_owned(),
        line: 12,
        function: "kernel".to_owned(),
    };
    assert_eq!(fault(&kernel(&before, body), 1), expected);
}

/// Every block writes, the grid synchronises, every block reads what the last one wrote.
#[test]
fn grids_synchronise_both_ways() {
    let by_call = "{ .param .b32 s; .param .b64 h; st.param.b32 [s], 1; call (h), cudaCGGetIntrinsicHandle, (s); ld.param.b64 %rd5, [h]; }\n\
         { .param .b64 h; .param .b32 f; .param .b32 r; st.param.b64 [h], %rd5; st.param.b32 [f], 0; call (r), cudaCGSynchronize, (h, f);\n\
         ld.param.b32 %r9, [r]; }";
    // cooperative_groups' way (envreg1 is the upper half of the address): a counter in the workspace, the first block adds 2^31 - (blocks - 1), others 1; bit 31 flips.
    let by_workspace = "mov.u32 %r10, %envreg1; mov.u32 %r11, %envreg2; mov.b64 %rd6, {%r11, %r10};\n\
         bar.sync 0; setp.ne.u32 %p1, %r0, 0; @%p1 bra JOIN;\n\
         mov.u32 %r12, %ctaid.x; mov.u32 %r13, %nctaid.x; sub.u32 %r13, 0x80000001, %r13;\n\
         setp.eq.u32 %p2, %r12, 0; selp.u32 %r13, %r13, 1, %p2; membar.gl; atom.global.add.u32 %r14, [%rd6+4], %r13;\n\
         WAIT: ld.volatile.global.u32 %r15, [%rd6+4]; xor.b32 %r15, %r15, %r14; and.b32 %r15, %r15, 0x80000000;\n\
         setp.eq.u32 %p3, %r15, 0; @%p3 bra WAIT;\n JOIN: bar.sync 0; mov.u32 %r9, 0;";
    for wait in [by_call, by_workspace] {
        let body = format!(
            "{INDEX} st.global.u32 [%rd1], %r29; {wait}\n\
             mov.u32 %r1, %nctaid.x; mov.u32 %r2, %ntid.x; mul.lo.u32 %r1, %r1, %r2; sub.u32 %r1, %r1, 1; sub.u32 %r1, %r1, %r29;\n\
             mad.wide.u32 %rd7, %r1, 4, %rd0; ld.volatile.global.u32 %r3, [%rd7]; add.u32 %r3, %r3, %r9;\n\
             mul.wide.u32 %rd8, %r2, 80; add.u64 %rd8, %rd8, %rd1; st.global.u32 [%rd8], %r3;"
        );
        let module = kernel(DEVICE_FUNCTIONS, &body);
        let config = LaunchConfig { cooperative: true, ..LaunchConfig::new(20, 40) };
        let (words, _) = run_with(&module, config, 1600);
        assert_eq!(words[800..], (0..800).rev().collect::<Vec<u32>>());
    }
    // Without a cooperative launch the handle is null and synchronising is an error, not a wait.
    let body = format!("{INDEX} {by_call} st.global.u32 [%rd1], %r9;");
    assert_eq!(run(&kernel(DEVICE_FUNCTIONS, &body), 2, 2), [1; 4]);
}

#[test]
fn special_registers() {
    let registers = [
        ("%ntid.x", 8),
        ("%ntid.y", 4),
        ("%nctaid.x", 2),
        ("%warpid", 1),
        ("%nwarpid", 2),
        ("%laneid", 3),
        ("%lanemask_eq", 8),
        ("%lanemask_lt", 7),
        ("%lanemask_le", 15),
        ("%lanemask_gt", 0xffff_fff0),
        ("%lanemask_ge", 0xffff_fff8),
        ("%tid.x", 3),
        ("%tid.y", 0),
        ("%tid.z", 1),
        ("%ctaid.x", 1),
        ("%dynamic_smem_size", 100),
        ("%total_smem_size", 104),
        ("%envreg1", 0),
    ];
    let reads: String = registers
        .iter()
        .enumerate()
        .map(|(i, (name, _))| format!("mov.u32 %r1, {name}; @%p1 st.global.u32 [%rd0+{}], %r1;\n", 4 * i))
        .collect();
    // Thread (3, 0, 1) of block (1, 0, 0): lane 3 of warp 1 in an 8 x 4 x 2 block.
    let body = format!(
        "mov.u32 %r2, %tid.x; mov.u32 %r3, %tid.y; mov.u32 %r4, %tid.z; mov.u32 %r5, %ctaid.x; st.shared.u32 [s], %r2;\n\
         setp.eq.u32 %p1, %r2, 3; setp.eq.and.u32 %p1, %r3, 0, %p1; setp.eq.and.u32 %p1, %r4, 1, %p1;\n\
         setp.eq.and.u32 %p1, %r5, 1, %p1;\n{reads}"
    );
    let module = kernel(".shared .align 4 .u32 s; .extern .shared .align 4 .b8 dynamic[];", &body);
    let config = LaunchConfig { dynamic_shared_bytes: 100, ..LaunchConfig::new(2, (8, 4, 2)) };
    let (words, _) = run_with(&module, config, registers.len());
    for (i, (name, expected)) in registers.iter().enumerate() {
        // Dynamic shared memory begins at the next multiple of 16.
        let expected = if *name == "%total_smem_size" { 116 } else { *expected };
        assert_eq!(words[i], expected, "{name}");
    }
}

#[test]
fn launches_are_checked() {
    let module = kernel("", "");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut message = |name: &str, config: LaunchConfig, params: &[u8]| {
        let fault = machine.launch(name, config, params).expect_err("must be refused");
        assert!(matches!(fault.kind, FaultKind::BadLaunch(_)), "{fault}");
        fault.to_string()
    };
    let good = LaunchConfig::new(1, 1);
    assert!(message("nobody", good, &[0; 8]).contains("no kernel named nobody"));
    assert!(message("k", good, &[0; 7]).contains("7 parameter bytes, the kernel takes 8"));
    assert!(message("k", LaunchConfig::new(1, 1025), &[0; 8]).contains("1024 threads"));
    assert!(message("k", LaunchConfig::new(0, 1), &[0; 8]).contains("grid (0, 1, 1)"));
    let shared = LaunchConfig { dynamic_shared_bytes: 300_000, ..good };
    assert!(message("k", shared, &[0; 8]).contains("bytes of shared memory"));
}
