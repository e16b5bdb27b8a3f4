// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.ReentrantLock;

class FwCfgTest extends DeviceContract<FwCfg.State> {
    private static final int SELECTOR = 0x510;
    private static final int DATA = 0x511;
    private static final int DMA = 0x514;

    private static final int READ = 2;
    private static final int SKIP = 4;
    private static final int SELECT = 8;
    private static final int WRITE = 16;
    private static final long ACCESS = 0x8000;

    private final TestMachine machine = TestMachine.pc(4 * Images.MIB);
    private final AddressSpace memory = machine.memory();
    private final FwCfg device =
            new FwCfg(
                    FwCfgItems.ofMachine(3, 4 * Images.MIB, machine.map())
                            .withFile("opt/b", FwCfgItem.of((byte) 1, (byte) 2, (byte) 3))
                            .withFile("opt/a", FwCfgItem.string("hi")),
                    memory);
    private final AddressSpace ports = new AddressSpace("ports");

    FwCfgTest() {
        ports.map(SELECTOR, device.region());
    }

    @Override
    protected Rig<FwCfg.State> newRig() {
        GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(0x1_0000, 4096));
        AddressSpace benchMemory = new AddressSpace("memory");
        benchMemory.map(0, new Region.Ram(ram, 0, ram.size()));
        FwCfgItems items =
                new FwCfgItems(
                        Map.of(FwCfgItems.FW_CFG_NB_CPUS, FwCfgItem.u16(2)),
                        Map.of("opt/a", FwCfgItem.of(Images.pattern(300, 7))));
        FwCfg bench = new FwCfg(items, benchMemory);
        AddressSpace benchPorts = new AddressSpace("ports");
        benchPorts.map(SELECTOR, bench.region());
        return new Rig<>(bench, new ManualClock())
                .region(bench.region())
                .favourites(0, 1, 5, 0x19, 0x20, 0x4020)
                .stimulus(random -> {
                    int control = random.nextInt(0x22) << 16 | random.nextInt(32);
                    int length = random.nextInt(400);
                    benchMemory.writeBytes(ACCESS, descriptor(control, length, 0x4000));
                    benchPorts.write(DMA + 4, 4, Integer.reverseBytes((int) ACCESS));
                    // Memory is no part of the state: the next access finds none of this.
                    ram.segment().fill((byte) 0);
                });
    }

    @Test
    void afterPowerOnTheSignatureIsRead() {
        assertThat(text(4)).isEqualTo("QEMU");
        assertThat(ports.read(DATA, 1)).as("behind the end").isZero();
    }

    @Test
    void theIdTellsOfTheDmaInterface() {
        select(FwCfgItems.FW_CFG_ID);
        assertThat(number(4)).isEqualTo(3);
        assertThat(ports.read(DMA, 4)).isEqualTo(0x554D4551L);
        assertThat(ports.read(DMA + 4, 4)).isEqualTo(0x47464320L);
        assertThat(ports.read(DMA + 5, 1)).isEqualTo('C');
    }

    @Test
    void theMachineIsDescribed() {
        select(FwCfgItems.FW_CFG_RAM_SIZE);
        assertThat(number(8)).isEqualTo(4 * Images.MIB);
        select(FwCfgItems.FW_CFG_NB_CPUS);
        assertThat(number(2)).isEqualTo(3);
        select(FwCfgItems.FW_CFG_MAX_CPUS);
        assertThat(number(2)).isEqualTo(3);
    }

    @Test
    void theDirectoryListsEveryFileInTheOrderOfTheNames() {
        select(FwCfgItems.FW_CFG_FILE_DIR);
        assertThat(bigEndian(4)).isEqualTo(3);
        for (String name : List.of("etc/e820", "opt/a", "opt/b")) {
            long size = bigEndian(4);
            int key = (int) bigEndian(2);
            assertThat(bigEndian(2)).isZero();
            assertThat(text(56).replace("\0", "")).isEqualTo(name);
            FwCfg.State place = device.save();
            select(key);
            switch (name) {
                case "etc/e820" -> assertThat(size).isEqualTo(20L * machine.map().ranges().size());
                case "opt/a" -> assertThat(text((int) size)).isEqualTo("hi\0");
                default -> assertThat(number((int) size)).isEqualTo(0x030201);
            }
            device.load(place);
        }
        assertThat(ports.read(DATA, 4)).isZero();
    }

    @Test
    void selectingStartsAtTheFirstByteAgainAlsoOnTheWriteChannel() {
        text(2);
        select(FwCfgItems.FW_CFG_SIGNATURE);
        assertThat(text(1)).isEqualTo("Q");
        select(0x4000);
        assertThat(text(4)).isEqualTo("QEMU");
    }

    @Test
    void aWideReadOfTheDataPortGivesTheNextBytesInTheirOrder() {
        assertThat(ports.read(DATA, 2)).isEqualTo('Q' | 'E' << 8);
        assertThat(text(2)).isEqualTo("MU");
    }

    @Test
    void anUnknownKeyReadsAsZeroes() {
        select(0x3FFF);
        assertThat(number(8)).isZero();
        assertThat(device.save().offset()).isZero();
    }

    @Test
    void writesToTheDataPortAndNarrowWritesToTheOthersDoNothing() {
        ports.write(DATA, 1, 0x55);
        ports.write(SELECTOR, 1, 5);
        ports.write(DMA, 2, 5);
        ports.write(DMA + 4, 1, 5);
        assertThat(device.save()).isEqualTo(FwCfg.State.RESET);
        assertThat(text(4)).isEqualTo("QEMU");
    }

    @Test
    void dmaSelectsAndReadsInOneAccess() {
        assertThat(dma(FwCfgItems.FW_CFG_SIGNATURE << 16 | SELECT | READ, 4, 0x9000)).isZero();
        assertThat(memory.readBytes(0x9000, 5)).isEqualTo(ascii("QEMU\0"));
        assertThat(device.save().offset()).isEqualTo(4);
    }

    @Test
    void dmaGoesOnWhereTheDataPortStopped() {
        text(1);
        assertThat(dma(READ, 2, 0x9000)).isZero();
        assertThat(memory.readBytes(0x9000, 2)).isEqualTo(ascii("EM"));
        assertThat(text(1)).isEqualTo("U");
    }

    @Test
    void dmaSkips() {
        assertThat(dma(SELECT | SKIP, 2, 0)).isZero();
        assertThat(text(2)).isEqualTo("MU");
        assertThat(dma(SKIP, 0xFFFF_FFFFL, 0)).isZero();
        assertThat(dma(SKIP, 0xFFFF_FFFFL, 0)).isZero();
        assertThat(device.save().offset()).isEqualTo(0xFFFF_FFFFL);
        assertThat(text(1)).isEqualTo("\0");
    }

    @Test
    void dmaBehindTheEndOfAnItemGivesZeroes() {
        machine.scribble();
        assertThat(dma(SELECT | READ, 0x3000, 0x2_0001)).isZero();
        assertThat(memory.readBytes(0x2_0001, 4)).isEqualTo(ascii("QEMU"));
        assertThat(memory.readBytes(0x2_0005, 0x3000 - 4)).containsOnly(0);
        assertThat(memory.read(0x2_3001, 1)).isEqualTo(0xA5);
    }

    @Test
    void dmaMarksThePagesThatItWrote() {
        var ram = machine.ram().getFirst();
        ram.dirtyLog().start();
        dma(SELECT | READ, 0x1001, 0x2_0000);
        List<Long> pages = new java.util.ArrayList<>();
        ram.dirtyLog().harvest(pages::add);
        assertThat(pages).contains(0x20L, 0x21L).doesNotContain(0x22L);
    }

    @Test
    void aHighAddressTakesBothHalvesOfTheRegister() {
        TestMachine split = TestMachine.split(4 * Images.MIB, 4 * Images.MIB);
        FwCfg high =
                new FwCfg(FwCfgItems.ofMachine(1, 8 * Images.MIB, split.map()), split.memory());
        AddressSpace bus = new AddressSpace("ports");
        bus.map(SELECTOR, high.region());
        long access = MemoryMap.HIGH_BASE + 0x100;
        split.memory().writeBytes(access, descriptor(SELECT | READ, 4, MemoryMap.HIGH_BASE));
        bus.write(DMA, 4, Integer.reverseBytes(1) & 0xFFFF_FFFFL);
        bus.write(DMA + 4, 4, Integer.reverseBytes(0x100) & 0xFFFF_FFFFL);
        assertThat(split.memory().readBytes(MemoryMap.HIGH_BASE, 4)).isEqualTo(ascii("QEMU"));
        assertThat(high.save().dmaHigh()).as("0 again after an access").isZero();
    }

    @Test
    void dmaWritesAreRefused() {
        assertThat(dma(SELECT | WRITE, 4, 0x9000)).isEqualTo(1);
        assertThat(text(4)).isEqualTo("QEMU");
    }

    @Test
    void dmaOutsideOfRamSetsTheErrorBitAndWritesNothing() {
        long end = 4 * Images.MIB;
        assertThat(dma(SELECT | READ, 4, 0xFEC0_0000L)).isEqualTo(1);
        assertThat(dma(SELECT | READ, 4, -2)).isEqualTo(1);
        assertThat(dma(SELECT | READ, 4, end - 2)).isEqualTo(1);
        assertThat(memory.read(end - 2, 2)).isZero();
        assertThat(dma(SELECT | READ, 0xFFFF_FFFFL, 0x9000)).isEqualTo(1);
        assertThat(memory.read(0x9000, 4)).isZero();
    }

    @Test
    void anAccessStructureOutsideOfRamDoesNothing() {
        for (long address : new long[] {4 * Images.MIB - 8, 0xFEC0_0000L, -8, Long.MIN_VALUE}) {
            start(address);
            assertThat(device.save()).isEqualTo(FwCfg.State.RESET);
        }
    }

    @Test
    void dmaToDeviceRegistersNeverReachesThem() {
        class Trap implements IoHandler {
            @Override
            public long read(long offset, int size) {
                throw new AssertionError("read");
            }

            @Override
            public void write(long offset, int size, long value) {
                throw new AssertionError("written");
            }
        }
        memory.map(
                0xA0000, new Region.Io(new Trap(), 0x1000, AccessWidths.ANY, new ReentrantLock()));
        assertThat(dma(SELECT | READ, 0x2000, 0x9F000)).isEqualTo(1);
        start(0xA0000);
    }

    @Test
    void aKernelIsOfferedInTheTwoPartsOfItsFile() throws BootException {
        KernelImage kernel = KernelImage.of(Images.file("vmlinuz", Images.bytes(Images.bzImage())));
        BootArguments arguments =
                new BootArguments(
                        "a=b", List.of(Images.module("initrd", Images.pattern(700, 3), "")));
        FwCfgItems items = new FwCfgItems(Map.of(), Map.of()).withKernel(kernel, arguments);
        AddressSpace bus = new AddressSpace("ports");
        bus.map(SELECTOR, new FwCfg(items, memory).region());
        byte[] image = Images.bytes(Images.bzImage());
        assertThat(item(bus, FwCfgItems.FW_CFG_SETUP_SIZE, FwCfgItems.FW_CFG_SETUP_DATA))
                .isEqualTo(Images.range(image, 0, Images.KERNEL));
        assertThat(item(bus, FwCfgItems.FW_CFG_KERNEL_SIZE, FwCfgItems.FW_CFG_KERNEL_DATA))
                .isEqualTo(Images.range(image, Images.KERNEL, 4096));
        assertThat(item(bus, FwCfgItems.FW_CFG_CMDLINE_SIZE, FwCfgItems.FW_CFG_CMDLINE_DATA))
                .isEqualTo(ascii("a=b\0"));
        assertThat(item(bus, FwCfgItems.FW_CFG_INITRD_SIZE, FwCfgItems.FW_CFG_INITRD_DATA))
                .isEqualTo(Images.pattern(700, 3));
    }

    @Test
    void aFileThatTheHostCannotReadAnyMoreIsAnErrorOfTheDma(@TempDir Path directory)
            throws IOException, BootException {
        Path path = Files.write(directory.resolve("blob"), Images.pattern(200_000, 7));
        try (BootFile file = BootFile.open(path)) {
            FwCfg fwCfg =
                    new FwCfg(
                            new FwCfgItems(Map.of(), Map.of("opt/blob", FwCfgItem.of(file))),
                            memory);
            AddressSpace bus = new AddressSpace("ports");
            bus.map(SELECTOR, fwCfg.region());
            memory.writeBytes(ACCESS, descriptor(0x20 << 16 | SELECT | READ, 200_000, 0x10_0000));
            bus.write(DMA + 4, 4, Integer.reverseBytes((int) ACCESS) & 0xFFFF_FFFFL);
            assertThat(memory.readBytes(0x10_0000, 200_000)).isEqualTo(Images.pattern(200_000, 7));
            assertThat(memory.read(ACCESS, 4)).isZero();

            Files.write(path, new byte[100]);
            memory.writeBytes(ACCESS, descriptor(0x20 << 16 | SELECT | READ, 200_000, 0x10_0000));
            bus.write(DMA + 4, 4, Integer.reverseBytes((int) ACCESS) & 0xFFFF_FFFFL);
            assertThat(memory.read(ACCESS, 4)).isEqualTo(0x0100_0000);
            bus.write(SELECTOR, 2, 0x20);
            assertThat(bus.read(DATA, 1)).isZero();
        }
    }

    @Test
    void aGuestThatPlaysWithDmaNeverMakesItThrow() {
        SplittableRandom random = new SplittableRandom(11);
        long[] addresses = {0, 0x9000, 0x9FFF0, 4 * Images.MIB - 16, 0xFEE0_0000L, -16, 1L << 62};
        for (int i = 0; i < 100_000; i++) {
            switch (random.nextInt(4)) {
                case 0 -> ports.read(SELECTOR + random.nextInt(12), 1 << random.nextInt(3));
                case 1 ->
                        ports.write(
                                SELECTOR + random.nextInt(12),
                                1 << random.nextInt(3),
                                random.nextLong() >>> random.nextInt(64));
                case 2 -> select(random.nextInt(0x30));
                default -> {
                    long length = random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(600);
                    dma(
                            random.nextInt(0x30) << 16 | random.nextInt(32),
                            length,
                            addresses[random.nextInt(addresses.length)] + random.nextInt(32));
                }
            }
        }
        FwCfg.State state = device.save();
        device.load(state);
        assertThat(device.save()).isEqualTo(state);
        device.reset();
        assertThat(device.save()).isEqualTo(device.resetState());
        assertThat(text(4)).isEqualTo("QEMU");
    }

    @Test
    void badContentsAreRefused() {
        assertThatThrownBy(() -> new FwCfgItems(Map.of(0x19, FwCfgItem.u16(1)), Map.of()))
                .hasMessageContaining("fw_cfg key 0x19: accepted are");
        assertThatThrownBy(() -> new FwCfgItems(Map.of(), Map.of("x".repeat(56), FwCfgItem.u16(1))))
                .hasMessageContaining("accepted are names of 1 to 55");
        assertThatThrownBy(() -> new FwCfgItem.Part(Images.file("f", new byte[4]), 2, 3))
                .hasMessageContaining("f: 3 bytes at 2");
        assertThatThrownBy(() -> new FwCfg.State(0x1_0000, 0, 0))
                .hasMessageContaining("selector 65536");
        assertThatThrownBy(() -> new FwCfg.State(0, 1L << 32, 0))
                .hasMessageContaining("offset 4294967296");
    }

    private void select(int key) {
        ports.write(SELECTOR, 2, key);
    }

    private String text(int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) ports.read(DATA, 1));
        }
        return text.toString();
    }

    private long number(int length) {
        long value = 0;
        for (int i = 0; i < length; i++) {
            value |= ports.read(DATA, 1) << 8 * i;
        }
        return value;
    }

    private long bigEndian(int length) {
        long value = 0;
        for (int i = 0; i < length; i++) {
            value = value << 8 | ports.read(DATA, 1);
        }
        return value;
    }

    private static byte[] item(AddressSpace bus, int sizeKey, int dataKey) {
        bus.write(SELECTOR, 2, sizeKey);
        byte[] bytes = new byte[(int) bus.read(DATA, 4)];
        bus.write(SELECTOR, 2, dataKey);
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) bus.read(DATA, 1);
        }
        assertThat(bus.read(DATA, 1)).isZero();
        return bytes;
    }

    /** Runs one DMA access at 8000h; gives the control field that it leaves. */
    private int dma(int control, long length, long address) {
        memory.writeBytes(ACCESS, descriptor(control, length, address));
        start(ACCESS);
        return Integer.reverseBytes((int) memory.read(ACCESS, 4));
    }

    private void start(long address) {
        ports.write(DMA, 4, Integer.reverseBytes((int) (address >>> 32)) & 0xFFFF_FFFFL);
        ports.write(DMA + 4, 4, Integer.reverseBytes((int) address) & 0xFFFF_FFFFL);
    }

    private static byte[] descriptor(int control, long length, long address) {
        return ByteBuffer.allocate(16)
                .putInt(control)
                .putInt((int) length)
                .putLong(address)
                .array();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
