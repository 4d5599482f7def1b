//! What lowering makes of control flow, calls, scopes and the conveniences of PTX: the IR as text, beside its source.

/// Loads a kernel body and compares the printed blocks, line by line without indentation.
fn check(before: &str, body: &str, expected: &str) {
    let source = format!(
        ".version 8.0\n.target sm_90\n.address_size 64\n{before}\n.visible .entry k(.param .u64 p)\n{{\n.reg .pred %p<4>; .reg .b16 %h<4>;\n\
         .reg .b32 %r<8>; .reg .b64 %d<4>;\n{body}\n}}\n"
    );
    let module = vgpu_ptx::load(&source).unwrap_or_else(|found| panic!("{found:#?}"));
    let text = vgpu_ptx::print(&module);
    let kernel = text.split("kernel k(").nth(1).expect("the kernel");
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let found: Vec<String> = lines(kernel).into_iter().skip(1).take_while(|line| line != "}").collect();
    assert_eq!(found, lines(expected), "\n{text}");
}

#[test]
fn guards_of_jumps_and_barriers_become_branches() {
    check(
        "",
        "@%p1 bra L; @!%p2 bar.sync 0; add.s32 %r1, %r1, 1; L: @%p1 exit; @%p1 add.s32 %r1, %r1, 2; ret;",
        "bb0:
         if %p1 goto bb4 else bb1
         bb1:
         if !%p2 goto bb2 else bb3
         bb2:
         barrier.sync.aligned 0x0
         goto bb3
         bb3:
         %r1 = add.s32 %r1, 0x1
         goto bb4
         bb4:  // L
         if %p1 goto bb5 else bb6
         bb5:
         exit
         bb6:
         @%p1 %r1 = add.s32 %r1, 0x2
         return",
    );
}

#[test]
fn code_that_nothing_reaches_is_dropped() {
    check("", "bra END; add.s32 %r1, %r1, 1; DEAD: bra DEAD; END: trap;", "bb0:\ngoto bb1\nbb1:  // END\ntrap");
}

#[test]
fn the_entry_block_is_never_a_target() {
    check("", "TOP: add.s32 %r1, %r1, 1; bra TOP;", "bb0:\ngoto bb1\nbb1:  // TOP\n%r1 = add.s32 %r1, 0x1\ngoto bb1");
}

#[test]
fn indexed_branches() {
    check(
        "",
        "T: .branchtargets A, B, A; brx.idx.uni %r1, T; A: ret; B: exit;",
        "bb0:\ngoto.uni [bb1, bb2, bb1] at %r1\nbb1:  // A\nreturn\nbb2:  // B\nexit",
    );
}

#[test]
fn inner_names_hide_outer_ones() {
    check(
        "",
        "mov.b32 %r1, 1; { .reg .b64 %r<3>; mov.b64 %r1, 2; { mov.b64 %r1, 3; } } mov.b32 %r1, 4; ret;",
        "bb0:
         %r1 = mov.b32 0x1
         %r1#1 = mov.b64 0x2
         %r1#1 = mov.b64 0x3
         %r1 = mov.b32 0x4
         return",
    );
}

#[test]
fn special_registers_are_read_then_converted() {
    check(
        "",
        "mov.u16 %h1, %tid.y; add.u32 %r1, %laneid, 1; mov.u32 %r2, %tid.w; ret;",
        "bb0:
         #0 = special Tid(1)
         #1 = cvt.u16.u32 #0
         %h1 = mov.u16 #1
         #3 = special LaneId
         %r1 = add.u32 #3, 0x1
         %r2 = mov.u32 0x0
         return",
    );
}

#[test]
fn carry_chains_share_one_predicate() {
    check(
        "",
        "add.cc.u32 %r1, %r2, %r3; addc.u32 %r4, %r5, 0; and.pred %p1, %p2, !%p3; ret;",
        "bb0:
         %r1, #2 = carry.add.out.u32 %r2, %r3
         %r4 = carry.add.in.u32 %r5, 0x0, #2
         #8 = not.pred %p3
         %p1 = and.pred %p2, #8
         return",
    );
}

#[test]
fn arguments_in_registers_travel_in_frame_variables() {
    check(
        ".func (.reg .u32 out) f(.reg .u32 a) { add.u32 out, a, 1; ret; }",
        "@%p1 call (%r1), f, (%r2); ret;",
        "fv0 param size 4 align 4
         fv1 param size 4 align 4
         bb0:
         if %p1 goto bb1 else bb2
         bb1:
         st.param.b32 fv0(), %r2
         call f (fv0) -> (fv1)
         %r1 = ld.param.b32 fv1()
         goto bb2
         bb2:
         return",
    );
}

#[test]
fn addresses_know_their_space() {
    check(
        ".shared .b32 s[4]; .extern .shared .b8 dyn[]; .global .b32 g;",
        "ld.u32 %r1, [s+4]; mov.u32 %r2, dyn; mov.u64 %d1, g; ld.global.u32 %r3, [%d1+-8]; ld.param.u32 %r4, [p+4]; ret;",
        "bb0:
         %r1 = ld.shared.u32 &s+4
         %r2 = mov.u32 &dyn
         %d1 = mov.u64 &g
         %r3 = ld.global.u32 [-8] %d1
         %r4 = ld.param.u32 param+4
         return",
    );
}

#[test]
fn a_parameter_whose_address_is_taken_is_copied() {
    let source = ".version 8.0\n.target sm_90\n.address_size 64\n\
        .func f(.param .align 4 .b8 a[6]) { .reg .b64 %d; .reg .b32 %r; mov.b64 %d, a; ld.local.b32 %r, [%d]; ret; }";
    let text = vgpu_ptx::print(&vgpu_ptx::load(source).expect("it loads"));
    for line in [
        "fv0 local size 6 align 4 a",
        "ld.param.b32 param+0",
        "ld.param.b8 param+4",
        "ld.param.b8 param+5",
        "%d = mov.b64 fv0(a)",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn device_launches_and_unknown_targets_of_calls_are_refused() {
    let source = |name: &str| {
        format!(
            ".version 8.0\n.target sm_90\n.address_size 64\n.extern .func (.param .b32 r) {name}(.param .b64 a, .param .b64 b);\n\
             .visible .entry k() {{ .reg .b32 %r; .reg .b64 %d<3>; call (%r), {name}, (%d1, %d2); ret; }}"
        )
    };
    let refused = vgpu_ptx::load(&source("cudaLaunchDeviceV2")).expect_err("no device launches");
    assert_eq!(refused[0].code, "unsupported-instruction");
    assert!(vgpu_ptx::load(&source("vprintf")).is_ok());
    assert!(vgpu_ptx::load(&source("somewhere_else")).is_ok(), "left to the linker");
    let builtin = vgpu_ptx::load(&source("malloc")).expect_err("malloc has one parameter");
    assert_eq!(builtin[0].code, "signature-mismatch");
}
