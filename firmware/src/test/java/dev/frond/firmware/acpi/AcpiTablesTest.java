// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.acpi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

class AcpiTablesTest {
    private static final long RSDP = 0xE0000;
    private static final long BASE = 0x20_0000;

    record Board(String name, AcpiSpec spec) {
        @Override
        public String toString() {
            return name;
        }
    }

    static List<Board> boards() {
        return List.of(
                new Board("one CPU", Boards.microvm(1)),
                new Board("64 CPUs", Boards.microvm(64)),
                new Board("300 CPUs", Boards.microvm(300)),
                new Board("nothing but fixed hardware", Boards.bare()));
    }

    @ParameterizedTest
    @MethodSource("boards")
    void everyTableIsTakenApartAndCompiledAgainByIaslToTheSameBytes(
            Board board, @TempDir Path directory) throws IOException, InterruptedException {
        for (var table : installed(board.spec()).entrySet()) {
            String name = table.getKey().toLowerCase(java.util.Locale.ROOT).trim();
            Path aml = directory.resolve(name + ".dat");
            Files.write(aml, table.getValue());
            String taken = iasl(directory, "-d", aml.getFileName().toString());
            assertThat(taken)
                    .as(name)
                    .doesNotContainIgnoringCase("warning")
                    .doesNotContainIgnoringCase("error");
            String compiled = iasl(directory, "-sa", "-we", "-p", name + "-again", name + ".dsl");
            assertThat(compiled).as(name).doesNotContain("Warning ").doesNotContain("Remark ");
            if (name.equals("dsdt")) {
                assertThat(compiled).contains("0 Errors, 0 Warnings, 0 Remarks");
            }
            byte[] again = Files.readAllBytes(directory.resolve(name + "-again.aml"));
            assertThat(withoutCompiler(again))
                    .as(name)
                    .isEqualTo(withoutCompiler(table.getValue()));
        }
    }

    @ParameterizedTest
    @MethodSource("boards")
    void everyTableIsReachedFromTheRsdpAndSumsToZero(Board board) {
        Map<String, byte[]> tables = installed(board.spec());
        assertThat(tables.keySet()).contains("RSDT", "XSDT", "FACP", "APIC", "DSDT", "FACS");
        tables.forEach((name, bytes) -> {
            if (!name.equals("FACS")) {
                assertThat(sum(bytes)).as(name).isZero();
            }
        });
    }

    @Test
    void theFadtSaysWhatTheBoardHas() {
        ByteBuffer fadt = littleEndian(find(installed(Boards.microvm(1)), "FACP"));
        assertThat(fadt.get(8)).isEqualTo((byte) 6);
        assertThat(fadt.limit()).isEqualTo(276);
        assertThat(fadt.getInt(36) % 64).isZero();
        assertThat(fadt.getShort(46)).isEqualTo((short) 9);
        assertThat(fadt.getInt(48)).as("SMI_CMD: always in ACPI mode").isZero();
        assertThat(fadt.getInt(56)).isEqualTo(0x600);
        assertThat(fadt.getInt(64)).isEqualTo(0x604);
        assertThat(fadt.getInt(76)).isEqualTo(0x608);
        assertThat(fadt.getInt(80)).isEqualTo(0x620);
        assertThat(fadt.get(108)).isEqualTo((byte) 0x32);
        assertThat(fadt.getShort(109))
                .as("legacy devices, 8042, no VGA, RTC")
                .isEqualTo((short) 0b111);
        assertThat(fadt.getInt(112) & 1 << 20).as("not hardware-reduced").isZero();
        assertThat(fadt.getInt(112) & 1 << 4).as("power button in fixed hardware").isZero();
        assertThat(fadt.getInt(112) & 1 << 10).as("reset register").isNotZero();
        assertThat(fadt.getInt(112) & 1 << 8).as("32-bit timer").isNotZero();
        assertThat(fadt.getLong(120)).isEqualTo(0xCF9);
        assertThat(fadt.get(128)).isEqualTo((byte) 6);

        ByteBuffer bare = littleEndian(find(installed(Boards.bare()), "FACP"));
        assertThat(bare.getShort(109)).as("VGA, no RTC").isEqualTo((short) (1 << 5));
        assertThat(bare.getInt(112) & 1 << 8).as("24-bit timer").isZero();
    }

