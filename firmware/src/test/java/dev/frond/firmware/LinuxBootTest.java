// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.device.Longs;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.util.List;

class LinuxBootTest {
    private static final long BOOT_PARAMS = LinuxBoot.BOOT_PARAMS;
    private static final BootArguments QUIET = new BootArguments("console=ttyS0 quiet", List.of());

    private final TestMachine machine = TestMachine.pc(8 * Images.MIB);

    @Test
    void theKernelIsEnteredInLongModeAt0x200() throws BootException {
        CpuState state = machine.boot(kernel(Images.bzImage()), QUIET);
        assertThat(state.rip()).isEqualTo(0x20_0200);
        assertThat(state.gprs().at(6)).as("RSI").isEqualTo(BOOT_PARAMS);
        assertThat(state.rflags()).as("IF clear").isEqualTo(2);
        assertThat(state.cr0()).isEqualTo(0x8000_0011L);
        assertThat(state.cr4()).isEqualTo(1 << 5);
        assertThat(state.efer()).isEqualTo(1 << 8 | 1 << 10);
        assertThat(state.cs()).isEqualTo(new CpuState.Segment(0x10, 0, -1, 0xA09B));
        assertThat(List.of(state.ds(), state.es(), state.ss(), state.fs(), state.gs()))
                .containsOnly(new CpuState.Segment(0x18, 0, -1, 0xC093));
        assertThat(state.activity()).isEqualTo(CpuState.Activity.ACTIVE);
    }

    @Test
    void theCodeIsCopiedWithoutItsSetupPart() throws BootException {
        ByteBuffer image = Images.bzImage();
        machine.boot(kernel(image), QUIET);
        assertThat(machine.memory().readBytes(0x20_0000, 4096))
                .isEqualTo(Images.range(Images.bytes(image), Images.KERNEL, 4096));
    }

    @Test
    void theGdtHoldsBootCsAndBootDs() throws BootException {
        CpuState state = machine.boot(kernel(Images.bzImage()), QUIET);
        assertThat(state.gdtr().limit()).isGreaterThanOrEqualTo(0x1F);
        assertThat(machine.u64(state.gdtr().base() + 0x10)).isEqualTo(0x00AF_9B00_0000_FFFFL);
        assertThat(machine.u64(state.gdtr().base() + 0x18)).isEqualTo(0x00CF_9300_0000_FFFFL);
    }

    @Test
    void thePageTablesMapTheFirst4GibToThemselves() throws BootException {
        CpuState state = machine.boot(kernel(Images.bzImage()), QUIET);
        for (long address :
                new long[] {0, 0x1234, 0x20_0200, 0x3FFF_FFFF, 0x4000_0000, 0xFFFF_FFFFL}) {
            assertThat(translate(state.cr3(), address)).isEqualTo(address);
        }
    }

    @Test
    void theBootParamsHoldTheSetupHeaderAndWhatTheLoaderFillsIn() throws BootException {
        ByteBuffer image = Images.bzImage();
        machine.boot(kernel(image), QUIET);
        byte[] params = machine.memory().readBytes(BOOT_PARAMS, 4096);
        ByteBuffer p = ByteBuffer.wrap(params).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        assertThat(p.get(0x1EF)).as("sentinel").isZero();
        assertThat(p.getInt(0x202)).isEqualTo(image.getInt(0x202));
        assertThat(p.getLong(Images.PREF_ADDRESS)).isEqualTo(2 * Images.MIB);
        assertThat(p.getInt(0x264))
                .as("the last field of the header")
                .isEqualTo(image.getInt(0x264));
        assertThat(p.get(0x210)).as("type_of_loader").isEqualTo((byte) 0xFF);
        assertThat(p.getShort(0x1FA)).as("vid_mode").isEqualTo((short) 0xFFFF);
        assertThat(p.getInt(0x214)).as("code32_start").isEqualTo(0x20_0000);
        assertThat(p.getLong(0x070)).as("acpi_rsdp_addr").isEqualTo(TestMachine.RSDP);
        assertThat(p.getInt(0x218)).as("ramdisk_image").isZero();
        assertThat(machine.string(p.getInt(0x228))).isEqualTo("console=ttyS0 quiet");
    }

