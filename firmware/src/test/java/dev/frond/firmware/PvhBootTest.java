// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;

import java.util.List;

class PvhBootTest {
    private final TestMachine machine = TestMachine.pc(8 * Images.MIB);

    @Test
    void theKernelIsEnteredInProtectedModeAtTheAddressInItsNote() throws BootException {
        KernelImage kernel = kernel(Images.pvhKernel());
        CpuState state = machine.boot(kernel, BootArguments.NONE);
        assertThat(kernel.description()).isEqualTo("ELF64 kernel, PVH entry");
        assertThat(state.rip()).isEqualTo(0x10_0040);
        assertThat(state.cr0()).isEqualTo(0x11);
        assertThat(state.cr4()).isZero();
        assertThat(state.efer()).isZero();
        assertThat(state.rflags()).isEqualTo(2);
        assertThat(state.cs().attributes()).isEqualTo(0xC09B);
        assertThat(state.cs().limit()).isEqualTo(-1);
        assertThat(state.ds().attributes()).isEqualTo(0xC093);
        assertThat(state.es()).isEqualTo(state.ds());
        assertThat(state.tr().base()).isZero();
        assertThat(state.tr().limit()).isEqualTo(0x67);
        assertThat(state.tr().attributes()).as("32-bit TSS, active").isEqualTo(0x8B);
        assertThat(machine.u64(state.gdtr().base() + state.cs().selector()))
                .isEqualTo(0x00CF_9B00_0000_FFFFL);
    }

    @Test
    void theSegmentsAreLoadedToTheirPhysicalAddressesWithZeroesBehind() throws BootException {
        machine.scribble();
        machine.boot(kernel(Images.pvhKernel()), BootArguments.NONE);
        assertThat(machine.memory().readBytes(0x10_0000, 0x1000))
                .isEqualTo(Images.pattern(0x1000, 3));
        assertThat(machine.memory().readBytes(0x20_0000, 0x123))
                .isEqualTo(Images.pattern(0x123, 5));
        assertThat(machine.memory().readBytes(0x20_0123, 0x2000 - 0x123)).containsOnly(0);
        assertThat(machine.memory().read(0x20_2000, 1)).as("behind the segment").isEqualTo(0xA5);
    }

    @Test
    void theStartInfoLeadsToCommandLineMemoryMapAndRsdp() throws BootException {
        CpuState state =
                machine.boot(
                        kernel(Images.pvhKernel()), new BootArguments("console=hvc0", List.of()));
        long info = state.gprs().at(3);
        assertThat(machine.u32(info)).isEqualTo(0x336E_C578);
        assertThat(machine.u32(info + 4)).as("version").isEqualTo(1);
        assertThat(machine.u32(info + 8)).as("flags").isZero();
        assertThat(machine.u32(info + 12)).as("nr_modules").isZero();
        assertThat(machine.u64(info + 16)).as("modlist_paddr").isZero();
        assertThat(machine.string(machine.u64(info + 24))).isEqualTo("console=hvc0");
        assertThat(machine.u64(info + 32)).isEqualTo(TestMachine.RSDP);
        List<MemoryMap.Range> ranges = machine.map().ranges();
        assertThat(machine.u32(info + 48)).isEqualTo(ranges.size());
        for (int i = 0; i < ranges.size(); i++) {
            long entry = machine.u64(info + 40) + 24L * i;
            assertThat(machine.u64(entry)).isEqualTo(ranges.get(i).base());
            assertThat(machine.u64(entry + 8)).isEqualTo(ranges.get(i).size());
            assertThat(machine.u64(entry + 16)).isEqualTo(ranges.get(i).type().e820());
        }
    }

