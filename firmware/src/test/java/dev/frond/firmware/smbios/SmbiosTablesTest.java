// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.smbios;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

class SmbiosTablesTest {
    private static final long ENTRY = 0xF0000;
    private static final SmbiosSpec SPEC =
            new SmbiosSpec(
                    "microvm",
                    "0.1",
                    UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"),
                    300,
                    "x86-64-v2",
                    3L << 30,
                    61L << 30);

    private final AddressSpace memory = new AddressSpace("memory");

    SmbiosTablesTest() {
        GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(1 << 20, 4096));
        memory.map(0, new Region.Ram(ram, 0, ram.size()));
    }

    @Test
    void theEntryPointLeadsToEveryStructureUpToTheEndMark() {
        SmbiosTables tables = new SmbiosTables(SPEC);
        tables.install(memory, ENTRY);
        byte[] entry = memory.readBytes(ENTRY, 24);
        assertThat(new String(entry, 0, 5, StandardCharsets.US_ASCII)).isEqualTo("_SM3_");
        int sum = 0;
        for (byte b : entry) {
            sum += b;
        }
        assertThat(sum & 0xFF).isZero();
        ByteBuffer e = ByteBuffer.wrap(entry).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(e.get(7)).as("major version").isEqualTo((byte) 3);
        int length = e.getInt(12);
        assertThat(e.getLong(16) + length).isEqualTo(ENTRY + tables.size());

        byte[] bytes = memory.readBytes(e.getLong(16), length);
        List<Integer> types = new ArrayList<>();
        int at = 0;
        while (at < length) {
            types.add((int) bytes[at]);
            at += bytes[at + 1];
            while (bytes[at] != 0 || bytes[at + 1] != 0) {
                at++;
            }
            at += 2;
        }
        assertThat(at).isEqualTo(length);
        assertThat(types).containsExactly(0, 1, 3, 4, 16, 17, 19, 19, 32, 127);
    }

    @Test
    void dmidecodeReadsThem(@TempDir Path directory) throws IOException, InterruptedException {
        new SmbiosTables(SPEC).install(memory, ENTRY);
        // dmidecode wants the structures right behind the entry point, at offset 20h of the file.
        byte[] dump = memory.readBytes(ENTRY, 4096);
        ByteBuffer d = ByteBuffer.wrap(dump).order(ByteOrder.LITTLE_ENDIAN);
        d.putLong(16, 0x20);
        d.put(5, (byte) 0);
        int sum = 0;
        for (int i = 0; i < 24; i++) {
            sum += dump[i];
        }
        d.put(5, (byte) -sum);
        Path file = Files.write(directory.resolve("dump"), dump);
        Process process;
        try {
            process =
                    new ProcessBuilder("dmidecode", "--from-dump", file.toString())
                            .redirectErrorStream(true)
                            .start();
        } catch (IOException e) {
            Assumptions.abort("needs dmidecode of the package of that name: " + e.getMessage());
            throw e;
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        assertThat(output)
                .contains("SMBIOS 3.0.0 present", "Manufacturer: Frond", "Product Name: microvm")
                .contains(
                        "UUID: 00112233-4455-6677-8899-aabbccddeeff", "System is a virtual machine")
                .contains(
                        "Version: x86-64-v2",
                        "Core Count: 300",
                        "Size: 64 GB",
                        "Maximum Capacity: 64 GB")
                .contains(
                        "Range Size: 3 GB",
                        "Range Size: 61 GB",
                        "No errors detected",
                        "End Of Table")
                .doesNotContain("OUT OF SPEC", "BAD INDEX", "Wrong DMI", "Invalid", "TRUNCATED");
    }

    @Test
    void whatNoTableHoldsIsRefused() {
        assertThatThrownBy(() -> spec("", 1, 1 << 20)).hasMessageContaining("product ''");
        assertThatThrownBy(() -> spec("ä", 1, 1 << 20)).hasMessageContaining("printable ASCII");
        assertThatThrownBy(() -> spec("a", 0, 1 << 20)).hasMessageContaining("0 CPUs");
        assertThatThrownBy(() -> spec("a", 1, 4095))
                .hasMessageContaining("low memory of 4095 bytes");
        SmbiosTables tables = new SmbiosTables(SPEC);
        assertThatThrownBy(() -> tables.install(memory, 0xE0000)).hasMessageContaining("0xe0000");
        assertThatThrownBy(() -> tables.install(memory, 0xFFFF0)).hasMessageContaining("0xffff0");
    }

    private static SmbiosSpec spec(String product, int cpus, long memory) {
        return new SmbiosSpec(product, "1", new UUID(0, 0), cpus, "cpu", memory, 0);
    }
}
