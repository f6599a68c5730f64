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

    job     0 launches   8 count    16 pool or null   24 times or null    (i64 or ptr)
    launch  0 kernel     8 buffers  16 grid   24 plan    32 size   40 rest
    pool    0 published  8 kernel   16 buffers   24 size   32 rest   40 CPU of the caller
            128 sleeping i32   132 bell i32
            256 launch number   264 alone until   272 ring after       (the caller only)
            384 helpers wanted  392 started  400 spin ns  408 patience ns  416 turn ns
            424 pace ns  432 members
            1024 + 128 k: slot of range k
    member  0 thread handle   8 pool   16 number, from 1

A plan is `ranges << 6 | chunks of a range`, or 0 for a launch of the caller alone; at
most 1023 and 63. Chunk i of a launch has `size` grid points, one more if i < `rest`.
Range k is for thread k in the first place, which so finds in its cache what it wrote in
the launch before; who has finished its own range goes on with the others. No two grid
points write the same place: results are the same bits however chunks and threads meet.

**Claims.** The published word is `launch number << 16 | plan`. The slot of a range is
`launch number << 12 | done << 6 | claimed`; an older number means that nothing is
claimed. A thread reads the published word and the launch beside it, then claims the
next chunk of a range by compare-and-swap of its slot, runs it, and adds one to `done`.
A launch is over when `done` is full in all of its ranges; the caller writes nothing of
the next one before. Launch numbers never repeat, and slots only grow. So

- if the swap of a late thread succeeds, its range was not full, and its launch is not
  over. Else the slot would hold a full count of that launch, or a later one;
- what it read beside the published word belongs to that launch: to no earlier one,
  since the word was published after it (release, acquire); to no later one, since its
  reads come before its swap (release), and the caller writes the next launch after it
  saw the outcome of that swap (acquire). Reads that race with a later launch's writes
  come before a swap that fails. Both sides are atomic, so a race has no other effect;
- the caller sees what chunks wrote: `done` grows with release and is read with acquire.

After a launch helpers touch the pool only. When `ovc_run` returns, the table and the
buffers belong to the caller again. `published` is -1 for the end.

**Sleep.** A helper without work spins for `spin ns`, then sleeps in the kernel (futex)
on `bell`. It reads the bell, marks itself in `sleeping`, looks at the published word
once more, and sleeps while the bell is the old one. The caller publishes, then looks at
`sleeping`, and if it is marked, clears it, changes the bell and wakes all. These steps
are sequentially consistent: either the caller sees the mark, or the helper sees the
launch. A mark that the caller clears too early was set before the bell changed, and the
bell was read before: then the helper does not fall asleep, and marks itself anew.

**A busy machine.** The caller loses time where the system stops a helper inside of a
chunk. So a helper offers its core to others between two chunks, every `turn ns`, before
the system takes it. A caller that waits for longer than `patience ns` yields its core.
If it had to wait for so much longer than it worked for the launch, it works alone for
four times as long as that: a fifth is lost at the worst.
A helper without work that finds itself on the caller's core sleeps at once, with mark
2: for such ones the caller rings every `pace ns` only, in case another core is free.
"""

from __future__ import annotations

from .helpers import HELPER, TEAM
from .launch import LAUNCH, SHARE
from .system import system_ir

ABI = 2


def support_ir(triple: str) -> str:
    """
    LLVM IR of the support code for `triple`; a bare architecture means Linux.

    Raises:
        ValueError: there is no such code for the system.
    """
    version = f"@ovc_abi = constant i32 {ABI}"
    return "\n".join([version, system_ir(triple), SHARE, LAUNCH, HELPER, TEAM, RUN])


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
  %i = phi i64 [ 0, %entry ], [ %next, %share ], [ %next, %alone ]
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
  %plan_at = getelementptr i8, ptr %at, i64 24
  %plan = load i64, ptr %plan_at, align 8
  %planned = icmp ne i64 %plan, 0
  %split = and i1 %planned, %team
  br i1 %split, label %crowd, label %alone

crowd:
  %busy = call i1 @ovc_busy(ptr %pool)
  br i1 %busy, label %alone, label %share

share:
  call void @ovc_launch(ptr %pool, ptr %at)
  br label %head

alone:
  %kernel = load ptr, ptr %at, align 8
  %buffers_at = getelementptr i8, ptr %at, i64 8
  %buffers = load ptr, ptr %buffers_at, align 8
  %grid_at = getelementptr i8, ptr %at, i64 16
  %grid = load i64, ptr %grid_at, align 8
  call void %kernel(ptr %buffers, i64 0, i64 %grid)
  br label %head

done:
  ret void
}
"""
