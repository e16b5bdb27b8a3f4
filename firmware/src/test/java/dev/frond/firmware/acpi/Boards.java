// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.acpi;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** Boards for tests. */
public final class Boards {
    private Boards() {}

    /** A board like the microvm with {@code cpus} CPUs whose APIC IDs are their numbers. */
    public static AcpiSpec microvm(int cpus) {
        return new AcpiSpec(
                IntStream.range(0, cpus).boxed().toList(),
                0xFEE0_0000L,
                List.of(new AcpiSpec.IoApic(0, 0xFEC0_0000L, 0)),
                List.of(
                        new AcpiSpec.IrqOverride(0, 2, AcpiSpec.Signal.CONFORMS),
                        new AcpiSpec.IrqOverride(9, 9, AcpiSpec.Signal.LEVEL_HIGH)),
                true,
                new AcpiSpec.PowerManagement(9, 0x600, 0x604, 0x608, true, 0x620, 4, 5),
                new AcpiSpec.ResetRegister(0xCF9, 6),
                List.of(new AcpiSpec.SerialPort(0x3F8, 4)),
                Optional.of(new AcpiSpec.Rtc(0x70, 8, 0x32)),
                true,
                false,
                OptionalInt.of(0x510),
                IntStream.range(0, 8)
                        .mapToObj(n ->
                                new AcpiSpec.VirtioMmio(0xFEB0_0000L + n * 0x200L, 0x200, 16 + n))
                        .toList());
    }

    /** The smallest board: one CPU and the fixed hardware. */
    public static AcpiSpec bare() {
        return new AcpiSpec(
                List.of(0),
                0xFEE0_0000L,
                List.of(),
                List.of(),
                false,
                new AcpiSpec.PowerManagement(9, 0x600, 0x604, 0x608, false, 0x620, 64, 0),
                new AcpiSpec.ResetRegister(0xCF9, 6),
                List.of(),
                Optional.empty(),
                false,
                true,
                OptionalInt.empty(),
                List.of());
    }
}