    @Test
    void modulesAreLoadedHighAndListedWithTheirArguments() throws BootException {
        byte[] first = Images.pattern(5000, 7);
        byte[] second = Images.pattern(3, 5);
        CpuState state =
                machine.boot(
                        kernel(Images.pvhKernel()),
                        new BootArguments(
                                "",
                                List.of(
                                        Images.module("initrd", first, "a b"),
                                        Images.module("x", second, ""))));
        long info = state.gprs().at(3);
        assertThat(machine.u32(info + 12)).isEqualTo(2);
        long list = machine.u64(info + 16);
        assertThat(machine.u64(list)).isEqualTo(8 * Images.MIB - 0x1_0000 - 0x2000);
        assertThat(machine.u64(list + 8)).isEqualTo(5000);
        assertThat(machine.string(machine.u64(list + 16))).isEqualTo("a b");
        assertThat(machine.memory().readBytes(machine.u64(list), 5000)).isEqualTo(first);
        assertThat(machine.memory().readBytes(machine.u64(list + 32), 3)).isEqualTo(second);
    }

    @Test
    void anEntryOf4BytesInAnElf32IsFoundToo() throws BootException {
        byte[] image =
                Images.elf(
                        false,
                        0,
                        List.of(new Images.Part(0x30_0000, 0x30_0000, new byte[] {1}, 1, true)),
                        Images.pvhNote(0x30_0000, 4));
        assertThat(machine.boot(kernel(image), BootArguments.NONE).rip()).isEqualTo(0x30_0000);
    }

    @Test
    void theStartInfoMovesUpWhereTheKernelCoversLowMemory() throws BootException {
        byte[] image =
                Images.elf(
                        true,
                        0,
                        List.of(new Images.Part(0, 0, new byte[] {1}, MemoryMap.EBDA, true)),
                        Images.pvhNote(0, 8));
        long info = machine.boot(kernel(image), BootArguments.NONE).gprs().at(3);
        assertThat(info).isGreaterThan(Images.MIB);
        assertThat(machine.u32(info)).isEqualTo(0x336E_C578);
    }

    @Test
    void aKernelThatDoesNotFitIsRefusedWithTheReason() {
        assertThatThrownBy(() ->
                        machine.boot(kernel(at(0x40_0000, 50 * Images.MIB)), BootArguments.NONE))
                .isInstanceOf(BootException.class)
                .hasMessageContaining(
                        "too little memory for it: 8 MiB; accepted is 55 MiB and more");
        assertThatThrownBy(() -> machine.boot(kernel(at(0xF_0800, 0x1000)), BootArguments.NONE))
                .hasMessageContaining("0xf0800..0xf17ff: that is not free RAM");
        assertThatThrownBy(() -> machine.boot(kernel(at(0xD000_0000L, 1)), BootArguments.NONE))
                .hasMessageContaining("that is not free RAM");
        assertThatThrownBy(() ->
                        machine.boot(kernel(at(0x10_0000, Long.MAX_VALUE)), BootArguments.NONE))
                .hasMessageContaining("passes the end of the address space");
    }

    @Test
    void aModuleThatDoesNotFitIsRefusedWithItsName() {
        assertThatThrownBy(() ->
                        machine.boot(
                                kernel(Images.pvhKernel()),
                                new BootArguments(
                                        "",
                                        List.of(
                                                Images.module(
                                                        "big", new byte[8 * Images.MIB], "")))))
                .isInstanceOf(BootException.class)
                .hasMessage(
                        "big: 8388608 bytes do not fit beside vmlinux into the memory below"
                                + " 0x7f0000");
    }

    @Test
    void anEntryOutsideOfTheKernelIsRefused() {
        byte[] image =
                Images.elf(
                        true,
                        0,
                        List.of(new Images.Part(0, 0x10_0000, new byte[16], 16, true)),
                        Images.pvhNote(0x10_0010, 8));
        assertThatThrownBy(() -> KernelImage.of(Images.file("vmlinux", image)))
                .hasMessageContaining("entry point 0x100010 is outside");
    }

    private static byte[] at(long address, long size) {
        return Images.elf(
                true,
                0,
                List.of(new Images.Part(0, address, new byte[] {1}, size, true)),
                Images.pvhNote(address, 8));
    }

    private static KernelImage kernel(byte[] image) throws BootException {
        KernelImage kernel = KernelImage.of(Images.file("vmlinux", image));
        assertThat(kernel).isInstanceOf(PvhBoot.class);
        return kernel;
    }
}
