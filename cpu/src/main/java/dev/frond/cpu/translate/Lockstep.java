// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Mmu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.interp.EngineFault;
import dev.frond.cpu.interp.Replay;
import dev.frond.host.FaultHandler;
import dev.frond.machine.memory.GuestMemory;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;

/**
 * Lets the interpreter execute again what emitted code has just executed, and compares: registers,
 * and every page that one of the two could store to.
 *
 * <p>A stretch is what emitted code executes until it leaves, or up to the next jump; a miss in the
 * TLB does not end it. When it begins nothing may be stored to without asking, so that each page
 * that is stored to is copied before. When it has ended those pages are put back, the interpreter
 * executes as many instructions from the same registers, and what it leaves stays. Nothing else
 * changes memory meanwhile: devices are kept from it, and time and interrupts are met between
 * stretches only. Of a stretch that differs everything is put back, and it is executed once more
 * jump by jump, to find where.
 *
 * <p>Status flags that the manual leaves undefined may differ; then the interpreter's are taken. If
 * an instruction of the stretch reads such a flag, whatever differs may come of that, and the
 * interpreter's state is taken wholly.
 *
 * <p>Not seen: a store of the same value as before that one of the two leaves out, and status flags
 * at a fault that the block overwrites before it reads them.
 */
final class Lockstep implements AutoCloseable {
    /** {@link #left}: the runner does what it does, the stretch having ended. */
    static final int ENDED = -1;

    /** {@link #left}: execution goes on at {@link Cpu#rip} with the state in the CPU. */
    static final int TAKEN = -2;

    /**
     * One of so many stretches goes on at jumps; the others end there, so that nothing wrong is
     * overwritten before it is seen.
     */
    private static final int LONG_OF = 32;

    /** When so many pages were stored to, a stretch ends at the next jump. */
    private static final int MOST_COPIES = 256;

    /** A stretch takes no longer, whatever loops there are. */
    private static final long LONGEST_NANOS = 1_000_000;

    /** Of a string instruction that emitted code has left in the middle. */
    private static final long MOST_ROUNDS = 1 << 28;

    private static final int PAGE = 1 << GuestMemory.PAGE_SHIFT;

    /** The Accessed and Dirty bits of an entry of a page table. */
    private static final long ACCESSED_DIRTY = 0x60;

    /** A page as it was, and as emitted code left it. */
    private static final class Copy {
        long offset;
        final byte[] before = new byte[PAGE];
        final byte[] after = new byte[PAGE];
        final MemorySegment beforeSegment = MemorySegment.ofArray(before);
        final MemorySegment afterSegment = MemorySegment.ofArray(after);
    }

    /** What the runner does for a stretch under way. */
    interface Misses {
        /**
         * Where an access that the TLB does not know goes on, and the memory is reached; -1 if the
         * interpreter is to execute the instruction.
         */
        int reach(int site);

        /** The site at which the host has raised an exception; 0 if there is none. */
        int faultSite();
    }

    private final Cpu cpu;
    private final Context context;
    private final X87State x87;
    private final NativeTlb tlb;
    private final CodeStore store;
    private final Misses misses;
    private final CodeReport report;
    private final Replay replay;
    private final MemorySegment ram;
    private final Lock memory;
    private final Thread ticker;
    private volatile boolean closed;

    private final List<Copy> copies = new ArrayList<>();
    private int copyCount;
    private int[] rights = new int[16];
    private int rightCount;

    private final IdentityHashMap<Form, FlagUse> uses = new IdentityHashMap<>();

    /** Offsets of table entries whose Accessed or Dirty bit a walk has set. */
    private long[] walked = new long[16];

    private int walkedCount;

    // The stretch.
    private boolean open;
    private int entry;
    private final Registers start = new Registers();
    private final Registers emitted = new Registers();
    private final Registers interpreted = new Registers();
    private long startCount;
    private long startCodeBase;
    private int startFlushes;
    private boolean usesX87;
    private long[] startX87 = new long[0];

    // A difference that is being narrowed down.
    private String unnarrowed = "";
    private long narrowedAt = -1;
    private volatile boolean polled;

    // The comparison.
    private int emittedPages;

    /** So many stretches before the different one are told of: a power of two. */
    private static final int REMEMBERED = 16;

    private long lastRip;
    private final long[] starts = new long[REMEMBERED];
    private final long[] ends = new long[REMEMBERED];

