"""Texts of kernels that several tests launch."""

import pytest

SCALE = """
.version 7.0
.target sm_70
.address_size 64
.visible .entry scale(.param .u64 values, .param .f32 factor, .param .u32 n)
{
    .reg .b32 %r<6>; .reg .f32 %f<4>; .reg .b64 %rd<4>; .reg .pred %p;
    mov.u32 %r1, %ctaid.x;  mov.u32 %r2, %ntid.x;  mov.u32 %r3, %tid.x;
    mad.lo.u32 %r4, %r1, %r2, %r3;
    ld.param.u32 %r5, [n];
    setp.ge.u32 %p, %r4, %r5;
    @%p bra DONE;
    ld.param.u64 %rd1, [values];
    ld.param.f32 %f1, [factor];
    mul.wide.u32 %rd2, %r4, 4;
    add.u64 %rd3, %rd1, %rd2;
    ld.global.f32 %f2, [%rd3];
    mul.f32 %f3, %f2, %f1;
    st.global.f32 [%rd3], %f3;
DONE:
    ret;
}
.visible .entry forever(.param .u64 flag)
{
    .reg .b32 %r<3>; .reg .b64 %rd<3>; .reg .pred %p;
    ld.param.u64 %rd1, [flag];
LOOP:
    ld.volatile.global.u32 %r1, [%rd1];
    setp.eq.u32 %p, %r1, 0;
    @%p bra LOOP;
    ret;
}
"""


@pytest.fixture(scope="session")
def scale_text():
    return SCALE
