// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.interp.PageSet;
import dev.frond.host.ExecutableMemory;
import dev.frond.machine.memory.GuestMemory;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Stream;

/**
 * The emitted code of one CPU: its memory, the blocks by page of main memory, and the sites at
 * which emitted code can leave. When the memory is full everything is dropped and begun anew.
 */
final class CodeStore implements GuestMemory.Watcher {
    /** Code for one block needs less than this. */
    private static final int RESERVE = 64 << 10;

    /** What can happen at a site. */
    enum Kind {
        /** A memory access that the TLB does not know, or that is none for emitted code. */
        MEMORY,
        /** The same of an access that stands for several. */
        MEMORY_GROUP,
        /** The same of accesses to the stack. */
        STACK,
        /** An instruction that is not taken. */
        INTERPRET,
        /** As {@link #INTERPRET}, but nothing is translated behind it. */
        ALONE,
        /** RDTSC and RDTSCP. */
        TIME,
        TIME_AND_ID,
        /** A jump within the page that is not linked yet. */
        LINK,
        /** The entry of a block whose page was dropped. */
        DROPPED,
        /** A jump to another page that is not linked, or to what may be another by now. */
        LINK_FAR,
        /** A jump within the page, left because somebody wants the CPU. */
        POLL,
        /** A call whose target is not known; it is executed anew. */
        CALL,
        /** A jump or return whose target is not known, and what it adds to the guest's RSP. */
        JUMP,
        RETURN,
        /** The host's x87 unit is to become the guest's. */
        X87
    }

    /** A page whose code changes. */
    private static final class Changing {
        /** How often it was changed before its translation paid. */
        int drops;

        /** Instructions to interpret before anything is translated again. */
        int left;

        /** The page as it was dropped, with what is {@linkplain KeptBlock kept} of its blocks. */
        @Nullable CodePage page;
    }

    /** A translation has paid after so long: some times what it takes, in nanoseconds. */
    private static final long PAYS = 100_000;

    /** More pages than these are not remembered at a time. */
    private static final int MAX_CHANGING = 4096;

    /** Instructions that are interpreted after a page was dropped once, and at most. */
    private static final int TRIAL = 32;

    private static final int MAX_TRIAL = 8192;

    /** The bytes of a call that leaves and of the site's number behind it. */
    static final int LEAVE = 9;

    private static final byte CALL_OPCODE = (byte) 0xE8;
    private static final byte JUMP_OPCODE = (byte) 0xE9;

    private static final Kind[] KINDS = Kind.values();

    /** What {@link #mode} leaves of a block's key. */
    private static final int BLOCK_BITS = Modes.ACCESS | Modes.EDGE | Modes.SEPARATE;

    private final Cpu cpu;
    private final int exit;
    private final boolean eager;
    private final ExecutableMemory memory;

    /** A buffer for the reason that {@link Context} has them. */
    private final ByteBuffer code;

    private final int size;
    private final int start;
    private int position;

    private final Map<Long, CodePage> pages = new HashMap<>();
    private final PageSet held;

    /** Pages whose code was changed by a store, as long as they are few. */
    private final Map<Long, Changing> changing = new HashMap<>();

    private final ConcurrentLinkedQueue<Long> requests = new ConcurrentLinkedQueue<>();
    private volatile @Nullable Thread owner;

    // Data: kind 0..3, write 4, flags saved 5, access 6, instructions 8..15, offset or target
    // 16..27, host's start of the instruction 32..63. Load: bytes 0..15, from the host's start of
    // the instruction to where the address is known 16..31.
    private final Sites sites = new Sites();

    private int siteCount = 1;
    private final Map<Integer, Integer> faultSites = new HashMap<>();
    private int flushes;
    private boolean changed;

    /**
     * A store in {@code memory}.
     *
     * @param stubs what stands at its start
     * @param exit the stub that leaves with flags saved
     * @param eager whether there are no trials: see {@link #onTrial}
     */
    CodeStore(Cpu cpu, ExecutableMemory memory, Assembler stubs, int exit, boolean eager) {
        this.eager = eager;
        this.cpu = cpu;
        this.exit = exit;
        this.memory = memory;
        sites.clear();
        code = memory.code().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        size = code.capacity();
        code.put(0, stubs.bytes(), 0, stubs.size());
        start = stubs.size() + 15 & ~15;
        position = start;
        held = new PageSet(cpu.ram.size() >>> GuestMemory.PAGE_SHIFT);
        cpu.ram.watch(this);
    }

    /** Ends the watching of guest memory. */
    void close() {
        cpu.ram.unwatch(this);
    }

    /** The host's address of a place in the code. */
    long address(int place) {
        return memory.address() + place;
    }

