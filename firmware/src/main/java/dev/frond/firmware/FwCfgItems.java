// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.device.Bytes;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * The contents of a fw_cfg device (QEMU docs/specs/fw_cfg.rst): items under fixed selector keys,
 * and named files that the directory lists.
 *
 * @param keys by selector; the device adds signature, ID and directory itself
 * @param files by name, of 1 to 55 printable ASCII characters
 */
public record FwCfgItems(Map<Integer, FwCfgItem> keys, Map<String, FwCfgItem> files) {
    // Selector keys, by their names in the interface's header.
    public static final int FW_CFG_SIGNATURE = 0x00;
    public static final int FW_CFG_ID = 0x01;
    public static final int FW_CFG_RAM_SIZE = 0x03;
    public static final int FW_CFG_NOGRAPHIC = 0x04;
    public static final int FW_CFG_NB_CPUS = 0x05;
    public static final int FW_CFG_KERNEL_ADDR = 0x07;
    public static final int FW_CFG_KERNEL_SIZE = 0x08;
    public static final int FW_CFG_INITRD_ADDR = 0x0A;
    public static final int FW_CFG_INITRD_SIZE = 0x0B;
    public static final int FW_CFG_MAX_CPUS = 0x0F;
    public static final int FW_CFG_KERNEL_DATA = 0x11;
    public static final int FW_CFG_INITRD_DATA = 0x12;
    public static final int FW_CFG_CMDLINE_ADDR = 0x13;
    public static final int FW_CFG_CMDLINE_SIZE = 0x14;
    public static final int FW_CFG_CMDLINE_DATA = 0x15;
    public static final int FW_CFG_SETUP_ADDR = 0x16;
    public static final int FW_CFG_SETUP_SIZE = 0x17;
    public static final int FW_CFG_SETUP_DATA = 0x18;
    public static final int FW_CFG_FILE_DIR = 0x19;
    public static final int FW_CFG_FILE_FIRST = 0x20;

    private static final int KEYS = 0x4000;
    private static final int ARCH_LOCAL = 0x8000;
    private static final int NAME_SIZE = 56;
    private static final int ENTRY_SIZE = 64;

    /** The bits of FW_CFG_ID: the traditional interface and DMA. */
    private static final int VERSION = 1 | 2;

    public FwCfgItems {
        keys = Map.copyOf(keys);
        files = Collections.unmodifiableMap(new TreeMap<>(files));
        for (int key : keys.keySet()) {
            boolean generic = key > FW_CFG_ID && key < FW_CFG_FILE_FIRST && key != FW_CFG_FILE_DIR;
            if (!generic && (key < ARCH_LOCAL || key >= ARCH_LOCAL + KEYS)) {
                throw new IllegalArgumentException(
                        "fw_cfg key 0x"
                                + Integer.toHexString(key)
                                + ": accepted are 0x2..0x1f but 0x19, and 0x8000..0xbfff");
            }
        }
        if (files.size() > KEYS - FW_CFG_FILE_FIRST) {
            throw new IllegalArgumentException(
                    files.size()
                            + " fw_cfg files: accepted are at most "
                            + (KEYS - FW_CFG_FILE_FIRST));
        }
        for (String name : files.keySet()) {
            if (!name.matches("[!-~]{1,55}")) {
                throw new IllegalArgumentException(
                        "fw_cfg file '"
                                + name
                                + "': accepted are names of 1 to 55 printable ASCII characters");
            }
        }
    }

    /** What every machine tells: CPUs, RAM, no display, and its memory map as {@code etc/e820}. */
    public static FwCfgItems ofMachine(int cpus, long memory, MemoryMap map) {
        ByteBuffer e820 =
                ByteBuffer.allocate(20 * map.ranges().size()).order(ByteOrder.LITTLE_ENDIAN);
        for (MemoryMap.Range range : map.ranges()) {
            e820.putLong(range.base()).putLong(range.size()).putInt(range.type().e820());
        }
        return new FwCfgItems(
                Map.of(
                        FW_CFG_RAM_SIZE, FwCfgItem.u64(memory),
                        FW_CFG_NOGRAPHIC, FwCfgItem.u16(1),
                        FW_CFG_NB_CPUS, FwCfgItem.u16(cpus),
                        FW_CFG_MAX_CPUS, FwCfgItem.u16(cpus)),
                Map.of("etc/e820", FwCfgItem.of(e820.array())));
    }

    /** These items and {@code item} under {@code key}, instead of what was there. */
    public FwCfgItems with(int key, FwCfgItem item) {
        Map<Integer, FwCfgItem> more = new HashMap<>(keys);
        more.put(key, item);
        return new FwCfgItems(more, files);
    }

    /** These items and the file {@code name}, instead of one of that name. */
    public FwCfgItems withFile(String name, FwCfgItem item) {
        Map<String, FwCfgItem> more = new HashMap<>(files);
        more.put(name, item);
        return new FwCfgItems(keys, more);
    }

    /**
     * These items and a kernel that firmware can start: command line, the first module as initrd,
     * and the kernel's file; a bzImage in its two parts, setup and protected-mode code.
     */
    public FwCfgItems withKernel(KernelImage kernel, BootArguments arguments) {
        Map<Integer, FwCfgItem> more = new HashMap<>(keys);
        long setup = kernel instanceof LinuxBoot linux ? linux.setupSize() : 0;
        put(
                more,
                FW_CFG_SETUP_SIZE,
                FW_CFG_SETUP_DATA,
                new FwCfgItem.Part(kernel.file(), 0, setup));
        put(
                more,
                FW_CFG_KERNEL_SIZE,
                FW_CFG_KERNEL_DATA,
                new FwCfgItem.Part(kernel.file(), setup, kernel.file().size() - setup));
        put(
                more,
                FW_CFG_CMDLINE_SIZE,
                FW_CFG_CMDLINE_DATA,
                FwCfgItem.string(arguments.commandLine()));
        if (!arguments.modules().isEmpty()) {
            put(
                    more,
                    FW_CFG_INITRD_SIZE,
                    FW_CFG_INITRD_DATA,
                    FwCfgItem.of(arguments.modules().getFirst().file()));
        }
        return new FwCfgItems(more, files);
    }

    private static void put(
            Map<Integer, FwCfgItem> keys, int sizeKey, int dataKey, FwCfgItem item) {
        keys.put(sizeKey, FwCfgItem.u32(item.size()));
        keys.put(dataKey, item);
    }

    /** Every item by its selector key: {@link #keys}, signature, ID, directory and files. */
    Map<Integer, FwCfgItem> bySelector() {
        Map<Integer, FwCfgItem> all = new HashMap<>(keys);
        all.put(FW_CFG_SIGNATURE, FwCfgItem.of("QEMU".getBytes(StandardCharsets.US_ASCII)));
        all.put(FW_CFG_ID, FwCfgItem.u32(VERSION));
        ByteBuffer directory = ByteBuffer.allocate(4 + ENTRY_SIZE * files.size());
        directory.putInt(files.size());
        int key = FW_CFG_FILE_FIRST;
        for (Map.Entry<String, FwCfgItem> file : files.entrySet()) {
            byte[] name = file.getKey().getBytes(StandardCharsets.US_ASCII);
            directory
                    .putInt((int) file.getValue().size())
                    .putShort((short) key)
                    .putShort((short) 0);
            directory.put(name).put(new byte[NAME_SIZE - name.length]);
            all.put(key++, file.getValue());
        }
        all.put(FW_CFG_FILE_DIR, new FwCfgItem.Data(Bytes.of(directory.array())));
        return all;
    }
}
