// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * A Linux bzImage, entered at its 64-bit entry point or, where it has none, at its 32-bit one
 * (Linux Documentation/arch/x86/boot.rst, boot protocol 2.02 and later; the field names are those).
 */
public final class LinuxBoot implements KernelImage {
    // The setup header, at the same offsets in the file and in boot_params.
    private static final int SETUP_SECTS = 0x1F1;
    private static final int SYSSIZE = 0x1F4;
    private static final int VID_MODE = 0x1FA;
    private static final int JUMP_LENGTH = 0x201;
    private static final int HEADER = 0x202;
    private static final int VERSION = 0x206;
    private static final int TYPE_OF_LOADER = 0x210;
    private static final int LOADFLAGS = 0x211;
    private static final int CODE32_START = 0x214;
    private static final int RAMDISK_IMAGE = 0x218;
    private static final int RAMDISK_SIZE = 0x21C;
    private static final int CMD_LINE_PTR = 0x228;
    private static final int INITRD_ADDR_MAX = 0x22C;
    private static final int KERNEL_ALIGNMENT = 0x230;
    private static final int RELOCATABLE_KERNEL = 0x234;
    private static final int XLOADFLAGS = 0x236;
    private static final int CMDLINE_SIZE = 0x238;
    private static final int PREF_ADDRESS = 0x258;
    private static final int INIT_SIZE = 0x260;
    private static final int HEADER_END = 0x268;

    // Further fields of boot_params (Documentation/arch/x86/zero-page.rst).
    private static final int ACPI_RSDP_ADDR = 0x070;
    private static final int EXT_RAMDISK_IMAGE = 0x0C0;
    private static final int EXT_RAMDISK_SIZE = 0x0C4;
    private static final int E820_ENTRIES = 0x1E8;
    private static final int EDD_MBR_SIG_BUFFER = 0x290;
    private static final int E820_TABLE = 0x2D0;
    private static final int BOOT_PARAMS_SIZE = 0x1000;

    private static final int HDRS = 0x5372_6448;
    private static final int LOADED_HIGH = 1;
    private static final int QUIET_FLAG = 1 << 5;
    private static final int KEEP_SEGMENTS = 1 << 6;
    private static final int CAN_USE_HEAP = 1 << 7;
    private static final int XLF_KERNEL_64 = 1;
    private static final int XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1;

    private static final long BZIMAGE_LOAD = 0x10_0000;
    private static final int STARTUP_64 = 0x200;
    private static final int PAGE = 4096;

    /** No machine has more RAM; keeps sums of sizes far from overflow. */
    private static final long MAX_INITRD = 1L << 46;

    // Where the loader's own structures go; docs/boot.md shows them.
    static final long GDT = 0x1000;
    static final long PAGE_TABLES = 0x2000;
    static final long STACK_TOP = 0x9000;
    static final long BOOT_PARAMS = 0x1_0000;
    static final long COMMAND_LINE = 0x2_0000;

    private final BootFile file;
    private final byte[] header;
    private final int version;
    private final boolean entry64;
    private final boolean above4G;
    private final long kernelOffset;
    private final long kernelSize;
    private final boolean relocatable;
    private final long alignment;
    private final long prefAddress;
    private final long initSize;
    private final long initrdAddrMax;
    private final long cmdlineSize;

    /** Where the parts of one boot go; {@code initrd} is 0 if there is none. */
    private record Layout(long kernel, long initrd, long initrdSize) {}

