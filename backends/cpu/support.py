"""
The support code of every CPU object: it walks the launch table on a team of threads.

One call of `ovc_run` is one inference. All threads of a team walk the same table, each
runs its share of every parallel launch, and they meet at a barrier where a launch needs
what another thread computed. So an inference wakes the team once, and a launch costs
one barrier (well under a microsecond), not a fork and a join.

    ovc_run(job)                   the caller is thread 0 of the job's pool, or alone
    ovc_work(pool, thread)         the life of thread 1, 2, ...; returns after ovc_stop
    ovc_stop(pool)                 sends the workers home; nothing may run meanwhile
    ovc_abi                        i32 constant: version of the layouts below

Layouts, in bytes; `runtime/drivers/cpu.py` builds them:

    job     0 launches   8 count      16 pool or null   24 times or null   (i64 or ptr)
    launch  0 kernel     8 buffers    16 grid           24 parallel        (i64 or ptr)
    pool    0 ticket event   64 phase event   128 arrived i32
            192 job ptr   200 threads i32   204 spins i32
    event   0 value i32   4 sleepers i32                                (own cache line)

Shares depend on the grid alone, and no two grid points write the same place: results
are the same bits for any number of threads.

**Waiting.** An event is a counter that only grows. A waiter spins on it for `spins`
pauses, then registers in `sleepers` and sleeps in the kernel (futex) while the value is
the old one. A poster adds to the value, then looks at `sleepers`. Both sides write
first and read second, sequentially consistent: either the poster sees the sleeper and
wakes it, or the sleeper sees the new value. A wake between the sleeper's look and its
sleep is not lost either, since the kernel compares the value again.

**A job.** The caller stores the job in the pool and posts the ticket; workers wait for
the ticket and load the job (release, acquire). The last launch always ends in a
barrier, and after it workers touch the pool only: when `ovc_run` returns, the table and
the buffers belong to the caller again. A worker cannot miss a ticket: no job ends
without its arrival at the barrier.

**The barrier.** Each thread reads the phase, then arrives. The last to arrive resets the
count and posts the phase; the others wait for it. Arrival is acquire and release, so
all writes before a barrier are seen after it by all threads.
"""

from __future__ import annotations

ABI = 1

FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE = 128, 129
FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "powerpc64le": 221, "s390x": 238}
"""Number of the system call, by architecture."""

PAUSE = {
    "x86_64": (
        "declare void @llvm.x86.sse2.pause()",
        "call void @llvm.x86.sse2.pause()",
    ),
    "aarch64": (
        "declare void @llvm.aarch64.hint(i32)",
        "call void @llvm.aarch64.hint(i32 1)",
    ),
}
"""How to tell the core that it spins: a declaration and a call, by architecture."""

ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "powerpc64le"}

CLOCK_MONOTONIC = {"linux": 1, "darwin": 6}


def support_ir(triple: str) -> str:
    """
    LLVM IR of the support code for `triple`; a bare architecture means Linux.

    Raises:
        ValueError: there is no such code for the system.
    """
    architecture, system = _parse(triple)
    if system not in CLOCK_MONOTONIC:
        raise ValueError(f"no threads for the system of {triple!r}")
    declaration, pause = PAUSE.get(architecture, ("", ""))
    parts = [
        f"@ovc_abi = constant i32 {ABI}",
        declaration,
        _sleep(architecture, system),
        EVENT.replace("PAUSE", pause),
        BARRIER,
        WALK,
        RUN,
        CLOCK.replace("CLOCK_MONOTONIC", str(CLOCK_MONOTONIC[system])),
    ]
    return "\n".join(part for part in parts if part)


def _parse(triple: str) -> tuple[str, str]:
    """Architecture and system of an LLVM triple, in the words of the tables above."""
    parts = triple.split("-")
    architecture = ALIASES.get(parts[0], parts[0])
    rest = "-".join(parts[1:]) or "linux"
    if "darwin" in rest or "macos" in rest:
        return architecture, "darwin"
    return architecture, "linux" if "linux" in rest else rest


def _sleep(architecture: str, system: str) -> str:
    number = FUTEX.get(architecture)
    if system != "linux" or number is None:
        return NAP
    return (
        SLEEP.replace("NUMBER", str(number))
        .replace("WAIT", str(FUTEX_WAIT_PRIVATE))
        .replace("WAKE", str(FUTEX_WAKE_PRIVATE))
    )


