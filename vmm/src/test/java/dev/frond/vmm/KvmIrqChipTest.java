// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.interp.Interpreter;
import dev.frond.devices.irq.ApicTimerState;
import dev.frond.devices.irq.IoApic;
import dev.frond.devices.irq.LocalApicState;
import dev.frond.devices.isa.I8259PicPair;
import dev.frond.devices.isa.I8259PicPair.Chip;
import dev.frond.devices.isa.I8259PicPair.Expects;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.kvm.KvmSupport;
import dev.frond.machine.device.Longs;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.Arrays;
import java.util.List;

/** Interrupts of small programs under this host's KVM, wherever the controllers are. */
class KvmIrqChipTest {
    /** What ends an interrupt at the local APIC. */
    private static final String EOI = "mov dword [rbx + 0xB0], 0\n iretq\n";

    private static final String ENABLE = "mov dword [rbx + 0xF0], 0x1FF\n";

    /** Sleeps until the byte at 3000h is {@code count}, then ends the machine with it. */
    private static String untilCount(int count) {
        return "sti\n next: hlt\n cmp byte [0x3000], %d\n jb next\n mov al, [0x3000]\n out 0xF4, al\n jmp $"
                .formatted(count);
    }

    @BeforeAll
    static void needsKvm() {
        assumeThat(KvmSupport.whyUnavailable()).as("KVM on this host").isEmpty();
    }

    private static IrqRig rig(IrqChip irqChip, int cpus) {
        return new IrqRig(new KvmEngine(irqChip), cpus);
    }

