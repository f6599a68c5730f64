"""
The support code of every CPU object: it walks the launch table on a team of threads.

One call of `ovc_run` is one inference. The caller walks the table. It cuts a parallel
launch in chunks and publishes it; whoever is awake claims chunks, the caller too. Then
the caller waits for chunks that others claimed, never for a thread that has not begun:
on a busy machine helpers come late or not at all, and the caller does their work.

    ovc_run(job)      the caller's way through a table, alone or with its pool
    ovc_start(pool)   starts helpers; as many as the system gives will do
    ovc_stop(pool)    ends the helpers and waits for that; nothing may run meanwhile
    ovc_abi           i32 constant: version of the layouts below

Layouts, in bytes; `runtime/drivers/cpu.py` builds them. A pool begins as zeros but for
the settings. What different threads write lies on different cache lines.

    job     0 launches   8 count      16 pool or null   24 times or null   (i64 or ptr)
    launch  0 kernel     8 buffers    16 grid   24 chunks   32 size   40 rest
    pool    0 claim      8 kernel     16 buffers   24 chunks   32 size   40 rest
            128 done i64
            256 sleeping i32   260 bell i32
            384 launch number i64   392 expected i64   400 alone until i64  (the caller)
            512 helpers wanted i64  520 started i64    528 spin ns   536 patience ns
            544 turn ns   552 pace ns   560 thread handles, 8 bytes each

Chunk i of a launch has `size` grid points, one more if i < `rest`. A launch of one
chunk runs on the caller. No two grid points write the same place, so results are the
same bits however chunks and threads meet.

**Claims.** One word says everything: `launch number << 20 | back << 10 | front`, the
chunks claimed from either end, at most 1023. The caller claims from the front, helpers
from the back, each by compare-and-swap: a thread finds what it wrote in the launch
before in its own cache. A helper reads the word (acquire), then the launch beside it,
then swaps the word (acquire, release). The caller writes the next launch only after it
has seen all chunks claimed, and a read of the word sees every claim before it, with
what that helper had read until then. So if a swap succeeds, the helper's reads were of
this launch: of no later one, since they came before its claim; of no earlier one, since
the word was published after the launch (release). If they were not, the swap fails,
for launch numbers never repeat, and nothing was done. Those reads may race with a
later launch's writes: all of them are atomic.

**The end of a launch.** After a chunk its helper adds one to `done` (release). The
caller waits until `done` has grown by the chunks it did not claim itself (acquire): it
has then seen what they wrote. From there on helpers touch the pool only. When `ovc_run`
returns, table and buffers belong to the caller again.

**Sleep.** A helper without work spins for `spin ns`, later giving its core to whoever
wants it, then sleeps in the kernel (futex) on `bell`. It reads the bell, sets
`sleeping`, looks at the claim word once more, and sleeps while the bell is the old one.
The caller publishes, looks at `sleeping`, and if set, clears it, changes the bell and
wakes all. Those steps are sequentially consistent: either the caller sees `sleeping`,
or the helper sees the launch. If the caller clears a mark that was set for later, the
bell changes after it was read, and the helper does not fall asleep.

**A busy machine.** Only a helper that the system stops inside of a chunk can hold the
caller up. So a helper gives its turn away between chunks, every `turn ns`, before the
system takes it. If the caller waits longer than `patience ns`, it yields its core, and
works alone for four times as long as it had to wait: the loss is a fifth at the worst.
"""

from __future__ import annotations

from .system import system_ir

ABI = 2


def support_ir(triple: str) -> str:
    """
    LLVM IR of the support code for `triple`; a bare architecture means Linux.

    Raises:
        ValueError: there is no such code for the system.
    """
    version = f"@ovc_abi = constant i32 {ABI}"
    return "\n".join([version, system_ir(triple), SHARE, LAUNCH, HELPER, RUN, TEAM])