SLEEP = """
declare i64 @syscall(i64, ...)

; Sleeps while the value is `last`. May return for no reason.
define internal void @ovc_sleep(ptr %value, i32 %last) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %value, i32 WAIT, i32 %last,
                                    ptr null, ptr null, i32 0)
  ret void
}

define internal void @ovc_wake(ptr %value) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %value, i32 WAKE, i32 2147483647,
                                    ptr null, ptr null, i32 0)
  ret void
}
"""

NAP = """
; No futex here: a sleeper looks again every 50 microseconds, and nobody wakes it.
declare i32 @usleep(i32)

define internal void @ovc_sleep(ptr %value, i32 %last) nounwind {
  %r = call i32 @usleep(i32 50)
  ret void
}

define internal void @ovc_wake(ptr %value) nounwind {
  ret void
}
"""

EVENT = """
; Returns once the value is another than `last`, and acquires what the poster wrote.
define internal void @ovc_await(ptr %event, i32 %last, i32 %spins) nounwind {
entry:
  %sleepers = getelementptr i8, ptr %event, i64 4
  br label %look

look:
  %spin = phi i32 [ 0, %entry ], [ %next, %pause ]
  %seen = load atomic i32, ptr %event acquire, align 64
  %posted = icmp ne i32 %seen, %last
  br i1 %posted, label %done, label %patience

patience:
  %patient = icmp ult i32 %spin, %spins
  br i1 %patient, label %pause, label %tired

pause:
  PAUSE
  %next = add i32 %spin, 1
  br label %look

tired:
  %before = atomicrmw add ptr %sleepers, i32 1 seq_cst
  br label %check

check:
  %now = load atomic i32, ptr %event seq_cst, align 64
  %changed = icmp ne i32 %now, %last
  br i1 %changed, label %awake, label %sleep

sleep:
  call void @ovc_sleep(ptr %event, i32 %last)
  br label %check

awake:
  %after = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  br label %done

done:
  ret void
}

; Releases what this thread wrote to everyone who awaits the event.
define internal void @ovc_post(ptr %event) nounwind {
entry:
  %sleepers = getelementptr i8, ptr %event, i64 4
  %old = atomicrmw add ptr %event, i32 1 seq_cst
  %asleep = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp ne i32 %asleep, 0
  br i1 %any, label %wake, label %done

wake:
  call void @ovc_wake(ptr %event)
  br label %done

done:
  ret void
}
"""

BARRIER = """
define internal void @ovc_barrier(ptr %pool, i32 %threads) nounwind {
entry:
  %phase = getelementptr i8, ptr %pool, i64 64
  %arrived = getelementptr i8, ptr %pool, i64 128
  %spins_at = getelementptr i8, ptr %pool, i64 204
  %spins = load i32, ptr %spins_at, align 4
  %last = load atomic i32, ptr %phase monotonic, align 64
  %before = atomicrmw add ptr %arrived, i32 1 acq_rel
  %count = add i32 %before, 1
  %all = icmp eq i32 %count, %threads
  br i1 %all, label %open, label %wait

open:
  store atomic i32 0, ptr %arrived monotonic, align 64
  call void @ovc_post(ptr %phase)
  ret void

wait:
  call void @ovc_await(ptr %phase, i32 %last, i32 %spins)
  ret void
}
"""