    @Test
    void nothingBehindTheSetupHeaderIsCopied() throws BootException {
        ByteBuffer image = Images.bzImage();
        image.putInt(0x26C, 0x1234_5678);
        machine.boot(kernel(image), QUIET);
        assertThat(machine.u32(BOOT_PARAMS + 0x26C)).isZero();
    }

    @Test
    void theE820TableIsTheMemoryMap() throws BootException {
        machine.boot(kernel(Images.bzImage()), QUIET);
        List<MemoryMap.Range> ranges = machine.map().ranges();
        assertThat(machine.memory().read(BOOT_PARAMS + 0x1E8, 1)).isEqualTo(ranges.size());
        for (int i = 0; i < ranges.size(); i++) {
            long entry = BOOT_PARAMS + 0x2D0 + 20L * i;
            assertThat(machine.u64(entry)).isEqualTo(ranges.get(i).base());
            assertThat(machine.u64(entry + 8)).isEqualTo(ranges.get(i).size());
            assertThat(machine.u32(entry + 16)).isEqualTo(ranges.get(i).type().e820());
        }
    }

    @Test
    void theInitrdGoesAsHighAsFreeMemoryAllows() throws BootException {
        byte[] initrd = Images.pattern(5000, 9);
        machine.boot(kernel(Images.bzImage()), withInitrd(initrd));
        long address = machine.u32(BOOT_PARAMS + 0x218);
        assertThat(address).isEqualTo(8 * Images.MIB - 0x1_0000 - 0x2000);
        assertThat(machine.u32(BOOT_PARAMS + 0x21C)).isEqualTo(5000);
        assertThat(machine.memory().readBytes(address, 5000)).isEqualTo(initrd);
    }

    @Test
    void theInitrdStaysBelowInitrdAddrMax() throws BootException {
        ByteBuffer image = Images.bzImage().putInt(Images.INITRD_ADDR_MAX, 0x4F_FFFF);
        machine.boot(kernel(image), withInitrd(Images.pattern(4097, 9)));
        assertThat(machine.u32(BOOT_PARAMS + 0x218)).isEqualTo(0x50_0000 - 0x2000);
    }

    @Test
    void severalInitrdsFollowEachOtherAtMultiplesOfFour() throws BootException {
        machine.scribble();
        byte[] first = Images.pattern(5, 9);
        byte[] second = Images.pattern(7, 5);
        machine.boot(
                kernel(Images.bzImage()),
                new BootArguments(
                        "",
                        List.of(Images.module("a", first, ""), Images.module("b", second, ""))));
        long address = machine.u32(BOOT_PARAMS + 0x218);
        assertThat(machine.u32(BOOT_PARAMS + 0x21C)).isEqualTo(15);
        assertThat(machine.memory().readBytes(address, 5)).isEqualTo(first);
        assertThat(machine.memory().readBytes(address + 5, 3)).containsOnly(0);
        assertThat(machine.memory().readBytes(address + 8, 7)).isEqualTo(second);
    }

    @Test
    void anInitrdThatDoesNotFitBelowGoesAbove4GibIfTheKernelCanReadItThere() throws BootException {
        TestMachine split = TestMachine.split(4 * Images.MIB, 8 * Images.MIB);
        byte[] initrd = Images.pattern(4 * Images.MIB, 9);
        split.boot(kernel(Images.bzImage()), withInitrd(initrd));
        long address = split.u32(BOOT_PARAMS + 0x218) | split.u32(BOOT_PARAMS + 0x0C0) << 32;
        assertThat(address).isEqualTo(MemoryMap.HIGH_BASE + 4 * Images.MIB);
        assertThat(split.memory().readBytes(address, initrd.length)).isEqualTo(initrd);

        ByteBuffer below = Images.bzImage().putShort(Images.XLOADFLAGS, (short) 1);
        assertThatThrownBy(() -> split.boot(kernel(below), withInitrd(initrd)))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("the kernel with its initrd needs at least 8 MiB of memory");
    }

