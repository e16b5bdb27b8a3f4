// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.boards;

import dev.frond.devices.acpi.AcpiPm;
import dev.frond.devices.acpi.ResetControl;
import dev.frond.devices.irq.ApicBus;
import dev.frond.devices.irq.IoApic;
import dev.frond.devices.irq.LocalApic;
import dev.frond.devices.isa.DebugExitPort;
import dev.frond.devices.isa.I8042;
import dev.frond.devices.isa.I8254Pit;
import dev.frond.devices.isa.I8259PicPair;
import dev.frond.devices.isa.Mc146818Rtc;
import dev.frond.devices.isa.Uart16550;
import dev.frond.firmware.BootArguments;
import dev.frond.firmware.DirectBoot;
import dev.frond.firmware.FwCfg;
import dev.frond.firmware.FwCfgItems;
import dev.frond.firmware.KernelImage;
import dev.frond.firmware.MemoryMap;
import dev.frond.firmware.acpi.AcpiSpec;
import dev.frond.firmware.acpi.AcpiTables;
import dev.frond.firmware.smbios.SmbiosSpec;
import dev.frond.firmware.smbios.SmbiosTables;
import dev.frond.machine.Machine;
import dev.frond.machine.backend.BlockBackend;
import dev.frond.machine.backend.CharBackend;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.virtio.VirtioBlk;
import dev.frond.virtio.VirtioDevice;
import dev.frond.virtio.VirtioMmio;
import dev.frond.virtio.VirtioRng;

import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.stream.IntStream;

/**
 * The board microvm: a PC without PCI, video and firmware, for kernels that are started directly.
 * Serial line, timers, interrupt controllers, real-time clock and power management stand where a PC
 * has them; everything else is virtio-mmio.
 */
public final class Microvm {
    /** The board's name. */
    public static final String NAME = "microvm";

    /** The board's version, as the guest reads it. */
    private static final String VERSION = "1.0";

    private static final UUID NO_UUID = new UUID(0, 0);

    /** As many disks as there are virtio-mmio slots beside the entropy device's. */
    public static final int MAX_DISKS = 7;

    /** xAPIC IDs are 8 bits wide, and 255 addresses all. */
    public static final int MAX_CPUS = 255;

    private static final int COM1 = 0x3F8;
    private static final int COM1_IRQ = 4;
    private static final int RTC = 0x70;
    private static final int RTC_IRQ = 8;
    private static final int RTC_CENTURY = 0x32;
    private static final int FW_CFG = 0x510;
    private static final int PM = 0x600;
    private static final int SCI = 9;
    private static final int S5 = 5;
    private static final int RESET = 0xCF9;
    private static final int DEBUG_EXIT = 0xF4;
    private static final long IO_APIC = 0xFEC0_0000L;
    private static final long LOCAL_APIC = 0xFEE0_0000L;
    private static final long VIRTIO = 0xFEB0_0000L;
    private static final int VIRTIO_GSI = 16;

    /** A disk: its medium, and the serial number that the guest reads. */
    public record Disk(BlockBackend medium, String serial) {}

    /**
     * What is on the board.
     *
     * @param cpu what the CPUs offer, within what the engine can
     * @param debugExit whether the debug-exit port is there
     */
    public record Spec(
            int cpus, CpuModel cpu, CharBackend serial, List<Disk> disks, boolean debugExit) {
        public Spec {
            disks = List.copyOf(disks);
            if (cpus < 1 || cpus > MAX_CPUS) {
                throw new IllegalArgumentException(cpus + " CPUs: accepted are 1 to " + MAX_CPUS);
            }
            if (disks.size() > MAX_DISKS) {
                throw new IllegalArgumentException(
                        disks.size() + " disks: accepted are up to " + MAX_DISKS);
            }
        }
    }

    /** Made when a driver first asks. */
    private static final class Random {
        static final SecureRandom SOURCE = new SecureRandom();
    }

    private final Spec spec;
    private final Machine machine;
    private final AddressSpace memory;
    private final AddressSpace ports;

    private Microvm(Spec spec, CpuModel model, GuestMemory ram, HostClock clock) {
        this.spec = spec;
        machine = new Machine(NAME, model, ram, clock);
        memory = machine.memory();
        ports = machine.ports();
    }

    /** The board with all its parts, ready to start {@code kernel}. */
    public static Machine build(
            Spec spec,
            Accelerator engine,
            GuestMemory ram,
            HostClock clock,
            KernelImage kernel,
            BootArguments arguments) {
        return new Microvm(spec, engine.offer(spec.cpu()), ram, clock)
                .wire(engine, kernel, arguments);
    }