    private LinuxBoot(BootFile file, byte[] header) throws BootException {
        this.file = file;
        this.header = header;
        ByteBuffer h = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
        version = h.getShort(VERSION) & 0xFFFF;
        if (version < 0x0202) {
            throw bad("boot protocol " + versionName() + "; accepted is 2.02 and later");
        }
        if ((h.get(LOADFLAGS) & LOADED_HIGH) == 0) {
            throw bad("it is a zImage, loaded low; accepted is a bzImage");
        }
        int sects = h.get(SETUP_SECTS) & 0xFF;
        kernelOffset = ((sects == 0 ? 4 : sects) + 1) * 512L;
        if (kernelOffset + STARTUP_64 >= file.size()) {
            throw bad("truncated: it ends before its protected-mode code at " + kernelOffset);
        }
        long rest = file.size() - kernelOffset;
        long syssize = version >= 0x0204 ? (h.getInt(SYSSIZE) & 0xFFFF_FFFFL) * 16 : 0;
        // Paragraphs of 16 bytes, rounded up; linkers do not pad the file to a whole one.
        if (syssize - rest >= 16) {
            throw bad(
                    "truncated: it has "
                            + rest
                            + " of "
                            + syssize
                            + " bytes of protected-mode code");
        }
        kernelSize = syssize > STARTUP_64 ? Math.min(rest, syssize) : rest;
        int xloadflags = version >= 0x020C ? h.getShort(XLOADFLAGS) : 0;
        entry64 = (xloadflags & XLF_KERNEL_64) != 0;
        above4G = entry64 && (xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) != 0;
        relocatable = version >= 0x0205 && h.get(RELOCATABLE_KERNEL) != 0;
        alignment = relocatable ? h.getInt(KERNEL_ALIGNMENT) & 0xFFFF_FFFFL : 1;
        if (Long.bitCount(alignment) != 1) {
            throw bad("kernel_alignment is " + alignment + "; accepted are powers of two");
        }
        long pref = version >= 0x020A ? h.getLong(PREF_ADDRESS) : 0;
        prefAddress = pref == 0 ? BZIMAGE_LOAD : pref;
        initSize = Math.max(kernelSize, version >= 0x020A ? h.getInt(INIT_SIZE) & 0xFFFF_FFFFL : 0);
        initrdAddrMax = version >= 0x0203 ? h.getInt(INITRD_ADDR_MAX) & 0xFFFF_FFFFL : 0x37FF_FFFFL;
        cmdlineSize = version >= 0x0206 ? h.getInt(CMDLINE_SIZE) & 0xFFFF_FFFFL : 255;
    }

    /** Whether {@code file} has the magic number of a Linux setup header. */
    static boolean is(BootFile file) throws BootException {
        return file.size() >= HEADER + 4 && file.read(HEADER, 4).getInt() == HDRS;
    }

    /** Reads the setup header of {@code file}, which {@link #is} one. */
    static LinuxBoot of(BootFile file) throws BootException {
        if (file.size() < HEADER_END) {
            throw new BootException(
                    file.name() + ": Linux kernel: truncated: it ends within its setup header");
        }
        byte[] header = new byte[(int) Math.min(file.size(), EDD_MBR_SIG_BUFFER)];
        file.read(0, ByteBuffer.wrap(header));
        return new LinuxBoot(file, header);
    }

    /** The size of the real-mode part that the file starts with, in bytes. */
    long setupSize() {
        return kernelOffset;
    }

    @Override
    public BootFile file() {
        return file;
    }

    @Override
    public String description() {
        return "Linux bzImage, boot protocol "
                + versionName()
                + ", "
                + (entry64 ? "64" : "32")
                + "-bit entry";
    }

    @Override
    public CpuState boot(BootTarget target, BootArguments arguments) throws BootException {
        byte[] commandLine = GuestRam.zeroTerminated(arguments.commandLine());
        checkCommandLine(commandLine.length - 1);
        List<BootFile> initrds =
                arguments.modules().stream().map(BootArguments.Module::file).toList();
        Layout layout = place(target.map(), initrds);

        AddressSpace memory = target.memory();
        file.copyTo(memory, layout.kernel, kernelOffset, kernelSize);
        loadInitrds(memory, layout, initrds);
        memory.writeBytes(COMMAND_LINE, commandLine);
        memory.writeBytes(BOOT_PARAMS, bootParams(target, layout));
        StartState.writeGdt(memory, GDT, entry64);
        StartState start = new StartState(target.powerOn(), GDT).with(StartState.RSI, BOOT_PARAMS);
        if (!entry64) {
            return start.protectedMode(layout.kernel);
        }
        writeIdentityMap(memory);
        return start.with(StartState.RSP, STACK_TOP)
                .longMode(layout.kernel + STARTUP_64, PAGE_TABLES);
    }