    /** The place in the code of a host's address. */
    int place(long address) {
        return (int) (address - memory.address());
    }

    /** The thread that executes: stores by it are seen at once. */
    void setOwner(Thread thread) {
        owner = thread;
    }

    // --- pages and blocks
    // -------------------------------------------------------------------------

    /** The page at {@code ramOffset}, stores to which are told from now on. */
    CodePage page(long ramOffset) {
        CodePage page = pages.get(ramOffset);
        if (page == null) {
            Changing it = changing.get(ramOffset);
            page = it == null ? null : it.page;
            if (page == null) {
                page = new CodePage(ramOffset, System.nanoTime());
            } else {
                page.useAgain(System.nanoTime());
            }
            pages.put(ramOffset, page);
            long number = ramOffset >>> GuestMemory.PAGE_SHIFT;
            held.add(number);
            if (cpu.ram.markCode(number)) {
                cpu.mmu.flushWritesTo(ramOffset);
            }
        }
        return page;
    }

    /**
     * Whether the next instruction of a page is to be interpreted, because the page's code was
     * changed lately: code that is changed each time before it runs is not worth a translation.
     * Meanwhile nobody watches the page, so that stores to it cost no more than others. The more
     * often it was changed, the longer this lasts.
     */
    boolean onTrial(long ramOffset) {
        if (eager || changing.isEmpty() || pages.containsKey(ramOffset)) {
            return false;
        }
        Changing page = changing.get(ramOffset);
        if (page == null || page.left == 0) {
            return false;
        }
        page.left--;
        return true;
    }

    /** Makes room for a block, if need be by dropping all others. */
    void makeRoom() {
        if (position + RESERVE > size) {
            dropAll();
        }
    }

    /** Drops all code. */
    void dropAll() {
        for (CodePage page : pages.values().toArray(CodePage[]::new)) {
            drop(page);
        }
        for (Changing it : changing.values()) {
            it.page = null;
        }
        position = start;
        sites.clear();
        siteCount = 1;
        faultSites.clear();
        flushes++;
    }

    /** How often everything was dropped: sites known before are void afterwards. */
    int flushes() {
        return flushes;
    }

    /** Whether code was written since this was last asked. */
    boolean takeChanged() {
        boolean was = changed;
        changed = false;
        return was;
    }

    /** Where the next block will stand. */
    int position() {
        return position;
    }

    /** Copies emitted code to {@link #position}. */
    void append(Assembler a) {
        code.put(position, a.bytes(), 0, a.size());
        position += a.size() + 15 & ~15;
        changed = true;
    }

    /** Turns the call before {@code place}, in {@code from}, into a jump to {@code target}. */
    void link(Block from, int place, int target) {
        KeptBlock kept = from.page().kept(from);
        if (kept != null) {
            kept.linked(place - 4, code.getInt(place - 4));
        }
        jump(place - 5, target);
    }

    /**
     * Links the jump to another page whose {@link BlockTranslator#farJump comparison} is at {@code
     * place}: to {@code target} as long as the word {@code tagAt} of the context is {@code tag}.
     */
    void linkFar(int place, long linear, int tagAt, int tag, int target) {
        code.putLong(place + BlockTranslator.FAR_TARGET, linear);
        code.putInt(place + BlockTranslator.FAR_TAG_AT, tagAt);
        code.putInt(place + BlockTranslator.FAR_TAG, tag);
        int jump = place + BlockTranslator.FAR_JUMP;
        code.putInt(jump, target - jump - 4);
        changed = true;
    }

    /** The tag for which the jump to another page at {@code place} is linked; -1 for none. */
    int farTag(int place) {
        return code.getInt(place + BlockTranslator.FAR_TAG);
    }

    /**
     * Lets the jump to another page at {@code place} go to a stub, instead of leaving, where its
     * link is not good.
     */
    void unlinkFar(int place, int stub) {
        int miss = place + BlockTranslator.FAR_MISS;
        jump(miss + 4 + code.getInt(miss), stub);
    }

    private void leaveAtEntry(Block block) {
        KeptBlock kept = block.page().kept(block);
        int site = kept == null ? 0 : kept.site();
        if (site == 0) {
            boolean access = (block.key() & Modes.ACCESS) != 0;
            site = addSite(Kind.DROPPED, false, true, access, 0, block.offset(), 0);
            sites.block(site, block);
            if (kept != null) {
                kept.site(site);
            }
        }
        int place = block.fromJump();
        code.putInt(place + 1, exit - place - 5);
        code.put(place, CALL_OPCODE);
        code.putInt(place + 5, site);
        changed = true;
    }

    /** Puts a new block in its page. */
    void put(Block block) {
        CodePage page = block.page();
        page.put(block);
        if (page.keeps() && !block.crosses() && block.length() > 0) {
            byte[] entry = code(block.fromJump(), LEAVE);
            page.keep(new KeptBlock(block, guest(block), entry));
        }
    }