    @Test
    void theMadtListsEachCpuOnceAndTheFirst255AsLocalApics() {
        List<ByteBuffer> entries = madtEntries(Boards.microvm(300));
        List<ByteBuffer> local = ofType(entries, 0);
        List<ByteBuffer> x2apic = ofType(entries, 9);
        assertThat(local).hasSize(255);
        assertThat(x2apic).hasSize(45);
        assertThat(IntStream.range(0, 255).allMatch(i -> (local.get(i).get(3) & 0xFF) == i))
                .isTrue();
        assertThat(IntStream.range(0, 45).allMatch(i -> x2apic.get(i).getInt(4) == 255 + i))
                .isTrue();
        assertThat(ofType(entries, 10)).as("LINT1 of x2APICs").hasSize(1);
    }

    @Test
    void theMadtHoldsTheInterruptWiring() {
        List<ByteBuffer> entries = madtEntries(Boards.microvm(2));
        ByteBuffer ioApic = ofType(entries, 1).getFirst();
        assertThat(ioApic.getInt(4)).isEqualTo(0xFEC0_0000);
        List<ByteBuffer> overrides = ofType(entries, 2);
        assertThat(overrides).hasSize(2);
        assertThat(overrides.get(0).get(3)).isZero();
        assertThat(overrides.get(0).getInt(4)).isEqualTo(2);
        assertThat(overrides.get(0).getShort(8)).isZero();
        assertThat(overrides.get(1).get(3)).isEqualTo((byte) 9);
        assertThat(overrides.get(1).getShort(8)).isEqualTo((short) 0xD);
        ByteBuffer nmi = ofType(entries, 4).getFirst();
        assertThat(nmi.get(2)).isEqualTo((byte) 0xFF);
        assertThat(nmi.get(5)).isEqualTo((byte) 1);
        assertThat(ofType(entries, 10)).isEmpty();
    }

    @Test
    void theDsdtNamesEveryDevice(@TempDir Path directory) throws IOException, InterruptedException {
        Files.write(directory.resolve("dsdt.dat"), find(installed(Boards.microvm(2)), "DSDT"));
        iasl(directory, "-d", "dsdt.dat");
        String dsl = Files.readString(directory.resolve("dsdt.dsl")).replaceAll("\\s+", " ");
        assertThat(dsl)
                .contains("Name (_S5, Package (0x04)", "{ 0x05, 0x05, Zero, Zero })")
                .contains("Device (C000)", "Device (C001)")
                .doesNotContain("Device (C002)")
                .contains(
                        "EisaId (\"PNP0501\")", "0x03F8, // Range Minimum", "EisaId (\"PNP0B00\")")
                .contains("EisaId (\"PNP0303\")", "\"QEMU0002\"", "\"LNRO0005\"")
                .contains("0xFEB00E00, // Address Base", "0x00000200, // Address Length")
                .contains(
                        "Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive, ,, ) {"
                                + " 0x00000017, }");
    }

    @Test
    void theSizeIsThatOfTheTablesAndNothingIsWrittenBehindIt() {
        AcpiTables tables = new AcpiTables(Boards.microvm(300));
        AddressSpace memory = memory();
        tables.install(memory, RSDP, BASE);
        assertThat(memory.readBytes(BASE + tables.size(), 4096)).containsOnly(0);
        assertThat(memory.readBytes(RSDP + AcpiTables.ROOT_SIZE, 4096)).containsOnly(0);
        assertThat(memory.readBytes(BASE - 4096, 4096)).containsOnly(0);
    }

