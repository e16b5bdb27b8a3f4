// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.interp.EngineFault;
import dev.frond.cpu.interp.Node;
import dev.frond.cpu.interp.Runner;
import dev.frond.cpu.translate.CodeStore.Kind;
import dev.frond.cpu.translate.LeftInsns.LeftInsn;
import dev.frond.host.ExecutableMemory;
import dev.frond.host.FaultHandler;
import dev.frond.host.HostCpu;
import dev.frond.host.NativeFunction;
import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;

/** Runs the emitted code of one CPU, and does what it leaves for. */
final class TranslatingRunner implements Runner, AutoCloseable {
    private final Cpu cpu;
    private final ExecutableMemory memory;
    private final Context context;
    private final X87State x87;
    private final NativeTlb tlb;
    private final Stubs stubs;
    private final CodeStore store;
    private final BlockTranslator translator;
    private final NativeFunction enter;
    private final NativeFunction enterSerialized;
    private final FaultHandler.Registration faults;
    private final FaultHandler.Registration strayFaults;

    /** Bytes; the frames of signals begin further away. */
    private static final int STRAY_STACK = 128;

    /** Null unless the interpreter checks what emitted code does. */
    private final @Nullable Lockstep lockstep;

    private final boolean counted;

    private final LeftInsns left = new LeftInsns();

    private int leftFlushes;

    /** Whether the CPU has the vector registers, besides the others. */
    private boolean vectorsHere;

    /** Where the guest's stack pointer is. */
    private static final int RSP = Context.slot(Cpu.RSP);

    /** A link that lasted for less changes of the address space is not made again. */
    private static final int RECENT = 64;

    /** Whether the block that {@link #find} has found is in global pages. */
    private boolean lastGlobal;

    private long globalTag;
    private long localTag;
    private int flushes;

    /** The latest instruction that missed in the TLB, and its latest two pages. */
    private int refillStart;

    private long refillPage = 1;
    private long refillPageBefore = 1;

    // Counters.
    private long blocks;
    private long interpreted;
    private long refills;
    private long lookups;
    private long links;
    private long joined;
    private long hostFaults;

    TranslatingRunner(Cpu cpu, Translator.Settings settings) {
        long codeSize = settings.codeSize();
        boolean checked = settings.compared();
        this.cpu = cpu;
        memory =
                ExecutableMemory.allocate(
                        codeSize, Context.SIZE, ExecutableMemory.Placement.ANYWHERE);
        context = new Context(memory.data());
        x87 = new X87State(cpu, context);
        tlb = new NativeTlb(context, cpu.ram.segment());
        Assembler assembler = new Assembler();
        boolean wide =
                cpu.cpuid.model().features().contains(CpuFeature.AVX)
                        && HostCpu.has(HostCpu.Feature.AVX);
        stubs = new Stubs(assembler, context.address(), wide);
        store = new CodeStore(cpu, memory, assembler, stubs.exitSaved, settings.eager());
        counted = settings.counted();
        translator = new BlockTranslator(cpu, store, stubs, counted);
        enter = NativeFunction.at(store.address(stubs.enter));
        enterSerialized = NativeFunction.at(store.address(stubs.enterSerialized));
        long landing = store.address(stubs.faulted);
        long record = context.address() + Context.FAULT_RECORD;
        faults =
                FaultHandler.takeCode(
                        memory.address(),
                        memory.address() + codeSize,
                        landing,
                        FaultHandler.Base.NONE,
                        record);
        // Emitted code that jumps astray still has its stack, or all but a few pushes.
        strayFaults =
                FaultHandler.takeStack(
                        context.address() - STRAY_STACK,
                        context.address() + STRAY_STACK,
                        landing,
                        record);
        cpu.mmu.shadow(tlb);
        cpu.attention(context.poll());
        if (checked) {
            translator.compare();
        }
        lockstep = checked ? new Lockstep(cpu, context, x87, tlb, store, misses()) : null;
    }