    private Machine wire(Accelerator engine, KernelImage kernel, BootArguments arguments) {
        GuestMemory ram = machine.ram();
        HostClock clock = machine.clock();
        long low = Math.min(ram.size(), MemoryMap.LOW_LIMIT);
        memory.map(0, new Region.Ram(ram, 0, low));
        if (ram.size() > low) {
            memory.map(MemoryMap.HIGH_BASE, new Region.Ram(ram, low, ram.size() - low));
        }

        // Interrupts: ISA lines reach the 8259 pair and the I/O APIC; INTR goes to all LINT0.
        ApicBus bus = new ApicBus();
        I8259PicPair pic = machine.add("pic", new I8259PicPair(bus.lint0()));
        ports.map(0x20, pic.masterRegisters());
        ports.map(0xA0, pic.slaveRegisters());
        ports.map(0x4D0, pic.elcrRegisters());
        List<LocalApic> apics = new ArrayList<>();
        for (int id = 0; id < spec.cpus(); id++) {
            Cpuid cpuid = new Cpuid(machine.cpuModel(), id, spec.cpus());
            LocalApic apic = machine.add("apic" + id, new LocalApic(bus, cpuid, clock, pic));
            Vcpu vcpu =
                    engine.createVcpu(
                            id, cpuid, new Accelerator.Wiring(memory, ports, clock, apic));
            apic.connect(vcpu);
            apics.add(apic);
            machine.add(vcpu);
        }
        IoApic ioApic = machine.add("ioapic", new IoApic(bus, 0));
        memory.map(IO_APIC, ioApic.registers());

        // A PC's parts at their places.
        I8254Pit pit = machine.add("pit", new I8254Pit(clock, both(pic.input(0), ioApic.pin(2))));
        ports.map(0x40, pit.registers());
        ports.map(0x61, pit.portB());
        engine.chips(List.of(pic.kept(), ioApic.kept(), pit.kept()));
        Uart16550 uart =
                machine.add(
                        "uart0",
                        new Uart16550(
                                Uart16550.Spec.CONSOLE,
                                clock,
                                isa(pic, ioApic, COM1_IRQ),
                                spec.serial()));
        ports.map(COM1, uart.registers());
        Mc146818Rtc rtc = machine.add("rtc", new Mc146818Rtc(clock, isa(pic, ioApic, RTC_IRQ)));
        ports.map(RTC, rtc.registers());
        I8042 i8042 =
                machine.add("i8042", new I8042(isa(pic, ioApic, 1), isa(pic, ioApic, 12), machine));
        ports.map(0x60, i8042.data());
        ports.map(0x64, i8042.command());
        AcpiPm pm =
                machine.add(
                        "pm",
                        new AcpiPm(
                                new AcpiPm.Spec(S5, true), clock, isa(pic, ioApic, SCI), machine));
        ports.map(PM, pm.registers());
        ResetControl reset = machine.add("reset", new ResetControl(machine));
        ports.map(RESET, reset.registers());
        if (spec.debugExit()) {
            ports.map(DEBUG_EXIT, new DebugExitPort(machine).registers());
        }

        // virtio-mmio, one interrupt each.
        List<AcpiSpec.VirtioMmio> slots = new ArrayList<>();
        addVirtio(slots, ioApic, new VirtioRng(() -> Random.SOURCE));
        for (Disk disk : spec.disks()) {
            VirtioBlk.Spec blk = new VirtioBlk.Spec(disk.serial(), spec.cpus());
            addVirtio(slots, ioApic, new VirtioBlk(blk, disk.medium()));
        }

        AcpiTables acpi = new AcpiTables(acpi(slots));
        MemoryMap map = MemoryMap.pc(ram.size(), acpi.size());
        FwCfg fwCfg =
                machine.add(
                        "fwcfg",
                        new FwCfg(FwCfgItems.ofMachine(spec.cpus(), ram.size(), map), memory));
        ports.map(FW_CFG, fwCfg.region());
        SmbiosTables smbios =
                new SmbiosTables(
                        new SmbiosSpec(
                                NAME,
                                VERSION,
                                NO_UUID,
                                spec.cpus(),
                                spec.cpu().brand(),
                                low,
                                ram.size() - low));
        DirectBoot boot = new DirectBoot(kernel, arguments, map, acpi).withSmbios(smbios);
        machine.firmware((space, powerOn) -> {
            apics.getFirst().programVirtualWire();
            return boot.boot(space, powerOn);
        });
        return machine;
    }

    private static IrqLine both(IrqLine a, IrqLine b) {
        return level -> {
            a.set(level);
            b.set(level);
        };
    }

    private static IrqLine isa(I8259PicPair pic, IoApic ioApic, int number) {
        return both(pic.input(number), ioApic.pin(number));
    }

    private void addVirtio(List<AcpiSpec.VirtioMmio> slots, IoApic ioApic, VirtioDevice<?> device) {
        int number = slots.size();
        int gsi = VIRTIO_GSI + number;
        machine.add("virtio" + number + ".device", device);
        VirtioMmio transport =
                machine.add("virtio" + number, new VirtioMmio(device, memory, ioApic.pin(gsi)));
        long address = VIRTIO + (long) number * VirtioMmio.SIZE;
        memory.map(address, transport.region());
        slots.add(new AcpiSpec.VirtioMmio(address, VirtioMmio.SIZE, gsi));
    }

    private AcpiSpec acpi(List<AcpiSpec.VirtioMmio> slots) {
        return new AcpiSpec(
                IntStream.range(0, spec.cpus()).boxed().toList(),
                LOCAL_APIC,
                List.of(new AcpiSpec.IoApic(0, IO_APIC, 0)),
                List.of(
                        new AcpiSpec.IrqOverride(0, 2, AcpiSpec.Signal.CONFORMS),
                        new AcpiSpec.IrqOverride(SCI, SCI, AcpiSpec.Signal.LEVEL_HIGH)),
                true,
                new AcpiSpec.PowerManagement(
                        SCI,
                        PM + AcpiPm.PM1A_EVT,
                        PM + AcpiPm.PM1A_CNT,
                        PM + AcpiPm.PM_TMR,
                        true,
                        PM + AcpiPm.GPE0,
                        4,
                        S5),
                new AcpiSpec.ResetRegister(RESET, ResetControl.RESET_VALUE),
                List.of(new AcpiSpec.SerialPort(COM1, COM1_IRQ)),
                Optional.of(new AcpiSpec.Rtc(RTC, RTC_IRQ, RTC_CENTURY)),
                true,
                false,
                OptionalInt.of(FW_CFG),
                slots);
    }
}
