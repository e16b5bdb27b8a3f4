// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.acpi;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.memory.AddressSpace;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The ACPI tables of a board (ACPI Specification 6.3, chapter 5): RSDP, RSDT, XSDT, FADT with FACS,
 * MADT and DSDT. The sizes do not depend on where the tables go.
 */
public final class AcpiTables {
    /** The bytes that {@link #install} uses from the address of the RSDP on: RSDP and FACS. */
    public static final int ROOT_SIZE = 0x80;

    private static final int FACS_OFFSET = 0x40;
    private static final int HEADER_SIZE = 36;
    private static final int ALIGN = 64;

    private static final int SYSTEM_IO = 1;

    // Fixed feature flags of the FADT (table 5-34).
    private static final int WBINVD = 1;
    private static final int PROC_C1 = 1 << 2;
    private static final int SLP_BUTTON = 1 << 5;
    private static final int FIX_RTC = 1 << 6;
    private static final int TMR_VAL_EXT = 1 << 8;
    private static final int RESET_REG_SUP = 1 << 10;

    // IA-PC boot architecture flags (table 5-35).
    private static final int LEGACY_DEVICES = 1;
    private static final int HAS_8042 = 1 << 1;
    private static final int VGA_NOT_PRESENT = 1 << 2;
    private static final int CMOS_RTC_NOT_PRESENT = 1 << 5;

    private final AcpiSpec spec;
    private final byte[] dsdt;
    private final byte[] madt;
    private final int size;

    /** A table and where it goes. */
    record Table(String signature, long address, Bytes bytes) {}

    /** What they describe. */
    public AcpiSpec spec() {
        return spec;
    }

    /** The tables of {@code spec}. */
    public AcpiTables(AcpiSpec spec) {
        this.spec = spec;
        dsdt = table("DSDT", 2, dsdt(spec));
        madt = table("APIC", 5, madt(spec));
        size = tables(0, 0).stream().mapToInt(t -> align(t.bytes.length())).sum();
    }

    /** The bytes that {@link #install} uses from {@code base} on. */
    public int size() {
        return size;
    }

    /**
     * Writes the RSDP and the FACS to {@code rsdp}, a multiple of 64 below 4 GiB in memory that the
     * guest is told not to use, and all other tables to {@code base}, also a multiple of 64 below 4
     * GiB, in memory that it is told to hold ACPI tables.
     */
    public void install(AddressSpace memory, long rsdp, long base) {
        check("RSDP", rsdp, ROOT_SIZE);
        check("ACPI tables", base, size);
        List<Table> tables = tables(rsdp + FACS_OFFSET, base);
        for (Table table : tables) {
            memory.writeBytes(table.address, table.bytes.toArray());
        }
        memory.writeBytes(rsdp + FACS_OFFSET, facs());
        memory.writeBytes(rsdp, rsdp(tables));
    }

    /** All tables but RSDP and FACS as they are when they begin at {@code base}. */
    List<Table> tables(long facs, long base) {
        List<Table> tables = new ArrayList<>();
        long at = base;
        tables.add(new Table("DSDT", at, Bytes.of(dsdt)));
        at += align(dsdt.length);
        List<Long> listed = new ArrayList<>();
        listed.add(at);
        byte[] fadt = table("FACP", 6, fadt(facs, base));
        tables.add(new Table("FACP", at, Bytes.of(fadt)));
        at += align(fadt.length);
        listed.add(at);
        tables.add(new Table("APIC", at, Bytes.of(madt)));
        at += align(madt.length);
        byte[] rsdt = table("RSDT", 1, pointers(listed, 4));
        tables.add(new Table("RSDT", at, Bytes.of(rsdt)));
        at += align(rsdt.length);
        tables.add(new Table("XSDT", at, Bytes.of(table("XSDT", 1, pointers(listed, 8)))));
        return tables;
    }

    private static byte[] pointers(List<Long> addresses, int size) {
        ByteBuffer body =
                ByteBuffer.allocate(addresses.size() * size).order(ByteOrder.LITTLE_ENDIAN);
        for (long address : addresses) {
            if (size == 4) {
                body.putInt((int) address);
            } else {
                body.putLong(address);
            }
        }
        return body.array();
    }

    /** Section 5.2.5.3. */
    private static byte[] rsdp(List<Table> tables) {
        ByteBuffer rsdp = ByteBuffer.allocate(36).order(ByteOrder.LITTLE_ENDIAN);
        rsdp.put(ascii("RSD PTR ", 8)).put((byte) 0).put(ascii("FROND", 6)).put((byte) 2);
        rsdp.putInt((int) address(tables, "RSDT")).putInt(36).putLong(address(tables, "XSDT"));
        rsdp.put(8, checksum(rsdp.array(), 20));
        rsdp.put(32, checksum(rsdp.array(), 36));
        return rsdp.array();
    }

    /** Section 5.2.10. */
    private static byte[] facs() {
        ByteBuffer facs = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
        facs.put(ascii("FACS", 4)).putInt(64).put(32, (byte) 2);
        return facs.array();
    }

