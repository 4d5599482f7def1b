;@ compile: sm_70 sm_90
;@ run: kernel=shared_swap grid=2 block=64
;@ arg: inout x: u32[128] = random(5)
;@ run: kernel=frames grid=1 block=40
;@ arg: in x: u32[40] = random(6, 0, 16)
;@ arg: out out: u32[40]
;@ run: kernel=locks grid=3 block=32
;@ arg: inout x: u32[4] = zeros
;@ run: kernel=indirect grid=1 block=64
;@ arg: out out: u32[64]
;@ numpy: t = np.arange(64); out = np.where(t % 2 == 0, t * 3, t + 100).astype(np.uint32)
;@ run: kernel=copies grid=1 block=16
;@ arg: in x: u8[640] = random(8)
;@ arg: out out: u8[640]
;@ numpy: out = x
target triple = "nvptx64-nvidia-cuda"

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare void @llvm.nvvm.barrier0()
declare i32 @llvm.nvvm.shfl.sync.bfly.i32(i32, i32, i32, i32)
declare void @llvm.memcpy.p1.p1.i64(ptr addrspace(1), ptr addrspace(1), i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

@tile = internal addrspace(3) global [64 x i32] undef, align 4
@table = internal addrspace(1) global [2 x ptr] [ptr @triple, ptr @plus], align 8
@weights = internal addrspace(4) constant [4 x i32] [i32 3, i32 1, i32 4, i32 1], align 4

define internal i32 @triple(i32 %v) noinline {
  %r = mul i32 %v, 3
  ret i32 %r
}

define internal i32 @plus(i32 %v) noinline {
  %r = add i32 %v, 100
  ret i32 %r
}

define void @shared_swap(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %b64 = mul i32 %b, 64
  %i = add i32 %b64, %t
  %px = getelementptr i32, ptr addrspace(1) %x, i32 %i
  %v = load i32, ptr addrspace(1) %px
  %ps = getelementptr i32, ptr addrspace(3) @tile, i32 %t
  store i32 %v, ptr addrspace(3) %ps
  call void @llvm.nvvm.barrier0()
  %o = sub i32 63, %t
  %pq = getelementptr i32, ptr addrspace(3) @tile, i32 %o
  %w = load i32, ptr addrspace(3) %pq
  %s = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %w, i32 5, i32 31)
  %k = and i32 %t, 3
  %pw = getelementptr i32, ptr addrspace(4) @weights, i32 %k
  %c = load i32, ptr addrspace(4) %pw
  %r = mul i32 %s, %c
  store i32 %r, ptr addrspace(1) %px
  ret void
}

define void @frames(ptr addrspace(1) %x, ptr addrspace(1) %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %px = getelementptr i32, ptr addrspace(1) %x, i32 %t
  %v = load i32, ptr addrspace(1) %px
  %frame = alloca [16 x i32], align 4
  call void @llvm.memset.p0.i64(ptr %frame, i8 1, i64 64, i1 false)
  %pv = getelementptr i32, ptr %frame, i32 %v
  store i32 %t, ptr %pv
  br label %loop
loop:
  %i = phi i32 [ 0, %0 ], [ %i1, %loop ]
  %s = phi i32 [ 0, %0 ], [ %s1, %loop ]
  %pi = getelementptr i32, ptr %frame, i32 %i
  %e = load volatile i32, ptr %pi
  %m = mul i32 %s, 5
  %s1 = add i32 %m, %e
  %i1 = add i32 %i, 1
  %c = icmp ult i32 %i1, 16
  br i1 %c, label %loop, label %done
done:
  %po = getelementptr i32, ptr addrspace(1) %out, i32 %t
  store i32 %s1, ptr addrspace(1) %po
  ret void
}

define void @locks(ptr addrspace(1) %x) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %o = atomicrmw add ptr addrspace(1) %x, i32 %t seq_cst
  %p1 = getelementptr i32, ptr addrspace(1) %x, i32 1
  %o1 = atomicrmw umax ptr addrspace(1) %p1, i32 %t monotonic
  %p2 = getelementptr i32, ptr addrspace(1) %x, i32 2
  br label %loop
loop:
  %old = load atomic volatile i32, ptr addrspace(1) %p2 monotonic, align 4
  %new = add i32 %old, 2
  %pair = cmpxchg ptr addrspace(1) %p2, i32 %old, i32 %new monotonic monotonic
  %ok = extractvalue { i32, i1 } %pair, 1
  br i1 %ok, label %done, label %loop
done:
  ret void
}

define void @indirect(ptr addrspace(1) %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %k = and i32 %t, 1
  %pf = getelementptr ptr, ptr addrspace(1) @table, i32 %k
  %f = load ptr, ptr addrspace(1) %pf
  %r = call i32 %f(i32 %t)
  %po = getelementptr i32, ptr addrspace(1) %out, i32 %t
  store i32 %r, ptr addrspace(1) %po
  ret void
}

define void @copies(ptr addrspace(1) %x, ptr addrspace(1) %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %o = mul i32 %t, 40
  %px = getelementptr i8, ptr addrspace(1) %x, i32 %o
  %po = getelementptr i8, ptr addrspace(1) %out, i32 %o
  call void @llvm.memcpy.p1.p1.i64(ptr addrspace(1) align 8 %po, ptr addrspace(1) align 8 %px, i64 40, i1 false)
  ret void
}

!nvvm.annotations = !{!0, !1, !2, !3, !4}
!0 = !{ptr @shared_swap, !"kernel", i32 1}
!1 = !{ptr @frames, !"kernel", i32 1}
!2 = !{ptr @locks, !"kernel", i32 1}
!3 = !{ptr @indirect, !"kernel", i32 1}
!4 = !{ptr @copies, !"kernel", i32 1}
