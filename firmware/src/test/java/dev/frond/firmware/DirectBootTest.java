// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.firmware.acpi.AcpiTables;
import dev.frond.firmware.acpi.Boards;
import dev.frond.firmware.smbios.SmbiosSpec;
import dev.frond.firmware.smbios.SmbiosTables;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.UUID;

class DirectBootTest {
    private static final long MEMORY = 8 * Images.MIB;

    private final AddressSpace memory = TestMachine.pc(MEMORY).memory();
    private final CpuState powerOn = CpuState.powerOn(0x600);

    @Test
    void theAcpiTablesStandInTheirRangeAndTheKernelKnowsTheRsdp() throws BootException {
        AcpiTables acpi = new AcpiTables(Boards.microvm(300));
        DirectBoot boot = boot(acpi);
        CpuState state = boot.boot(memory, powerOn);
        long rsdp = memory.read(LinuxBoot.BOOT_PARAMS + 0x70, 8);
        assertThat(rsdp).isEqualTo(0xF0000);
        assertThat(memory.readBytes(rsdp, 8)).asString().isEqualTo("RSD PTR ");
        MemoryMap.Range tables =
                boot.map().ranges().stream()
                        .filter(r -> r.type() == MemoryMap.Type.ACPI)
                        .findFirst()
                        .orElseThrow();
        assertThat(tables.size()).isEqualTo((acpi.size() + 4095) & -4096);
        assertThat(tables.end()).isEqualTo(MEMORY);
        long xsdt = memory.read(rsdp + 24, 8);
        assertThat(xsdt).isBetween(tables.base(), tables.end());
        assertThat(memory.readBytes(xsdt, 4)).asString().isEqualTo("XSDT");
        assertThat(state.rip()).isEqualTo(0x20_0200);
    }

    @Test
    void aResetBringsBackWhatTheGuestOverwrote() throws BootException {
        DirectBoot boot = boot(new AcpiTables(Boards.bare()));
        CpuState first = boot.boot(memory, powerOn);
        byte[] before = written(boot);
        memory.ram(0, MEMORY).orElseThrow().fill((byte) 0x5A);
        assertThat(boot.boot(memory, powerOn)).isEqualTo(first);
        assertThat(written(boot)).isEqualTo(before);
    }

    @Test
    void theSmbiosEntryPointIsWhereGuestsSearchIt() throws BootException {
        SmbiosSpec spec = new SmbiosSpec("microvm", "0.1", new UUID(0, 0), 1, "cpu", MEMORY, 0);
        boot(new AcpiTables(Boards.bare()))
                .withSmbios(new SmbiosTables(spec))
                .boot(memory, powerOn);
        assertThat(memory.readBytes(0xF0080, 5)).asString().isEqualTo("_SM3_");
    }

    /** GDT, page tables, boot_params, RSDP and FACS, and the last ACPI table. */
    private byte[] written(DirectBoot boot) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes(memory.readBytes(0x1000, 0x30));
        all.writeBytes(memory.readBytes(0x2000, 0x6000));
        all.writeBytes(memory.readBytes(0x1_0000, 0x1000));
        all.writeBytes(memory.readBytes(0xF0000, 36));
        all.writeBytes(memory.readBytes(0xF0040, 64));
        all.writeBytes(memory.readBytes(memory.read(0xF0000 + 24, 8), 52));
        all.writeBytes(memory.readBytes(boot.map().lowTop(), 36 + 16));
        return all.toByteArray();
    }

    private static DirectBoot boot(AcpiTables acpi) throws BootException {
        KernelImage kernel = KernelImage.of(Images.file("vmlinuz", Images.bytes(Images.bzImage())));
        BootArguments arguments =
                new BootArguments("quiet", List.of(Images.module("initrd", new byte[5000], "")));
        return DirectBoot.pc(kernel, arguments, MEMORY, acpi);
    }
}
