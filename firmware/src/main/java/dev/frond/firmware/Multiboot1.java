// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A kernel with a Multiboot 1 header (Multiboot Specification 0.6.96): an ELF32, or any file whose
 * header gives the addresses, and beyond the specification an ELF64. Each is entered in 32-bit
 * protected mode.
 */
public final class Multiboot1 implements KernelImage {
    private static final int MAGIC = 0x1BAD_B002;
    private static final long BOOTLOADER_MAGIC = 0x2BAD_B002L;
    private static final int SEARCH = 8192;

    // Flags of the header.
    private static final int VIDEO_MODE = 1 << 2;
    private static final int UNDERSTOOD = 7;
    private static final int REQUIRED = 0xFFFF;
    private static final int ADDRESSES = 1 << 16;

    // Flags and offsets of the information structure.
    private static final int INFO_MEMORY = 1;
    private static final int INFO_CMDLINE = 1 << 2;
    private static final int INFO_MODS = 1 << 3;
    private static final int INFO_MEM_MAP = 1 << 6;
    private static final int INFO_BOOT_LOADER_NAME = 1 << 9;
    private static final int INFO_FRAMEBUFFER = 1 << 12;
    private static final int INFO_SIZE = 116;
    private static final int MODULE_SIZE = 16;
    private static final int MMAP_SIZE = 24;

    private static final int EGA_TEXT = 2;
    private static final int EGA_TEXT_MEMORY = 0xB8000;
    private static final int PAGE = 4096;
    private static final int STACK = 4096;

    /** One run of the file that goes into memory, with zeroes after it. */
    private record Flat(long offset, long address, long fileSize, long memorySize, long entry) {}

    /** How the parts of the file are found: by its ELF headers or by the address fields. */
    private sealed interface Body {
        record OfElf(Elf elf) implements Body {}

        record OfAddresses(Flat flat) implements Body {}
    }

    private final BootFile file;
    private final Body body;
    private final long entry;
    private final boolean text;

    private Multiboot1(BootFile file, Body body, long entry, boolean text) {
        this.file = file;
        this.body = body;
        this.entry = entry;
        this.text = text;
    }

    /** The kernel in {@code file} if it has a Multiboot header. */
    static Optional<Multiboot1> find(BootFile file) throws BootException {
        ByteBuffer start = file.read(0, (int) Math.min(file.size(), SEARCH));
        for (int at = 0; at + 12 <= start.limit(); at += 4) {
            int flags = start.getInt(at + 4);
            if (start.getInt(at) == MAGIC && MAGIC + flags + start.getInt(at + 8) == 0) {
                return Optional.of(of(file, start, at, flags));
            }
        }
        return Optional.empty();
    }

    private static Multiboot1 of(BootFile file, ByteBuffer start, int at, int flags)
            throws BootException {
        int unknown = flags & REQUIRED & ~UNDERSTOOD;
        if (unknown != 0) {
            throw bad(
                    file,
                    String.format(
                            Locale.ROOT,
                            "its header requires features 0x%x; accepted are 0x7",
                            unknown));
        }
        boolean video = (flags & VIDEO_MODE) != 0;
        boolean addresses = (flags & ADDRESSES) != 0;
        int end = at + (video ? 48 : addresses ? 32 : 12);
        if (end > start.limit()) {
            throw bad(file, "its header is cut off after " + start.limit() + " bytes");
        }
        if (video && start.getInt(at + 32) != 1) {
            throw bad(
                    file,
                    "it requires a graphics mode, and the machine has no display; accepted is text"
                            + " mode");
        }
        if (addresses) {
            Flat flat = flat(file, start, at);
            return new Multiboot1(file, new Body.OfAddresses(flat), flat.entry, video);
        }
        if (!Elf.is(file)) {
            throw bad(file, "it is no ELF file, and its header gives no load addresses");
        }
        Elf elf = Elf.of(file);
        long entry = elf.physicalEntry();
        if (entry < 0 || entry > 0xFFFF_FFFFL || !elf.covers(entry)) {
            throw badEntry(file, entry);
        }
        return new Multiboot1(file, new Body.OfElf(elf), entry, video);
    }

