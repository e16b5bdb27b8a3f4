// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Decoder;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.insn.Table;
import dev.frond.machine.memory.GuestMemory;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The decoded code of one CPU, by physical page, and the ways to find it: through the page tables
 * ({@link #enter}), or by instruction pointer as long as nothing changed that could make it mean
 * other code ({@link #lookup}).
 *
 * <p>Stores to pages that code was decoded from are told by {@link GuestMemory}: by this CPU's own
 * stores at once, by others through a queue that the CPU empties between blocks.
 */
public final class CodeCache implements GuestMemory.Watcher {
    /**
     * A block ends after this many instructions at the latest: events are looked at between blocks.
     */
    private static final int MAX_BLOCK = 64;

    /** All decoded code is dropped when there are this many nodes, about 100 MB. */
    private static final int MAX_NODES = 1_500_000;

    private static final int JUMP_ENTRIES = 16384;

    /** A bit of the mode in keys: code needs no check of CS's base and limit. */
    private static final int FLAT = 8;

    private final Cpu cpu;
    private final Decoder decoder;

    /** By page number in RAM, in chunks that appear when they are needed. */
    private final @Nullable CodePage[] @Nullable [] ramPages;

    private static final int CHUNK_SHIFT = 9;

    /** Of other memory, by physical address. */
    private final Map<Long, CodePage> otherPages = new HashMap<>();

    private int nodes;

    /** What is at a place where nothing was found yet; its tag is nobody's. */
    private static final KnownCode NOTHING = new KnownCode();

    private final KnownCode[] known = new KnownCode[JUMP_ENTRIES];

    /** A block is fused when {@link #enterSampled} has met it so many times. */
    private static final int OFTEN = 10;

    /** How often {@link #enterSampled} met a node that is not fused. */
    private final Map<Node, Integer> met = new HashMap<>();

    private static final int MOST_MET = 4096;

    /** All decoded code is dropped when so many blocks are fused, each some 30 KB with the code. */
    private static final int MOST_FUSED = 800;

    private int fused;
    private long everFused;

    /** Counts what makes remembered ways from page to page wrong. */
    int links;

    /** Whether each instruction has a node that does nothing else. */
    private boolean separate;

    private final byte[] buffer = new byte[4096 + Decoder.MAX_LENGTH];

    /** Pages of RAM that this CPU holds code of; read by other threads. */
    private final PageSet held;

    private final ConcurrentLinkedQueue<Long> requests = new ConcurrentLinkedQueue<>();
    private volatile @Nullable Thread owner;

    /** Decoded code for {@code cpu}, none yet. */
    public CodeCache(Cpu cpu) {
        this.cpu = cpu;
        decoder = new Decoder(Table.forms(), cpu.cpuid.model().features());
        int chunks = (int) ((cpu.ram.size() >>> GuestMemory.PAGE_SHIFT + CHUNK_SHIFT) + 1);
        ramPages = new @Nullable CodePage[chunks][];
        held = new PageSet(cpu.ram.size() >>> GuestMemory.PAGE_SHIFT);
        Arrays.fill(known, NOTHING);
        Arrays.setAll(calls, _ -> new Call());
        cpu.ram.watch(this);
    }

    /** Ends the watching of guest memory. */
    public void close() {
        cpu.ram.unwatch(this);
    }

    /**
     * From now on each instruction has a node that does nothing else, also one that does nothing:
     * for who counts instructions.
     */
    public void separate() {
        separate = true;
        dropAll();
    }

    /** The thread that executes: stores by it are seen at once. */
    public void setOwner(Thread thread) {
        owner = thread;
    }

    private @Nullable Node thrower;

    /** Told that executing {@code node} has thrown a fault. */
    public void threw(Node node) {
        thrower = node instanceof Fused fused ? fused.failed() : node;
    }

    /** The node that threw the latest fault, once; null if no node did. */
    @Nullable Node takeThrower() {
        Node node = thrower;
        thrower = null;
        return node;
    }

    // --- finding code
    // ----------------------------------------------------------------------------------

    private int key() {
        return cpu.mode | (flat() ? FLAT : 0);
    }

    private boolean flat() {
        return cpu.segments.isCodeFlat();
    }

    /** Whether blocks of a page may be linked directly: no check stands between them. */
    boolean mayLink() {
        return flat() && !cpu.alone;
    }

    /** #GP(0) if a near branch may not go to {@code target}. */
    public void checkTarget(long target) {
        if (!mayBranch(target)) {
            throw cpu.gp();
        }
    }

    /**
     * Faults if a near call that pushes the {@code size} bytes of {@code back} may not go to {@code
     * target}: in 64-bit mode the stack comes first (SDM Vol. 2A, CALL).
     */
    void checkCall(long target, int size, long back) {
        if (!mayBranch(target)) {
            if (cpu.is64() && cpu.cpuid.model().isAmd()) {
                cpu.checkStack(cpu.r[Cpu.RSP] - size, size);
            } else if (cpu.is64()) {
                // Processors of Intel have stored by then.
                long top = cpu.r[Cpu.RSP];
                cpu.push(size, back);
                cpu.r[Cpu.RSP] = top;
            }
            throw cpu.gp();
        }
    }

    /** Whether a near branch may go to {@code target}. */
    boolean mayBranch(long target) {
        return cpu.is64()
                ? cpu.isCanonical(target)
                : Long.compareUnsigned(target, cpu.segLimit[Seg.CS] & 0xFFFF_FFFFL) <= 0;
    }

    /**
     * The node at {@code offset} of the page that executes, decoded now if need be; null if it
     * cannot.
     */
    @Nullable Node inPage(int offset) {
        CodePage page = cpu.codePage;
        if (page.dropped) {
            return null;
        }
        Node node = page.find(offset, key());
        if (node == null && page.ramOffset >= 0) {
            node = build(page, offset, MAX_BLOCK);
        }
        return node;
    }

    /** Goes on at {@link Cpu#rip} if that is quick and nothing else is to do; else null. */
    public @Nullable Node follow(Cpu cpu) {
        return cpu.hasEvents() ? null : lookup(cpu.rip);
    }

    private static int hash(long rip) {
        return (int) (rip ^ rip >>> 12) & JUMP_ENTRIES - 1;
    }

    /** The node at {@code rip} if it was found lately; null if {@link #enter} must look. */
    public @Nullable Node lookup(long rip) {
        KnownCode code = known(rip);
        return code == null ? null : go(code);
    }

    /** What {@code rip} was found to mean lately, and means. */
    @Nullable KnownCode known(long rip) {
        KnownCode code = known[hash(rip)];
        return code.rip == rip
                        && (code.tag == cpu.codeTag || code.tag == cpu.globalCodeTag)
                        && code.node != null
                ? code
                : null;
    }

    /** Goes to {@code code}, which {@link #known} has given. */
    @Nullable Node go(KnownCode code) {
        // Known code is flat; the node may stand behind instructions that do nothing.
        cpu.r[Cpu.CODE_BASE] = code.rip & -4096L;
        cpu.codePage = code.page;
        return code.node;
    }

    // --- calls and returns
    // ----------------------------------------------------------------------------

    /** Where a call was made from: whoever returns there finds its node without a look-up. */
    private static final class Call {
        long rip = -1;
        long tag;
        CodePage page = CodePage.NONE;
        @Nullable Caller node;
    }

    private static final int CALLS = 32;

    /** The latest calls, the last one at {@link #lastCall}. */
    private final Call[] calls = new Call[CALLS];

    private int lastCall;

    /** Notes that {@code node} calls, to return to {@code rip}. */
    void called(Caller node, long rip) {
        int place = lastCall + 1 & CALLS - 1;
        lastCall = place;
        Call call = calls[place];
        call.rip = rip;
        call.tag = cpu.codeTag;
        call.page = cpu.codePage;
        call.node = node;
    }

    /** Goes on at {@code rip}, to which the CPU returns: null if {@link #enter} must look. */
    @Nullable Node returned(long rip) {
        cpu.rip = rip;
        int place = lastCall;
        lastCall = place - 1 & CALLS - 1;
        if (cpu.hasEvents()) {
            return null;
        }
        Call call = calls[place];
        Caller from = call.node;
        // Whatever changes the meaning of global pages changes this tag, too.
        if (from == null || call.rip != rip || call.tag != cpu.codeTag) {
            return lookup(rip);
        }
        Node node = from.after();
        if (node != null) {
            cpu.r[Cpu.CODE_BASE] = rip & -4096L;
            cpu.codePage = call.page;
            return node;
        }
        node = lookup(rip);
        if (cpu.codePage == call.page && from.end() < 4096 && mayLink()) {
            from.setAfter(node);
        }
        return node;
    }

    /** The node at {@link Cpu#rip}; faults as the fetch does. */
    Node enter() {
        long rip = cpu.rip;
        Node node = lookup(rip);
        if (node != null) {
            return node;
        }
        long linear = linear(rip);
        int inPage = (int) linear & 4095;
        boolean whole =
                cpu.is64()
                        || Long.compareUnsigned(
                                        rip + 4095 - inPage, cpu.segLimit[Seg.CS] & 0xFFFF_FFFFL)
                                <= 0;
        if (!whole) {
            return enterAlone();
        }
        long physical = cpu.mmu.translateCode(linear) & -4096L;
        CodePage page = page(physical);
        boolean global = cpu.mmu.isCodeGlobal();
        node = page.find(inPage, key());
        if (node == null) {
            node = build(page, inPage, MAX_BLOCK);
        }
        if (node == null || node instanceof Straddling) {
            long next = linear - inPage + 4096;
            if (!cpu.is64()) {
                next &= 0xFFFF_FFFFL;
            }
            CodePage nextPage = page(cpu.mmu.translateCode(next) & -4096L);
            global &= cpu.mmu.isCodeGlobal();
            cpu.mmu.codeTag(next, global);
            // That may have dropped all code.
            page = page(physical);
            node = straddling(page, nextPage, inPage);
        }
        cpu.r[Cpu.CODE_BASE] = rip - inPage;
        cpu.codePage = page;
        if (flat()) {
            know(rip, cpu.mmu.codeTag(linear, global), page, node);
        }
        return node;
    }

    private void know(long rip, long tag, CodePage page, Node node) {
        int place = hash(rip);
        KnownCode code = known[place];
        if (code == NOTHING) {
            code = new KnownCode();
            known[place] = code;
        }
        code.rip = rip;
        code.tag = tag;
        code.node = node;
        if (code.page != page) {
            code.page = page;
            page.known(code);
        }
    }

    /** As {@link #enter}, for code that was met by chance: what is met again and again is fused. */
    Node enterSampled() {
        if (fused >= MOST_FUSED) {
            dropAll();
        }
        Node node = enter();
        if (node instanceof Fused) {
            return node;
        }
        if (met.size() >= MOST_MET) {
            met.clear();
        }
        if (met.merge(node, 1, Integer::sum) < OFTEN) {
            return node;
        }
        met.remove(node);
        return fuse(node);
    }

    /**
     * What stands from now on in the place of {@code node}, which was just entered; the node itself
     * if nothing of its block can be fused.
     */
    Node fuse(Node node) {
        CodePage page = cpu.codePage;
        if (separate || node instanceof Fused || !page.begins(node)) {
            return node;
        }
        Node made = NodeFuser.fuse(node);
        if (made instanceof Fused) {
            fused++;
            everFused++;
            page.replace(node, made);
            forgetLinks();
        }
        return made;
    }

    /** The number of blocks that were fused. */
    long everFused() {
        return everFused;
    }

    private long linear(long rip) {
        if (cpu.is64()) {
            return rip;
        }
        if (Long.compareUnsigned(rip, cpu.segLimit[Seg.CS] & 0xFFFF_FFFFL) > 0) {
            throw cpu.gp();
        }
        return cpu.segBase[Seg.CS] + rip & 0xFFFF_FFFFL;
    }

    private CodePage page(long physical) {
        boolean ram = cpu.mmu.isRam(physical);
        long offset = ram ? cpu.mmu.ramOffset(physical) : -1;
        CodePage page = ram ? ramPage(offset) : otherPages.get(physical);
        if (page != null) {
            return page;
        }
        if (nodes > MAX_NODES) {
            dropAll();
        }
        CodePage made = new CodePage(physical, offset);
        if (ram) {
            setRamPage(offset, made);
            hold(offset >>> GuestMemory.PAGE_SHIFT);
        } else {
            otherPages.put(physical, made);
        }
        return made;
    }

    private @Nullable CodePage ramPage(long offset) {
        long number = offset >>> GuestMemory.PAGE_SHIFT;
        @Nullable CodePage[] chunk = ramPages[(int) (number >>> CHUNK_SHIFT)];
        return chunk == null ? null : chunk[(int) number & (1 << CHUNK_SHIFT) - 1];
    }

    private void setRamPage(long offset, @Nullable CodePage page) {
        long number = offset >>> GuestMemory.PAGE_SHIFT;
        int at = (int) (number >>> CHUNK_SHIFT);
        @Nullable CodePage[] chunk = ramPages[at];
        if (chunk == null) {
            chunk = new @Nullable CodePage[1 << CHUNK_SHIFT];
            ramPages[at] = chunk;
        }
        chunk[(int) number & (1 << CHUNK_SHIFT) - 1] = page;
    }

    private void hold(long pageNumber) {
        held.add(pageNumber);
        if (cpu.ram.markCode(pageNumber)) {
            cpu.mmu.flushWritesTo(pageNumber << GuestMemory.PAGE_SHIFT);
        }
    }

    // --- decoding
    // --------------------------------------------------------------------------------------

    /** Copies the bytes of a page from {@code offset} on to the buffer; returns how many. */
    private int fetch(long physical, long ramOffset, int offset, int to, int most) {
        int count = Math.min(4096 - offset, most);
        if (ramOffset >= 0) {
            MemorySegment.copy(
                    cpu.ram.segment(),
                    ValueLayout.JAVA_BYTE,
                    ramOffset + offset,
                    buffer,
                    to,
                    count);
        } else {
            for (int i = 0; i < count; i++) {
                buffer[to + i] = (byte) cpu.mmu.memory().read(physical + offset + i, 1);
            }
        }
        return count;
    }

    /**
     * Decodes a block; {@link Straddling}, or null where nothing can be held, if its first
     * instruction reaches into the next page.
     */
    private @Nullable Node build(CodePage page, int offset, int most) {
        int limit = fetch(page.physical, page.ramOffset, offset, 0, 4096);
        BlockBuilder block = new BlockBuilder(separate);
        int at = 0;
        while (block.isOpen() && block.count() < most && at < limit) {
            Insn insn = decoder.decode(buffer, at, limit, offset + at, cpu.mode & ~Cpu.USER);
            if (insn != null) {
                block.add(insn);
                at += insn.length;
            } else if (decoder.failure() == Decoder.Failure.TRUNCATED) {
                break;
            } else {
                block.add(failed(offset + at));
                at += decoder.consumed();
            }
        }
        boolean held = page.ramOffset >= 0 && !cpu.alone;
        if (block.count() == 0) {
            if (!held) {
                return null;
            }
            page.cover(offset, 4096);
            Straddling straddling = new Straddling(offset);
            page.put(offset, key(), straddling);
            return straddling;
        }
        Node first = block.end(offset + at);
        nodes += block.nodes();
        page.cover(offset, offset + at);
        if (held) {
            page.put(offset, key(), first);
        }
        return first;
    }

    private FaultNode failed(int offset) {
        return new FaultNode(
                offset, decoder.failure() == Decoder.Failure.TOO_LONG ? CpuFault.GP : CpuFault.UD);
    }

    /** The instruction that reaches from the end of {@code page} into {@code nextPage}. */
    private Node straddling(CodePage page, CodePage nextPage, int inPage) {
        Node node = page.straddling(key(), inPage, nextPage);
        if (node == null) {
            int limit = fetch(page.physical, page.ramOffset, inPage, 0, 4096);
            limit += fetch(nextPage.physical, nextPage.ramOffset, 0, limit, Decoder.MAX_LENGTH);
            node = single(limit, inPage);
            if (page.ramOffset >= 0 && nextPage.ramOffset >= 0 && !cpu.alone) {
                page.cover(inPage, 4096);
                nextPage.cover(0, Math.max(1, inPage + decoder.consumed() - 4096));
                nextPage.reachingIn.add(page);
                page.putStraddling(key(), inPage, nextPage, node);
            }
        }
        return node;
    }

    /** Decodes the one instruction in the buffer. */
    private Node single(int limit, int offset) {
        Insn insn = decoder.decode(buffer, 0, limit, offset, cpu.mode & ~Cpu.USER);
        Node node = insn != null ? BlockBuilder.node(insn) : failed(offset);
        nodes++;
        if (node instanceof BlockExit exit) {
            exit.setCount(1);
        }
        if (insn == null || !insn.form.is(Form.END)) {
            Continue end = new Continue(offset + decoder.consumed());
            end.setCount(1);
            node.next = end;
        }
        return node;
    }

    /**
     * An instruction that was executed alone, to be found again by its bytes wherever it stands.
     */
    private static final class Alone {
        int inPage = -1;
        int mode;
        int length;
        long low;
        long high;
        @Nullable Node node;

        boolean is(int where, int how, int limit, long first, long second) {
            return inPage == where
                    && mode == how
                    && length <= limit
                    && ((low ^ first) & mask(length)) == 0
                    && ((high ^ second) & mask(length - 8)) == 0;
        }

        private static long mask(int bytes) {
            return bytes <= 0 ? 0 : bytes >= 8 ? -1 : (1L << 8 * bytes) - 1;
        }
    }

    private static final int ALONE_ENTRIES = 1024;
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final @Nullable Alone[] alone = new @Nullable Alone[ALONE_ENTRIES];

    /** What {@link #single} makes of the buffer, if need be. */
    private Node aloneInBuffer(int limit, int inPage) {
        long low = (long) LONG.get(buffer, 0);
        long high = (long) LONG.get(buffer, 8);
        int hash = ((int) low * 0x9E37_79B1 >>> 16) + inPage & ALONE_ENTRIES - 1;
        Alone entry = alone[hash];
        if (entry == null) {
            entry = new Alone();
            alone[hash] = entry;
        }
        Node node = entry.node;
        if (node != null && entry.is(inPage, cpu.mode, limit, low, high)) {
            return node;
        }
        node = single(limit, inPage);
        entry.inPage = inPage;
        entry.mode = cpu.mode;
        // What is no instruction may be none for a byte behind those that were taken.
        entry.length = node instanceof FaultNode ? limit : decoder.consumed();
        entry.low = low;
        entry.high = high;
        entry.node = node;
        return node;
    }

    /**
     * The one instruction at {@link Cpu#rip}. Nothing is held of its page, so that stores to it are
     * not told.
     */
    public Node enterAlone() {
        long linear = linear(cpu.rip);
        int inPage = (int) linear & 4095;
        int most = Decoder.MAX_LENGTH;
        if (!cpu.is64()) {
            // Bytes beyond the limit are not there: an instruction that needs them is #GP(0).
            most = (int) Math.min(most, (cpu.segLimit[Seg.CS] & 0xFFFF_FFFFL) - cpu.rip + 1);
        }
        int limit = fetch(cpu.mmu.translateCode(linear), 0, most);
        if (limit < most && isTruncated(limit, inPage)) {
            long next = linear - inPage + 4096;
            if (!cpu.is64()) {
                next &= 0xFFFF_FFFFL;
            }
            limit += fetch(cpu.mmu.translateCode(next), limit, most - limit);
        }
        if (limit == most && most < Decoder.MAX_LENGTH && isTruncated(limit, inPage)) {
            throw cpu.gp();
        }
        Node node = aloneInBuffer(limit, inPage);
        cpu.r[Cpu.CODE_BASE] = cpu.rip - inPage;
        cpu.codePage = CodePage.NONE;
        return node;
    }

    /** Whether the instruction in the buffer needs more than {@code limit} bytes. */
    private boolean isTruncated(int limit, int inPage) {
        return decoder.decode(buffer, 0, limit, inPage, cpu.mode & ~Cpu.USER) == null
                && decoder.failure() == Decoder.Failure.TRUNCATED;
    }

    private int fetch(long physical, int to, int most) {
        long ramOffset = cpu.mmu.isRam(physical) ? cpu.mmu.ramOffset(physical) & -4096L : -1;
        return fetch(physical & -4096L, ramOffset, (int) physical & 4095, to, most);
    }

    // --- changing code
    // ------------------------------------------------------------------------------------

    /**
     * Whether a store to RAM at {@code offset} (within one page) may change the code that executes.
     */
    public boolean executes(long offset, int length) {
        CodePage page = cpu.codePage;
        return page.ramOffset == (offset & -4096L)
                && page.covers((int) offset & 4095, (int) (offset & 4095) + length);
    }

    @SuppressWarnings("ReferenceEquality") // A thread is its identity.
    @Override
    public boolean stored(long offset, int length) {
        long page = offset >>> GuestMemory.PAGE_SHIFT;
        if (!held.contains(page)) {
            return false;
        }
        if (Thread.currentThread() == owner) {
            drop(offset, length);
            return held.contains(page);
        }
        requests.add(page);
        cpu.post(Cpu.EVENT_CODE);
        return true;
    }

    @Override
    public boolean holds(long page) {
        return held.contains(page);
    }

    @SuppressWarnings("ReferenceEquality") // A thread is its identity.
    @Override
    public void marked(long page) {
        if (Thread.currentThread() == owner) {
            return;
        }
        // The right to store without asking is given up by its owner: a request with the sign bit
        // set.
        requests.add(~page);
        cpu.post(Cpu.EVENT_CODE);
    }

    /** Does what other threads asked for; on the CPU's own thread, between blocks. */
    void handleRequests() {
        Long request;
        while ((request = requests.poll()) != null) {
            if (request >= 0) {
                drop(request << GuestMemory.PAGE_SHIFT, 4096);
            } else {
                long offset = ~request << GuestMemory.PAGE_SHIFT;
                if (cpu.mmu.flushWritesTo(offset)) {
                    // It may have stored since the other CPU decoded.
                    cpu.ram.wrote(offset, 4096);
                }
                // The right may have been displaced from the TLB since it was used.
                cpu.ram.tellsFromNow(~request);
            }
        }
    }

    private void drop(long offset, int length) {
        CodePage page = ramPage(offset);
        if (page != null && page.covers((int) offset & 4095, (int) (offset & 4095) + length)) {
            drop(page);
        }
    }

    private void drop(CodePage page) {
        if (page.dropped) {
            return;
        }
        page.drop();
        forgetLinks();
        if (page.ramOffset < 0) {
            otherPages.remove(page.physical);
        } else {
            setRamPage(page.ramOffset, null);
            held.remove(page.ramOffset >>> GuestMemory.PAGE_SHIFT);
        }
        for (CodePage reaching : page.reachingIn) {
            drop(reaching);
        }
        // The page may be executing: leave it at the end of the block.
        cpu.post(Cpu.EVENT_CODE);
    }

    /** Forgets ways between pages. */
    private void forgetLinks() {
        links++;
        for (Call call : calls) {
            call.node = null;
        }
    }

    private void dropAll() {
        for (@Nullable CodePage[] chunk : ramPages) {
            if (chunk != null) {
                for (CodePage page : chunk) {
                    if (page != null) {
                        drop(page);
                    }
                }
            }
        }
        for (CodePage page : List.copyOf(otherPages.values())) {
            drop(page);
        }
        nodes = 0;
        fused = 0;
        met.clear();
    }

    /** The memory map changed: physical addresses may mean other memory. */
    void mapChanged() {
        dropAll();
    }
}
