// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

class Multiboot1Test {
    private static final byte[] HEADER = Images.multibootHeader(3);

    private final TestMachine machine = TestMachine.pc(8 * Images.MIB);

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anElfIsEnteredInProtectedModeAtItsPhysicalEntry(boolean is64) throws BootException {
        KernelImage kernel = kernel(Images.multibootElf(is64, HEADER));
        CpuState state = machine.boot(kernel, BootArguments.NONE);
        assertThat(kernel.description())
                .isEqualTo("Multiboot 1 kernel, ELF" + (is64 ? "64" : "32"));
        assertThat(state.rip()).isEqualTo(0x10_0020);
        assertThat(state.gprs().at(0)).as("EAX").isEqualTo(0x2BAD_B002);
        assertThat(state.cr0() & 0x8000_0001L).as("PE, no PG").isEqualTo(1);
        assertThat(state.efer()).isZero();
        assertThat(state.rflags()).isEqualTo(2);
        assertThat(state.cs().attributes()).isEqualTo(0xC09B);
        for (CpuState.Segment data :
                List.of(state.ds(), state.es(), state.fs(), state.gs(), state.ss())) {
            assertThat(data).isEqualTo(new CpuState.Segment(0x18, 0, -1, 0xC093));
        }
        assertThat(machine.memory().readBytes(0x10_1000, 0x100))
                .isEqualTo(Images.pattern(0x100, 13));
        assertThat(machine.memory().readBytes(0x10_0040, HEADER.length)).isEqualTo(HEADER);
    }

    @Test
    void theInformationStructureHoldsMemoryNameAndCommandLine() throws BootException {
        CpuState state =
                machine.boot(
                        kernel(Images.multibootElf(false, HEADER)),
                        new BootArguments("a=1 b", List.of()));
        long info = state.gprs().at(3);
        assertThat(machine.u32(info)).isEqualTo(0b10_0100_1101);
        assertThat(machine.u32(info + 4)).as("mem_lower").isEqualTo(639);
        assertThat(machine.u32(info + 8)).as("mem_upper").isEqualTo(7 * 1024 - 64);
        assertThat(machine.string(machine.u32(info + 16))).isEqualTo("kernel.elf a=1 b");
        assertThat(machine.u32(info + 20)).as("mods_count").isZero();
        assertThat(machine.string(machine.u32(info + 64))).isEqualTo("Frond");
    }

    @Test
    void theMemoryMapIsAListOfSizedEntries() throws BootException {
        CpuState state =
                machine.boot(kernel(Images.multibootElf(false, HEADER)), BootArguments.NONE);
        long info = state.gprs().at(3);
        long at = machine.u32(info + 48);
        long end = at + machine.u32(info + 44);
        for (MemoryMap.Range range : machine.map().ranges()) {
            assertThat(at).isLessThan(end);
            assertThat(machine.u64(at + 4)).isEqualTo(range.base());
            assertThat(machine.u64(at + 12)).isEqualTo(range.size());
            assertThat(machine.u32(at + 20)).isEqualTo(range.type().e820());
            at += machine.u32(at) + 4;
        }
        assertThat(at).isEqualTo(end);
    }

    @Test
    void modulesFollowTheKernelOnPagesOfTheirOwn() throws BootException {
        byte[] first = Images.pattern(5000, 7);
        byte[] second = Images.pattern(30, 5);
        CpuState state =
                machine.boot(
                        kernel(Images.multibootElf(false, HEADER)),
                        new BootArguments(
                                "",
                                List.of(
                                        Images.module("initrd", first, "x y"),
                                        Images.module("m2", second, ""))));
        long info = state.gprs().at(3);
        assertThat(machine.u32(info + 20)).isEqualTo(2);
        long list = machine.u32(info + 24);
        assertThat(machine.u32(list)).isEqualTo(0x10_4000);
        assertThat(machine.u32(list + 4)).isEqualTo(0x10_4000 + 5000);
        assertThat(machine.string(machine.u32(list + 8))).isEqualTo("initrd x y");
        assertThat(machine.u32(list + 12)).isZero();
        assertThat(machine.u32(list + 16)).isEqualTo(0x10_6000);
        assertThat(machine.string(machine.u32(list + 24))).isEqualTo("m2");
        assertThat(machine.memory().readBytes(0x10_4000, 5000)).isEqualTo(first);
        assertThat(machine.memory().readBytes(0x10_6000, 30)).isEqualTo(second);
    }

    @Test
    void addressesInTheHeaderGoBeforeThoseOfTheFile() throws BootException {
        machine.scribble();
        byte[] image = Images.multibootFlat();
        KernelImage kernel = kernel(image);
        CpuState state = machine.boot(kernel, BootArguments.NONE);
        assertThat(kernel.description()).isEqualTo("Multiboot 1 kernel, addresses in its header");
        assertThat(state.rip()).isEqualTo(0x10_0100);
        assertThat(machine.memory().readBytes(0x10_0000, 0x800))
                .isEqualTo(Images.range(image, 0x10, 0x800));
        assertThat(machine.memory().readBytes(0x10_0800, 0x1800)).containsOnly(0);
        assertThat(machine.memory().read(0x10_2000, 1)).isEqualTo(0xA5);
    }

    @Test
    void withoutEndAddressesTheRestOfTheFileIsLoaded() throws BootException {
        byte[] image = flat(0x10_0010, 0x10_0000, 0, 0, 0x10_0100);
        machine.boot(kernel(image), BootArguments.NONE);
        assertThat(machine.memory().readBytes(0x10_0000, 0xFF0))
                .isEqualTo(Images.range(image, 0x10, 0xFF0));
        assertThat(machine.memory().read(0x10_0FF0, 8)).isZero();
    }