SHARE = """
; Claims chunks of the launch in `word` and runs them until none is left; how many.
; `turn` is null for the caller, and else when this helper last gave its core away.
define internal i64 @ovc_share(ptr %pool, i64 %word, ptr %turn, ptr %kernel,
                               ptr %buffers, i64 %chunks, i64 %size, i64 %rest)
    nounwind {
entry:
  %done_at = getelementptr i8, ptr %pool, i64 128
  %caller = icmp eq ptr %turn, null
  %step = select i1 %caller, i64 1, i64 1024
  %launch = lshr i64 %word, 20
  %last = sub i64 %chunks, 1
  br label %look

look:
  %now = phi i64 [ %word, %entry ], [ %found, %lost ], [ %next, %ran ], [ %next, %told ]
  %count = phi i64 [ 0, %entry ], [ %count, %lost ], [ %more, %ran ], [ %more, %told ]
  %front = and i64 %now, 1023
  %above = lshr i64 %now, 10
  %back = and i64 %above, 1023
  %taken = add i64 %front, %back
  %left = icmp ult i64 %taken, %chunks
  br i1 %left, label %claim, label %end

claim:
  %next = add i64 %now, %step
  %swap = cmpxchg ptr %pool, i64 %now, i64 %next acq_rel acquire, align 64
  %found = extractvalue { i64, i1 } %swap, 0
  %won = extractvalue { i64, i1 } %swap, 1
  br i1 %won, label %run, label %lost

lost:
  %other = lshr i64 %found, 20
  %same = icmp eq i64 %other, %launch
  br i1 %same, label %look, label %end

run:
  %from_back = sub i64 %last, %back
  %chunk = select i1 %caller, i64 %front, i64 %from_back
  %longer = icmp ult i64 %chunk, %rest
  %shift = select i1 %longer, i64 %chunk, i64 %rest
  %extra = zext i1 %longer to i64
  %base = mul i64 %chunk, %size
  %begin = add i64 %base, %shift
  %length = add i64 %size, %extra
  %stop = add i64 %begin, %length
  call void %kernel(ptr %buffers, i64 %begin, i64 %stop)
  %more = add i64 %count, 1
  br i1 %caller, label %ran, label %tell

ran:
  br label %look

tell:
  %before = atomicrmw add ptr %done_at, i64 1 release, align 64
  call void @ovc_breathe(ptr %pool, ptr %turn)
  br label %told

told:
  br label %look

end:
  ret i64 %count
}

; Gives the core away where this thread has had it for `turn ns`.
define internal void @ovc_breathe(ptr %pool, ptr %turn) nounwind {
entry:
  %limit_at = getelementptr i8, ptr %pool, i64 544
  %limit = load i64, ptr %limit_at, align 8
  %since = load i64, ptr %turn, align 8
  %now = call i64 @ovc_clock()
  %age = sub i64 %now, %since
  %old = icmp ugt i64 %age, %limit
  br i1 %old, label %yield, label %done

yield:
  %r = call i32 @sched_yield()
  %again = call i64 @ovc_clock()
  store i64 %again, ptr %turn, align 8
  br label %done

done:
  ret void
}
"""

