// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.interp.EngineFault;
import dev.frond.cpu.interp.Replay;
import dev.frond.host.FaultHandler;
import dev.frond.machine.memory.GuestMemory;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntPredicate;

/**
 * Lets the interpreter execute again what emitted code has just executed, and compares: registers,
 * and every page that one of the two could store to.
 *
 * <p>A stretch is what emitted code executes until it leaves; a miss in the TLB does not end it.
 * When it begins nothing may be stored to without asking, so that each page that is stored to is
 * copied before. When it has ended those pages are put back, the interpreter executes from the same
 * registers to the same instruction, and what it leaves stays. Devices, time and interrupts are met
 * between stretches only, and once. A device that writes to memory meanwhile may look like a
 * difference: a stretch counts as different when it is so twice. Then it is cut at its jumps, to
 * find where.
 *
 * <p>Not seen: a store of the same value as before that one of the two leaves out, and status flags
 * at a fault that the block overwrites before it reads them.
 */
final class Lockstep implements AutoCloseable {
    /** {@link #left}: the runner does what it does, the stretch having ended. */
    static final int ENDED = -1;

    /** More steps than the stretch has instructions: string instructions may take several. */
    private static final long MORE_STEPS = 1 << 18;

    /** When so many pages were stored to, a stretch ends at the next jump. */
    private static final int MOST_COPIES = 256;

    /** So many stretches to the next jump are looked at to narrow down a difference. */
    private static final int NARROW = 100_000;

    /** A stretch takes no longer, whatever loops there are. */
    private static final long LONGEST_NANOS = 1_000_000;

    private static final int PAGE = 1 << GuestMemory.PAGE_SHIFT;

    /** The Accessed and Dirty bits of an entry of a page table. */
    private static final long ACCESSED_DIRTY = 0x60;

    private static final long PRESENT = 1;

    /** A page as it was, and as emitted code left it. */
    private static final class Copy {
        long offset;
        final byte[] before = new byte[PAGE];
        final byte[] after = new byte[PAGE];
        final MemorySegment beforeSegment = MemorySegment.ofArray(before);
        final MemorySegment afterSegment = MemorySegment.ofArray(after);
    }

    /** What something that is no CPU stored. */
    private record Foreign(long offset, long before, long now) {}

    private final Cpu cpu;
    private final Context context;
    private final NativeTlb tlb;
    private final CodeStore store;
    private final IntPredicate refill;
    private final CodeReport report;
    private final Replay replay;
    private final MemorySegment ram;
    private final Thread ticker;
    private volatile boolean closed;

    private final List<Copy> copies = new ArrayList<>();
    private int copyCount;
    private int[] rights = new int[16];
    private int rightCount;

    // The stretch.
    private boolean open;
    private int entry;
    private int attempt;

    /** What differed at the first attempt. */
    private List<String> earlier = List.of();

    private final Registers start = new Registers();
    private final Registers emitted = new Registers();
    private final Registers interpreted = new Registers();
    private long startCount;
    private long startCodeBase;
    private int startFlushes;
    private final List<Foreign> foreign = new ArrayList<>();
    private final List<Foreign> walks = new ArrayList<>();

    // How far a difference was narrowed down, and what is known of it before.
    private int narrowing;
    private String unnarrowed = "";
    private volatile boolean polled;

    // The comparison.
    private int emittedPages;
    private boolean sameRegisters;
    private List<String> differences = List.of();

    // Flags in which the two may differ because the block overwrites them.
    private boolean carried;
    private int carriedEmitted;
    private int carriedFlags;
    private long carriedFrom;

    /** So many stretches before the different one are told of: a power of two. */
    private static final int REMEMBERED = 16;

    private long lastRip;
    private final long[] starts = new long[REMEMBERED];
    private final long[] ends = new long[REMEMBERED];

    // Counters.
    private long stretches;
    private long repeated;
    private long undefined;

    /** {@code refill} puts the page of a site's missed access into the TLB, if that helps. */
    Lockstep(Cpu cpu, Context context, NativeTlb tlb, CodeStore store, IntPredicate refill) {
        this.cpu = cpu;
        this.context = context;
        this.tlb = tlb;
        this.store = store;
        this.refill = refill;
        replay = new Replay(cpu, 128);
        report = new CodeReport(cpu, context, store);
        ram = cpu.ram.segment();
        cpu.mmu.watchStores(this::opened);
        ticker = Thread.ofPlatform().daemon().name("frond-lockstep").start(this::tick);
    }

