// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.acpi;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What a board has, as its ACPI tables tell it. Ports are I/O ports, GSIs are inputs of the I/O
 * APICs in one numbering.
 *
 * @param apicIds the local APIC ID of each CPU; the index is the processor UID
 * @param localApic the physical address of the local APICs
 * @param dual8259 whether there is a pair of 8259s beside the I/O APICs
 * @param pm the fixed hardware
 * @param reset the reset register
 * @param keyboardController whether an 8042 answers at ports 60h and 64h
 * @param vga whether there is a VGA
 * @param fwCfg the first of the 12 ports of a fw_cfg device, if there is one
 * @param virtioMmio virtio-mmio transports
 */
public record AcpiSpec(
        List<Integer> apicIds,
        long localApic,
        List<IoApic> ioApics,
        List<IrqOverride> overrides,
        boolean dual8259,
        PowerManagement pm,
        ResetRegister reset,
        List<SerialPort> serialPorts,
        Optional<Rtc> rtc,
        boolean keyboardController,
        boolean vga,
        OptionalInt fwCfg,
        List<VirtioMmio> virtioMmio) {
    /** More CPUs than any board takes; their AML names have three hexadecimal digits. */
    public static final int MAX_CPUS = 4096;

    /** An I/O APIC: its ID, physical address, and the GSI of its first input. */
    public record IoApic(int id, long address, int gsiBase) {
        public IoApic {
            checkRange("I/O APIC ID", id, 0xFF);
            checkRange("I/O APIC address", address, 0xFFFF_FFFFL);
            checkRange("I/O APIC GSI base", gsiBase, Integer.MAX_VALUE);
        }
    }

    /** Polarity and trigger mode of an interrupt input (ACPI 6.3, table 5-47). */
    public enum Signal {
        /** As the bus has it: for ISA edge-triggered, active high. */
        CONFORMS(0),
        /** Edge-triggered, active high. */
        EDGE_HIGH(0x5),
        /** Level-triggered, active high. */
        LEVEL_HIGH(0xD),
        /** Level-triggered, active low. */
        LEVEL_LOW(0xF);

        private final int mpsInti;

        Signal(int mpsInti) {
            this.mpsInti = mpsInti;
        }

        int mpsInti() {
            return mpsInti;
        }
    }

    /**
     * ISA interrupt {@code irq} (0..15) that does not arrive as an ISA signal at the GSI of its
     * number.
     */
    public record IrqOverride(int irq, int gsi, Signal signal) {
        public IrqOverride {
            checkRange("interrupt override IRQ", irq, 15);
            checkRange("interrupt override GSI", gsi, Integer.MAX_VALUE);
        }
    }

    /**
     * The fixed hardware of ACPI 6.3, 4.8: PM1a event block (4 bytes), PM1a control block (2), PM
     * timer (4), and the GPE0 block of {@code gpe0Length} bytes, status then enable.
     *
     * @param sciIrq the interrupt of all of them
     * @param timer32 whether the timer has 32 bits, else 24
     * @param s5Type the SLP_TYP value that powers off, 0..7
     */
    public record PowerManagement(
            int sciIrq,
            int pm1aEvent,
            int pm1aControl,
            int timer,
            boolean timer32,
            int gpe0,
            int gpe0Length,
            int s5Type) {
        public PowerManagement {
            checkRange("SCI", sciIrq, 0xFFFF);
            checkPort("PM1a event block", pm1aEvent, 4);
            checkPort("PM1a control block", pm1aControl, 2);
            checkPort("PM timer", timer, 4);
            if (gpe0Length < 2 || gpe0Length > 254 || gpe0Length % 2 != 0) {
                throw new IllegalArgumentException(
                        "GPE0 block of " + gpe0Length + " bytes: accepted are even numbers 2..254");
            }
            checkPort("GPE0 block", gpe0, gpe0Length);
            checkRange("S5 sleep type", s5Type, 7);
        }
    }

    /** A byte-wide port that resets the machine when {@code value} is written. */
    public record ResetRegister(int port, int value) {
        public ResetRegister {
            checkPort("reset register", port, 1);
            checkRange("reset value", value, 0xFF);
        }
    }

    /** A 16550 with its first port and its ISA interrupt. */
    public record SerialPort(int port, int irq) {
        public SerialPort {
            checkPort("serial port", port, 8);
            checkRange("serial port IRQ", irq, 15);
        }
    }

    /**
     * An MC146818 with its index port, its ISA interrupt, and its century byte's index (0 if it has
     * none).
     */
    public record Rtc(int port, int irq, int century) {
        public Rtc {
            checkPort("RTC", port, 2);
            checkRange("RTC IRQ", irq, 15);
            checkRange("RTC century index", century, 127);
        }
    }

    /** A virtio-mmio register block with its GSI: level-triggered, active high. */
    public record VirtioMmio(long address, int size, int gsi) {
        public VirtioMmio {
            checkRange("virtio-mmio address", address, 0xFFFF_FFFFL);
            checkRange("virtio-mmio size", size, 0xFFFF_FFFFL - address);
            checkRange("virtio-mmio GSI", gsi, Integer.MAX_VALUE);
        }
    }

    public AcpiSpec {
        apicIds = List.copyOf(apicIds);
        ioApics = List.copyOf(ioApics);
        overrides = List.copyOf(overrides);
        serialPorts = List.copyOf(serialPorts);
        virtioMmio = List.copyOf(virtioMmio);
        checkRange("local APIC address", localApic, 0xFFFF_FFFFL);
        if (apicIds.isEmpty() || apicIds.size() > MAX_CPUS) {
            throw new IllegalArgumentException(
                    apicIds.size() + " CPUs: accepted are 1 to " + MAX_CPUS);
        }
        Set<Integer> distinct = new HashSet<>(apicIds);
        if (distinct.size() != apicIds.size() || apicIds.stream().anyMatch(id -> id < 0)) {
            throw new IllegalArgumentException(
                    "APIC IDs " + apicIds + ": accepted are distinct ones from 0 on");
        }
        checkCount("serial ports", serialPorts.size(), 4);
        checkCount("virtio-mmio transports", virtioMmio.size(), 256);
        fwCfg.ifPresent(port -> checkPort("fw_cfg", port, 12));
    }

    private static void checkRange(String what, long value, long last) {
        if (value < 0 || value > last) {
            throw new IllegalArgumentException(what + " " + value + ": accepted are 0 to " + last);
        }
    }

    private static void checkPort(String what, int port, int count) {
        if (port < 0 || port > 0x1_0000 - count) {
            throw new IllegalArgumentException(
                    what
                            + " of "
                            + count
                            + " ports at "
                            + port
                            + ": accepted are ports 0 to 65535");
        }
    }

    private static void checkCount(String what, int count, int most) {
        if (count > most) {
            throw new IllegalArgumentException(
                    count + " " + what + ": accepted are at most " + most);
        }
    }
}