LAUNCH = """
; One parallel launch: publish, share, wait for what others claimed.
define internal void @ovc_launch(ptr %pool, ptr %launch) nounwind {
entry:
  %kernel = load ptr, ptr %launch, align 8
  %l8 = getelementptr i8, ptr %launch, i64 8
  %buffers = load ptr, ptr %l8, align 8
  %l24 = getelementptr i8, ptr %launch, i64 24
  %chunks = load i64, ptr %l24, align 8
  %l32 = getelementptr i8, ptr %launch, i64 32
  %size = load i64, ptr %l32, align 8
  %l40 = getelementptr i8, ptr %launch, i64 40
  %rest = load i64, ptr %l40, align 8
  %number_at = getelementptr i8, ptr %pool, i64 384
  %last = load i64, ptr %number_at, align 8
  %number = add i64 %last, 1
  store i64 %number, ptr %number_at, align 8
  %p8 = getelementptr i8, ptr %pool, i64 8
  store atomic ptr %kernel, ptr %p8 monotonic, align 8
  %p16 = getelementptr i8, ptr %pool, i64 16
  store atomic ptr %buffers, ptr %p16 monotonic, align 8
  %p24 = getelementptr i8, ptr %pool, i64 24
  store atomic i64 %chunks, ptr %p24 monotonic, align 8
  %p32 = getelementptr i8, ptr %pool, i64 32
  store atomic i64 %size, ptr %p32 monotonic, align 8
  %p40 = getelementptr i8, ptr %pool, i64 40
  store atomic i64 %rest, ptr %p40 monotonic, align 8
  %p48 = getelementptr i8, ptr %pool, i64 48
  %cpu = call i32 @ovc_cpu()
  store atomic i32 %cpu, ptr %p48 monotonic, align 8
  %word = shl i64 %number, 20
  call void @ovc_publish(ptr %pool, i64 %word)
  %own = call i64 @ovc_share(ptr %pool, i64 %word, ptr null, ptr %kernel, ptr %buffers,
                             i64 %chunks, i64 %size, i64 %rest)
  %others = sub i64 %chunks, %own
  %helped = icmp ne i64 %others, 0
  br i1 %helped, label %join, label %done

join:
  %expected_at = getelementptr i8, ptr %pool, i64 392
  %before = load i64, ptr %expected_at, align 8
  %expected = add i64 %before, %others
  store i64 %expected, ptr %expected_at, align 8
  call void @ovc_join(ptr %pool, i64 %expected)
  br label %done

done:
  ret void
}

define internal void @ovc_publish(ptr %pool, i64 %word) nounwind {
entry:
  %sleeping = getelementptr i8, ptr %pool, i64 256
  store atomic i64 %word, ptr %pool seq_cst, align 64
  %asleep = load atomic i32, ptr %sleeping seq_cst, align 64
  switch i32 %asleep, label %ring [ i32 0, label %done i32 2, label %crowded ]

ring:
  call void @ovc_ring(ptr %pool)
  br label %done

crowded:
  %after_at = getelementptr i8, ptr %pool, i64 408
  %after = load i64, ptr %after_at, align 8
  %now = call i64 @ovc_clock()
  %due = icmp uge i64 %now, %after
  br i1 %due, label %retry, label %done

retry:
  %pace_at = getelementptr i8, ptr %pool, i64 552
  %pace = load i64, ptr %pace_at, align 8
  %later = add i64 %now, %pace
  store i64 %later, ptr %after_at, align 8
  br label %ring

done:
  ret void
}

define internal void @ovc_ring(ptr %pool) nounwind {
  %sleeping = getelementptr i8, ptr %pool, i64 256
  %bell = getelementptr i8, ptr %pool, i64 260
  %mark = atomicrmw xchg ptr %sleeping, i32 0 seq_cst, align 4
  %tone = atomicrmw add ptr %bell, i32 1 seq_cst, align 4
  call void @ovc_wake(ptr %bell)
  ret void
}

; Waits until helpers have done `expected` chunks in all.
define internal void @ovc_join(ptr %pool, i64 %expected) nounwind {
entry:
  %done_at = getelementptr i8, ptr %pool, i64 128
  %until_at = getelementptr i8, ptr %pool, i64 400
  %patience_at = getelementptr i8, ptr %pool, i64 536
  %patience = load i64, ptr %patience_at, align 8
  br label %look

look:
  %tries = phi i32 [ 0, %entry ], [ %next, %pause ]
  %seen = load atomic i64, ptr %done_at acquire, align 64
  %ready = icmp eq i64 %seen, %expected
  br i1 %ready, label %done, label %pause

pause:
  call void @ovc_pause()
  %next = add i32 %tries, 1
  %hope = icmp ult i32 %next, 64
  br i1 %hope, label %look, label %slow

slow:
  %start = call i64 @ovc_clock()
  br label %wait

wait:
  %i = phi i32 [ 0, %slow ], [ %j, %again ], [ %j, %clock ], [ %j, %yield ]
  %now_done = load atomic i64, ptr %done_at acquire, align 64
  %over = icmp eq i64 %now_done, %expected
  br i1 %over, label %late, label %again_or_clock

again_or_clock:
  call void @ovc_pause()
  %j = add i32 %i, 1
  %few = and i32 %j, 15
  %due = icmp eq i32 %few, 0
  br i1 %due, label %clock, label %again

again:
  br label %wait

clock:
  %now = call i64 @ovc_clock()
  %waited = sub i64 %now, %start
  %impatient = icmp ugt i64 %waited, %patience
  br i1 %impatient, label %yield, label %wait

yield:
  %r = call i32 @sched_yield()
  br label %wait

late:
  %end = call i64 @ovc_clock()
  %lost = sub i64 %end, %start
  %much = icmp ugt i64 %lost, %patience
  br i1 %much, label %leave, label %done

leave:
  %rest = shl i64 %lost, 2
  %until = add i64 %end, %rest
  store i64 %until, ptr %until_at, align 8
  br label %done

done:
  ret void
}
"""

