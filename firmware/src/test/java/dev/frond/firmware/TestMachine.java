// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.CpuState;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/** RAM laid out by a memory map, and a CPU after power-on. */
record TestMachine(AddressSpace memory, MemoryMap map, List<GuestMemory> ram) {
    static final long RSDP = 0xF0000;

    /** A PC with {@code memory} bytes of RAM below 4 GiB, and 64 KiB of ACPI tables. */
    static TestMachine pc(long memory) {
        MemoryMap map = MemoryMap.pc(memory, 0x1_0000);
        AddressSpace space = new AddressSpace("memory");
        GuestMemory ram = ram(memory);
        space.map(0, new Region.Ram(ram, 0, memory));
        return new TestMachine(space, map, List.of(ram));
    }

    /** A PC whose low and high RAM have these sizes, though the low one does not reach 3 GiB. */
    static TestMachine split(long low, long high) {
        List<MemoryMap.Range> ranges = new ArrayList<>(MemoryMap.pc(low, 0x1_0000).ranges());
        ranges.add(new MemoryMap.Range(MemoryMap.HIGH_BASE, high, MemoryMap.Type.RAM));
        AddressSpace space = new AddressSpace("memory");
        List<GuestMemory> ram = List.of(ram(low), ram(high));
        space.map(0, new Region.Ram(ram.get(0), 0, low));
        space.map(MemoryMap.HIGH_BASE, new Region.Ram(ram.get(1), 0, high));
        return new TestMachine(space, new MemoryMap(ranges), ram);
    }

    BootTarget target() {
        return new BootTarget(memory, map, OptionalLong.of(RSDP), CpuState.powerOn(0x600));
    }

    CpuState boot(KernelImage kernel, BootArguments arguments) throws BootException {
        return kernel.boot(target(), arguments);
    }

    long u32(long address) {
        return memory.read(address, 4);
    }

    long u64(long address) {
        return memory.read(address, 8);
    }

    /** The zero-terminated text at {@code address}. */
    String string(long address) {
        StringBuilder text = new StringBuilder();
        for (long at = address; ; at++) {
            long c = memory.read(at, 1);
            if (c == 0) {
                return text.toString();
            }
            text.append((char) c);
        }
    }

    /** Fills all RAM, as a guest that ran may leave it. */
    void scribble() {
        for (GuestMemory part : ram) {
            part.segment().fill((byte) 0xA5);
        }
    }

    private static GuestMemory ram(long size) {
        return new GuestMemory(Arena.ofAuto().allocate(size, 4096));
    }
}