    @Test
    void aSpecThatNoBoardHasIsRefusedWithItsValue() {
        assertThatThrownBy(() -> new AcpiSpec.SerialPort(0xFFFC, 4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("65532");
        assertThatThrownBy(() -> new AcpiSpec.VirtioMmio(1L << 32, 0x200, 5))
                .hasMessageContaining("virtio-mmio address 4294967296");
        assertThatThrownBy(() -> Boards.microvm(0)).hasMessageContaining("0 CPUs");
        AcpiTables tables = new AcpiTables(Boards.bare());
        assertThatThrownBy(() -> tables.install(memory(), RSDP + 1, BASE))
                .hasMessageContaining("0xe0001")
                .hasMessageContaining("multiples of 64");
    }

    /** The tables as a guest finds them, starting from the RSDP. */
    private static Map<String, byte[]> installed(AcpiSpec spec) {
        AddressSpace memory = memory();
        new AcpiTables(spec).install(memory, RSDP, BASE);
        byte[] rsdp = memory.readBytes(RSDP, 36);
        assertThat(new String(rsdp, 0, 8, StandardCharsets.US_ASCII)).isEqualTo("RSD PTR ");
        assertThat(sum(java.util.Arrays.copyOf(rsdp, 20))).isZero();
        assertThat(sum(rsdp)).isZero();
        Map<String, byte[]> tables = new TreeMap<>();
        byte[] rsdt = table(memory, littleEndian(rsdp).getInt(16) & 0xFFFF_FFFFL, "RSDT");
        byte[] xsdt = table(memory, littleEndian(rsdp).getLong(24), "XSDT");
        tables.put("RSDT", rsdt);
        tables.put("XSDT", xsdt);
        for (int i = 0; 36 + 8 * i < xsdt.length; i++) {
            long address = littleEndian(xsdt).getLong(36 + 8 * i);
            assertThat(littleEndian(rsdt).getInt(36 + 4 * i) & 0xFFFF_FFFFL).isEqualTo(address);
            String signature = new String(memory.readBytes(address, 4), StandardCharsets.US_ASCII);
            tables.put(signature, table(memory, address, signature));
        }
        ByteBuffer fadt = littleEndian(find(tables, "FACP"));
        assertThat(fadt.getInt(40) & 0xFFFF_FFFFL).isEqualTo(fadt.getLong(140));
        tables.put("DSDT", table(memory, fadt.getLong(140), "DSDT"));
        tables.put("FACS", table(memory, fadt.getInt(36), "FACS"));
        return tables;
    }

    private static byte[] find(Map<String, byte[]> tables, String signature) {
        return java.util.Objects.requireNonNull(tables.get(signature), signature);
    }

    private static byte[] table(AddressSpace memory, long address, String signature) {
        byte[] header = memory.readBytes(address, 8);
        assertThat(new String(header, 0, 4, StandardCharsets.US_ASCII)).isEqualTo(signature);
        return memory.readBytes(address, littleEndian(header).getInt(4));
    }

    private static List<ByteBuffer> madtEntries(AcpiSpec spec) {
        ByteBuffer madt = littleEndian(find(installed(spec), "APIC"));
        assertThat(madt.getInt(36)).isEqualTo(0xFEE0_0000);
        assertThat(madt.getInt(40)).isEqualTo(1);
        List<ByteBuffer> entries = new ArrayList<>();
        for (int at = 44; at < madt.limit(); at += madt.get(at + 1)) {
            entries.add(madt.slice(at, madt.get(at + 1)).order(ByteOrder.LITTLE_ENDIAN));
        }
        return entries;
    }

    private static List<ByteBuffer> ofType(List<ByteBuffer> entries, int type) {
        return entries.stream().filter(e -> e.get(0) == type).toList();
    }

    /** The checksum and the fields that name the compiler differ. */
    private static byte[] withoutCompiler(byte[] table) {
        byte[] copy = table.clone();
        if (copy[0] != 'F' || copy[3] != 'S') {
            copy[9] = 0;
            java.util.Arrays.fill(copy, 28, 36, (byte) 0);
        }
        return copy;
    }

    private static String iasl(Path directory, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("iasl"));
        command.addAll(List.of(arguments));
        Process process;
        try {
            process =
                    new ProcessBuilder(command)
                            .directory(directory.toFile())
                            .redirectErrorStream(true)
                            .start();
        } catch (IOException e) {
            Assumptions.abort("needs iasl of the package acpica-tools: " + e.getMessage());
            throw e;
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(String.join(" ", command) + "\n" + output).isZero();
        return output;
    }

    private static int sum(byte[] bytes) {
        int sum = 0;
        for (byte b : bytes) {
            sum += b;
        }
        return sum & 0xFF;
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static AddressSpace memory() {
        AddressSpace memory = new AddressSpace("memory");
        GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(4 << 20, 4096));
        memory.map(0, new Region.Ram(ram, 0, ram.size()));
        return memory;
    }
}