    private Lockstep.Misses misses() {
        return new Lockstep.Misses() {
            @Override
            public int reach(int site) {
                return reachInBlock(site);
            }

            @Override
            public int faultSite() {
                return TranslatingRunner.this.faultSite();
            }
        };
    }

    MemorySegment codeMemory() {
        return memory.code();
    }

    @Override
    public void close() {
        if (lockstep != null) {
            lockstep.close();
        }
        cpu.mmu.noShadow();
        cpu.attention(MemorySegment.ofArray(new int[1]));
        faults.close();
        strayFaults.close();
        store.close();
        memory.close();
    }

    @Override
    public void setOwner(Thread thread) {
        store.setOwner(thread);
    }

    @Override
    public boolean isCounted() {
        return counted;
    }

    @Override
    public Map<String, Long> counters() {
        Map<String, Long> counters = new LinkedHashMap<>();
        counters.put("blocks translated", blocks);
        counters.put("instructions interpreted", interpreted);
        counters.put("TLB refills", refills);
        counters.put("operands joined", joined);
        counters.put("blocks looked up", lookups);
        counters.put("jumps linked", links);
        counters.put("host faults", hostFaults);
        if (lockstep != null) {
            counters.put("stretches compared", lockstep.stretches());
            counters.put("instructions compared", lockstep.instructions());
            counters.put("stretches with undefined flags", lockstep.undefinedFlags());
            counters.put("stretches that read undefined flags", lockstep.undefined());
        }
        left.count(counters);
        return counters;
    }

    // --- running
    // ----------------------------------------------------------------------------------

    @Override
    public boolean run() {
        int key = Modes.of(cpu);
        if (key == Modes.NOT_TAKEN || Modes.isNarrow(key) && !isInRam(cpu.rip)) {
            return false;
        }
        store.handleRequests();
        context.loadRegisters(cpu);
        context.loadVectors(cpu);
        context.loadSegments(cpu);
        x87.forget();
        long rip = cpu.rip;
        do {
            rip = step(rip, key);
            key = Modes.of(cpu);
        } while (key != Modes.NOT_TAKEN && !cpu.hasEvents() && !cpu.halted);
        leave(rip);
        return true;
    }

    /**
     * Whether code of 16 or 32 bits is in main memory: that of firmware in ROM is interpreted in
     * whole blocks.
     */
    private boolean isInRam(long rip) {
        try {
            return cpu.mmu.isRam(cpu.mmu.translateCode(cpu.segBase[Seg.CS] + rip & 0xFFFF_FFFFL));
        } catch (CpuFault _) {
            // Whoever goes on there finds the same.
            return true;
        }
    }

    private void leave(long rip) {
        context.storeRegisters(cpu);
        context.storeVectors(cpu);
        x87.take();
        takeCount();
        cpu.rip = rip;
    }

    private void takeCount() {
        cpu.instructions += context.get(Context.COUNT);
        context.set(Context.COUNT, 0);
    }

    /** Runs from {@code from} until emitted code does not know how to go on; returns where. */
    private long step(long from, int key) {
        // What the interpreter says comes next may be at 4 GiB.
        long rip = Modes.isNarrow(key) ? from & 0xFFFF_FFFFL : from;
        Block block;
        long linear = rip;
        try {
            if (Modes.isNarrow(key)) {
                linear = cpu.segBase[Seg.CS] + rip & 0xFFFF_FFFFL;
            }
            block = find(linear, key);
        } catch (CpuFault fault) {
            leave(rip);
            throw fault;
        }
        if (block == null) {
            takeContext();
            interpretAlone(rip, 1);
            giveContext();
            return cpu.rip;
        }
        context.set(Context.CODE_BASE, linear - block.offset());
        return execute(block.start(), rip);
    }