    @Test
    void aKernelWithout64BitEntryIsEnteredInProtectedModeAtItsStart() throws BootException {
        ByteBuffer image = Images.bzImage().putShort(Images.XLOADFLAGS, (short) 0);
        KernelImage kernel = kernel(image);
        CpuState state = machine.boot(kernel, QUIET);
        assertThat(kernel.description())
                .isEqualTo("Linux bzImage, boot protocol 2.15, 32-bit entry");
        assertThat(state.rip()).isEqualTo(0x20_0000);
        assertThat(state.cr0()).isEqualTo(0x11);
        assertThat(state.efer()).isZero();
        assertThat(state.cs()).isEqualTo(new CpuState.Segment(0x10, 0, -1, 0xC09B));
        assertThat(state.gprs()).isEqualTo(gprs(6, BOOT_PARAMS));
        assertThat(machine.u64(state.gdtr().base() + 0x10)).isEqualTo(0x00CF_9B00_0000_FFFFL);
    }

    @Test
    void aKernelThatDoesNotRelocateIsLoadedAt1Mib() throws BootException {
        ByteBuffer image = Images.bzImage().put(Images.RELOCATABLE_KERNEL, (byte) 0);
        CpuState state = machine.boot(kernel(image), withInitrd(Images.pattern(3 * Images.MIB, 3)));
        assertThat(state.rip()).isEqualTo(0x10_0200);
        assertThat(machine.u32(BOOT_PARAMS + 0x218))
                .as("behind the memory that it moves itself to")
                .isGreaterThanOrEqualTo(3 * Images.MIB);
    }

    @Test
    void aRelocatableKernelIsAlignedAsItAsks() throws BootException {
        ByteBuffer image =
                Images.bzImage()
                        .putLong(Images.PREF_ADDRESS, 0x12_3000)
                        .putInt(Images.KERNEL_ALIGNMENT, 0x1_0000);
        assertThat(machine.boot(kernel(image), QUIET).rip()).isEqualTo(0x13_0200);
    }

    @Test
    void anOldProtocolGetsTheDefaultsOfItsTime() throws BootException {
        ByteBuffer image = Images.bzImage().putShort(Images.VERSION, (short) 0x0202);
        CpuState state = machine.boot(kernel(image), withInitrd(new byte[] {1}));
        assertThat(state.rip()).isEqualTo(0x10_0000);
        assertThatThrownBy(() ->
                        machine.boot(kernel(image), new BootArguments("x".repeat(256), List.of())))
                .hasMessageContaining("256 bytes; accepted are at most 255");
    }

    @Test
    void tooLittleMemoryIsToldWithTheAmountNeeded() {
        ByteBuffer image = Images.bzImage().putInt(Images.INIT_SIZE, 50 * Images.MIB);
        assertThatThrownBy(() -> machine.boot(kernel(image), QUIET))
                .isInstanceOf(BootException.class)
                .hasMessage(
                        "vmlinuz: Linux kernel: the kernel needs at least 53 MiB of memory; the"
                                + " machine has 8 MiB");
        assertThatThrownBy(() ->
                        machine.boot(
                                kernel(Images.bzImage()), withInitrd(new byte[6 * Images.MIB])))
                .hasMessage(
                        "vmlinuz: Linux kernel: the kernel with its initrd needs at least 10 MiB of"
                                + " memory; the machine has 8 MiB");
    }

    @Test
    void theAmountThatIsToldIsEnough() throws BootException {
        ByteBuffer image = Images.bzImage().putInt(Images.INIT_SIZE, 50 * Images.MIB);
        assertThat(TestMachine.pc(53L * Images.MIB).boot(kernel(image), QUIET).rip())
                .isEqualTo(0x20_0200);
        TestMachine ten = TestMachine.pc(10L * Images.MIB);
        assertThat(ten.boot(kernel(Images.bzImage()), withInitrd(new byte[6 * Images.MIB])).rip())
                .isEqualTo(0x20_0200);
    }

    @Test
    void anInitrdThatTheKernelCannotReachIsRefused() {
        ByteBuffer image =
                Images.bzImage()
                        .putInt(Images.INITRD_ADDR_MAX, 0x3F_FFFF)
                        .putShort(Images.XLOADFLAGS, (short) 1);
        assertThatThrownBy(() -> machine.boot(kernel(image), withInitrd(new byte[3 * Images.MIB])))
                .hasMessageContaining("does not fit between the kernel and 0x3fffff");
    }