    private void checkCommandLine(int length) throws BootException {
        long limit = Math.min(cmdlineSize, MemoryMap.EBDA - COMMAND_LINE - 1);
        if (length > limit) {
            throw bad("the command line has " + length + " bytes; accepted are at most " + limit);
        }
    }

    private Layout place(MemoryMap map, List<BootFile> initrds) throws BootException {
        if (!map.isRam(0, MemoryMap.EBDA)) {
            throw bad("the machine has no RAM from 0 to 0x9fbff");
        }
        Placement placement = new Placement(map);
        placement.take(0, MemoryMap.ONE_MIB);
        long kernel = placeKernel(map, placement);
        if (initrds.isEmpty()) {
            return new Layout(kernel, 0, 0);
        }
        long size = 0;
        for (BootFile initrd : initrds) {
            // The kernel reads archives one after the other, each at a multiple of 4.
            size = Placement.alignUp(size, 4) + initrd.size();
            if (initrd.size() > MAX_INITRD || size > MAX_INITRD) {
                throw new BootException(
                        initrd.name() + ": an initrd of more than " + MAX_INITRD + " bytes");
            }
        }
        return new Layout(kernel, placeInitrd(map, placement, size, kernel), size);
    }

    /** Takes the memory that the kernel is loaded to and that which it runs in at first. */
    private long placeKernel(MemoryMap map, Placement placement) throws BootException {
        if (relocatable) {
            // Not below pref_address, though the protocol allows it: a kernel that finds itself
            // below
            // the address that it was configured for moves up to it and needs the memory there.
            long lowest =
                    prefAddress < 0
                            ? prefAddress
                            : Placement.alignUp(Math.max(prefAddress, BZIMAGE_LOAD), alignment);
            OptionalLong base =
                    lowest < 0
                            ? OptionalLong.empty()
                            : placement.takeLowest(
                                    initSize, alignment, lowest, MemoryMap.LOW_LIMIT);
            return base.orElseThrow(() -> tooLarge(map, lowest));
        }
        if (!map.isRam(BZIMAGE_LOAD, kernelSize)) {
            throw tooLarge(map, BZIMAGE_LOAD);
        }
        if (prefAddress < BZIMAGE_LOAD || !map.isRam(prefAddress, initSize)) {
            throw tooLarge(map, prefAddress);
        }
        placement.take(BZIMAGE_LOAD, kernelSize);
        placement.take(prefAddress, initSize);
        return BZIMAGE_LOAD;
    }

    private BootException tooLarge(MemoryMap map, long base) {
        long end = base + initSize;
        if (base < BZIMAGE_LOAD || end > MemoryMap.LOW_LIMIT || end <= map.lowTop()) {
            return bad(
                    String.format(
                            Locale.ROOT,
                            "it wants to run in %d bytes at 0x%x; accepted are addresses from"
                                    + " 0x100000 to 0x%x",
                            initSize,
                            base,
                            MemoryMap.LOW_LIMIT - 1));
        }
        return tooLittleMemory(map, "the kernel", end);
    }

    private long placeInitrd(MemoryMap map, Placement placement, long size, long kernel)
            throws BootException {
        long room = Placement.alignUp(size, PAGE);
        OptionalLong place =
                placement.takeHighest(
                        room,
                        PAGE,
                        MemoryMap.ONE_MIB,
                        Math.min(initrdAddrMax + 1, MemoryMap.HIGH_BASE));
        if (place.isEmpty() && above4G) {
            place = placement.takeHighest(room, PAGE, MemoryMap.ONE_MIB, Long.MAX_VALUE);
        }
        if (place.isPresent()) {
            return place.getAsLong();
        }
        long lowEnd = Placement.alignUp(Math.max(kernel, prefAddress) + initSize, PAGE) + room;
        if (lowEnd > map.lowTop()
                && lowEnd <= Math.min(initrdAddrMax + 1, MemoryMap.LOW_LIMIT - Elf.reserve(map))) {
            throw tooLittleMemory(map, "the kernel with its initrd", lowEnd);
        }
        if (above4G && lowEnd > map.lowTop()) {
            throw tooLittleMemory(
                    map,
                    "the kernel with its initrd",
                    MemoryMap.LOW_LIMIT - Elf.reserve(map) + room);
        }
        throw bad(
                String.format(
                        Locale.ROOT,
                        "the initrd of %d bytes does not fit between the kernel and 0x%x",
                        size,
                        Math.min(initrdAddrMax, map.lowTop() - 1)));
    }