    @ParameterizedTest
    @EnumSource
    void theTimerInterruptsOnceAndAgain(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 1)) {
            rig.handler(0x40, "inc byte [0x3000]\n" + EOI)
                    .code(
                            ENABLE
                                    + """
                                    mov dword [rbx + 0x3E0], 0xB    ; divide by 1
                                    mov dword [rbx + 0x320], 0x20040 ; periodic
                                    mov dword [rbx + 0x380], 5000000
                                    """
                                    + untilCount(5));
            long begin = System.nanoTime();
            assertThat(rig.run()).isEqualTo(5);
            assertThat(System.nanoTime() - begin).isGreaterThan(24_000_000);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aLevelIsServedUntilItFalls(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 1)) {
            // The first time the wire stays high, so that the end of the interrupt brings the next.
            rig.handler(
                            0x50,
                            """
                            inc byte [0x3000]
                            cmp byte [0x3000], 2
                            jb done
                            out 0xE8, al
                            done:
                            mov dword [rbx + 0xB0], 0
                            out 0xE9, al    ; a KVM in software tells of the end only then
                            iretq
                            """)
                    .code(
                            ENABLE
                                    + """
                                    mov dword [rbp], 0x30           ; pin 16, low half
                                    mov dword [rbp + 0x10], 0x8050  ; level
                                    out 0xE9, al
                                    """
                                    + untilCount(4));
            rig.machine.start();
            await(rig, 1);
            rig.wire.set(true);
            awaitCount(rig, 2);
            Thread.sleep(20);
            // A KVM in software tells its own I/O APIC of an end twice.
            int more = irqChip == IrqChip.ON && KvmSupport.whyLimited().isPresent() ? 1 : 0;
            int count = (int) rig.ram.load(0x3000, 1);
            assertThat(count).as("the wire is low").isBetween(2, 2 + more);
            while (count < 4) {
                // When the last one has ended, and its wire is low.
                await(rig, 1 + count);
                rig.wire.set(true);
                awaitCount(rig, ++count);
            }
            assertThat(rig.end()).isBetween(4L, 4L + more);
        }
    }

    private static void await(IrqRig rig, int bytes) throws InterruptedException {
        for (int i = 0; rig.written.size() < bytes; i++) {
            assertThat(i).as("the guest says nothing").isLessThan(5000);
            Thread.sleep(1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aMessageInterrupts(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 1)) {
            rig.handler(0x60, "inc byte [0x3000]\n" + EOI)
                    .code(ENABLE + "out 0xE9, al\n" + untilCount(1));
            rig.machine.start();
            await(rig, 1);
            rig.bus.send(0xFEE0_0000L, 0x60);
            assertThat(rig.end()).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void theOldControllersInterruptThroughTheVirtualWire(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 1)) {
            rig.handler(0x21, "inc byte [0x3000]\n mov al, 0x20\n out 0x20, al\n iretq\n")
                    .code(
                            """
                            mov al, 0x11
                            out 0x20, al
                            mov al, 0x20
                            out 0x21, al
                            mov al, 4
                            out 0x21, al
                            mov al, 1
                            out 0x21, al
                            mov al, 0xFD
                            out 0x21, al
                            out 0xE9, al
                            """
                                    + untilCount(2));
            rig.machine.start();
            await(rig, 1);
            // While the CPU sleeps, most likely.
            Thread.sleep(20);
            rig.pic.input(1).set(true);
            awaitCount(rig, 1);
            rig.pic.input(1).set(false);
            rig.pic.input(1).set(true);
            assertThat(rig.end()).isEqualTo(2);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aCpuStartsAnotherAndInterruptsIt(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 2)) {
            rig.assemble(
                            0x8000,
                            16,
                            "xor ax, ax\n mov ds, ax\n inc byte [0x3001]\n again: hlt\n jmp again")
                    .code(
                            ENABLE
                                    + """
                                    mov dword [rbx + 0x310], 0x01000000
                                    mov dword [rbx + 0x300], 0x4500 ; INIT
                                    mov dword [rbx + 0x310], 0x01000000
                                    mov dword [rbx + 0x300], 0x4608 ; start-up at 8000h
                                    still: pause
                                    cmp byte [0x3001], 1
                                    jne still
                                    mov al, 7
                                    out 0xF4, al
                                    jmp $
                                    """);
            assertThat(rig.run()).isEqualTo(7);
            rig.machine.pause();
            assertThat(rig.machine.save().cpus().get(1).cs().base()).isEqualTo(0x8000);
        }
    }

    /** The timer of the local APIC, which the kernel has in two of the places. */
    private static final String APIC_TIMER =
            """
            mov dword [rbx + 0x3E0], 0xB
            mov dword [rbx + 0x320], 0x20040
            mov dword [rbx + 0x380], 2000000
            """;

    /** The 8254 at 1 kHz, through the 8259 pair to vector 40h. */
    private static final String OLD_TIMER =
            """
            mov al, 0x11
            out 0x20, al
            mov al, 0x40
            out 0x21, al
            mov al, 4
            out 0x21, al
            mov al, 1
            out 0x21, al
            mov al, 0xFE
            out 0x21, al
            mov al, 0x34        ; counter 0, both bytes, mode 2
            out 0x43, al
            mov al, 0xA9
            out 0x40, al
            mov al, 0x04
            out 0x40, al
            """;

    private static final String OLD_EOI = "mov al, 0x20\n out 0x20, al\n pop rax\n iretq\n";

    @ParameterizedTest
    @EnumSource
    void theOldTimerInterruptsAgainAndAgain(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 1)) {
            rig.handler(0x40, "push rax\n inc byte [0x3000]\n" + OLD_EOI)
                    .code(OLD_TIMER + untilCount(20));
            long begin = System.nanoTime();
            assertThat(rig.run()).isEqualTo(20);
            assertThat(System.nanoTime() - begin).isGreaterThan(18_000_000);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "SPLIT, OFF, APIC",
        "ON, SPLIT, APIC",
        "ON, OFF, APIC",
        "ON, ON, OLD",
        "OFF, ON, OLD"
    })
    void aMachineGoesFromKvmToTheInterpreterAndBack(IrqChip first, IrqChip second, String timer)
            throws Exception {
        try (IrqRig rig = ticking(first, timer)) {
            rig.machine.start();
            for (int i = 0; i < 3; i++) {
                awaitCount(rig, 10 + 60 * i);
                rig.machine.whileStanding(() -> rig.engine.handOver(new Interpreter())).join();
                awaitCount(rig, 40 + 60 * i);
                IrqChip next = i == 1 ? second : first;
                rig.machine.whileStanding(() -> rig.engine.handOver(new KvmEngine(next))).join();
            }
            assertThat(rig.end()).isEqualTo(200);
        }
    }

    @ParameterizedTest
    @CsvSource({"OFF, SPLIT", "SPLIT, ON", "ON, OFF", "OFF, ON"})
    void aMachineGoesFromOnePlaceOfTheControllersToAnother(IrqChip first, IrqChip second)
            throws Exception {
        for (String timer : List.of("APIC", "OLD")) {
            try (IrqRig rig = ticking(first, timer)) {
                rig.machine.start();
                awaitCount(rig, 50);
                rig.machine.whileStanding(() -> rig.engine.handOver(new KvmEngine(second))).join();
                assertThat(rig.end()).isEqualTo(200);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"OFF, OFF", "OFF, ON", "SPLIT, SPLIT", "SPLIT, OFF", "ON, ON", "ON, SPLIT"})
    void aSavedMachineGoesOnWhereverTheControllersAre(IrqChip first, IrqChip second)
            throws Exception {
        for (String timer : List.of("APIC", "OLD")) {
            try (IrqRig rig = ticking(first, timer);
                    IrqRig other = rig(second, 1)) {
                rig.machine.start();
                awaitCount(rig, 50);
                rig.machine.pause();
                other.ram.segment().copyFrom(rig.ram.segment());
                other.machine.start(rig.machine.save());
                assertThat(other.end()).isEqualTo(200);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aTimerWaitsWhileTheMachineStands(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 1)) {
            rig.handler(0x40, "inc byte [0x3000]\n" + EOI)
                    .code(
                            ENABLE
                                    + """
                                    mov dword [rbx + 0x3E0], 0xB
                                    mov dword [rbx + 0x320], 0x40       ; once
                                    mov dword [rbx + 0x380], 400000000
                                    out 0xE9, al
                                    """
                                    + untilCount(1));
            rig.machine.start();
            await(rig, 1);
            long armed = rig.clock.now();
            rig.machine.pause();
            Thread.sleep(600);
            rig.machine.resume();
            Thread.sleep(50);
            assertThat(rig.ram.load(0x3000, 1)).as("it was not due").isZero();
            assertThat(rig.end()).isEqualTo(1);
            assertThat(rig.clock.now() - armed).isGreaterThan(350_000_000);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aTimerThatHasEndedDoesNotEndAgain(IrqChip irqChip) throws Exception {
        try (IrqRig rig = rig(irqChip, 1)) {
            rig.engine.handOver(new Interpreter());
            rig.handler(0x40, "inc byte [0x3000]\n" + EOI)
                    .code(
                            ENABLE
                                    + """
                                    mov dword [rbx + 0x3E0], 0xB
                                    mov dword [rbx + 0x320], 0x40       ; once
                                    mov dword [rbx + 0x380], 100000
                                    """
                                    + untilCount(2));
            rig.machine.start();
            awaitCount(rig, 1);
            rig.machine.whileStanding(() -> rig.engine.handOver(new KvmEngine(irqChip))).join();
            Thread.sleep(50);
            assertThat(rig.ram.load(0x3000, 1)).isEqualTo(1);
            rig.machine.pause();
            ApicTimerState timer = rig.apics.getFirst().save().timer();
            assertThat(timer.initialCount()).isEqualTo(100000);
            assertThat(timer.count()).isZero();
            rig.machine.resume();
            rig.machine.whileStanding(() -> rig.engine.handOver(new Interpreter())).join();
            Thread.sleep(20);
            assertThat(rig.ram.load(0x3000, 1)).isEqualTo(1);
        }
    }

    /** A guest that sleeps between the ticks of a timer until there were 200. */
    private static IrqRig ticking(IrqChip irqChip, String timer) throws Exception {
        boolean apic = timer.equals("APIC");
        return rig(irqChip, 1)
                .handler(
                        0x40,
                        "push rax\n inc byte [0x3000]\n" + (apic ? "pop rax\n" + EOI : OLD_EOI))
                .code((apic ? ENABLE + APIC_TIMER : OLD_TIMER) + untilCount(200));
    }

    private static void awaitCount(IrqRig rig, int count) throws InterruptedException {
        for (int i = 0; rig.ram.load(0x3000, 1) < count; i++) {
            assertThat(i).as(() -> said(rig)).isLessThan(3000);
            Thread.sleep(1);
        }
    }

    private static String said(IrqRig rig) {
        rig.machine.pause();
        return "interrupts so far: "
                + rig.ram.load(0x3000, 1)
                + "; "
                + rig.engine.name()
                + rig.machine.cpus().getFirst().stats()
                + rig.machine.save();
    }

    @Test
    void theKernelsRegistersAreThoseThatWereLoaded() {
        try (IrqRig rig = rig(IrqChip.SPLIT, 1)) {
            LocalApicState reset = rig.apics.getFirst().save();
            assertThat(reset).isEqualTo(rig.apics.getFirst().resetState());
            LocalApicState busy = busy(reset);
            rig.apics.getFirst().load(busy);
            rig.apics.getFirst().settle();
            LocalApicState saved = rig.apics.getFirst().save();
            assertThat(saved).isEqualTo(busy);
            // And from there to Frond's own.
            rig.engine.handOver(new Interpreter());
            assertThat(rig.apics.getFirst().save()).isEqualTo(busy);
        }
    }

    @Test
    void theKernelsChipsAreWhatWasLoaded() {
        try (IrqRig rig = rig(IrqChip.ON, 1)) {
            assertThat(rig.pic.save()).isEqualTo(rig.pic.resetState());
            assertThat(rig.ioApic.save()).isEqualTo(rig.ioApic.resetState());
            assertThat(rig.pit.save()).isEqualTo(rig.pit.resetState());
            I8259PicPair.State pics =
                    new I8259PicPair.State(
                            new Chip(
                                    0x10,
                                    0x10,
                                    0x20,
                                    0x41,
                                    0,
                                    0x20,
                                    3,
                                    Expects.OCW1,
                                    false,
                                    true,
                                    true,
                                    true,
                                    true,
                                    true,
                                    false,
                                    true),
                            new Chip(
                                    0,
                                    0x04,
                                    0,
                                    0x80,
                                    0x02,
                                    0x28,
                                    7,
                                    Expects.ICW3,
                                    false,
                                    true,
                                    false,
                                    false,
                                    false,
                                    false,
                                    true,
                                    false));
            long[] table = new long[IoApic.PINS];
            Arrays.fill(table, 0x1_0000);
            // Under way: a local APIC has it.
            table[16] = 0x0100_0000_0000_C845L;
            LocalApicState reset = rig.apics.getFirst().save();
            rig.apics.getFirst().load(busy(reset));
            rig.apics.getFirst().settle();
            table[17] = 0x0200_0000_0000_0051L;
            IoApic.State io = new IoApic.State(0x0300_0000, 0x12, Longs.of(table), 1 << 16);
            rig.pic.load(pics);
            rig.ioApic.load(io);
            rig.pic.settle();
            rig.ioApic.settle();
            assertThat(rig.pic.save()).isEqualTo(pics);
            assertThat(rig.ioApic.save()).isEqualTo(io);
            // And from there to Frond's own, and back again.
            rig.engine.handOver(new Interpreter());
            assertThat(rig.pic.save()).isEqualTo(pics);
            assertThat(rig.ioApic.save()).isEqualTo(io);
            rig.engine.handOver(new KvmEngine(IrqChip.ON));
            assertThat(rig.pic.save()).isEqualTo(pics);
            assertThat(rig.ioApic.save()).isEqualTo(io);
        }
    }

    private static LocalApicState busy(LocalApicState s) {
        ApicTimerState timer =
                new ApicTimerState(1_000_000, 0xB, 777_777, 0, 0, s.timer().tscOffset());
        return new LocalApicState(
                s.apicBase(),
                s.id(),
                0x20,
                0x0100_0000,
                -1,
                0x1F0,
                Longs.of(0, 1L << 5, 0, 0),
                Longs.of(0, 1L << 5, 1, 0),
                Longs.of(1L << 40, 0, 1, 0),
                0x0100_0000_0000_0831L,
                0,
                0,
                List.of(0x20040, 0x10000, 0x10000, 0x700, 0x400, 0xFE),
                timer,
                false,
                false,
                false);
    }
}