    @Test
    void aCommandLineThatTheKernelWouldCutIsRefused() {
        assertThatThrownBy(() ->
                        machine.boot(
                                kernel(Images.bzImage()),
                                new BootArguments("ä".repeat(1024), List.of())))
                .isInstanceOf(BootException.class)
                .hasMessage(
                        "vmlinuz: Linux kernel: the command line has 2048 bytes; accepted are at"
                                + " most 2047");
    }

    @Test
    void bootingAgainAfterTheGuestRanGivesTheSameMachine() throws BootException {
        KernelImage kernel = kernel(Images.bzImage());
        BootArguments arguments = withInitrd(Images.pattern(999, 3));
        CpuState first = machine.boot(kernel, arguments);
        byte[] low = machine.memory().readBytes(LinuxBoot.GDT, 0x30);
        byte[] params = machine.memory().readBytes(BOOT_PARAMS, 4096);
        machine.scribble();
        assertThat(machine.boot(kernel, arguments)).isEqualTo(first);
        assertThat(machine.memory().readBytes(LinuxBoot.GDT, 0x30)).isEqualTo(low);
        assertThat(machine.memory().readBytes(BOOT_PARAMS, 4096)).isEqualTo(params);
        assertThat(translate(first.cr3(), 0x8765_4321L)).isEqualTo(0x8765_4321L);
    }

    @Test
    void badHeadersAreToldInOneLine() {
        refused(
                Images.bzImage().putShort(Images.VERSION, (short) 0x0201),
                "boot protocol 2.01; accepted is 2.02");
        refused(Images.bzImage().put(Images.LOADFLAGS, (byte) 0), "it is a zImage");
        refused(Images.bzImage().put(Images.SETUP_SECTS, (byte) 64), "truncated");
        refused(
                Images.bzImage().putInt(Images.SYSSIZE, 258),
                "truncated: it has 4096 of 4128 bytes");
        refused(
                Images.bzImage().putInt(Images.KERNEL_ALIGNMENT, 0x3000),
                "accepted are powers of two");
        refused(Images.bzImage().putInt(Images.KERNEL_ALIGNMENT, 0), "accepted are powers of two");
        refused(Images.bzImage().putLong(Images.PREF_ADDRESS, -4096), "accepted are addresses");
        refused(
                Images.bzImage().putLong(Images.PREF_ADDRESS, Long.MAX_VALUE),
                "accepted are addresses");
        refused(Images.bzImage().putLong(Images.PREF_ADDRESS, 1L << 32), "accepted are addresses");
        refused(Images.bzImage().putInt(Images.INIT_SIZE, -1), "accepted are addresses");
    }

    @Test
    void codeThatFillsItsLastParagraphOnlyInPartIsWhole() throws BootException {
        ByteBuffer image =
                ByteBuffer.wrap(
                        Images.range(Images.bytes(Images.bzImage()), 0, Images.KERNEL + 4090));
        assertThat(machine.boot(kernel(image), QUIET).rip()).isEqualTo(0x20_0200);
    }

    private void refused(ByteBuffer image, String text) {
        assertThatThrownBy(() -> machine.boot(kernel(image), QUIET))
                .isInstanceOf(BootException.class)
                .hasMessageStartingWith("vmlinuz: Linux kernel: ")
                .hasMessageContaining(text);
    }

    private static KernelImage kernel(ByteBuffer image) throws BootException {
        KernelImage kernel = KernelImage.of(Images.file("vmlinuz", Images.bytes(image)));
        assertThat(kernel).isInstanceOf(LinuxBoot.class);
        return kernel;
    }

    private static BootArguments withInitrd(byte[] initrd) {
        return new BootArguments("", List.of(Images.module("initrd", initrd, "")));
    }

    private static Longs gprs(int register, long value) {
        long[] values = new long[16];
        values[register] = value;
        return Longs.of(values);
    }

    /** Walks page tables as a CPU in 4-level paging does. */
    private long translate(long cr3, long address) {
        long table = cr3;
        for (int shift = 39; shift >= 12; shift -= 9) {
            long entry = machine.u64(table + 8 * (address >>> shift & 511));
            assertThat(entry & 3).as("present and writable").isEqualTo(3);
            long next = entry & 0x000F_FFFF_FFFF_F000L;
            if ((entry & 1 << 7) != 0 || shift == 12) {
                return next | address & (1L << shift) - 1;
            }
            table = next;
        }
        throw new AssertionError("no page");
    }
}
