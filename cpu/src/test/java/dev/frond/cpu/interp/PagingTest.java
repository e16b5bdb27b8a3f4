// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.EnumSet;
import java.util.Set;

/** Rights, reserved bits and protection keys of paging in all its modes, and what is recorded. */
final class PagingTest {
    private static final long PML4 = 0x40000;
    private static final long TABLES = 0x50000;
    private static final long PAGE = 0x7_0000;
    private static final String LOAD = "8b03";
    private static final String STORE = "8903";
    private static final String CALL = "ffd3";

    private static final long P = 1;
    private static final long RW = 2;
    private static final long US = 4;
    private static final long A = 0x20;
    private static final long D = 0x40;
    private static final long NX = 1L << 63;

    /** In the second gigabyte, whose tables belong to the test. */
    private static final long LINEAR = 0x4000_0000L;

    private final SystemRig rig = new SystemRig(model());
    private final Cpu cpu = rig.cpu;

    private static CpuModel model() {
        Set<CpuFeature> features = EnumSet.copyOf(CpuModel.X86_64_V3.features());
        features.addAll(Set.of(CpuFeature.LA57, CpuFeature.PKU));
        return new CpuModel("test", "GenuineIntel", 6, 0x2C, 1, "test", features);
    }

    /** Goes to long mode with one page at {@link #LINEAR}; the entry has these bits. */
    private void map(int cpl, long bits) {
        rig.longMode(cpl);
        if (cpl == 0) {
            // What SMAP and SMEP would keep the kernel from.
            rig.store(PML4 + 0x1000, 8, 0x83);
        }
        rig.store(PML4 + 0x1000 + 8, 8, TABLES | 7);
        rig.store(TABLES, 8, TABLES + 0x1000 | 7);
        rig.store(TABLES + 0x1000, 8, PAGE | bits);
        rig.write(PAGE, "c3");
        cpu.mmu.flush();
        cpu.r[Cpu.RBX] = LINEAR;
        cpu.r[Cpu.RCX] = 0;
        cpu.r[Cpu.RDX] = 0;
    }

    private void faulted(int errorCode) {
        assertThat(rig.handling()).isEqualTo(CpuFault.PF);
        assertThat(rig.stack(8, 2)).containsExactly((long) errorCode, CODE);
        assertThat(cpu.cr2).isEqualTo(LINEAR);
    }

    private void check(String instruction, int errorCode) {
        rig.execute(instruction);
        if (errorCode < 0) {
            assertThat(rig.handling()).isEqualTo(-1);
        } else {
            faulted(errorCode);
        }
    }