HELPER = """
; The claim word once it is of another launch than `last`.
define internal i64 @ovc_await(ptr %pool, i64 %last) nounwind {
entry:
  %sleeping = getelementptr i8, ptr %pool, i64 256
  %bell = getelementptr i8, ptr %pool, i64 260
  %spin_at = getelementptr i8, ptr %pool, i64 528
  %spin = load i64, ptr %spin_at, align 8
  %start = call i64 @ovc_clock()
  br label %look

look:
  %i = phi i32 [ 0, %entry ], [ %j, %pause ], [ %j, %place ]
  %word = load atomic i64, ptr %pool acquire, align 64
  %launch = lshr i64 %word, 20
  %new = icmp ne i64 %launch, %last
  br i1 %new, label %done, label %pause

pause:
  call void @ovc_pause()
  %j = add i32 %i, 1
  %few = and i32 %j, 15
  %due = icmp eq i32 %few, 0
  br i1 %due, label %clock, label %look

clock:
  %now = call i64 @ovc_clock()
  %age = sub i64 %now, %start
  %tired = icmp uge i64 %age, %spin
  br i1 %tired, label %rest, label %place

place:
  %cpu_at = getelementptr i8, ptr %pool, i64 48
  %theirs = load atomic i32, ptr %cpu_at monotonic, align 8
  %mine = call i32 @ovc_cpu()
  %apart = icmp ne i32 %mine, %theirs
  %unknown = icmp slt i32 %mine, 0
  %fine = or i1 %apart, %unknown
  br i1 %fine, label %look, label %rest

rest:
  %mark = phi i32 [ 1, %clock ], [ 2, %place ], [ %mark, %sleep ]
  %tone = load atomic i32, ptr %bell seq_cst, align 4
  %old = atomicrmw or ptr %sleeping, i32 %mark seq_cst, align 4
  %again = load atomic i64, ptr %pool seq_cst, align 64
  %again_launch = lshr i64 %again, 20
  %changed = icmp ne i64 %again_launch, %last
  br i1 %changed, label %done, label %sleep

sleep:
  call void @ovc_sleep(ptr %bell, i32 %tone)
  br label %rest

done:
  %result = phi i64 [ %word, %look ], [ %again, %rest ]
  ret i64 %result
}

; The life of a helper. Its first launch may be any: those before are over.
define internal ptr @ovc_help(ptr %pool) nounwind {
entry:
  %turn = alloca i64, align 8
  %begun = call i64 @ovc_clock()
  store i64 %begun, ptr %turn, align 8
  br label %wait

wait:
  %last = phi i64 [ 0, %entry ], [ %launch, %work ]
  %word = call i64 @ovc_await(ptr %pool, i64 %last)
  %stop = icmp eq i64 %word, -1
  br i1 %stop, label %home, label %work

work:
  %launch = lshr i64 %word, 20
  %p8 = getelementptr i8, ptr %pool, i64 8
  %kernel = load atomic ptr, ptr %p8 monotonic, align 8
  %p16 = getelementptr i8, ptr %pool, i64 16
  %buffers = load atomic ptr, ptr %p16 monotonic, align 8
  %p24 = getelementptr i8, ptr %pool, i64 24
  %chunks = load atomic i64, ptr %p24 monotonic, align 8
  %p32 = getelementptr i8, ptr %pool, i64 32
  %size = load atomic i64, ptr %p32 monotonic, align 8
  %p40 = getelementptr i8, ptr %pool, i64 40
  %rest = load atomic i64, ptr %p40 monotonic, align 8
  %count = call i64 @ovc_share(ptr %pool, i64 %word, ptr %turn, ptr %kernel,
                               ptr %buffers, i64 %chunks, i64 %size, i64 %rest)
  br label %wait

home:
  ret ptr null
}
"""