    private void tick() {
        while (!closed) {
            LockSupport.parkNanos(LONGEST_NANOS);
            poll();
        }
    }

    @Override
    public void close() {
        closed = true;
        boolean interrupted = false;
        while (ticker.isAlive()) {
            try {
                ticker.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Stretches that were compared. */
    long stretches() {
        return stretches;
    }

    /** Stretches that were executed again because something differed once. */
    long repeated() {
        return repeated;
    }

    /** Stretches that left status flags different which the manual leaves undefined. */
    long undefined() {
        return undefined;
    }

    // --- a stretch
    // --------------------------------------------------------------------------------

    /**
     * Before emitted code is entered at {@code place} to execute from {@code rip}; true if a
     * stretch begins there.
     */
    boolean begin(int place, long rip) {
        if (open) {
            return false;
        }
        open = true;
        attempt = 0;
        earlier = List.of();
        foreign.clear();
        entry = place;
        closeRights();
        context.storeRegisters(cpu);
        context.storeVectors(cpu);
        cpu.rip = rip;
        if (carried
                && carriedEmitted == context.statusFlags()
                && rip - carriedFrom > 0
                && rip - carriedFrom < 16) {
            cpu.setStatusFlags(carriedFlags);
        }
        carried = false;
        start.take(cpu);
        startCount = context.get(Context.COUNT);
        startCodeBase = context.get(Context.CODE_BASE);
        startFlushes = store.flushes();
        if (narrowing > 0) {
            narrow();
        } else if (polled) {
            polled = false;
            context.set(Context.POLL, 0);
            if (cpu.hasEvents()) {
                context.set(Context.POLL, 1);
            }
        }
        return true;
    }

    private void narrow() {
        if (--narrowing == 0) {
            throw new EngineFault(unnarrowed);
        }
        poll();
    }

    /** Lets emitted code leave at the next jump. */
    private void poll() {
        polled = true;
        context.set(Context.POLL, 1);
    }

    private void closeRights() {
        cpu.mmu.takeRightsBack();
        for (int i = 0; i < rightCount; i++) {
            tlb.forgetWrite(rights[i]);
        }
        rightCount = 0;
        copyCount = 0;
    }

    /** The right to store to a page of RAM is about to be given. */
    private void opened(long offset) {
        if (!open) {
            return;
        }
        for (int i = 0; i < copyCount; i++) {
            if (copies.get(i).offset == offset) {
                return;
            }
        }
        if (copyCount == copies.size()) {
            copies.add(new Copy());
        }
        Copy copy = copies.get(copyCount++);
        copy.offset = offset;
        MemorySegment.copy(ram, JAVA_BYTE, offset, copy.before, 0, PAGE);
        if (copyCount == MOST_COPIES) {
            poll();
        }
    }

    /** Emitted code may store by the TLB's entry at {@code at}. */
    void mayStore(int at) {
        if (rightCount == rights.length) {
            rights = Arrays.copyOf(rights, 2 * rightCount);
        }
        rights[rightCount++] = at;
    }

    /**
     * Emitted code has left by {@code exit} (see {@link Context#EXIT}): compares, unless the
     * stretch goes on.
     *
     * @return where to enter emitted code again, or {@link #ENDED}
     */
    int left(long exit) {
        long base = context.get(Context.CODE_BASE);
        if (exit == 0) {
            long at = context.get(Context.FAULT_RECORD + FaultHandler.RIP);
            int site = store.isEmitted(at) ? store.faultSite(store.place(at)) : 0;
            return site == 0 ? ENDED : end(base + store.offset(site), false);
        }
        int site = store.siteAt(store.place(exit));
        if (site == 0) {
            return end(context.get(Context.SCRATCH), true);
        }
        long rip = base + store.offset(site);
        CodeStore.Kind kind = store.kind(site);
        return switch (kind) {
            case MEMORY, MEMORY_GROUP, STACK ->
                    refill.test(site) ? store.hostStart(site) : end(rip, false);
            case POLL ->
                    // A string instruction is not done yet.
                    store.count(site) == 0 ? store.hostStart(site) : end(rip, true);
            case LINK, INTERPRET, CALL -> end(rip, true);
            case LINK_FAR, DROPPED -> end(context.get(Context.SCRATCH), true);
            case ALONE, TIME, TIME_AND_ID, X87 -> end(rip, false);
            case JUMP, RETURN -> {
                long target = context.get(Context.SCRATCH);
                if (!cpu.isCanonical(target)) {
                    yield end(rip, true);
                }
                // The runner does the rest of it later.
                int stack = Context.slot(Cpu.RSP);
                long before = context.get(stack);
                context.set(stack, kind == CodeStore.Kind.RETURN ? before + 8 : before);
                int again = end(target, true);
                if (again == ENDED) {
                    context.set(stack, before);
                }
                yield again;
            }
        };
    }

    /** The instruction pointer behind the instruction at which the last stretch ended. */
    long following() {
        Insn insn = report.decode(lastRip);
        if (insn == null) {
            throw new EngineFault("no instruction at 0x%x".formatted(lastRip));
        }
        return lastRip + insn.length;
    }

    private int end(long rip, boolean exactFlags) {
        context.storeRegisters(cpu);
        context.storeVectors(cpu);
        emitted.take(cpu);
        emittedPages = copyCount;
        for (int i = 0; i < emittedPages; i++) {
            Copy copy = copies.get(i);
            MemorySegment.copy(ram, JAVA_BYTE, copy.offset, copy.after, 0, PAGE);
            MemorySegment.copy(copy.before, 0, ram, JAVA_BYTE, copy.offset, PAGE);
        }
        start.restore(cpu);
        differences = List.of();
        boolean same = rip == start.rip && isSame(exactFlags);
        if (!same && !replay(rip, exactFlags)) {
            return differs(rip);
        }
        foreign.addAll(walks);
        for (Foreign it : foreign) {
            if (ram.get(JAVA_LONG_UNALIGNED, it.offset) == it.before) {
                cpu.ram.store(it.offset, 8, it.now);
            }
        }
        carried = !exactFlags && interpreted.flags != emitted.flags;
        carriedEmitted = emitted.flags;
        carriedFlags = interpreted.flags;
        carriedFrom = rip;
        starts[(int) stretches & REMEMBERED - 1] = start.rip;
        ends[(int) stretches & REMEMBERED - 1] = rip;
        lastRip = rip;
        emitted.restoreRest(cpu);
        stretches++;
        open = false;
        return ENDED;
    }

    /** Once more, if need be to find where; or it is told. */
    private int differs(long rip) {
        boolean narrowed = narrowing > 0;
        if (narrowed || startFlushes != store.flushes()) {
            throw new EngineFault(report(rip));
        }
        if (attempt++ == 0) {
            repeated++;
            earlier = differences;
        } else {
            unnarrowed = report(rip);
            narrowing = NARROW;
            foreign.clear();
        }
        again();
        if (narrowing > 0) {
            poll();
        }
        return entry;
    }

    private boolean replay(long rip, boolean exactFlags) {
        long most = context.get(Context.COUNT) - startCount + MORE_STEPS;
        try {
            return replay.to(rip, most, () -> isSame(exactFlags));
        } catch (CpuFault fault) {
            addDifference(
                    "the interpreter raises exception %d at 0x%x, CR2 0x%x"
                            .formatted(fault.vector(), cpu.rip, cpu.cr2));
            return false;
        }
    }

    /** Whether the interpreter is where emitted code has come to. */
    private boolean isSame(boolean exactFlags) {
        boolean quick = true;
        for (int i = 0; i < 16; i++) {
            quick &= cpu.r[i] == emitted.r[i];
        }
        if (!quick && !differences.isEmpty()) {
            // A loop passes the place more than once.
            return false;
        }
        interpreted.take(cpu);
        int free = 0;
        if (interpreted.flags != emitted.flags && exactFlags) {
            free = undefinedFlags();
            undefined++;
        }
        sameRegisters = quick;
        walks.clear();
        List<String> found = new ArrayList<>(0);
        start.compare(interpreted, emitted, exactFlags ? ~free : 0, found);
        comparePages(emittedPages, found);
        if (!found.isEmpty()) {
            differences = found;
        }
        return found.isEmpty();
    }

    private void addDifference(String what) {
        List<String> more = new ArrayList<>(differences);
        more.addFirst(what);
        differences = more;
    }

    /** Puts everything back to where the stretch began. */
    private void again() {
        for (int i = 0; i < copyCount; i++) {
            Copy copy = copies.get(i);
            MemorySegment.copy(copy.before, 0, ram, JAVA_BYTE, copy.offset, PAGE);
        }
        closeRights();
        start.restore(cpu);
        context.restart(cpu, startCodeBase, startCount);
    }

    /** A jump to {@code rip} must lead to {@code block}, or find that its target was dropped. */
    void checkJump(long rip, int mode, Block block) {
        long known = context.jump(rip, mode);
        if (known != 0
                && known != store.address(block.fromJump())
                && !store.isDropped(store.place(known))) {
            throw new EngineFault(
                    "jumps to RIP 0x%x, CR3 0x%x lead to the block at 0x%x instead of 0x%x%n%s"
                            .formatted(
                                    rip,
                                    cpu.cr3,
                                    known,
                                    store.address(block.fromJump()),
                                    report.emitted(store.place(known))));
        }
    }

    // --- comparing
    // --------------------------------------------------------------------------------

    private void comparePages(int emittedPages, List<String> differences) {
        for (int i = 0; i < copyCount; i++) {
            Copy copy = copies.get(i);
            boolean byEmitted = i < emittedPages;
            MemorySegment expected = byEmitted ? copy.afterSegment : copy.beforeSegment;
            MemorySegment now = ram.asSlice(copy.offset, PAGE);
            long at = now.mismatch(expected);
            while (at >= 0) {
                int word = (int) at & -8;
                compareWord(copy, word, expected.get(JAVA_LONG_UNALIGNED, word), differences);
                long more = MemorySegment.mismatch(now, word + 8, PAGE, expected, word + 8, PAGE);
                at = more < 0 ? -1 : more + word + 8;
            }
        }
    }

    private void compareWord(Copy copy, int at, long emitted, List<String> differences) {
        long interpreted = ram.get(JAVA_LONG_UNALIGNED, copy.offset + at);
        long before = copy.beforeSegment.get(JAVA_LONG_UNALIGNED, at);
        if (interpreted == before) {
            if (sameRegisters
                    && (before & PRESENT) != 0
                    && (before | emitted & ACCESSED_DIRTY) == emitted) {
                // A walk through a page table that the stretch stored to, too: once is enough.
                walks.add(new Foreign(copy.offset + at, before, emitted));
                return;
            }
            if (attempt == 0 && sameRegisters) {
                foreign.add(new Foreign(copy.offset + at, before, emitted));
            }
        }
        if (differences.size() < 40) {
            Registers.compare(
                    "memory, offset 0x%x in RAM".formatted(copy.offset + at),
                    before,
                    interpreted,
                    emitted,
                    differences);
        }
    }

    // --- what a person needs
    // --------------------------------------------------------------------------------

    /** Status flags that the instructions just replayed leave undefined. */
    private int undefinedFlags() {
        int free = 0;
        for (long rip : replay.path()) {
            Insn insn = report.decode(rip);
            if (insn != null) {
                FlagUse use = Shape.of(insn.form).flags().of(insn);
                free = free & ~use.writes() | insn.form.undefinedFlags();
            }
        }
        return free;
    }

    private String report(long end) {
        StringBuilder out = new StringBuilder();
        out.append(
                CodeReport.lines(
                        "translator and interpreter differ from RIP 0x%x to 0x%x, CPL %d, CR3 0x%x:"
                                .formatted(start.rip, end, cpu.cpl, cpu.cr3),
                        differences));
        if (!earlier.equals(differences)) {
            out.append(CodeReport.lines("at the first attempt they differed in:", earlier));
        }
        out.append("instructions as interpreted:\n");
        long[] first = replay.firstPath();
        if (first.length > 0) {
            out.append(report.instructions(first));
            out.append("  (%d steps in all)%n".formatted(replay.steps()));
        }
        out.append(report.instructions(replay.path()));
        out.append("registers before, status flags %03x:%n".formatted(start.flags));
        out.append(CodeReport.registers(start.r));
        out.append(report.emitted(entry));
        List<String> before = new ArrayList<>();
        for (long i = stretches - 1; i >= Math.max(0, stretches - REMEMBERED); i--) {
            int at = (int) i & REMEMBERED - 1;
            before.add("0x%x to 0x%x".formatted(starts[at], ends[at]));
        }
        return out.append(CodeReport.lines("the same before, latest first:", before)).toString();
    }
}