    /** Section 3.1.3: where the address fields say that the file goes. */
    private static Flat flat(BootFile file, ByteBuffer start, int at) throws BootException {
        long headerAddress = field(start, at + 12);
        long loadAddress = field(start, at + 16);
        long loadEnd = field(start, at + 20);
        long bssEnd = field(start, at + 24);
        long entry = field(start, at + 28);
        long offset = at - (headerAddress - loadAddress);
        if (loadAddress > headerAddress || offset < 0) {
            throw bad(
                    file,
                    String.format(
                            Locale.ROOT,
                            "load_addr 0x%x does not fit to header_addr 0x%x with the header at"
                                    + " offset 0x%x",
                            loadAddress,
                            headerAddress,
                            at));
        }
        long fileSize = loadEnd == 0 ? file.size() - offset : loadEnd - loadAddress;
        if (fileSize <= 0) {
            throw bad(
                    file,
                    String.format(
                            Locale.ROOT,
                            "load_end_addr 0x%x is not above load_addr 0x%x",
                            loadEnd,
                            loadAddress));
        }
        if (fileSize > file.size() - offset) {
            throw bad(
                    file,
                    "truncated: it has "
                            + (file.size() - offset)
                            + " of "
                            + fileSize
                            + " bytes to load");
        }
        long memorySize = bssEnd == 0 ? fileSize : bssEnd - loadAddress;
        if (memorySize < fileSize) {
            throw bad(
                    file,
                    String.format(
                            Locale.ROOT, "bss_end_addr 0x%x is below the end of the data", bssEnd));
        }
        if (entry < loadAddress || entry >= loadAddress + memorySize) {
            throw badEntry(file, entry);
        }
        return new Flat(offset, loadAddress, fileSize, memorySize, entry);
    }

    @Override
    public BootFile file() {
        return file;
    }

    @Override
    public String description() {
        return "Multiboot 1 kernel, "
                + switch (body) {
                    case Body.OfElf(Elf elf) -> elf.is64() ? "ELF64" : "ELF32";
                    case Body.OfAddresses _ -> "addresses in its header";
                };
    }

    @Override
    public CpuState boot(BootTarget target, BootArguments arguments) throws BootException {
        Placement placement = new Placement(target.map());
        long end = place(target, placement);
        List<Long> modules = new ArrayList<>();
        for (BootArguments.Module module : arguments.modules()) {
            long room = Placement.alignUp(module.file().size(), PAGE);
            long address =
                    placement
                            .takeLowest(
                                    room,
                                    PAGE,
                                    Math.max(end, MemoryMap.ONE_MIB),
                                    MemoryMap.HIGH_BASE)
                            .orElseThrow(() -> noRoom(target.map(), module));
            modules.add(address);
        }
        int size = compose(0, target, arguments, modules).size();
        OptionalLong low = placement.takeLowest(size, 16, PAGE, MemoryMap.EBDA);
        long base =
                (low.isPresent() ? low : placement.takeHighest(size, 16, PAGE, MemoryMap.HIGH_BASE))
                        .orElseThrow(() ->
                                bad(
                                        file,
                                        "no memory is left for "
                                                + size
                                                + " bytes of boot information"));

        AddressSpace memory = target.memory();
        load(memory);
        for (int i = 0; i < modules.size(); i++) {
            BootFile module = arguments.modules().get(i).file();
            module.copyTo(memory, modules.get(i), 0, module.size());
        }
        memory.writeBytes(base, compose(base, target, arguments, modules).toArray());
        StartState.writeGdt(memory, base, false);
        return new StartState(target.powerOn(), base)
                .with(StartState.RAX, BOOTLOADER_MAGIC)
                .with(StartState.RBX, base + StartState.GDT_SIZE)
                .with(StartState.RSP, base + size)
                .protectedMode(entry);
    }

    /** Takes the memory of the kernel; returns the first address after it. */
    private long place(BootTarget target, Placement placement) throws BootException {
        switch (body) {
            case Body.OfElf(Elf elf) -> {
                elf.place(file, target, placement);
                return elf.loads().stream()
                        .filter(s -> s.paddr() < MemoryMap.HIGH_BASE)
                        .mapToLong(s -> s.paddr() + s.memorySize())
                        .max()
                        .orElse(0);
            }
            case Body.OfAddresses(Flat flat) -> {
                if (!target.isLoadable(flat.address, flat.memorySize)) {
                    throw Elf.notRam(file, target.map(), flat.address, flat.memorySize);
                }
                placement.take(flat.address, flat.memorySize);
                return flat.address + flat.memorySize;
            }
        }
    }