    /** The block at a linear address of code; null if the interpreter is to go on there. */
    private @Nullable Block find(long linear, int mode) {
        lookups++;
        followTags();
        int key = mode;
        long first = context.rip(cpu, linear);
        if (Modes.limitsCode(mode)) {
            if (first > (cpu.segLimit[Seg.CS] & 0xFFFF_FFFFL)) {
                throw cpu.gp();
            }
            long page = first - (linear & 4095);
            if (page < 0 || page > context.get(Context.PAGE_LIMIT)) {
                key |= Modes.EDGE;
            }
        }
        long physical = cpu.mmu.translateCode(linear);
        if (!cpu.mmu.isRam(physical)) {
            return null;
        }
        long ramOffset = cpu.mmu.ramOffset(physical);
        if (store.onTrial(ramOffset & -4096L)) {
            return null;
        }
        boolean global = cpu.mmu.isCodeGlobal();
        CodePage page = store.page(ramOffset & -4096L);
        int offset = (int) linear & 4095;
        Block block = page.find(offset, key);
        if (block == null ? translator.crosses(page, offset, key) : block.crosses()) {
            long next = (linear & -4096L) + 4096;
            if (Modes.isNarrow(key)) {
                next &= 0xFFFF_FFFFL;
            }
            block = crossing(page, block, next, offset, key);
            if (block == null) {
                return null;
            }
            global &= cpu.mmu.isCodeGlobal();
            cpu.mmu.codeTag(next, global);
        } else if (block == null) {
            block = translate(page, offset, key);
        }
        cpu.mmu.codeTag(linear, global);
        // Translation may have dropped all code.
        followTags();
        if (BlockTranslator.isChecked(key, block.crosses())
                && first + block.length() - 1 > context.get(Context.RIP_LIMIT)) {
            return null;
        }
        context.selectJumps(mode);
        if (lockstep != null) {
            lockstep.checkJump(linear, key, block);
        }
        long address = store.address(block.fromJump());
        context.putJump(linear, key, global, address);
        if (!block.crosses() && (key & Modes.EDGE) == 0) {
            context.putCode(linear, ramOffset, key, global);
            context.putBlock(ramOffset, key, address);
        }
        lastGlobal = global;
        return block;
    }

    /** Lets the jump cache forget what may mean other code by now. */
    private void followTags() {
        long global = cpu.globalCodeTag >>> 8;
        long local = cpu.codeTag >>> 8;
        if ((globalTag ^ global) >>> 31 != 0 || (localTag ^ local) >>> 31 != 0) {
            // Links between pages know the lower bits only.
            store.dropAll();
        }
        if (flushes != store.flushes()) {
            context.forgetBlocks();
        } else if (globalTag != global) {
            context.forgetJumps();
        } else if (localTag != local) {
            context.forgetLocalJumps();
        }
        globalTag = global;
        localTag = local;
        flushes = store.flushes();
        context.setTags(localLink(), globalLink());
    }

    /** What links to pages of the address space are good for: never what an unlinked jump has. */
    private int localLink() {
        return (int) localTag & Integer.MAX_VALUE;
    }

    private int globalLink() {
        return (int) globalTag & Integer.MAX_VALUE;
    }

    private boolean tagsChanged() {
        return globalTag != cpu.globalCodeTag >>> 8
                || localTag != cpu.codeTag >>> 8
                || flushes != store.flushes();
    }

    /**
     * The block of the instruction that reaches from {@code page} into the page at {@code next};
     * null if it is none. {@code known} is what was translated before.
     */
    private @Nullable Block crossing(
            CodePage page, @Nullable Block known, long next, int offset, int key) {
        long physical;
        try {
            physical = cpu.mmu.translateCode(next);
        } catch (CpuFault fault) {
            // The interpreter finds the same if the instruction does reach so far.
            return null;
        }
        if (!cpu.mmu.isRam(physical)) {
            return null;
        }
        long second = cpu.mmu.ramOffset(physical);
        if (known != null && known.second().ramOffset == second) {
            return known;
        }
        if (second == page.ramOffset || store.onTrial(second)) {
            return null;
        }
        blocks++;
        return translator.translateCrossing(page, second, offset, key);
    }

    private Block translate(CodePage page, int offset, int key) {
        Block block = store.takeUp(page, offset, key);
        if (block == null) {
            blocks++;
            block = translator.translate(page, offset, key);
        }
        context.putBlock(block.page().ramOffset + offset, key, store.address(block.fromJump()));
        return block;
    }