    // Counters.
    private long stretches;
    private long compared;
    private long undefinedFlags;
    private long undefined;

    Lockstep(
            Cpu cpu, Context context, X87State x87, NativeTlb tlb, CodeStore store, Misses misses) {
        this.cpu = cpu;
        this.context = context;
        this.x87 = x87;
        this.tlb = tlb;
        this.store = store;
        this.misses = misses;
        replay = new Replay(cpu, 128, this::note);
        report = new CodeReport(cpu, context, store);
        ram = cpu.ram.segment();
        memory = cpu.mmu.memory().withoutDevices();
        cpu.mmu.watchStores(
                new Mmu.StoreWatcher() {
                    @Override
                    public void storable(long offset) {
                        copy(offset);
                    }

                    @Override
                    public void walked(long offset, int size) {
                        noteWalked(offset);
                    }
                });
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

    /** Instructions in them. */
    long instructions() {
        return compared;
    }

    /** Stretches that left status flags different which the manual leaves undefined. */
    long undefinedFlags() {
        return undefinedFlags;
    }

    /** Stretches that differed after an instruction had read such a flag. */
    long undefined() {
        return undefined;
    }

    // --- a stretch
    // --------------------------------------------------------------------------------

    /**
     * Before emitted code is entered at {@code place}, the start of a block, to execute from {@code
     * rip}; true if a stretch begins there.
     */
    boolean begin(int place, long rip) {
        if (open) {
            return false;
        }
        memory.lock();
        open = true;
        entry = place;
        closeRights();
        context.storeRegisters(cpu);
        context.storeVectors(cpu);
        x87.copy();
        cpu.rip = rip;
        start.take(cpu);
        startCount = context.get(Context.COUNT);
        startCodeBase = context.get(Context.CODE_BASE);
        startFlushes = store.flushes();
        if (narrowedAt >= 0) {
            if (cpu.instructions + startCount >= narrowedAt) {
                throw fault(unnarrowed);
            }
            poll();
        } else if (stretches % LONG_OF != 0) {
            poll();
        } else if (polled) {
            polled = false;
            context.set(Context.POLL, 0);
            if (cpu.hasEvents()) {
                context.set(Context.POLL, 1);
            }
        }
        return true;
    }

    /** Lets emitted code leave at the next jump. */
    private void poll() {
        polled = true;
        context.set(Context.POLL, 1);
    }

    private void closeRights() {
        cpu.mmu.takeRightsBack();
        tlb.lose();
        for (int i = 0; i < rightCount; i++) {
            tlb.forgetWrite(rights[i]);
        }
        rightCount = 0;
        copyCount = 0;
        walkedCount = 0;
    }

    /** A page of RAM is about to be stored to. */
    private void copy(long offset) {
        if (!open) {
            return;
        }
        for (int i = copyCount - 1; i >= 0; i--) {
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

    private void noteWalked(long offset) {
        if (!open) {
            return;
        }
        if (walkedCount == walked.length) {
            walked = Arrays.copyOf(walked, 2 * walkedCount);
        }
        walked[walkedCount++] = offset & -8;
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
     * @return where to enter emitted code again, {@link #ENDED} or {@link #TAKEN}
     */
    int left(long exit) {
        try {
            return decide(exit);
        } catch (RuntimeException | Error failure) {
            if (open) {
                // Whoever waits for devices would wait for ever.
                close(false);
            }
            throw failure;
        }
    }

    private int decide(long exit) {
        if (exit == 0) {
            int site = misses.faultSite();
            if (site == 0) {
                close(false);
                return ENDED;
            }
            if (!store.flagsSaved(site)) {
                context.hostFlags(context.get(Context.FAULT_RECORD + FaultHandler.RFLAGS));
            }
            return before(site);
        }
        int site = store.siteAt(store.place(exit));
        if (site == 0) {
            return end(context.rip(cpu, context.get(Context.SCRATCH)), 0, Cpu.STATUS);
        }
        CodeStore.Kind kind = store.kind(site);
        return switch (kind) {
            case MEMORY, MEMORY_GROUP, STACK -> {
                int losses = tlb.losses();
                int next = misses.reach(site);
                yield next >= 0 && losses == tlb.losses() ? next : before(site);
            }
            case POLL ->
                    // A string instruction is not done yet.
                    store.count(site) == 0
                            ? store.hostStart(site)
                            : end(rip(site), 0, store.liveFlags(site));
            case LINK -> end(rip(site), 0, Cpu.STATUS);
            case LINK_FAR, DROPPED ->
                    end(context.rip(cpu, context.get(Context.SCRATCH)), 0, Cpu.STATUS);
            case INTERPRET, ALONE, TIME, TIME_AND_ID, X87 -> before(site);
            // It was counted, but is executed anew.
            case CALL -> end(rip(site), -1, Cpu.STATUS);
            case JUMP, RETURN -> {
                long target = context.get(Context.SCRATCH);
                if (!cpu.isCanonical(target)) {
                    yield end(rip(site), -1, Cpu.STATUS);
                }
                // The runner does the rest of it later.
                int stack = Context.slot(Cpu.RSP);
                long before = context.get(stack);
                context.set(stack, kind == CodeStore.Kind.RETURN ? before + 8 : before);
                int again = end(target, 0, Cpu.STATUS);
                if (again == ENDED) {
                    context.set(stack, before);
                }
                yield again;
            }
        };
    }

    private long rip(int site) {
        return context.rip(cpu, context.get(Context.CODE_BASE) + store.offset(site));
    }

    /** Emitted code has left before the instruction of a site. */
    private int before(int site) {
        return end(rip(site), store.count(site) - 1, store.liveFlags(site));
    }

    /** The instruction pointer behind the instruction at which the last stretch ended. */
    long following() {
        Insn insn = report.decode(linear(lastRip));
        if (insn == null) {
            throw new EngineFault("no instruction at 0x%x".formatted(lastRip));
        }
        return lastRip + insn.length;
    }

    private long linear(long rip) {
        return cpu.is64() ? rip : cpu.segBase[Seg.CS] + rip & 0xFFFF_FFFFL;
    }

    /**
     * Compares at {@code rip}.
     *
     * @param more instructions that emitted code has executed besides those that it has counted
     * @param live status flags that must be the same
     */
    private int end(long rip, int more, int live) {
        long count = context.get(Context.COUNT) + more - startCount;
        context.storeRegisters(cpu);
        context.storeVectors(cpu);
        cpu.rip = rip;
        emitted.take(cpu);
        emittedPages = copyCount;
        for (int i = 0; i < emittedPages; i++) {
            Copy copy = copies.get(i);
            MemorySegment.copy(ram, JAVA_BYTE, copy.offset, copy.after, 0, PAGE);
            putBack(copy);
        }
        start.restore(cpu);
        usesX87 = x87.isUsed();
        if (usesX87) {
            startX87 = x87.interpreters();
        }
        List<String> differences = new ArrayList<>(0);
        int held = cpu.hasEvents() ? cpu.takeEvents() : 0;
        try {
            replay.execute(count);
            long rounds = cpu.r[Cpu.RCX] - emitted.r[Cpu.RCX];
            if (cpu.rip == rip && rounds > 0 && rounds <= MOST_ROUNDS) {
                replay.executeRounds(rounds);
            }
        } catch (CpuFault fault) {
            if (replay.readsUndefined()) {
                taken();
                throw fault;
            }
            differences.add(
                    "the interpreter raises exception %d at 0x%x, CR2 0x%x"
                            .formatted(fault.vector(), cpu.rip, cpu.cr2));
        } finally {
            if (held != 0) {
                cpu.post(held);
            }
        }
        if (!cpu.is64()) {
            // What comes behind the last byte of 4 GiB.
            cpu.rip &= 0xFFFF_FFFFL;
        }
        interpreted.take(cpu);
        compare(live, differences);
        if (!differences.isEmpty()) {
            if (replay.readsUndefined()) {
                taken();
                return TAKEN;
            }
            return differs(differences, rip, count);
        }
        if (interpreted.flags != emitted.flags) {
            undefinedFlags += live == Cpu.STATUS ? 1 : 0;
            context.statusFlags(interpreted.flags);
        }
        starts[(int) stretches & REMEMBERED - 1] = start.rip;
        ends[(int) stretches & REMEMBERED - 1] = rip;
        lastRip = rip;
        emitted.restoreRest(cpu);
        compared += count;
        close(true);
        return ENDED;
    }

    private void close(boolean isCompared) {
        stretches += isCompared ? 1 : 0;
        open = false;
        memory.unlock();
    }

    /** What the interpreter has done counts. */
    private void taken() {
        undefined++;
        cpu.instructions = start.instructions() + replay.steps();
        context.set(Context.COUNT, startCount);
        x87.forget();
        close(false);
    }

    private void putBack(Copy copy) {
        if (ram.asSlice(copy.offset, PAGE).mismatch(copy.beforeSegment) >= 0) {
            MemorySegment.copy(copy.before, 0, ram, JAVA_BYTE, copy.offset, PAGE);
            // It may be code by now.
            cpu.ram.wrote(copy.offset, PAGE);
        }
    }

    /** It is told, after it was executed once more to find where. */
    private int differs(List<String> differences, long rip, long count) {
        String told = report(differences, rip);
        boolean again = emitted.isSameAddressSpace(interpreted) && startFlushes == store.flushes();
        if (narrowedAt >= 0 || !again) {
            throw fault(told);
        }
        unnarrowed = told;
        for (int i = 0; i < copyCount; i++) {
            putBack(copies.get(i));
        }
        start.restore(cpu);
        if (usesX87) {
            x87.interpreters(startX87);
        }
        narrowedAt = cpu.instructions + startCount + count;
        // What walks have noted in the tables was put back, too.
        cpu.mmu.flush();
        closeRights();
        context.restart(cpu, startCodeBase, startCount);
        x87.forget();
        poll();
        return entry;
    }

    private EngineFault fault(String told) {
        narrowedAt = -1;
        close(false);
        return new EngineFault(told);
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

    private void compare(int live, List<String> differences) {
        start.compare(interpreted, emitted, live & ~replay.undefinedFlags(), differences);
        if (usesX87) {
            x87.compare(startX87, differences);
        }
        for (int i = 0; i < copyCount; i++) {
            Copy copy = copies.get(i);
            MemorySegment expected = i < emittedPages ? copy.afterSegment : copy.beforeSegment;
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
        long offset = copy.offset + at;
        long interpreted = ram.get(JAVA_LONG_UNALIGNED, offset);
        // Two entries of 32-bit paging lie in eight bytes.
        long bits = ACCESSED_DIRTY | (cpu.longMode() ? 0 : ACCESSED_DIRTY << 32);
        if (((interpreted ^ emitted) & ~bits) == 0 && isWalked(offset)) {
            // One of the two walked by this entry, for both.
            cpu.ram.store(offset, 8, interpreted | emitted);
            return;
        }
        if (differences.size() < 40) {
            Registers.compare(
                    "memory, offset 0x%x in RAM".formatted(offset),
                    copy.beforeSegment.get(JAVA_LONG_UNALIGNED, at),
                    interpreted,
                    emitted,
                    differences);
        }
    }

    private boolean isWalked(long offset) {
        for (int i = 0; i < walkedCount; i++) {
            if (walked[i] == offset) {
                return true;
            }
        }
        return false;
    }

    /** See {@link Replay#note}. */
    private long note(long rip) {
        Insn insn = report.decode(linear(rip));
        if (insn == null) {
            return Replay.note(0, 0, 0, 0);
        }
        FlagUse use = uses.computeIfAbsent(insn.form, form -> Shape.of(form).flags()).of(insn);
        int opcode = insn.form.opcode();
        boolean string =
                insn.form.map() == 0
                        && (opcode >= 0xA4 && opcode <= 0xAF || opcode >= 0x6C && opcode <= 0x6F);
        int more = string && insn.repeat != 0 ? Replay.REPEATS : 0;
        if (insn.size == 2 && insn.form.mnemonic().matches("SH[LR]D")) {
            // By more than 16 (SDM Vol. 2B, SHLD).
            more |= Replay.LOOSE;
        }
        return Replay.note(FlagUse.read(insn, use), use.writes(), insn.form.undefinedFlags(), more);
    }

    // --- what a person needs
    // --------------------------------------------------------------------------------

    private String report(List<String> differences, long end) {
        StringBuilder out = new StringBuilder();
        out.append(
                CodeReport.lines(
                        "translator and interpreter differ from RIP 0x%x to 0x%x, CPL %d, CR3 0x%x:"
                                .formatted(start.rip, end, cpu.cpl, cpu.cr3),
                        differences));
        out.append("instructions as interpreted:\n");
        long[] first = Arrays.stream(replay.firstPath()).map(this::linear).toArray();
        if (first.length > 0) {
            out.append(report.instructions(first));
            out.append("  (%d instructions in all)%n".formatted(replay.steps()));
        }
        out.append(report.instructions(Arrays.stream(replay.path()).map(this::linear).toArray()));
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