    // --- rights ---------------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        // Level, bits of the entry, instruction, error code.
        "0, 1, 8b03, -1",
        "0, 1, 8903, 3",
        "0, 3, 8903, -1",
        "0, 0, 8b03, 0",
        "0, 0, 8903, 2",
        "3, 7, 8b03, -1",
        "3, 3, 8b03, 5",
        "3, 5, 8903, 7",
        "3, 5, ffd3, -1",
        "3, 1, ffd3, 0x15",
    })
    void anAccessNeedsTheRightsOfThePage(int cpl, long bits, String instruction, int errorCode) {
        map(cpl, bits);
        if (instruction.equals(CALL)) {
            rig.write(CODE, CALL);
            cpu.rip = CODE;
            rig.steps(2);
            if (errorCode < 0) {
                assertThat(cpu.rip).isEqualTo(CODE + 2);
            } else {
                assertThat(rig.handling()).isEqualTo(CpuFault.PF);
                assertThat(rig.stack(8, 2)).containsExactly((long) errorCode, LINEAR);
            }
        } else {
            check(instruction, errorCode);
        }
    }

    @Test
    void withoutWpTheKernelWritesReadOnlyPages() {
        map(0, P);
        ControlRegisters.writeCr0(cpu, cpu.cr0 & ~ControlRegisters.WP);
        check(STORE, -1);
    }

    @ParameterizedTest
    @CsvSource({
        // CR4 bits SMEP and SMAP, RFLAGS.AC, instruction, error code; a user page from level 0.
        "0x200000, 0, 8b03, 1",
        "0x200000, 0, 8903, 3",
        "0x200000, 0x40000, 8b03, -1",
        "0x100000, 0, 8b03, -1",
    })
    void smapKeepsTheKernelFromUserPages(long cr4, int flags, String instruction, int errorCode) {
        map(0, P | RW | US);
        ControlRegisters.writeCr4(cpu, cpu.cr4 | cr4);
        cpu.setRflags(flags | 2);
        check(instruction, errorCode);
    }

    @Test
    void smapHoldsForTablesWhateverTheFlagSays() {
        map(0, P | RW | US);
        ControlRegisters.writeCr4(cpu, cpu.cr4 | ControlRegisters.SMAP);
        cpu.setRflags(Cpu.AC | 2);
        cpu.gdtBase = LINEAR;
        cpu.r[Cpu.RAX] = 8;
        rig.write(CODE, "8ed8");
        cpu.rip = CODE;
        rig.step();
        assertThat(cpu.cr2).isEqualTo(LINEAR + 8);
    }

    @Test
    void noExecuteKeepsCodeFromRunning() {
        map(0, P | NX);
        rig.write(CODE, CALL);
        cpu.rip = CODE;
        rig.steps(2);
        assertThat(rig.handling()).isEqualTo(CpuFault.PF);
        assertThat(rig.stack(8, 2)).containsExactly(0x11L, LINEAR);
    }

    @Test
    void accessesAreRecordedInTheTables() {
        map(0, P | RW);
        check(LOAD, -1);
        assertThat(rig.load(TABLES, 8) & (A | D)).isEqualTo(A);
        assertThat(rig.load(TABLES + 0x1000, 8) & (A | D)).isEqualTo(A);
        check(STORE, -1);
        assertThat(rig.load(TABLES + 0x1000, 8) & (A | D)).isEqualTo(A | D);
    }

    @Test
    void aFaultRecordsNothing() {
        map(3, P | RW);
        check(LOAD, 5);
        assertThat(rig.load(TABLES + 0x1000, 8) & (A | D)).isZero();
    }

    // --- reserved bits --------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(ints = {46, 51})
    void anAddressBeyondThePhysicalBitsIsReserved(int bit) {
        map(0, P | RW | 1L << bit);
        check(LOAD, 9);
    }

    @Test
    void noExecuteIsReservedWithoutItsEnable() {
        map(0, P | NX);
        cpu.efer &= ~0x800;
        cpu.mmu.flush();
        check(LOAD, 9);
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 13, 1L << 20})
    void addressBitsBelowALargePageAreReserved(long bit) {
        map(0, P | RW);
        rig.store(TABLES, 8, P | RW | 0x80 | bit);
        cpu.mmu.flush();
        check(LOAD, 9);
    }

    @Test
    void aLargePageOf512GigabytesIsReserved() {
        map(0, P | RW);
        rig.store(PML4, 8, PML4 + 0x1000 | 0x87);
        cpu.mmu.flush();
        rig.write(CODE, LOAD);
        cpu.rip = CODE;
        assertThat(rig.step()).as("not even a handler can be fetched").isNotNull();
    }

    // --- 32-bit and PAE -------------------------------------------------------------------------

    private void paging32(long directoryEntry) {
        rig.store(0x60000, 4, 0x87);
        rig.store(0x60000 + 4 * (LINEAR >>> 22), 4, directoryEntry);
        cpu.cr3 = 0x60000;
        cpu.cr4 |= ControlRegisters.PSE;
        ControlRegisters.writeCr0(cpu, cpu.cr0 | ControlRegisters.PG);
        cpu.r[Cpu.RBX] = LINEAR;
    }

    @Test
    void pse36MapsAbove4Gigabytes() {
        // Bits 20:13 are address bits 39:32: nothing is there, so that all ones are read.
        paging32(P | RW | 0x80 | 1 << 13);
        rig.execute(LOAD);
        assertThat(rig.handling()).isEqualTo(-1);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0xFFFF_FFFFL);
        rig.store(0x60000 + 4 * (LINEAR >>> 22), 4, P | RW | 0x80);
        cpu.mmu.flush();
        rig.store(0, 4, 0x1234_5678);
        rig.execute(LOAD);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x1234_5678);
    }

    @Test
    void bit21OfALargePageIsReserved() {
        paging32(P | RW | 0x80 | 1 << 21);
        rig.execute(LOAD);
        assertThat(rig.handling()).isEqualTo(CpuFault.PF);
        assertThat(rig.stack(4, 1)).containsExactly(9L);
    }

    @Test
    void reservedBitsOfPdptesAreRefusedWhenTheyAreLoaded() {
        rig.store(0x60000, 8, 0x61000 | P);
        rig.store(0x61000, 8, 0x87);
        cpu.cr4 |= ControlRegisters.PAE;
        cpu.cr3 = 0x60000;
        ControlRegisters.writeCr0(cpu, cpu.cr0 | ControlRegisters.PG);
        rig.store(0x62000, 8, 0x61000 | P | RW);
        cpu.r[Cpu.RAX] = 0x62000;
        rig.execute("0f22d8");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(cpu.cr3).isEqualTo(0x60000);
    }

    // --- 5-level paging -------------------------------------------------------------------------

    private void fiveLevels() {
        rig.store(TABLES + 0x2000, 8, PML4 | 7);
        rig.store(TABLES + 0x2000 + 8, 8, TABLES + 0x3000 | 7);
        // In the second 256 TiB the lowest 2 MiB again, by a large page.
        rig.store(TABLES + 0x3000, 8, TABLES + 0x4000 | 7);
        rig.store(TABLES + 0x4000, 8, TABLES + 0x5000 | 7);
        rig.store(TABLES + 0x5000, 8, 0x87);
        cpu.cr0 &= ~ControlRegisters.PG;
        cpu.efer &= ~0x400;
        cpu.segments.modeChanged();
        ControlRegisters.writeCr4(cpu, cpu.cr4 | ControlRegisters.LA57);
        cpu.cr3 = TABLES + 0x2000;
        cpu.efer |= 0x400;
        cpu.cr0 |= ControlRegisters.PG;
        cpu.mmu.flush();
        rig.enter(0);
    }

    @Test
    void fiveLevelsReach57Bits() {
        map(0, P | RW);
        fiveLevels();
        rig.store(0x9000, 4, 0x1357_9BDF);
        cpu.r[Cpu.RBX] = 0x0001_0000_0000_9000L;
        rig.execute(LOAD);
        assertThat(rig.handling()).isEqualTo(-1);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x1357_9BDF);
        rig.write(PAGE + 0x800, "40ffe0");
        cpu.r[Cpu.RAX] = 0x0001_0000_0000_9000L;
        rig.write(0x9000, "90");
        rig.execute("ffe0");
        assertThat(cpu.rip).isEqualTo(0x0001_0000_0000_9000L);
        rig.step();
        assertThat(cpu.rip).isEqualTo(0x0001_0000_0000_9001L);
    }

    @Test
    void withFourLevelsTheSameAddressIsNotCanonical() {
        map(0, P | RW);
        cpu.r[Cpu.RBX] = 0x0001_0000_0000_9000L;
        rig.execute(LOAD);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        fiveLevels();
        cpu.r[Cpu.RBX] = 0x0100_0000_0000_0000L;
        rig.execute(LOAD);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    @Test
    void theNumberOfLevelsDoesNotChangeInLongMode() {
        map(0, P);
        cpu.r[Cpu.RAX] = cpu.cr4 | ControlRegisters.LA57;
        rig.execute("0f22e0");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    // --- protection keys ------------------------------------------------------------------------

    private static final String WRPKRU = "0f01ef";
    private static final String RDPKRU = "0f01ee";

    @ParameterizedTest
    @CsvSource({
        // Level, PKRU, instruction, error code; the page has key 3.
        "3, 0x40, 8b03, 0x25",
        "3, 0x40, 8903, 0x27",
        "3, 0x80, 8b03, -1",
        "3, 0x80, 8903, 0x27",
        "3, 0x30, 8903, -1",
        "0, 0x40, 8b03, 0x21",
        "0, 0x80, 8903, 0x23",
    })
    void aKeyTakesRightsFromUserPages(int cpl, int pkru, String instruction, int errorCode) {
        map(cpl, P | RW | US | 3L << 59);
        ControlRegisters.writeCr4(cpu, cpu.cr4 | ControlRegisters.PKE);
        // The translation is known before the key is turned.
        check(LOAD, -1);
        check(STORE, -1);
        cpu.r[Cpu.RAX] = pkru;
        rig.execute(WRPKRU);
        assertThat(rig.handling()).isEqualTo(-1);
        check(instruction, errorCode);
    }

    @Test
    void aKeyDoesNotCountForTheKernelsPagesForCodeAndForWritesWithoutWp() {
        map(0, P | RW | US | 3L << 59);
        ControlRegisters.writeCr4(cpu, cpu.cr4 | ControlRegisters.PKE);
        cpu.setPkru(0x80);
        ControlRegisters.writeCr0(cpu, cpu.cr0 & ~ControlRegisters.WP);
        check(STORE, -1);
        cpu.setPkru(0xC0);
        rig.write(PAGE, "c3");
        rig.write(CODE, CALL);
        cpu.rip = CODE;
        rig.steps(2);
        assertThat(cpu.rip).isEqualTo(CODE + 2);
        rig.store(TABLES + 0x1000, 8, PAGE | P | RW | 3L << 59);
        cpu.mmu.flush();
        check(LOAD, -1);
    }

    @Test
    void theKeysAreReadAndWrittenWhereTheyAreEnabled() {
        map(3, P);
        rig.execute(RDPKRU);
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
        map(3, P);
        ControlRegisters.writeCr4(cpu, cpu.cr4 | ControlRegisters.PKE);
        cpu.r[Cpu.RAX] = 0x5555_5554L;
        rig.execute(WRPKRU);
        cpu.r[Cpu.RAX] = 0;
        cpu.r[Cpu.RDX] = 7;
        rig.execute(RDPKRU);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x5555_5554L);
        assertThat(cpu.r[Cpu.RDX]).isZero();
        cpu.r[Cpu.RCX] = 1;
        rig.execute(RDPKRU);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        cpu.r[Cpu.RCX] = 0;
        rig.enter(3);
        cpu.r[Cpu.RAX] = 7;
        cpu.r[Cpu.RCX] = 0;
        rig.execute("0fa2");
        assertThat(cpu.r[Cpu.RCX] >>> 3 & 3).as("PKU and OSPKE").isEqualTo(3);
    }

    @ParameterizedTest
    @CsvSource({
        // XSAVE and XRSTOR: standard format; XSAVEC: behind AVX.
        "0fae23, 2688",
        "0fc723, 832",
    })
    void theKeysAreSavedWithTheExtendedState(String save, int offset) {
        map(0, P | RW);
        ControlRegisters.writeCr4(
                cpu,
                cpu.cr4
                        | ControlRegisters.PKE
                        | ControlRegisters.OSXSAVE
                        | ControlRegisters.OSFXSR);
        cpu.r[Cpu.RAX] = 0x207;
        cpu.r[Cpu.RDX] = 0;
        rig.execute("0f01d1");
        assertThat(rig.handling()).isEqualTo(-1);
        // CPUID tells how large both formats are.
        for (int subleaf : new int[] {0, 1}) {
            cpu.r[Cpu.RAX] = 0xD;
            cpu.r[Cpu.RCX] = subleaf;
            rig.execute("0fa2");
            assertThat(cpu.r[Cpu.RBX]).isEqualTo(subleaf == 0 ? 2696 : 840);
        }
        cpu.r[Cpu.RBX] = LINEAR;
        cpu.r[Cpu.RDX] = 0;
        cpu.setPkru(0x1234_5670);
        cpu.r[Cpu.RAX] = 0x204;
        rig.execute(save);
        assertThat(rig.handling()).isEqualTo(-1);
        assertThat(rig.load(PAGE + 512, 8)).isEqualTo(0x200);
        long at = save.equals("0fc723") ? offset : 2688;
        assertThat(rig.load(PAGE + at, 8)).isEqualTo(0x1234_5670);
        cpu.setPkru(0);
        cpu.r[Cpu.RAX] = 0x200;
        rig.execute("0fae2b");
        assertThat(rig.handling()).isEqualTo(-1);
        assertThat(cpu.pkru).isEqualTo(0x1234_5670);
        rig.store(PAGE + 512, 8, 0);
        rig.execute("0fae2b");
        assertThat(cpu.pkru).isZero();
    }

    // --- model-specific registers ---------------------------------------------------------------

    private int writeMsr(long index, long value) {
        rig.enter(0);
        cpu.r[Cpu.RCX] = index;
        cpu.r[Cpu.RAX] = value & 0xFFFF_FFFFL;
        cpu.r[Cpu.RDX] = value >>> 32;
        rig.execute("0f30");
        return rig.handling();
    }

    @ParameterizedTest
    @CsvSource({
        // MTRRs: types, reserved bits, addresses; PAT; machine check; canonical bases; EFER.
        "0x200, 0x80000006, -1",
        "0x200, 0x80000002, 13",
        "0x200, 0x80000106, 13",
        "0x200, 0x400000000006, 13",
        "0x201, 0x3FFFC0000800, -1",
        "0x201, 0x3FFFC0000400, 13",
        "0x250, 0x0606060606060606, -1",
        "0x250, 0x0606060606060706, 13",
        "0x26F, 0x0505050505050505, -1",
        "0x270, 0, 13",
        "0x2FF, 0xC06, -1",
        "0x2FF, 0x1C06, 13",
        "0xFE, 0, 13",
        "0x277, 0x0007040600070406, -1",
        "0x277, 0x0002040600070406, 13",
        "0x17A, 4, -1",
        "0x17A, 8, 13",
        "0x400, 0xFFFFFFFFFFFFFFF, -1",
        "0x401, 0, -1",
        "0x401, 1, 13",
        "0x410, 0, 13",
        "0x3A, 1, 13",
        "0x79, 0x12345678, -1",
        "0xC0000102, 0x00FF800000000000, -1",
        "0xC0000102, 0x0200000000000000, 13",
        "0xC0000080, 0x2, 13",
        "0x1D9, 4, 13",
        "0x999999, 0, 13",
    })
    void aRegisterTakesWhatItCanHold(long index, long value, int vector) {
        map(0, P);
        assertThat(writeMsr(index, value)).isEqualTo(vector);
        if (vector < 0 && index != 0x79) {
            assertThat(cpu.msrs.read((int) index)).isEqualTo(value);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0x17, 0",
        "0x3A, 1",
        "0x8B, 0",
        "0xCE, 0xA00",
        "0xFE, 0x508",
        "0x179, 4",
        "0x1A0, 0x1801",
        "0x1DB, 0",
    })
    void whatKernelsReadIsSensible(int index, long value) {
        cpu.r[Cpu.RCX] = index;
        rig.execute("0f32");
        assertThat(rig.handling()).isEqualTo(-1);
        assertThat(cpu.r[Cpu.RDX] << 32 | cpu.r[Cpu.RAX]).isEqualTo(value);
    }

    @Test
    void whatIsFixedInMiscEnableStays() {
        cpu.msrs.write(0x1A0, 1L << 34);
        assertThat(cpu.msrs.read(0x1A0)).isEqualTo(1L << 34 | 0x1800);
    }

    @Test
    void aWriteOfTheTimeStampCounterShowsInItsAdjustment() {
        cpu.msrs.write(0x3B, 1000);
        long before = cpu.msrs.tsc();
        cpu.msrs.write(0x10, before + 500);
        assertThat(cpu.msrs.read(0x3B)).isEqualTo(1500);
        cpu.msrs.write(0x3B, 0);
        assertThat(cpu.msrs.tsc()).isEqualTo(before - 1000);
    }
}
