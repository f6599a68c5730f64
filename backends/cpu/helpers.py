"""The life of a helper thread, as LLVM IR; `support.py` explains how it sleeps."""

from __future__ import annotations

HELPER = """
; What is published once it is another launch than `last`.
define internal i64 @ovc_await(ptr %pool, i64 %last, i64 %thread, ptr %turn) nounwind {
entry:
  %sleeping = getelementptr i8, ptr %pool, i64 128
  %bell = getelementptr i8, ptr %pool, i64 132
  %cpu_at = getelementptr i8, ptr %pool, i64 40
  %spin_at = getelementptr i8, ptr %pool, i64 400
  %spin = load i64, ptr %spin_at, align 8
  %slots = getelementptr i8, ptr %pool, i64 1024
  %slot = getelementptr [128 x i8], ptr %slots, i64 %thread
  br label %look

look:
  %i = phi i32 [ 0, %entry ], [ %next, %wait ], [ %next, %fetch ], [ %next, %place ],
               [ %next, %first ], [ %next, %yield ]
  %start = phi i64 [ 0, %entry ], [ %start, %wait ], [ %start, %fetch ],
                   [ %start, %place ], [ %now, %first ], [ %now, %yield ]
  %found = load atomic i64, ptr %pool acquire, align 128
  %new = icmp ne i64 %found, %last
  br i1 %new, label %done, label %pause

pause:
  call void @ovc_pause()
  %next = add i32 %i, 1
  %few = and i32 %next, 15
  switch i32 %few, label %wait [ i32 0, label %clock
                                 i32 2, label %fetch ]

wait:
  br label %look

fetch:
  call void @llvm.prefetch.p0(ptr %slot, i32 1, i32 3, i32 1)
  br label %look

clock:
  %now = call i64 @ovc_clock()
  %begun = icmp ne i64 %start, 0
  br i1 %begun, label %check, label %first

first:
  %tired = call i1 @ovc_tired(ptr %pool, ptr %turn)
  br i1 %tired, label %yield, label %look

yield:
  call void @ovc_yield(ptr %turn)
  br label %look

check:
  %age = sub i64 %now, %start
  %late = icmp uge i64 %age, %spin
  br i1 %late, label %rest, label %place

place:
  %theirs = load atomic i32, ptr %cpu_at monotonic, align 8
  %mine = call i32 @ovc_cpu()
  %apart = icmp ne i32 %mine, %theirs
  %unknown = icmp slt i32 %mine, 0
  %stay = or i1 %apart, %unknown
  br i1 %stay, label %look, label %rest

rest:
  %mark = phi i32 [ 1, %check ], [ 2, %place ], [ %mark, %sleep ]
  %tone = load atomic i32, ptr %bell seq_cst, align 4
  %marks = atomicrmw or ptr %sleeping, i32 %mark seq_cst, align 4
  %again = load atomic i64, ptr %pool seq_cst, align 128
  %changed = icmp ne i64 %again, %last
  br i1 %changed, label %done, label %sleep

sleep:
  call void @ovc_sleep(ptr %bell, i32 %tone)
  br label %rest

done:
  %result = phi i64 [ %found, %look ], [ %again, %rest ]
  ret i64 %result
}

; The life of a helper. Its first launch may be any: those before are over.
define internal ptr @ovc_help(ptr %member) nounwind {
entry:
  %pool_at = getelementptr i8, ptr %member, i64 8
  %pool = load ptr, ptr %pool_at, align 8
  %thread_at = getelementptr i8, ptr %member, i64 16
  %thread = load i64, ptr %thread_at, align 8
  %turn = alloca i64, align 8
  %begun = call i64 @ovc_clock()
  store i64 %begun, ptr %turn, align 8
  br label %wait

wait:
  %last = phi i64 [ 0, %entry ], [ %published, %work ]
  %published = call i64 @ovc_await(ptr %pool, i64 %last, i64 %thread, ptr %turn)
  %stop = icmp eq i64 %published, -1
  br i1 %stop, label %home, label %work

work:
  %p8 = getelementptr i8, ptr %pool, i64 8
  %kernel = load atomic ptr, ptr %p8 monotonic, align 8
  %p16 = getelementptr i8, ptr %pool, i64 16
  %buffers = load atomic ptr, ptr %p16 monotonic, align 8
  %p24 = getelementptr i8, ptr %pool, i64 24
  %size = load atomic i64, ptr %p24 monotonic, align 8
  %p32 = getelementptr i8, ptr %pool, i64 32
  %rest = load atomic i64, ptr %p32 monotonic, align 8
  call void @ovc_share(ptr %pool, i64 %published, i64 %thread, ptr %turn, ptr %kernel,
                       ptr %buffers, i64 %size, i64 %rest)
  br label %wait

home:
  ret ptr null
}
"""

TEAM = """
define void @ovc_start(ptr %pool) nounwind {
entry:
  %wanted_at = getelementptr i8, ptr %pool, i64 384
  %started_at = getelementptr i8, ptr %pool, i64 392
  %members_at = getelementptr i8, ptr %pool, i64 432
  %members = load ptr, ptr %members_at, align 8
  %wanted = load i64, ptr %wanted_at, align 8
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %begin ]
  store i64 %i, ptr %started_at, align 8
  %more = icmp ult i64 %i, %wanted
  br i1 %more, label %begin, label %done

begin:
  %next = add i64 %i, 1
  %member = getelementptr [3 x i64], ptr %members, i64 %i
  %own_pool = getelementptr i8, ptr %member, i64 8
  store ptr %pool, ptr %own_pool, align 8
  %own_number = getelementptr i8, ptr %member, i64 16
  store i64 %next, ptr %own_number, align 8
  %error = call i32 @pthread_create(ptr %member, ptr null, ptr @ovc_help, ptr %member)
  %refused = icmp ne i32 %error, 0
  br i1 %refused, label %done, label %head

done:
  ret void
}

define void @ovc_stop(ptr %pool) nounwind {
entry:
  %started_at = getelementptr i8, ptr %pool, i64 392
  %members_at = getelementptr i8, ptr %pool, i64 432
  %members = load ptr, ptr %members_at, align 8
  %started = load i64, ptr %started_at, align 8
  store atomic i64 -1, ptr %pool seq_cst, align 128
  call void @ovc_ring(ptr %pool)
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %join ]
  %more = icmp ult i64 %i, %started
  br i1 %more, label %join, label %done

join:
  %member = getelementptr [3 x i64], ptr %members, i64 %i
  %handle = load i64, ptr %member, align 8
  %r = call i32 @pthread_join(i64 %handle, ptr null)
  %next = add i64 %i, 1
  br label %head

done:
  store i64 0, ptr %started_at, align 8
  ret void
}
"""