WALK = """
; One thread's way through the table. A barrier follows every parallel launch, and a
; launch of the caller alone when a parallel one or nothing comes next.
define internal void @ovc_walk(ptr %job, ptr %pool, i32 %thread, i32 %threads) nounwind {
entry:
  %table = load ptr, ptr %job, align 8
  %count_at = getelementptr i8, ptr %job, i64 8
  %count = load i64, ptr %count_at, align 8
  %times_at = getelementptr i8, ptr %job, i64 24
  %times = load ptr, ptr %times_at, align 8
  %first = icmp eq i32 %thread, 0
  %timed = icmp ne ptr %times, null
  %clock = and i1 %first, %timed
  %team = icmp ugt i32 %threads, 1
  %mine = zext i32 %thread to i64
  %all = zext i32 %threads to i64
  %following = add i64 %mine, 1
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %tail ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %stamp, label %end

stamp:
  br i1 %clock, label %read_clock, label %launch

read_clock:
  %slot = getelementptr i64, ptr %times, i64 %i
  call void @ovc_clock(ptr %slot)
  br label %launch

launch:
  %next = add i64 %i, 1
  %at = getelementptr [4 x i64], ptr %table, i64 %i
  %buffers_at = getelementptr i8, ptr %at, i64 8
  %grid_at = getelementptr i8, ptr %at, i64 16
  %parallel_at = getelementptr i8, ptr %at, i64 24
  %kernel = load ptr, ptr %at, align 8
  %buffers = load ptr, ptr %buffers_at, align 8
  %grid = load i64, ptr %grid_at, align 8
  %parallel = load i64, ptr %parallel_at, align 8
  %shared = icmp ne i64 %parallel, 0
  %split = and i1 %shared, %team
  br i1 %split, label %share, label %alone

share:
  %below = mul i64 %grid, %mine
  %begin = udiv i64 %below, %all
  %upto = mul i64 %grid, %following
  %stop = udiv i64 %upto, %all
  %some = icmp ult i64 %begin, %stop
  br i1 %some, label %run_share, label %meet

run_share:
  call void %kernel(ptr %buffers, i64 %begin, i64 %stop)
  br label %meet

alone:
  br i1 %first, label %run_alone, label %look_ahead

run_alone:
  call void %kernel(ptr %buffers, i64 0, i64 %grid)
  br label %look_ahead

look_ahead:
  br i1 %team, label %last_or_not, label %tail

last_or_not:
  %another = icmp ult i64 %next, %count
  br i1 %another, label %peek, label %meet

peek:
  %next_at = getelementptr [4 x i64], ptr %table, i64 %next, i64 3
  %next_parallel = load i64, ptr %next_at, align 8
  %next_shared = icmp ne i64 %next_parallel, 0
  br i1 %next_shared, label %meet, label %tail

meet:
  call void @ovc_barrier(ptr %pool, i32 %threads)
  br label %tail

tail:
  br label %head

end:
  br i1 %clock, label %last_clock, label %done

last_clock:
  %last_slot = getelementptr i64, ptr %times, i64 %count
  call void @ovc_clock(ptr %last_slot)
  br label %done

done:
  ret void
}
"""

RUN = """
define void @ovc_run(ptr %job) nounwind {
entry:
  %pool_at = getelementptr i8, ptr %job, i64 16
  %pool = load ptr, ptr %pool_at, align 8
  %alone = icmp eq ptr %pool, null
  br i1 %alone, label %walk_alone, label %walk

walk_alone:
  call void @ovc_walk(ptr %job, ptr null, i32 0, i32 1)
  ret void

walk:
  %threads_at = getelementptr i8, ptr %pool, i64 200
  %threads = load i32, ptr %threads_at, align 8
  %job_at = getelementptr i8, ptr %pool, i64 192
  store ptr %job, ptr %job_at, align 8
  call void @ovc_post(ptr %pool)
  call void @ovc_walk(ptr %job, ptr %pool, i32 0, i32 %threads)
  ret void
}

define void @ovc_work(ptr %pool, i32 %thread) nounwind {
entry:
  %job_at = getelementptr i8, ptr %pool, i64 192
  %threads_at = getelementptr i8, ptr %pool, i64 200
  %spins_at = getelementptr i8, ptr %pool, i64 204
  %threads = load i32, ptr %threads_at, align 8
  %spins = load i32, ptr %spins_at, align 4
  br label %wait

wait:
  ; Tickets are taken one by one, from 0 on: a worker that starts late joins the job.
  %ticket = phi i32 [ 0, %entry ], [ %taken, %work ]
  call void @ovc_await(ptr %pool, i32 %ticket, i32 %spins)
  %taken = add i32 %ticket, 1
  %job = load ptr, ptr %job_at, align 8
  %stop = icmp eq ptr %job, null
  br i1 %stop, label %home, label %work

work:
  call void @ovc_walk(ptr %job, ptr %pool, i32 %thread, i32 %threads)
  br label %wait

home:
  ret void
}

define void @ovc_stop(ptr %pool) nounwind {
  %job_at = getelementptr i8, ptr %pool, i64 192
  store ptr null, ptr %job_at, align 8
  call void @ovc_post(ptr %pool)
  ret void
}
"""

CLOCK = """
declare i32 @clock_gettime(i32, ptr)

; Nanoseconds of the monotonic clock.
define internal void @ovc_clock(ptr %slot) nounwind {
  %now = alloca [2 x i64], align 8
  %r = call i32 @clock_gettime(i32 CLOCK_MONOTONIC, ptr %now)
  %seconds = load i64, ptr %now, align 8
  %rest_at = getelementptr i64, ptr %now, i64 1
  %rest = load i64, ptr %rest_at, align 8
  %whole = mul i64 %seconds, 1000000000
  %time = add i64 %whole, %rest
  store i64 %time, ptr %slot, align 8
  ret void
}
"""
