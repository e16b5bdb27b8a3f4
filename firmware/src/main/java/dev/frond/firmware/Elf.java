// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * The parts of an x86 ELF executable that a loader needs (System V ABI, edition 4.1, chapters 4 and
 * 5), each checked against the file: segments to load, notes, and the entry point.
 *
 * @param is64 whether it is an ELF64
 * @param machine e_machine: {@link #EM_386} or {@link #EM_X86_64}
 * @param entry e_entry as it stands in the header
 * @param loads the PT_LOAD segments with contents, in the order of the file
 * @param notes the PT_NOTE segments
 */
record Elf(boolean is64, int machine, long entry, List<Segment> loads, List<Segment> notes) {
    static final int EM_386 = 3;
    static final int EM_X86_64 = 62;

    private static final int MAGIC = 0x464C_457F;
    private static final int PT_LOAD = 1;
    private static final int PT_NOTE = 4;
    private static final int PF_X = 1;

    /** More than any note section of a kernel has; what is larger is not searched. */
    private static final int MAX_NOTES = 1 << 20;

    /**
     * One program header; all its values are at least 0, and its file part lies within the file.
     */
    record Segment(
            long offset,
            long vaddr,
            long paddr,
            long fileSize,
            long memorySize,
            long align,
            boolean executable) {}

    /** Whether {@code file} starts as an ELF file does. */
    static boolean is(BootFile file) throws BootException {
        return file.size() >= 4 && file.read(0, 4).getInt() == MAGIC;
    }

    /** Reads the headers of {@code file}, which {@link #is} an ELF file. */
    static Elf of(BootFile file) throws BootException {
        ByteBuffer ident = file.read(0, (int) Math.min(file.size(), 64));
        if (ident.limit() < 52) {
            throw bad(file, "the header is cut off");
        }
        int elfClass = ident.get(4);
        if (elfClass != 1 && elfClass != 2) {
            throw bad(file, "class " + elfClass + "; accepted are 1 (ELF32) and 2 (ELF64)");
        }
        boolean is64 = elfClass == 2;
        if (is64 && ident.limit() < 64) {
            throw bad(file, "the header is cut off");
        }
        if (ident.get(5) != 1) {
            throw bad(file, "it is not little-endian");
        }
        int type = ident.getShort(16) & 0xFFFF;
        if (type != 2 && type != 3) {
            throw bad(
                    file,
                    "type " + type + "; accepted are 2 (executable) and 3 (position-independent)");
        }
        int machine = ident.getShort(18) & 0xFFFF;
        if (machine != EM_386 && machine != EM_X86_64) {
            throw bad(file, "machine " + machine + "; accepted are 3 (i386) and 62 (x86-64)");
        }
        long entry = is64 ? ident.getLong(24) : ident.getInt(24) & 0xFFFF_FFFFL;
        long phoff = is64 ? ident.getLong(32) : ident.getInt(28) & 0xFFFF_FFFFL;
        int phentsize = ident.getShort(is64 ? 54 : 42) & 0xFFFF;
        int phnum = ident.getShort(is64 ? 56 : 44) & 0xFFFF;
        int wanted = is64 ? 56 : 32;
        if (phentsize != wanted) {
            throw bad(file, "program headers of " + phentsize + " bytes; accepted is " + wanted);
        }
        if (phoff < 0 || phoff > file.size() || (long) phnum * phentsize > file.size() - phoff) {
            throw bad(file, "truncated: its program headers are beyond its end");
        }
        ByteBuffer headers = file.read(phoff, phnum * phentsize);
        List<Segment> loads = new ArrayList<>();
        List<Segment> notes = new ArrayList<>();
        for (int i = 0; i < phnum; i++) {
            ByteBuffer header = headers.slice(i * phentsize, phentsize).order(headers.order());
            int segmentType = header.getInt(0);
            if (segmentType != PT_LOAD && segmentType != PT_NOTE) {
                continue;
            }
            Segment segment = is64 ? segment64(header) : segment32(header);
            check(file, i, segment);
            if (segmentType == PT_NOTE) {
                notes.add(segment);
            } else if (segment.memorySize() > 0) {
                if (segment.fileSize() > segment.memorySize()) {
                    throw bad(file, "segment " + i + " has more bytes in the file than in memory");
                }
                loads.add(segment);
            }
        }
        if (loads.isEmpty()) {
            throw bad(file, "it has no segment to load");
        }
        return new Elf(is64, machine, entry, List.copyOf(loads), List.copyOf(notes));
    }

    /**
     * The physical address behind {@link #entry}: the entry is a virtual address where a segment
     * covers it, executable ones first, and else is taken as it is.
     */
    long physicalEntry() {
        for (boolean executable : new boolean[] {true, false}) {
            for (Segment segment : loads) {
                long delta = entry - segment.vaddr();
                if (segment.executable() == executable
                        && Long.compareUnsigned(delta, segment.memorySize()) < 0) {
                    return segment.paddr() + delta;
                }
            }
        }
        return entry;
    }

    /** The number in the note {@code type} of {@code owner}, of 4 or 8 bytes, if there is one. */
    OptionalLong note(BootFile file, String owner, int type) throws BootException {
        for (Segment segment : notes) {
            if (segment.fileSize() > MAX_NOTES) {
                continue;
            }
            ByteBuffer bytes = file.read(segment.offset(), (int) segment.fileSize());
            long align = segment.align() == 8 ? 8 : 4;
            long at = 0;
            while (at + 12 <= bytes.limit()) {
                long nameSize = bytes.getInt((int) at) & 0xFFFF_FFFFL;
                long valueSize = bytes.getInt((int) at + 4) & 0xFFFF_FFFFL;
                long value = Placement.alignUp(at + 12 + nameSize, align);
                long end = value + valueSize;
                if (end > bytes.limit()) {
                    break;
                }
                if (bytes.getInt((int) at + 8) == type
                        && isName(bytes, (int) at + 12, nameSize, owner)) {
                    if (valueSize == 4) {
                        return OptionalLong.of(bytes.getInt((int) value) & 0xFFFF_FFFFL);
                    }
                    if (valueSize == 8) {
                        return OptionalLong.of(bytes.getLong((int) value));
                    }
                }
                at = Placement.alignUp(end, align);
            }
        }
        return OptionalLong.empty();
    }

    /** Takes the RAM of all segments, or fails if some of it is not there. */
    void place(BootFile file, BootTarget target, Placement placement) throws BootException {
        for (Segment segment : loads) {
            if (!target.isLoadable(segment.paddr(), segment.memorySize())) {
                throw notRam(file, target.map(), segment.paddr(), segment.memorySize());
            }
        }
        for (Segment segment : loads) {
            placement.take(segment.paddr(), segment.memorySize());
        }
    }

    /** Copies all segments to where {@link #place} took RAM for them. */
    void load(BootFile file, dev.frond.machine.memory.AddressSpace memory) throws BootException {
        for (Segment segment : loads) {
            file.copyTo(memory, segment.paddr(), segment.offset(), segment.fileSize());
            GuestRam.zero(
                    memory,
                    segment.paddr() + segment.fileSize(),
                    segment.memorySize() - segment.fileSize());
        }
    }

    /** Whether a segment covers physical address {@code address}. */
    boolean covers(long address) {
        return loads.stream()
                .anyMatch(s -> Long.compareUnsigned(address - s.paddr(), s.memorySize()) < 0);
    }

    /** The error for a part of a program that lies where there is no RAM. */
    static BootException notRam(BootFile file, MemoryMap map, long base, long size) {
        long top = map.ranges().getLast().end();
        boolean tooSmall =
                base >= MemoryMap.ONE_MIB
                        && base + size > map.lowTop()
                        && base + size <= MemoryMap.LOW_LIMIT;
        String why =
                tooSmall
                        ? "the machine has too little memory for it: "
                                + mebibytes(map.ram())
                                + " MiB; accepted is "
                                + mebibytes(base + size + reserve(map))
                                + " MiB and more"
                        : "that is not free RAM; accepted are 0x0..0xeffff, 0xf1000..0x"
                                + Long.toHexString(map.lowTop() - 1)
                                + (top > MemoryMap.HIGH_BASE
                                        ? ", 0x100000000..0x" + Long.toHexString(top - 1)
                                        : "");
        return new BootException(
                String.format(
                        Locale.ROOT,
                        "%s: a part of it is loaded to 0x%x..0x%x: %s",
                        file.name(),
                        base,
                        base + size - 1,
                        why));
    }

    /** What of the low RAM is not free for programs: the ACPI tables at its end. */
    static long reserve(MemoryMap map) {
        return map.ranges().stream()
                .filter(r -> r.type() == MemoryMap.Type.ACPI)
                .mapToLong(MemoryMap.Range::size)
                .sum();
    }

    /** {@code bytes} in MiB, rounded up. */
    static long mebibytes(long bytes) {
        return (bytes + (1 << 20) - 1) >>> 20;
    }

    private static Segment segment32(ByteBuffer h) {
        return new Segment(
                h.getInt(4) & 0xFFFF_FFFFL,
                h.getInt(8) & 0xFFFF_FFFFL,
                h.getInt(12) & 0xFFFF_FFFFL,
                h.getInt(16) & 0xFFFF_FFFFL,
                h.getInt(20) & 0xFFFF_FFFFL,
                h.getInt(28) & 0xFFFF_FFFFL,
                (h.getInt(24) & PF_X) != 0);
    }

    private static Segment segment64(ByteBuffer h) {
        return new Segment(
                h.getLong(8),
                h.getLong(16),
                h.getLong(24),
                h.getLong(32),
                h.getLong(40),
                h.getLong(48),
                (h.getInt(4) & PF_X) != 0);
    }

    private static void check(BootFile file, int index, Segment segment) throws BootException {
        if (segment.paddr() < 0
                || segment.memorySize() < 0
                || segment.fileSize() < 0
                || segment.paddr() > Long.MAX_VALUE - segment.memorySize()) {
            throw bad(file, "segment " + index + " passes the end of the address space");
        }
        if (segment.offset() < 0
                || segment.offset() > file.size()
                || segment.fileSize() > file.size() - segment.offset()) {
            throw bad(file, "truncated: segment " + index + " is beyond its end");
        }
    }

    private static boolean isName(ByteBuffer bytes, int at, long size, String owner) {
        if (size != owner.length() + 1) {
            return false;
        }
        for (int i = 0; i < owner.length(); i++) {
            if (bytes.get(at + i) != owner.charAt(i)) {
                return false;
            }
        }
        return bytes.get(at + owner.length()) == 0;
    }

    private static BootException bad(BootFile file, String what) {
        return new BootException(file.name() + ": bad ELF file: " + what);
    }
}
