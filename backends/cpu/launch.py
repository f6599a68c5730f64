"""
A parallel launch on a team of threads, as LLVM IR; `support.py` explains how.

`ovc_share` is the heart: what the caller and its helpers do with a launch.
"""

from __future__ import annotations

SHARE = """
; Claims chunks of the published launch and runs them until none is left, first in the
; range of this thread. `turn` is when a helper last gave its core away.
define internal void @ovc_share(ptr %pool, i64 %published, i64 %thread, ptr %turn,
                                ptr %kernel, ptr %buffers, i64 %size, i64 %rest)
    nounwind {
entry:
  %number = lshr i64 %published, 16
  %plan = lshr i64 %published, 6
  %ranges = and i64 %plan, 1023
  %per = and i64 %published, 63
  %fresh = shl i64 %number, 12
  %slots = getelementptr i8, ptr %pool, i64 1024
  %helper = icmp ne i64 %thread, 0
  %first = urem i64 %thread, %ranges
  br label %range

range:
  %k = phi i64 [ %first, %entry ], [ %following, %over ]
  %seen = phi i64 [ 0, %entry ], [ %visited, %over ]
  %slot = getelementptr [128 x i8], ptr %slots, i64 %k
  %begun = load atomic i64, ptr %slot acquire, align 128
  br label %look

look:
  %word = phi i64 [ %begun, %range ], [ %found, %claim ], [ %after, %yield ]
  %launch = lshr i64 %word, 12
  %past = icmp ugt i64 %launch, %number
  br i1 %past, label %end, label %open

open:
  %old = icmp ult i64 %launch, %number
  %base = select i1 %old, i64 %fresh, i64 %word
  %claimed = and i64 %base, 63
  %left = icmp ult i64 %claimed, %per
  br i1 %left, label %claim, label %over

claim:
  %wanted = add i64 %base, 1
  %swap = cmpxchg ptr %slot, i64 %word, i64 %wanted acq_rel acquire, align 128
  %found = extractvalue { i64, i1 } %swap, 0
  %won = extractvalue { i64, i1 } %swap, 1
  br i1 %won, label %run, label %look

run:
  %mine = phi i64 [ %claimed, %claim ], [ %more, %finish ]
  %held = phi i64 [ %wanted, %claim ], [ %onward, %finish ]
  %before = mul i64 %k, %per
  %chunk = add i64 %before, %mine
  %longer = icmp ult i64 %chunk, %rest
  %extra = zext i1 %longer to i64
  %shift = select i1 %longer, i64 %chunk, i64 %rest
  %start = mul i64 %chunk, %size
  %begin = add i64 %start, %shift
  %length = add i64 %size, %extra
  %stop = add i64 %begin, %length
  call void %kernel(ptr %buffers, i64 %begin, i64 %stop)
  br label %ran

ran:
  %now = phi i64 [ %held, %run ], [ %current, %stay ]
  %more = and i64 %now, 63
  %another = icmp ult i64 %more, %per
  %ask = and i1 %another, %helper
  br i1 %ask, label %breath, label %finish

breath:
  %tired = call i1 @ovc_tired(ptr %pool, ptr %turn)
  br i1 %tired, label %yield, label %finish

finish:
  ; Done with one chunk and, in the same step, on to the next one if there is any.
  %step = select i1 %another, i64 65, i64 64
  %onward = add i64 %now, %step
  %pair = cmpxchg ptr %slot, i64 %now, i64 %onward acq_rel acquire, align 128
  %current = extractvalue { i64, i1 } %pair, 0
  %set = extractvalue { i64, i1 } %pair, 1
  %go = and i1 %set, %another
  br i1 %go, label %run, label %stay

stay:
  br i1 %set, label %over, label %ran

yield:
  %previous = atomicrmw add ptr %slot, i64 64 acq_rel, align 128
  %after = add i64 %previous, 64
  call void @ovc_yield(ptr %turn)
  br label %look

over:
  %visited = add i64 %seen, 1
  %above = add i64 %k, 1
  %wrap = icmp eq i64 %above, %ranges
  %following = select i1 %wrap, i64 0, i64 %above
  %all = icmp eq i64 %visited, %ranges
  br i1 %all, label %end, label %range

end:
  ret void
}

; Whether this helper has had its core for `turn ns`.
define internal i1 @ovc_tired(ptr %pool, ptr %turn) nounwind {
  %limit_at = getelementptr i8, ptr %pool, i64 416
  %limit = load i64, ptr %limit_at, align 8
  %since = load i64, ptr %turn, align 8
  %now = call i64 @ovc_clock()
  %age = sub i64 %now, %since
  %tired = icmp ugt i64 %age, %limit
  ret i1 %tired
}

; Offers the core to others.
define internal void @ovc_yield(ptr %turn) nounwind {
  %r = call i32 @sched_yield()
  %now = call i64 @ovc_clock()
  store i64 %now, ptr %turn, align 8
  ret void
}
"""