    private long execute(int start, long startRip) {
        int place = start;
        // Whether the block needs the x87 unit it says itself.
        x87.unload();
        // Where emitted code is entered, for the comparison only.
        long rip = startRip;
        while (true) {
            if (lockstep != null && lockstep.begin(place, rip)) {
                // A store misses again in each stretch.
                refillStart = 0;
            }
            boolean serialize = store.takeChanged();
            (serialize ? enterSerialized : enter).call(context.address(), store.address(place));
            context.follow(cpu);
            int losses = tlb.losses();
            int flushes = store.flushes();
            long exit = context.get(Context.EXIT);
            if (lockstep != null) {
                int again = lockstep.left(exit);
                if (again == Lockstep.TAKEN) {
                    vectorsHere = true;
                    giveContext();
                    return cpu.rip;
                }
                if (again != Lockstep.ENDED) {
                    place = again;
                    continue;
                }
            }
            if (exit == 0) {
                return faulted();
            }
            int at = store.place(exit);
            int site = store.siteAt(at);
            if (site == 0) {
                return rip(context.get(Context.SCRATCH));
            }
            switch (store.kind(site)) {
                case MEMORY, MEMORY_GROUP, STACK -> {
                    rip = rip(site);
                    // In lockstep this was tried before, else the stretch had not ended.
                    int next = lockstep == null ? reach(site, at) : -1;
                    if (flushes != store.flushes()) {
                        // What was translated instead has dropped all code, and all sites.
                        return rip;
                    }
                    if (next < 0) {
                        interpret(site);
                        cpu.instructions += store.count(site);
                        return cpu.rip;
                    }
                    if (losses != tlb.losses()) {
                        return rip;
                    }
                    place = next;
                }
                case INTERPRET -> {
                    Block block = store.block(site);
                    takeContext();
                    boolean goesOn;
                    int following;
                    while (true) {
                        goesOn = executeLeft(site) == cpu.rip && goesOn(block, store.mode(site));
                        following = goesOn ? store.leftAt(at + 4) : 0;
                        if (following == 0) {
                            break;
                        }
                        // The next instruction is left, too: emitted code would come right back.
                        site = following;
                        at += CodeStore.LEAVE;
                    }
                    giveContext();
                    // In lockstep blocks are entered at their start.
                    if (!goesOn || losses != tlb.losses() || lockstep != null) {
                        cpu.instructions += store.count(site);
                        return cpu.rip;
                    }
                    place = at + 4;
                    rip = cpu.rip;
                }
                case ALONE -> {
                    interpret(site);
                    cpu.instructions += store.count(site);
                    return cpu.rip;
                }
                case TIME, TIME_AND_ID -> {
                    if (!readTime(store.kind(site) == Kind.TIME_AND_ID)) {
                        interpret(site);
                        cpu.instructions += store.count(site);
                        return cpu.rip;
                    }
                    place = at + 4;
                    if (lockstep != null) {
                        cpu.instructions += store.count(site);
                        return lockstep.following();
                    }
                }
                case LINK -> {
                    // Linking may drop all code, and all sites.
                    rip = rip(site);
                    int linked = link(site, at);
                    if (linked < 0) {
                        return rip;
                    }
                    place = linked;
                }
                case LINK_FAR, DROPPED -> {
                    long linear = context.get(Context.SCRATCH);
                    rip = rip(linear);
                    Block to = linkFar(site, linear);
                    if (to == null) {
                        return rip;
                    }
                    context.set(Context.CODE_BASE, linear - to.offset());
                    place = to.start();
                }
                case POLL -> {
                    return rip(site);
                }
                case CALL, JUMP, RETURN -> {
                    Kind kind = store.kind(site);
                    long target = context.get(Context.SCRATCH);
                    if (kind == Kind.CALL || !cpu.isCanonical(target)) {
                        interpret(site);
                        return cpu.rip;
                    }
                    if (kind == Kind.RETURN) {
                        context.set(RSP, context.get(RSP) + 8);
                    }
                    return target;
                }
                case X87 -> {
                    x87.give();
                    place = store.hostStart(site);
                    if (lockstep != null) {
                        cpu.instructions += store.count(site) - 1;
                        return rip(site);
                    }
                }
            }
        }
    }

