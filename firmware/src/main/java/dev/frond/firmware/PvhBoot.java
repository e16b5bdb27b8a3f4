// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * An ELF kernel that is entered as Xen's x86/HVM direct boot ABI says (Xen docs/misc/pvh.pandoc):
 * in 32-bit protected mode at the address in its XEN_ELFNOTE_PHYS32_ENTRY note, with EBX pointing
 * to a hvm_start_info (xen/include/public/arch-x86/hvm/start_info.h).
 */
public final class PvhBoot implements KernelImage {
    private static final int XEN_ELFNOTE_PHYS32_ENTRY = 18;

    private static final int XEN_HVM_START_MAGIC_VALUE = 0x336E_C578;
    private static final int START_INFO_SIZE = 56;
    private static final int MODLIST_ENTRY_SIZE = 32;
    private static final int MEMMAP_ENTRY_SIZE = 24;
    private static final int PAGE = 4096;

    private final BootFile file;
    private final Elf elf;
    private final long entry;

    private PvhBoot(BootFile file, Elf elf, long entry) {
        this.file = file;
        this.elf = elf;
        this.entry = entry;
    }

    /** The kernel in {@code file}, whose headers {@code elf} are, if it has a PVH entry note. */
    static Optional<PvhBoot> find(BootFile file, Elf elf) throws BootException {
        OptionalLong entry = elf.note(file, "Xen", XEN_ELFNOTE_PHYS32_ENTRY);
        if (entry.isEmpty()) {
            return Optional.empty();
        }
        long address = entry.getAsLong();
        if (address < 0 || address > 0xFFFF_FFFFL || !elf.covers(address)) {
            throw new BootException(
                    String.format(
                            Locale.ROOT,
                            "%s: PVH kernel: its entry point 0x%x is outside of its segments below"
                                    + " 4 GiB",
                            file.name(),
                            address));
        }
        return Optional.of(new PvhBoot(file, elf, address));
    }

    @Override
    public BootFile file() {
        return file;
    }

    @Override
    public String description() {
        return "ELF" + (elf.is64() ? "64" : "32") + " kernel, PVH entry";
    }

    @Override
    public CpuState boot(BootTarget target, BootArguments arguments) throws BootException {
        Placement placement = new Placement(target.map());
        elf.place(file, target, placement);
        List<Long> modules = new ArrayList<>();
        for (BootArguments.Module module : arguments.modules()) {
            modules.add(placeModule(target.map(), placement, module));
        }
        int size = compose(0, target, arguments, modules).size();
        // Address 0 means absent in a hvm_start_info, so nothing goes into the first page.
        OptionalLong low = placement.takeLowest(size, 16, PAGE, MemoryMap.EBDA);
        long base =
                (low.isPresent() ? low : placement.takeHighest(size, 16, PAGE, MemoryMap.HIGH_BASE))
                        .orElseThrow(() ->
                                new BootException(
                                        file.name()
                                                + ": PVH kernel: no memory is left for "
                                                + size
                                                + " bytes of start info"));

        AddressSpace memory = target.memory();
        elf.load(file, memory);
        for (int i = 0; i < modules.size(); i++) {
            BootFile module = arguments.modules().get(i).file();
            module.copyTo(memory, modules.get(i), 0, module.size());
        }
        memory.writeBytes(base, compose(base, target, arguments, modules).toArray());
        StartState.writeGdt(memory, base, false);
        return new StartState(target.powerOn(), base)
                .with(StartState.RBX, base + StartState.GDT_SIZE)
                .protectedMode(entry);
    }

    private long placeModule(MemoryMap map, Placement placement, BootArguments.Module module)
            throws BootException {
        long room = Placement.alignUp(module.file().size(), PAGE);
        return placement
                .takeHighest(room, PAGE, MemoryMap.ONE_MIB, MemoryMap.HIGH_BASE)
                .orElseThrow(() ->
                        new BootException(
                                String.format(
                                        Locale.ROOT,
                                        "%s: %d bytes do not fit beside %s into the memory below"
                                                + " 0x%x",
                                        module.file().name(),
                                        module.file().size(),
                                        file.name(),
                                        map.lowTop())));
    }

    /** The descriptor table's place, then the start info and what it points to, at {@code base}. */
    private static InfoBlock compose(
            long base, BootTarget target, BootArguments arguments, List<Long> modules) {
        InfoBlock block = new InfoBlock(base);
        block.reserve(StartState.GDT_SIZE, 16);
        long info = block.reserve(START_INFO_SIZE, 8);
        block.putInt(info, XEN_HVM_START_MAGIC_VALUE);
        block.putInt(info + 4, 1);
        block.putLong(info + 24, block.string(arguments.commandLine()));
        block.putLong(info + 32, target.rsdp().orElse(0));
        if (!modules.isEmpty()) {
            long list = block.reserve(modules.size() * MODLIST_ENTRY_SIZE, 8);
            block.putInt(info + 12, modules.size());
            block.putLong(info + 16, list);
            for (int i = 0; i < modules.size(); i++) {
                BootArguments.Module module = arguments.modules().get(i);
                long item = list + (long) i * MODLIST_ENTRY_SIZE;
                block.putLong(item, modules.get(i));
                block.putLong(item + 8, module.file().size());
                block.putLong(item + 16, block.string(module.arguments()));
            }
        }
        List<MemoryMap.Range> ranges = target.map().ranges();
        long table = block.reserve(ranges.size() * MEMMAP_ENTRY_SIZE, 8);
        block.putLong(info + 40, table);
        block.putInt(info + 48, ranges.size());
        for (int i = 0; i < ranges.size(); i++) {
            long item = table + (long) i * MEMMAP_ENTRY_SIZE;
            block.putLong(item, ranges.get(i).base());
            block.putLong(item + 8, ranges.get(i).size());
            block.putInt(item + 16, ranges.get(i).type().e820());
        }
        return block;
    }
}