    /** What stands now where {@code block} was translated from. */
    private byte[] guest(Block block) {
        byte[] bytes = new byte[block.length()];
        long from = block.page().ramOffset + block.offset();
        MemorySegment.copy(cpu.ram.segment(), ValueLayout.JAVA_BYTE, from, bytes, 0, bytes.length);
        return bytes;
    }

    /**
     * Takes up the block at {@code offset} that was dropped with its page, if its bytes are what
     * they were; else null. Blocks that it was linked to may have others in their place now.
     */
    @Nullable Block takeUp(CodePage page, int offset, int key) {
        KeptBlock kept = page.kept(offset, key);
        if (kept == null || !kept.isOf(guest(kept.block()))) {
            return null;
        }
        Block block = kept.block();
        for (KeptBlock.Link link : kept.takeLinks()) {
            code.put(link.place() - 1, CALL_OPCODE);
            code.putInt(link.place(), link.displacement());
        }
        code.put(block.fromJump(), kept.entry());
        changed = true;
        page.cover(offset, offset + block.length());
        page.put(block);
        return block;
    }

    /** Lets whoever comes to a block that was dropped go to the one in its place. */
    void forward(Block dropped, Block to) {
        jump(dropped.fromJump(), to.fromJump());
    }

    private void jump(int place, int target) {
        code.putInt(place + 1, target - place - 5);
        code.put(place, JUMP_OPCODE);
        changed = true;
    }

    /** The site's number that stands at a return address. */
    int siteAt(int place) {
        return code.getInt(place);
    }

    /** The site of the instruction at {@code place} if it is left to the interpreter, else 0. */
    int leftAt(int place) {
        if (code.get(place) != CALL_OPCODE) {
            return 0;
        }
        int site = siteAt(place + LEAVE - 4);
        return site > 0 && kind(site) == Kind.INTERPRET ? site : 0;
    }

    /** {@code length} emitted bytes from {@code place} on, for reports. */
    byte[] code(int place, int length) {
        byte[] bytes = new byte[length];
        code.get(place, bytes);
        return bytes;
    }

    /** Whether an address of the host's is that of emitted code. */
    boolean isEmitted(long address) {
        return address >= memory.address() && address < memory.address() + size;
    }

    /** Whether a block that began at {@code place} was dropped. */
    boolean isDropped(int place) {
        return code.get(place) == CALL_OPCODE || code.get(place) == JUMP_OPCODE;
    }

    /** The block whose code {@code place} is in, if it was not dropped. */
    Optional<Block> blockAt(int place) {
        return blocks().filter(block -> block.fromJump() <= place)
                .max(Comparator.comparingInt(Block::fromJump))
                .filter(block -> place < endOf(block));
    }

    private Stream<Block> blocks() {
        return pages.values().stream().flatMap(CodePage::blocks);
    }

    /** Where the code of a block ends, or later if what stood behind it was dropped. */
    int endOf(Block block) {
        return blocks().mapToInt(Block::fromJump)
                .filter(start -> start > block.fromJump())
                .min()
                .orElse(position);
    }

    /** The offset in its page of the instruction of {@code block} that {@code place} is for. */
    int offsetAt(Block block, int place) {
        int latest = block.fromJump();
        int offset = block.offset();
        for (int site = 1; site < siteCount; site++) {
            boolean counts = kind(site) != Kind.LINK && kind(site) != Kind.POLL;
            int start = hostStart(site);
            if (counts && block.equals(block(site)) && start <= place && start > latest) {
                latest = start;
                offset = offset(site);
            }
        }
        return offset;
    }

    /** Emitted bytes around {@code place}, for reports. */
    byte[] bytes(int place) {
        int from = Math.clamp(place - 64L, 0, size);
        int to = Math.clamp(place + 32L, from, size);
        return code(from, to - from);
    }

    // --- sites
    // ------------------------------------------------------------------------------------

    /** Notes a site of the block that is being translated; returns its number. */
    int addSite(
            Kind kind,
            boolean write,
            boolean saved,
            boolean access,
            int count,
            int offset,
            int hostStart) {
        sites.reserve(siteCount);
        sites.data(
                siteCount,
                kind.ordinal()
                        | (write ? 16 : 0)
                        | (saved ? 32 : 0)
                        | (access ? 64 : 0)
                        | count << 8
                        | (long) (offset & 0xFFF) << 16
                        | (long) hostStart << 32);
        sites.load(siteCount, 0);
        return siteCount++;
    }

    /** Says how many bytes a site is for. */
    void span(int site, int bytes) {
        sites.load(site, bytes);
    }