    private long rip(long linear) {
        return context.rip(cpu, linear);
    }

    /** The instruction pointer of a site's instruction, or target. */
    private long rip(int site) {
        return rip(context.get(Context.CODE_BASE) + store.offset(site));
    }

    /** Whether emitted code of the block may go on after the interpreter executed something. */
    private boolean goesOn(Block block, int mode) {
        return !tagsChanged()
                && !cpu.hasEvents()
                && !cpu.halted
                && mode == Modes.of(cpu)
                && context.isSameCode(cpu)
                && !block.isDropped();
    }

    /** Links the jump at {@code place} to its target and returns that; -1 if it must be found. */
    private int link(int site, int place) {
        links++;
        Block from = store.block(site);
        if (from.isDropped()) {
            return -1;
        }
        int flushes = store.flushes();
        boolean saved = store.flagsSaved(site);
        int offset = store.offset(site);
        int mode = store.mode(site);
        Block to = from.page().find(offset, mode);
        if (to == null) {
            if (translator.crosses(from.page(), offset, mode)) {
                return -1;
            }
            to = translate(from.page(), offset, mode);
        }
        int target = saved ? to.flagsSaved() : to.flagsLive();
        if (flushes != store.flushes()) {
            return -1;
        }
        store.link(from, place, target);
        return target;
    }

    /** RDTSC or RDTSCP without moving all registers; false if it is not permitted. */
    private boolean readTime(boolean withId) {
        if (!cpu.msrs.mayReadTsc()) {
            return false;
        }
        long tsc = cpu.msrs.tsc();
        context.set(Context.slot(Cpu.RAX), tsc & 0xFFFF_FFFFL);
        context.set(Context.slot(Cpu.RDX), tsc >>> 32);
        if (withId) {
            context.set(Context.slot(Cpu.RCX), cpu.msrs.tscAux);
        }
        return true;
    }

    /**
     * Finds the target of a jump to another page, or of one to a block that was dropped, and links
     * that; null if that is not possible.
     */
    private @Nullable Block linkFar(int site, long linear) {
        links++;
        boolean dropped = store.kind(site) == Kind.DROPPED;
        Block from = store.block(site);
        int mode = store.mode(site);
        int place = store.hostStart(site);
        if (from.isDropped() && !dropped || !cpu.isCanonical(linear) || mode != Modes.of(cpu)) {
            return null;
        }
        Block to;
        int before = store.flushes();
        try {
            to = find(linear, mode);
        } catch (CpuFault fault) {
            // Whoever goes on there finds the same.
            return null;
        }
        if (to == null || before != store.flushes()) {
            return null;
        }
        if (dropped) {
            if (from.isDropped()) {
                store.forward(from, to);
            }
        } else if (isRecent(store.farTag(place))) {
            store.unlinkFar(place, stubs.jumpFar);
        } else {
            store.linkFar(
                    place,
                    linear,
                    lastGlobal ? Context.GLOBAL_TAG : Context.LOCAL_TAG,
                    lastGlobal ? globalLink() : localLink(),
                    to.fromJump());
        }
        return to;
    }

    /**
     * Whether the address space has changed only some times since links were made for a tag:
     * whoever is that often interrupted looks its targets up.
     */
    private boolean isRecent(int tag) {
        return tag != -1 && (lastGlobal ? tag == globalLink() : localLink() - tag < RECENT);
    }