    /** The error of a machine whose low memory would have to reach {@code end}. */
    private BootException tooLittleMemory(MemoryMap map, String who, long end) {
        return bad(
                String.format(
                        Locale.ROOT,
                        "%s needs at least %d MiB of memory; the machine has %d MiB",
                        who,
                        Elf.mebibytes(end + Elf.reserve(map)),
                        Elf.mebibytes(
                                map.ranges().stream()
                                                .filter(r -> r.base() >= MemoryMap.ONE_MIB)
                                                .mapToLong(MemoryMap.Range::size)
                                                .sum()
                                        + MemoryMap.ONE_MIB)));
    }

    private static void loadInitrds(AddressSpace memory, Layout layout, List<BootFile> initrds)
            throws BootException {
        long at = layout.initrd;
        for (BootFile initrd : initrds) {
            long aligned = Placement.alignUp(at, 4);
            GuestRam.zero(memory, at, aligned - at);
            initrd.copyTo(memory, aligned, 0, initrd.size());
            at = aligned + initrd.size();
        }
    }

    private byte[] bootParams(BootTarget target, Layout layout) {
        ByteBuffer params = ByteBuffer.allocate(BOOT_PARAMS_SIZE).order(ByteOrder.LITTLE_ENDIAN);
        int headerEnd = Math.min(HEADER + (header[JUMP_LENGTH] & 0xFF), header.length);
        params.put(SETUP_SECTS, header, SETUP_SECTS, headerEnd - SETUP_SECTS);

        params.putShort(VID_MODE, (short) 0xFFFF);
        params.put(TYPE_OF_LOADER, (byte) 0xFF);
        int cleared = QUIET_FLAG | KEEP_SEGMENTS | CAN_USE_HEAP;
        params.put(LOADFLAGS, (byte) (header[LOADFLAGS] & ~cleared));
        params.putInt(CODE32_START, (int) layout.kernel);
        params.putInt(CMD_LINE_PTR, (int) COMMAND_LINE);
        params.putInt(RAMDISK_IMAGE, (int) layout.initrd);
        params.putInt(RAMDISK_SIZE, (int) layout.initrdSize);
        params.putInt(EXT_RAMDISK_IMAGE, (int) (layout.initrd >>> 32));
        params.putInt(EXT_RAMDISK_SIZE, (int) (layout.initrdSize >>> 32));
        params.putLong(ACPI_RSDP_ADDR, target.rsdp().orElse(0));

        List<MemoryMap.Range> ranges = target.map().ranges();
        params.put(E820_ENTRIES, (byte) ranges.size());
        params.position(E820_TABLE);
        for (MemoryMap.Range range : ranges) {
            params.putLong(range.base()).putLong(range.size()).putInt(range.type().e820());
        }
        return params.array();
    }

    /** Maps the first 4 GiB to themselves in pages of 2 MiB (SDM Vol. 3A, 4.5). */
    private static void writeIdentityMap(AddressSpace memory) {
        final int present = 1;
        final int writable = 1 << 1;
        final int pageSize = 1 << 7;
        final int directories = 4;
        ByteBuffer tables =
                ByteBuffer.allocate((2 + directories) * PAGE).order(ByteOrder.LITTLE_ENDIAN);
        tables.putLong(0, PAGE_TABLES + PAGE | present | writable);
        for (int i = 0; i < directories; i++) {
            tables.putLong(PAGE + 8 * i, PAGE_TABLES + (2L + i) * PAGE | present | writable);
        }
        for (int i = 0; i < directories * 512; i++) {
            tables.putLong(2 * PAGE + 8 * i, (long) i << 21 | present | writable | pageSize);
        }
        memory.writeBytes(PAGE_TABLES, tables.array());
    }

    private String versionName() {
        return (version >>> 8) + "." + String.format(Locale.ROOT, "%02d", version & 0xFF);
    }

    private BootException bad(String what) {
        return new BootException(file.name() + ": Linux kernel: " + what);
    }
}