    /** The bytes that a site is for. */
    int span(int site) {
        return sites.load(site) & 0xFFFF;
    }

    /**
     * Says that a site is that of a load, which may go on at {@code place} of the code with the
     * operand's address in RCX.
     */
    void mayJoin(int site, int place) {
        sites.load(site, span(site) | place - hostStart(site) << 16);
    }

    /** Where a site's load goes on with its operand's address in RCX; -1 for other sites. */
    int loadPlace(int site) {
        int from = sites.load(site) >>> 16;
        return from == 0 ? -1 : hostStart(site) + from;
    }

    /** Says which status flags are right at a site. */
    void liveFlags(int site, int flags) {
        // OF has the place of bit 1.
        sites.flags(site, flags & 0xFF | flags >>> 10 & 2);
    }

    /** The status flags that are right at a site, as far as {@link #liveFlags} was told. */
    int liveFlags(int site) {
        int flags = sites.flags(site);
        return flags & 0xFF & Cpu.STATUS | (flags & 2) << 10;
    }

    int siteCount() {
        return siteCount;
    }

    /** The site of an instruction at which the host may raise an exception; 0 if there is none. */
    int faultSite(int place) {
        Integer site = faultSites.get(place);
        return site == null ? 0 : site;
    }

    /** Notes that the host may raise an exception at {@code place} of the code. */
    void addFaultSite(int place, int site) {
        faultSites.put(place, site);
    }

    /** The site of accesses to the stack whose code {@code place} is in; 0 if it is in none. */
    int stackSite(int place) {
        int latest = 0;
        for (int site = 1; site < siteCount; site++) {
            if (hostStart(site) <= place
                    && (latest == 0 || hostStart(site) >= hostStart(latest))
                    && kind(site) != Kind.LINK
                    && kind(site) != Kind.POLL) {
                latest = site;
            }
        }
        return latest != 0 && kind(latest) == Kind.STACK ? latest : 0;
    }

    /** Says which block the sites from {@code first} on belong to. */
    void setSiteBlocks(int first, Block block) {
        for (int site = first; site < siteCount; site++) {
            sites.block(site, block);
        }
    }

    Kind kind(int site) {
        return KINDS[(int) sites.data(site) & 15];
    }

    boolean writes(int site) {
        return (sites.data(site) & 16) != 0;
    }

    boolean flagsSaved(int site) {
        return (sites.data(site) & 32) != 0;
    }

    /** The mode at a site: that of its block, but for what STAC and CLAC changed. */
    int mode(int site) {
        int access = (sites.data(site) & 64) != 0 ? Modes.ACCESS : 0;
        return sites.block(site).key() & ~BLOCK_BITS | access;
    }

    /** Instructions of the block up to the site's, that one included. */
    int count(int site) {
        return (int) (sites.data(site) >>> 8) & 0xFF;
    }

    /** The offset in the page of the site's instruction, or of its target. */
    int offset(int site) {
        return (int) (sites.data(site) >>> 16) & 0xFFF;
    }

    /** Where the site's instruction starts in the code. */
    int hostStart(int site) {
        return (int) (sites.data(site) >>> 32);
    }

    Block block(int site) {
        return sites.block(site);
    }

    // --- changing code
    // ----------------------------------------------------------------------------

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

    @Override
    public void marked(long page) {
        // The interpreter's code cache of the same CPU gives up the right to store, in the copy
        // too.
    }

    /** Does what other threads asked for; on the CPU's own thread, between blocks. */
    void handleRequests() {
        Long request;
        while ((request = requests.poll()) != null) {
            drop(request << GuestMemory.PAGE_SHIFT, 4096);
        }
    }

    private void drop(long offset, int length) {
        CodePage page = pages.get(offset & -4096L);
        if (page != null && page.covers((int) offset & 4095, (int) (offset & 4095) + length)) {
            if (changing.size() == MAX_CHANGING) {
                changing.clear();
            }
            Changing it = changing.computeIfAbsent(page.ramOffset, each -> new Changing());
            it.drops = System.nanoTime() - page.since() < PAYS ? it.drops + 1 : 1;
            it.left = Math.min((it.drops - 1) * TRIAL, MAX_TRIAL);
            drop(page);
        }
    }

    private void drop(CodePage page) {
        // Whoever still knows where a block was entered finds out there that it is no more.
        page.drop(this::leaveAtEntry);
        pages.remove(page.ramOffset);
        Changing it = changing.get(page.ramOffset);
        if (it != null) {
            it.page = page;
        }
        held.remove(page.ramOffset >>> GuestMemory.PAGE_SHIFT);
        for (CodePage before : page.before()) {
            if (!before.dropped) {
                drop(before);
            }
        }
    }
}