    /** Puts the page of a missed access into the TLB; false if that does not help. */
    private boolean refill(int site) {
        refills++;
        int how = Modes.tlb(store.mode(site));
        boolean write = store.writes(site);
        int entry = (int) context.get(Context.SCRATCH2);
        long tag = missedTag(site);
        long linear = context.get(Context.SCRATCH) + tag;
        if (tag == (linear & -4096L)) {
            // It is there: the access crosses the page's end.
            return false;
        }
        long page = linear & -4096L;
        int start = store.hostStart(site);
        if (start == refillStart && page == refillPageBefore) {
            // An instruction with two operands whose pages displace each other.
            refillStart = 0;
            return false;
        }
        refillPageBefore = start == refillStart ? refillPage : 1;
        refillPage = page;
        refillStart = start;
        long offset = cpu.mmu.reach(linear, write);
        if (offset < 0) {
            return false;
        }
        tlb.put(how, linear, offset, write, cpu.mmu.isGlobal(linear, write));
        if (lockstep != null && write) {
            lockstep.mayStore(NativeTlb.table(how) + entry);
        }
        return true;
    }

    /** The tag in the TLB that the address of a missed access was compared with. */
    private long missedTag(int site) {
        int tags = store.writes(site) ? NativeTlb.WRITE : NativeTlb.READ;
        int entry = (int) context.get(Context.SCRATCH2);
        return context.get(NativeTlb.table(Modes.tlb(store.mode(site))) + entry + tags);
    }

    /**
     * Where an access that the TLB does not know goes on, and the memory is reached; -1 if the
     * interpreter is to execute the instruction.
     */
    private int reach(int site, int at) {
        long linear = context.get(Context.SCRATCH) + missedTag(site);
        if ((int) (linear & 4095) + store.span(site) <= 4096) {
            return refill(site) ? store.hostStart(site) : -1;
        }
        if (store.kind(site) != Kind.MEMORY) {
            return separate(site, at);
        }
        return join(site, linear) ? store.loadPlace(site) : -1;
    }

    /** The same without going to another block. */
    private int reachInBlock(int site) {
        long linear = context.get(Context.SCRATCH) + missedTag(site);
        if ((int) (linear & 4095) + store.span(site) <= 4096) {
            return refill(site) ? store.hostStart(site) : -1;
        }
        return store.kind(site) == Kind.MEMORY && join(site, linear) ? store.loadPlace(site) : -1;
    }

    /** Links accesses that lie in two pages to the same code with each looked up on its own. */
    private int separate(int site, int at) {
        Block from = store.block(site);
        if (from.isDropped() || from.crosses() || (from.key() & Modes.EDGE) != 0) {
            return -1;
        }
        int flushes = store.flushes();
        store.makeRoom();
        if (flushes != store.flushes()) {
            return -1;
        }
        boolean saved = store.flagsSaved(site);
        int offset = store.offset(site);
        int key = store.mode(site) | Modes.SEPARATE;
        Block to = from.page().find(offset, key);
        if (to == null) {
            blocks++;
            to = translator.translate(from.page(), offset, key);
            if (flushes != store.flushes()) {
                return -1;
            }
        }
        int target = saved ? to.flagsSaved() : to.flagsLive();
        if (counted) {
            target = translator.counting(store.count(site) - 1, target);
        }
        store.link(from, at, target);
        return target;
    }

    /**
     * Copies the operand of a load that reaches into the next page to where it is in one piece, and
     * lets RCX be that address; false if that cannot be.
     */
    private boolean join(int site, long linear) {
        int size = store.span(site);
        long next = (linear & -4096L) + 4096;
        if (store.loadPlace(site) < 0 || !cpu.is64() && next > 0xFFFF_FFFFL) {
            return false;
        }
        long first = cpu.mmu.reach(linear, false);
        long second = cpu.mmu.reach(next, false);
        if (first < 0 || second < 0) {
            return false;
        }
        joined++;
        long inFirst = next - linear;
        int at = Context.JOINED + ((int) linear & Context.LINE - 1);
        MemorySegment ram = cpu.ram.segment();
        MemorySegment.copy(ram, first, context.memory(), at, inFirst);
        MemorySegment.copy(ram, second, context.memory(), at + inFirst, size - inFirst);
        context.set(Context.SCRATCH, context.address() + at);
        return true;
    }

    // --- what is left to the interpreter
    // ----------------------------------------------------------