LAUNCH = """
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)

; One parallel launch: publish, share, wait for what others claimed.
define internal void @ovc_launch(ptr %pool, ptr %launch) nounwind {
entry:
  %kernel = load ptr, ptr %launch, align 8
  %l8 = getelementptr i8, ptr %launch, i64 8
  %buffers = load ptr, ptr %l8, align 8
  %l24 = getelementptr i8, ptr %launch, i64 24
  %plan = load i64, ptr %l24, align 8
  %l32 = getelementptr i8, ptr %launch, i64 32
  %size = load i64, ptr %l32, align 8
  %l40 = getelementptr i8, ptr %launch, i64 40
  %rest = load i64, ptr %l40, align 8
  %slot = getelementptr i8, ptr %pool, i64 1024
  call void @llvm.prefetch.p0(ptr %slot, i32 1, i32 3, i32 1)
  %number_at = getelementptr i8, ptr %pool, i64 256
  %last = load i64, ptr %number_at, align 8
  %number = add i64 %last, 1
  store i64 %number, ptr %number_at, align 8
  %p8 = getelementptr i8, ptr %pool, i64 8
  store atomic ptr %kernel, ptr %p8 monotonic, align 8
  %p16 = getelementptr i8, ptr %pool, i64 16
  store atomic ptr %buffers, ptr %p16 monotonic, align 8
  %p24 = getelementptr i8, ptr %pool, i64 24
  store atomic i64 %size, ptr %p24 monotonic, align 8
  %p32 = getelementptr i8, ptr %pool, i64 32
  store atomic i64 %rest, ptr %p32 monotonic, align 8
  %p40 = getelementptr i8, ptr %pool, i64 40
  %cpu = call i32 @ovc_cpu()
  store atomic i32 %cpu, ptr %p40 monotonic, align 8
  %begun = call i64 @ovc_clock()
  %high = shl i64 %number, 16
  %published = or i64 %high, %plan
  call void @ovc_publish(ptr %pool, i64 %published)
  call void @ovc_share(ptr %pool, i64 %published, i64 0, ptr null, ptr %kernel,
                       ptr %buffers, i64 %size, i64 %rest)
  call void @ovc_join(ptr %pool, i64 %published, i64 %begun)
  ret void
}

define internal void @ovc_publish(ptr %pool, i64 %published) nounwind {
entry:
  %sleeping = getelementptr i8, ptr %pool, i64 128
  store atomic i64 %published, ptr %pool seq_cst, align 128
  %asleep = load atomic i32, ptr %sleeping seq_cst, align 128
  switch i32 %asleep, label %ring [ i32 0, label %done
                                    i32 2, label %crowded ]

ring:
  call void @ovc_ring(ptr %pool)
  br label %done

crowded:
  %after_at = getelementptr i8, ptr %pool, i64 272
  %after = load i64, ptr %after_at, align 8
  %now = call i64 @ovc_clock()
  %due = icmp uge i64 %now, %after
  br i1 %due, label %retry, label %done

retry:
  %pace_at = getelementptr i8, ptr %pool, i64 424
  %pace = load i64, ptr %pace_at, align 8
  %later = add i64 %now, %pace
  store i64 %later, ptr %after_at, align 8
  br label %ring

done:
  ret void
}

; Wakes all helpers.
define internal void @ovc_ring(ptr %pool) nounwind {
  %sleeping = getelementptr i8, ptr %pool, i64 128
  %bell = getelementptr i8, ptr %pool, i64 132
  %mark = atomicrmw xchg ptr %sleeping, i32 0 seq_cst, align 4
  %tone = atomicrmw add ptr %bell, i32 1 seq_cst, align 4
  call void @ovc_wake(ptr %bell)
  ret void
}

; Waits until all chunks are done. None is left to claim.
define internal void @ovc_join(ptr %pool, i64 %published, i64 %begun) nounwind {
entry:
  %number = lshr i64 %published, 16
  %plan = lshr i64 %published, 6
  %ranges = and i64 %plan, 1023
  %per = and i64 %published, 63
  %fresh = shl i64 %number, 12
  %counts = mul i64 %per, 65
  %last = or i64 %fresh, %counts
  %slots = getelementptr i8, ptr %pool, i64 1024
  br label %range

range:
  %k = phi i64 [ 0, %entry ], [ %following, %over ]
  %slot = getelementptr [128 x i8], ptr %slots, i64 %k
  br label %look

look:
  %tries = phi i32 [ 0, %range ], [ %next, %pause ]
  %word = load atomic i64, ptr %slot acquire, align 128
  %ready = icmp eq i64 %word, %last
  br i1 %ready, label %over, label %pause

pause:
  call void @ovc_pause()
  %next = add i32 %tries, 1
  %hope = icmp ult i32 %next, 64
  br i1 %hope, label %look, label %late

late:
  call void @ovc_wait(ptr %pool, ptr %slot, i64 %last, i64 %begun)
  br label %over

over:
  %following = add i64 %k, 1
  %more = icmp ult i64 %following, %ranges
  br i1 %more, label %range, label %done

done:
  ret void
}

; Waits for a range that takes longer. What it takes beyond the time that the caller
; worked for this launch is lost, and decides how long to work alone.
define internal void @ovc_wait(ptr %pool, ptr %slot, i64 %last, i64 %begun) nounwind {
entry:
  %until_at = getelementptr i8, ptr %pool, i64 264
  %patience_at = getelementptr i8, ptr %pool, i64 408
  %patience = load i64, ptr %patience_at, align 8
  %start = call i64 @ovc_clock()
  %worked = sub i64 %start, %begun
  br label %look

look:
  %i = phi i32 [ 0, %entry ], [ %next, %pause ], [ %next, %clock ], [ %next, %yield ]
  %word = load atomic i64, ptr %slot acquire, align 128
  %ready = icmp eq i64 %word, %last
  br i1 %ready, label %over, label %pause

pause:
  call void @ovc_pause()
  %next = add i32 %i, 1
  %few = and i32 %next, 15
  %due = icmp eq i32 %few, 0
  br i1 %due, label %clock, label %look

clock:
  %now = call i64 @ovc_clock()
  %waited = sub i64 %now, %start
  %impatient = icmp ugt i64 %waited, %patience
  br i1 %impatient, label %yield, label %look

yield:
  %r = call i32 @sched_yield()
  br label %look

over:
  %end = call i64 @ovc_clock()
  %all = sub i64 %end, %start
  %lost = sub i64 %all, %worked
  %much = icmp sgt i64 %lost, %patience
  br i1 %much, label %leave, label %done

leave:
  %rest = shl i64 %lost, 2
  %until = add i64 %end, %rest
  store i64 %until, ptr %until_at, align 8
  br label %done

done:
  ret void
}

; Whether the caller has reason to work alone for now.
define internal i1 @ovc_busy(ptr %pool) nounwind {
entry:
  %until_at = getelementptr i8, ptr %pool, i64 264
  %until = load i64, ptr %until_at, align 8
  %set = icmp ne i64 %until, 0
  br i1 %set, label %look, label %no

look:
  %now = call i64 @ovc_clock()
  %before = icmp ult i64 %now, %until
  br i1 %before, label %yes, label %over

over:
  store i64 0, ptr %until_at, align 8
  br label %no

yes:
  ret i1 true

no:
  ret i1 false
}
"""