    @Test
    void theGuestHasAStackThatNothingElseUses() throws BootException {
        CpuState state =
                machine.boot(kernel(Images.multibootElf(false, HEADER)), BootArguments.NONE);
        long stack = state.gprs().at(4);
        assertThat(machine.map().isRam(stack - 4096, 4096)).isTrue();
        assertThat(machine.memory().readBytes(stack - 4096, 4096)).containsOnly(0);
    }

    @Test
    void aTextModeIsGrantedAndAGraphicsModeRefused() throws BootException {
        byte[] text =
                Images.multibootElf(false, Images.multibootHeader(4, 0, 0, 0, 0, 0, 1, 80, 25, 0));
        long info = machine.boot(kernel(text), BootArguments.NONE).gprs().at(3);
        assertThat(machine.u32(info) & 1 << 12).isNotZero();
        assertThat(machine.u64(info + 88)).isEqualTo(0xB8000);
        assertThat(machine.memory().read(info + 109, 1)).isEqualTo(2);
        byte[] graphics =
                Images.multibootElf(
                        false, Images.multibootHeader(4, 0, 0, 0, 0, 0, 0, 800, 600, 32));
        refused(graphics, "it requires a graphics mode, and the machine has no display");
    }

    /** GNU ld puts the ELF header there when only the text has an address, which is 1 MiB. */
    @Test
    void aSegmentMayReachIntoThePageBelow1Mib() throws BootException {
        byte[] text = Images.pattern(0x2000, 11);
        byte[] header = Images.multibootHeader(3);
        System.arraycopy(header, 0, text, 0x1000, header.length);
        byte[] image =
                Images.elf(
                        false,
                        0x10_0010,
                        List.of(new Images.Part(0xF_F000, 0xF_F000, text, 0x2000, true)),
                        new byte[0]);
        CpuState state = machine.boot(kernel(image), BootArguments.NONE);
        assertThat(state.rip()).isEqualTo(0x10_0010);
        assertThat(machine.memory().readBytes(0xF_F000, 0x2000)).isEqualTo(text);
    }

    @Test
    void memoryBelow1MibThatIsNoRamIsNotLoadedTo() {
        GuestMemory rom = new GuestMemory(Arena.ofAuto().allocate(4096, 4096));
        machine.memory().map(0xF_F000, new Region.Rom(rom, 0, 4096), 1);
        refused(flat(0xF_F010, 0xF_F000, 0xF_F800, 0, 0xF_F100), "that is not free RAM");
    }

    @Test
    void badHeadersAreToldInOneLine() {
        refused(
                Images.multibootElf(false, Images.multibootHeader(0x103)),
                "its header requires features 0x100");
        refused(
                flat(0x10_0010, 0x10_0020, 0x10_0800, 0, 0x10_0100),
                "load_addr 0x100020 does not fit");
        refused(
                flat(0x10_0030, 0x10_0000, 0x10_0800, 0, 0x10_0100),
                "load_addr 0x100000 does not fit");
        refused(
                flat(0x10_0010, 0x10_0000, 0x10_0000, 0, 0x10_0100),
                "load_end_addr 0x100000 is not above");
        refused(
                flat(0x10_0010, 0x10_0000, 0x10_2000, 0, 0x10_0100),
                "truncated: it has 4080 of 8192 bytes");
        refused(
                flat(0x10_0010, 0x10_0000, 0x10_0800, 0x10_0700, 0x10_0100),
                "bss_end_addr 0x100700 is below");
        refused(
                flat(0x10_0010, 0x10_0000, 0x10_0800, 0, 0x10_0800),
                "entry point 0x100800 is outside");
        refused(flat(0xF_0010, 0xF_0000, 0xF_0800, 0, 0xF_0100), "that is not free RAM");
        byte[] noAddresses = Images.pattern(0x100, 3);
        System.arraycopy(HEADER, 0, noAddresses, 0x20, HEADER.length);
        refused(noAddresses, "it is no ELF file, and its header gives no load addresses");
    }

    @Test
    void aHeaderWithAWrongSumOrOffAWordBoundaryIsNoHeader() {
        byte[] wrong = Images.multibootFlat();
        wrong[0x28]++;
        refused(wrong, "not a kernel; accepted are");
        byte[] off = Images.pattern(0x100, 3);
        System.arraycopy(HEADER, 0, off, 0x22, HEADER.length);
        refused(off, "not a kernel; accepted are");
    }

    @Test
    void aHeaderBehindTheFirst8KibIsNotFound() throws BootException {
        byte[] late = Images.pattern(0x4000, 3);
        byte[] header = Images.multibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0, 0, 0x10_0000);
        System.arraycopy(header, 0, late, 8192 - header.length, header.length);
        assertThat(machine.boot(kernel(late), BootArguments.NONE).rip()).isEqualTo(0x10_0000);
        byte[] tooLate = Images.pattern(0x4000, 3);
        System.arraycopy(header, 0, tooLate, 8192 - 8, header.length);
        refused(tooLate, "not a kernel");
    }

    private void refused(byte[] image, String text) {
        assertThatThrownBy(() -> machine.boot(kernel(image), BootArguments.NONE))
                .isInstanceOf(BootException.class)
                .hasMessageStartingWith("kernel.elf: ")
                .hasMessageContaining(text);
    }

    private static byte[] flat(int... addresses) {
        byte[] image = Images.multibootFlat();
        ByteBuffer header = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < addresses.length; i++) {
            header.putInt(0x2C + 4 * i, addresses[i]);
        }
        return image;
    }

    private static KernelImage kernel(byte[] image) throws BootException {
        KernelImage kernel = KernelImage.of(Images.file("kernel.elf", image));
        assertThat(kernel).isInstanceOf(Multiboot1.class);
        return kernel;
    }
}