    /** Executes the instruction of a site. */
    private void interpret(int site) {
        takeContext();
        executeLeft(site);
        giveContext();
    }

    /**
     * Brings the guest's registers from emitted code to the CPU; vectors when they are asked for.
     */
    private void takeContext() {
        context.storeRegisters(cpu);
        x87.unload();
        vectorsHere = false;
    }

    private void takeVectors() {
        if (!vectorsHere) {
            context.storeVectors(cpu);
            vectorsHere = true;
        }
    }

    /** The other way. */
    private void giveContext() {
        context.loadRegisters(cpu);
        if (vectorsHere) {
            context.loadVectors(cpu);
        }
        context.loadSegments(cpu);
    }

    /** Executes the instruction of a site; returns the instruction pointer of the next one. */
    private long executeLeft(int site) {
        int offset = store.offset(site);
        long rip = rip(site);
        if (leftFlushes != store.flushes()) {
            left.clear();
            leftFlushes = store.flushes();
        }
        LeftInsn it = left.get(site);
        if (it == null) {
            Block block = store.block(site);
            // What was no instruction when the block was translated may have become one, and may be
            // another next time: nobody tells of stores to it.
            boolean within = offset - block.offset() < block.length();
            Insn insn =
                    block.isDropped() || !within
                            ? null
                            : translator.decode(block.page(), offset, block.key());
            if (insn == null) {
                return interpretAlone(rip, store.count(site));
            }
            it = left.put(site, insn);
        }
        it.count();
        if (it.touchesVectors()) {
            takeVectors();
        }
        if (it.touchesX87()) {
            x87.takeBack();
        }
        cpu.rip = rip;
        cpu.r[Cpu.CODE_BASE] = rip - offset;
        cpu.alone = true;
        execute(it.node(), store.count(site));
        return rip - offset + it.node().end();
    }

    /** Executes the instruction at {@code rip}, decoded anew; registers are in the CPU already. */
    private long interpretAlone(long rip, int count) {
        takeVectors();
        x87.takeBack();
        cpu.rip = rip;
        cpu.alone = true;
        Node node;
        try {
            node = cpu.code.enterAlone();
        } catch (CpuFault fault) {
            cpu.alone = false;
            takeCount();
            throw fault;
        }
        execute(node, count);
        return node.nextRip(cpu);
    }

    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    private void execute(Node node, int count) {
        interpreted++;
        try {
            Node next = node.execute(cpu);
            if (next == node.next) {
                cpu.rip = node.nextRip(cpu);
            }
        } catch (CpuFault fault) {
            if (!fault.isRipSet()) {
                cpu.rip = node.rip(cpu);
            }
            cpu.instructions += count - 1;
            takeCount();
            takeVectors();
            x87.take();
            if (fault.isNonCanonical() && node.accessesStack()) {
                throw cpu.fault(CpuFault.SS);
            }
            throw fault;
        } finally {
            cpu.alone = false;
        }
    }

    /** The site of the instruction that the host raised an exception in; 0 if there is none. */
    private int faultSite() {
        long rip = context.get(Context.FAULT_RECORD + FaultHandler.RIP);
        if (!store.isEmitted(rip)) {
            return 0;
        }
        int site = store.faultSite(store.place(rip));
        // There is no page of the stack: see Context.NO_STACK.
        return site == 0 && !cpu.isCanonical(context.get(RSP))
                ? store.stackSite(store.place(rip))
                : site;
    }

    /** The host raised an exception in emitted code. */
    private long faulted() {
        hostFaults++;
        int site = faultSite();
        if (site == 0) {
            long rip = context.get(Context.FAULT_RECORD + FaultHandler.RIP);
            throw new EngineFault(new CodeReport(cpu, context, store).failure(rip));
        }
        if (!store.flagsSaved(site)) {
            context.hostFlags(context.get(Context.FAULT_RECORD + FaultHandler.RFLAGS));
        }
        interpret(site);
        cpu.instructions += store.count(site);
        return cpu.rip;
    }
}
