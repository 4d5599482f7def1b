;@ compile: sm_53 sm_80
;@ run: kernel=irreducible grid=1 block=96
;@ arg: in x: u32[96] = random(1)
;@ arg: out out: u32[96]
;@ run: kernel=selects grid=2 block=50
;@ arg: in x: s32[100] = random(2)
;@ arg: out out: s64[100]
;@ run: kernel=wide grid=1 block=64
;@ arg: in x: u64[128] = random(3)
;@ arg: out out: u64[128]
;@ numpy: p = [((int(x[2 * i]) | int(x[2 * i + 1]) << 64) * 0x123456789ABCDEF + 5) % (1 << 128) for i in range(64)]
;@ numpy: out = np.array([v for q in p for v in (q & (2 ** 64 - 1), q >> 64)], np.uint64)
;@ run: kernel=halves grid=1 block=64
;@ arg: in x: f16[128] = random(4, -3, 3)
;@ arg: out out: f16[128]
target triple = "nvptx64-nvidia-cuda"

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.fshl.i32(i32, i32, i32)
declare i32 @llvm.smax.i32(i32, i32)
declare i32 @llvm.ctpop.i32(i32)
declare i32 @llvm.bitreverse.i32(i32)
declare i32 @llvm.sadd.sat.i32(i32, i32)
declare <2 x half> @llvm.fma.v2f16(<2 x half>, <2 x half>, <2 x half>)

; A loop with two entries, which structured compilers never make.
define void @irreducible(ptr addrspace(1) %x, ptr addrspace(1) %out) {
entry:
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %px = getelementptr i32, ptr addrspace(1) %x, i32 %t
  %v = load i32, ptr addrspace(1) %px
  %n0 = and i32 %v, 15
  %odd = and i32 %v, 16
  %c = icmp eq i32 %odd, 0
  br i1 %c, label %a, label %b
a:
  %na = phi i32 [ %n0, %entry ], [ %nb1, %b ]
  %acca = phi i32 [ 1, %entry ], [ %accb1, %b ]
  %m = mul i32 %acca, 7
  %acca1 = add i32 %m, %na
  %stopa = icmp ugt i32 %acca1, 2000000000
  br i1 %stopa, label %done, label %b
b:
  %nb = phi i32 [ %n0, %entry ], [ %na, %a ]
  %accb = phi i32 [ 3, %entry ], [ %acca1, %a ]
  %accb1 = xor i32 %accb, %nb
  %nb1 = sub i32 %nb, 1
  %stopb = icmp slt i32 %nb1, 0
  br i1 %stopb, label %done, label %a
done:
  %r = phi i32 [ %acca1, %a ], [ %accb1, %b ]
  %po = getelementptr i32, ptr addrspace(1) %out, i32 %t
  store i32 %r, ptr addrspace(1) %po
  ret void
}

define void @selects(ptr addrspace(1) %x, ptr addrspace(1) %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %n = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %bn = mul i32 %b, %n
  %i = add i32 %bn, %t
  %px = getelementptr i32, ptr addrspace(1) %x, i32 %i
  %v = load i32, ptr addrspace(1) %px
  %k = urem i32 %v, 6
  switch i32 %k, label %other [ i32 0, label %c0
                                i32 1, label %c1
                                i32 2, label %c2
                                i32 3, label %c3
                                i32 4, label %c4 ]
c0:
  %r0 = call i32 @llvm.fshl.i32(i32 %v, i32 %i, i32 %k)
  br label %end
c1:
  %r1 = call i32 @llvm.smax.i32(i32 %v, i32 -5)
  br label %end
c2:
  %r2 = call i32 @llvm.ctpop.i32(i32 %v)
  br label %end
c3:
  %r3 = call i32 @llvm.bitreverse.i32(i32 %v)
  br label %end
c4:
  %r4 = call i32 @llvm.sadd.sat.i32(i32 %v, i32 2000000000)
  br label %end
other:
  %r5 = sdiv i32 %v, 9
  br label %end
end:
  %r = phi i32 [ %r0, %c0 ], [ %r1, %c1 ], [ %r2, %c2 ], [ %r3, %c3 ], [ %r4, %c4 ], [ %r5, %other ]
  %w = sext i32 %r to i64
  %po = getelementptr i64, ptr addrspace(1) %out, i32 %i
  store i64 %w, ptr addrspace(1) %po
  ret void
}

define void @wide(ptr addrspace(1) %x, ptr addrspace(1) %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %px = getelementptr i128, ptr addrspace(1) %x, i32 %t
  %v = load i128, ptr addrspace(1) %px
  %m = mul i128 %v, 81985529216486895
  %r = add i128 %m, 5
  %po = getelementptr i128, ptr addrspace(1) %out, i32 %t
  store i128 %r, ptr addrspace(1) %po
  ret void
}

define void @halves(ptr addrspace(1) %x, ptr addrspace(1) %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %px = getelementptr <2 x half>, ptr addrspace(1) %x, i32 %t
  %v = load <2 x half>, ptr addrspace(1) %px
  %s = fadd <2 x half> %v, <half 0xH3C00, half 0xH4000>
  %f = call <2 x half> @llvm.fma.v2f16(<2 x half> %s, <2 x half> %v, <2 x half> %v)
  %c = fcmp ogt <2 x half> %f, zeroinitializer
  %r = select <2 x i1> %c, <2 x half> %f, <2 x half> %v
  %po = getelementptr <2 x half>, ptr addrspace(1) %out, i32 %t
  store <2 x half> %r, ptr addrspace(1) %po
  ret void
}

!nvvm.annotations = !{!0, !1, !2, !3}
!0 = !{ptr @irreducible, !"kernel", i32 1}
!1 = !{ptr @selects, !"kernel", i32 1}
!2 = !{ptr @wide, !"kernel", i32 1}
!3 = !{ptr @halves, !"kernel", i32 1}