    /** Section 5.2.9, without the header. */
    private byte[] fadt(long facs, long dsdtAddress) {
        AcpiSpec.PowerManagement pm = spec.pm();
        ByteBuffer fadt = ByteBuffer.allocate(276).order(ByteOrder.LITTLE_ENDIAN);
        fadt.putInt(36, (int) facs).putInt(40, (int) dsdtAddress);
        fadt.putShort(46, (short) pm.sciIrq());
        fadt.putInt(56, pm.pm1aEvent()).putInt(64, pm.pm1aControl());
        fadt.putInt(76, pm.timer()).putInt(80, pm.gpe0());
        fadt.put(88, (byte) 4).put(89, (byte) 2).put(91, (byte) 4).put(92, (byte) pm.gpe0Length());
        // Latencies above 100 and 1000 us: there are no C2 and C3.
        fadt.putShort(96, (short) 0xFFF).putShort(98, (short) 0xFFF);
        fadt.put(108, (byte) spec.rtc().map(AcpiSpec.Rtc::century).orElse(0).intValue());
        int architecture =
                (spec.serialPorts().isEmpty() && spec.rtc().isEmpty() ? 0 : LEGACY_DEVICES)
                        | (spec.keyboardController() ? HAS_8042 : 0)
                        | (spec.vga() ? 0 : VGA_NOT_PRESENT)
                        | (spec.rtc().isPresent() ? 0 : CMOS_RTC_NOT_PRESENT);
        fadt.putShort(109, (short) architecture);
        // PWR_BUTTON is clear: the power button is a bit of the fixed hardware.
        fadt.putInt(
                112,
                WBINVD
                        | PROC_C1
                        | SLP_BUTTON
                        | FIX_RTC
                        | RESET_REG_SUP
                        | (pm.timer32() ? TMR_VAL_EXT : 0));
        putAddress(fadt, 116, spec.reset().port(), 8, 1);
        fadt.put(128, (byte) spec.reset().value());
        fadt.put(131, (byte) 3);
        fadt.putLong(140, dsdtAddress);
        putAddress(fadt, 148, pm.pm1aEvent(), 32, 2);
        putAddress(fadt, 172, pm.pm1aControl(), 16, 2);
        putAddress(fadt, 208, pm.timer(), 32, 3);
        putAddress(fadt, 220, pm.gpe0(), pm.gpe0Length() * 8, 1);
        fadt.put(268, ascii("FROND", 8));
        return body(fadt);
    }

    /** A generic address structure (section 5.2.3.2) of {@code bits} at an I/O port. */
    private static void putAddress(ByteBuffer table, int at, int port, int bits, int accessSize) {
        // A block of more bits than the field holds says 0 and is described by its length field.
        table.put(at, (byte) SYSTEM_IO).put(at + 1, (byte) (bits > 255 ? 0 : bits));
        table.put(at + 3, (byte) accessSize).putLong(at + 4, port);
    }

    /** Section 5.2.12, without the header. */
    private static byte[] madt(AcpiSpec spec) {
        List<Integer> ids = spec.apicIds();
        ByteBuffer madt =
                ByteBuffer.allocate(
                                HEADER_SIZE
                                        + 8
                                        + 16 * ids.size()
                                        + 12 * spec.ioApics().size()
                                        + 10 * spec.overrides().size()
                                        + 18)
                        .order(ByteOrder.LITTLE_ENDIAN);
        madt.position(HEADER_SIZE);
        madt.putInt((int) spec.localApic()).putInt(spec.dual8259() ? 1 : 0);
        boolean x2apic = false;
        for (int uid = 0; uid < ids.size(); uid++) {
            int id = ids.get(uid);
            // FFh stands for all in the fields of the small structure.
            if (id < 255 && uid < 255) {
                madt.put((byte) 0).put((byte) 8).put((byte) uid).put((byte) id).putInt(1);
            } else {
                x2apic = true;
                madt.put((byte) 9)
                        .put((byte) 16)
                        .putShort((short) 0)
                        .putInt(id)
                        .putInt(1)
                        .putInt(uid);
            }
        }
        for (AcpiSpec.IoApic ioApic : spec.ioApics()) {
            madt.put((byte) 1).put((byte) 12).put((byte) ioApic.id()).put((byte) 0);
            madt.putInt((int) ioApic.address()).putInt(ioApic.gsiBase());
        }
        for (AcpiSpec.IrqOverride override : spec.overrides()) {
            madt.put((byte) 2).put((byte) 10).put((byte) 0).put((byte) override.irq());
            madt.putInt(override.gsi()).putShort((short) override.signal().mpsInti());
        }
        madt.put((byte) 4).put((byte) 6).put((byte) 0xFF).putShort((short) 0).put((byte) 1);
        if (x2apic) {
            madt.put((byte) 10).put((byte) 12).putShort((short) 0).putInt(-1).put((byte) 1);
            madt.put(new byte[3]);
        }
        return body(madt.limit(madt.position()));
    }

