// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.firmware.acpi.AcpiSpec;
import dev.frond.firmware.acpi.AcpiTables;
import dev.frond.firmware.smbios.SmbiosTables;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

import java.util.Optional;
import java.util.OptionalLong;

/**
 * Starts a kernel without firmware: puts what a BIOS leaves for kernels (its data area, ACPI and
 * SMBIOS tables) and the kernel into memory.
 *
 * @param kernel stays open for as long as the machine may be reset
 * @param map what the kernel is told; its ACPI range holds at least {@code acpi.size()} bytes
 * @param smbios stands at F0080h if there is one
 */
public record DirectBoot(
        KernelImage kernel,
        BootArguments arguments,
        MemoryMap map,
        AcpiTables acpi,
        Optional<SmbiosTables> smbios)
        implements BootLoader {
    /** Without SMBIOS tables. */
    public DirectBoot(KernelImage kernel, BootArguments arguments, MemoryMap map, AcpiTables acpi) {
        this(kernel, arguments, map, acpi, Optional.empty());
    }

    /** The kernel on a PC with {@code memory} bytes of RAM laid out by {@link MemoryMap#pc}. */
    public static DirectBoot pc(
            KernelImage kernel, BootArguments arguments, long memory, AcpiTables acpi) {
        return new DirectBoot(kernel, arguments, MemoryMap.pc(memory, acpi.size()), acpi);
    }

    /** The same with {@code tables}. */
    public DirectBoot withSmbios(SmbiosTables tables) {
        return new DirectBoot(kernel, arguments, map, acpi, Optional.of(tables));
    }

    @Override
    public CpuState boot(AddressSpace memory, CpuState powerOn) throws BootException {
        MemoryMap.Range tables =
                map.ranges().stream()
                        .filter(r -> r.type() == MemoryMap.Type.ACPI && r.size() >= acpi.size())
                        .findFirst()
                        .orElseThrow(() ->
                                new IllegalStateException(
                                        "no ACPI range of " + acpi.size() + " bytes"));
        BiosData.install(
                memory, acpi.spec().serialPorts().stream().map(AcpiSpec.SerialPort::port).toList());
        acpi.install(memory, MemoryMap.TABLES, tables.base());
        smbios.ifPresent(t -> t.install(memory, MemoryMap.SMBIOS));
        BootTarget target = new BootTarget(memory, map, OptionalLong.of(MemoryMap.TABLES), powerOn);
        return kernel.boot(target, arguments);
    }
}