RUN = """
define void @ovc_run(ptr %job) nounwind {
entry:
  %table = load ptr, ptr %job, align 8
  %count_at = getelementptr i8, ptr %job, i64 8
  %count = load i64, ptr %count_at, align 8
  %pool_at = getelementptr i8, ptr %job, i64 16
  %pool = load ptr, ptr %pool_at, align 8
  %times_at = getelementptr i8, ptr %job, i64 24
  %times = load ptr, ptr %times_at, align 8
  %timed = icmp ne ptr %times, null
  %team = icmp ne ptr %pool, null
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %tail ]
  br i1 %timed, label %stamp, label %check

stamp:
  %slot = getelementptr i64, ptr %times, i64 %i
  %time = call i64 @ovc_clock()
  store i64 %time, ptr %slot, align 8
  br label %check

check:
  %more = icmp ult i64 %i, %count
  br i1 %more, label %launch, label %done

launch:
  %next = add i64 %i, 1
  %at = getelementptr [6 x i64], ptr %table, i64 %i
  %chunks_at = getelementptr i8, ptr %at, i64 24
  %chunks = load i64, ptr %chunks_at, align 8
  %several = icmp ugt i64 %chunks, 1
  %split = and i1 %several, %team
  br i1 %split, label %crowd, label %alone

crowd:
  %busy = call i1 @ovc_busy(ptr %pool)
  br i1 %busy, label %alone, label %share

share:
  call void @ovc_launch(ptr %pool, ptr %at)
  br label %tail

alone:
  %kernel = load ptr, ptr %at, align 8
  %buffers_at = getelementptr i8, ptr %at, i64 8
  %buffers = load ptr, ptr %buffers_at, align 8
  %grid_at = getelementptr i8, ptr %at, i64 16
  %grid = load i64, ptr %grid_at, align 8
  call void %kernel(ptr %buffers, i64 0, i64 %grid)
  br label %tail

tail:
  br label %head

done:
  ret void
}

; Whether the caller has reason to work alone for now.
define internal i1 @ovc_busy(ptr %pool) nounwind {
entry:
  %until_at = getelementptr i8, ptr %pool, i64 400
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

TEAM = """
define void @ovc_start(ptr %pool) nounwind {
entry:
  %wanted_at = getelementptr i8, ptr %pool, i64 512
  %started_at = getelementptr i8, ptr %pool, i64 520
  %handles = getelementptr i8, ptr %pool, i64 560
  %wanted = load i64, ptr %wanted_at, align 8
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %begun ]
  store i64 %i, ptr %started_at, align 8
  %more = icmp ult i64 %i, %wanted
  br i1 %more, label %begin, label %done

begin:
  %handle = getelementptr i64, ptr %handles, i64 %i
  %error = call i32 @pthread_create(ptr %handle, ptr null, ptr @ovc_help, ptr %pool)
  %refused = icmp ne i32 %error, 0
  br i1 %refused, label %done, label %begun

begun:
  %next = add i64 %i, 1
  br label %head

done:
  ret void
}

define void @ovc_stop(ptr %pool) nounwind {
entry:
  %started_at = getelementptr i8, ptr %pool, i64 520
  %handles = getelementptr i8, ptr %pool, i64 560
  %started = load i64, ptr %started_at, align 8
  store atomic i64 -1, ptr %pool seq_cst, align 64
  call void @ovc_ring(ptr %pool)
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %join ]
  %more = icmp ult i64 %i, %started
  br i1 %more, label %join, label %done

join:
  %handle_at = getelementptr i64, ptr %handles, i64 %i
  %handle = load i64, ptr %handle_at, align 8
  %r = call i32 @pthread_join(i64 %handle, ptr null)
  %next = add i64 %i, 1
  br label %head

done:
  store i64 0, ptr %started_at, align 8
  ret void
}
"""