    private void load(AddressSpace memory) throws BootException {
        switch (body) {
            case Body.OfElf(Elf elf) -> elf.load(file, memory);
            case Body.OfAddresses(Flat flat) -> {
                file.copyTo(memory, flat.address, flat.offset, flat.fileSize);
                GuestRam.zero(
                        memory, flat.address + flat.fileSize, flat.memorySize - flat.fileSize);
            }
        }
    }

    /**
     * The descriptor table's place, the information structure and what it points to, and a stack.
     */
    private InfoBlock compose(
            long base, BootTarget target, BootArguments arguments, List<Long> modules) {
        InfoBlock block = new InfoBlock(base);
        block.reserve(StartState.GDT_SIZE, 16);
        long info = block.reserve(INFO_SIZE, 8);
        int flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_MEM_MAP | INFO_BOOT_LOADER_NAME;
        block.putInt(info + 4, MemoryMap.EBDA >>> 10);
        block.putInt(info + 8, (target.map().lowTop() - MemoryMap.ONE_MIB) >>> 10);
        block.putInt(info + 16, block.string(withName(file, arguments.commandLine())));

        long list = block.reserve(modules.size() * MODULE_SIZE, 8);
        block.putInt(info + 20, modules.size());
        block.putInt(info + 24, list);
        for (int i = 0; i < modules.size(); i++) {
            BootArguments.Module module = arguments.modules().get(i);
            long item = list + (long) i * MODULE_SIZE;
            block.putInt(item, modules.get(i));
            block.putInt(item + 4, modules.get(i) + module.file().size());
            block.putInt(item + 8, block.string(withName(module.file(), module.arguments())));
        }

        List<MemoryMap.Range> ranges = target.map().ranges();
        long mmap = block.reserve(ranges.size() * MMAP_SIZE, 8);
        block.putInt(info + 44, (long) ranges.size() * MMAP_SIZE);
        block.putInt(info + 48, mmap);
        for (int i = 0; i < ranges.size(); i++) {
            long item = mmap + (long) i * MMAP_SIZE;
            block.putInt(item, MMAP_SIZE - 4);
            block.putLong(item + 4, ranges.get(i).base());
            block.putLong(item + 12, ranges.get(i).size());
            block.putInt(item + 20, ranges.get(i).type().e820());
        }
        block.putInt(info + 64, block.string("Frond"));
        if (text) {
            flags |= INFO_FRAMEBUFFER;
            block.putLong(info + 88, EGA_TEXT_MEMORY);
            block.putInt(info + 96, 160);
            block.putInt(info + 100, 80);
            block.putInt(info + 104, 25);
            block.putByte(info + 108, 16);
            block.putByte(info + 109, EGA_TEXT);
        }
        block.putInt(info, flags);
        block.reserve(STACK, 16);
        return block;
    }

    /** Programs expect their own name first, as argv[0]. */
    private static String withName(BootFile file, String arguments) {
        return arguments.isEmpty() ? file.name() : file.name() + " " + arguments;
    }

    private BootException noRoom(MemoryMap map, BootArguments.Module module) {
        return new BootException(
                String.format(
                        Locale.ROOT,
                        "%s: %d bytes do not fit behind %s into the memory below 0x%x",
                        module.file().name(),
                        module.file().size(),
                        file.name(),
                        map.lowTop()));
    }

    private static long field(ByteBuffer header, int at) {
        return header.getInt(at) & 0xFFFF_FFFFL;
    }

    private static BootException badEntry(BootFile file, long entry) {
        return bad(
                file,
                String.format(
                        Locale.ROOT,
                        "its entry point 0x%x is outside of what is loaded below 4 GiB",
                        entry));
    }

    private static BootException bad(BootFile file, String what) {
        return new BootException(file.name() + ": Multiboot kernel: " + what);
    }
}