    private static byte[] dsdt(AcpiSpec spec) {
        Aml root = new Aml();
        byte[] s5 = Aml.integer(spec.pm().s5Type());
        root.name("_S5", Aml.packageOf(s5, s5, Aml.integer(0), Aml.integer(0)));
        root.scope("_SB", sb -> devices(sb, spec));
        return root.toArray();
    }

    private static void devices(Aml sb, AcpiSpec spec) {
        for (int uid = 0; uid < spec.apicIds().size(); uid++) {
            byte[] number = Aml.integer(uid);
            sb.device(
                    String.format(Locale.ROOT, "C%03X", uid),
                    cpu -> {
                        cpu.name("_HID", Aml.string("ACPI0007"));
                        cpu.name("_UID", number);
                    });
        }
        for (int i = 0; i < spec.serialPorts().size(); i++) {
            AcpiSpec.SerialPort port = spec.serialPorts().get(i);
            byte[] number = Aml.integer(i + 1L);
            sb.device(
                    "COM" + (i + 1),
                    com -> {
                        com.name("_HID", Aml.eisaId("PNP0501"));
                        com.name("_UID", number);
                        com.name(
                                "_CRS",
                                Aml.resourceTemplate(Aml.io(port.port(), 8), Aml.irq(port.irq())));
                    });
        }
        spec.rtc()
                .ifPresent(clock ->
                        sb.device(
                                "RTC",
                                rtc -> {
                                    rtc.name("_HID", Aml.eisaId("PNP0B00"));
                                    rtc.name(
                                            "_CRS",
                                            Aml.resourceTemplate(
                                                    Aml.io(clock.port(), 2), Aml.irq(clock.irq())));
                                }));
        if (spec.keyboardController()) {
            sb.device(
                    "KBD",
                    kbd -> {
                        kbd.name("_HID", Aml.eisaId("PNP0303"));
                        kbd.name(
                                "_CRS",
                                Aml.resourceTemplate(Aml.io(0x60, 1), Aml.io(0x64, 1), Aml.irq(1)));
                    });
        }
        spec.fwCfg()
                .ifPresent(port ->
                        sb.device(
                                "FWCF",
                                fwCfg -> {
                                    fwCfg.name("_HID", Aml.string("QEMU0002"));
                                    // Present and working, but not for people to see.
                                    fwCfg.name("_STA", Aml.integer(0xB));
                                    fwCfg.name("_CRS", Aml.resourceTemplate(Aml.io(port, 12)));
                                }));
        for (int i = 0; i < spec.virtioMmio().size(); i++) {
            AcpiSpec.VirtioMmio slot = spec.virtioMmio().get(i);
            byte[] number = Aml.integer(i);
            sb.device(
                    String.format(Locale.ROOT, "VR%02X", i),
                    virtio -> {
                        virtio.name("_HID", Aml.string("LNRO0005"));
                        virtio.name("_UID", number);
                        virtio.name(
                                "_CRS",
                                Aml.resourceTemplate(
                                        Aml.memory32Fixed(slot.address(), slot.size()),
                                        Aml.levelInterrupt(slot.gsi())));
                    });
        }
    }

    /** The table of {@code body} behind a header (section 5.2.6). */
    private static byte[] table(String signature, int revision, byte[] body) {
        ByteBuffer table =
                ByteBuffer.allocate(HEADER_SIZE + body.length).order(ByteOrder.LITTLE_ENDIAN);
        table.put(ascii(signature, 4)).putInt(table.capacity()).put((byte) revision).put((byte) 0);
        table.put(ascii("FROND", 6)).put(ascii("FROND", 8)).putInt(1);
        table.put(ascii("FRND", 4)).putInt(1).put(body);
        table.put(9, checksum(table.array(), table.capacity()));
        return table.array();
    }

    /** What makes the sum of the first {@code length} bytes 0. */
    private static byte checksum(byte[] bytes, int length) {
        int sum = 0;
        for (int i = 0; i < length; i++) {
            sum += bytes[i];
        }
        return (byte) -sum;
    }

    private static byte[] body(ByteBuffer table) {
        byte[] body = new byte[table.limit() - HEADER_SIZE];
        table.get(HEADER_SIZE, body);
        return body;
    }

    private static long address(List<Table> tables, String signature) {
        return tables.stream()
                .filter(t -> t.signature.equals(signature))
                .findFirst()
                .orElseThrow()
                .address;
    }

    private static void check(String what, long address, int length) {
        if (address % ALIGN != 0 || address < 0 || address > 0x1_0000_0000L - length) {
            throw new IllegalArgumentException(
                    what
                            + " at 0x"
                            + Long.toHexString(address)
                            + ": accepted are multiples of 64 below 4 GiB");
        }
    }

    private static int align(int length) {
        return (length + ALIGN - 1) & -ALIGN;
    }

    private static byte[] ascii(String text, int length) {
        return java.util.Arrays.copyOf(text.getBytes(StandardCharsets.US_ASCII), length);
    }
}
