// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRig.*;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.vcpu.EngineApic;

import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Local APICs whose registers an engine keeps, and what the machine's other parts do then. */
class EntrustedApicTest {
    private final ApicRig rig = new ApicRig(2).enabled();
    private final LocalApic apic = rig.apic(0);

    /** An engine that keeps what it is given. */
    private static class Keeper implements EngineApic {
        private Registers registers = new Registers(0, Bytes.zeros(Registers.PAGE), 0);
        final List<Message> sent = new ArrayList<>();
        List<Message> routes = List.of();
        boolean accepts = true;

        @Override
        public Registers save() {
            return registers;
        }

        @Override
        public void load(Registers given) {
            registers = given;
        }

        @Override
        public boolean isBeside(EngineApic other) {
            return other instanceof Keeper;
        }

        @Override
        public boolean send(Message message) {
            sent.add(message);
            return accepts;
        }

        @Override
        public void route(List<Message> messages) {
            routes = messages;
        }

        int register(int offset) {
            return buffer(registers.page().toArray()).getInt(offset);
        }

        private static ByteBuffer buffer(byte[] bytes) {
            return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        }

        void register(int offset, int value) {
            byte[] page = registers.page().toArray();
            buffer(page).putInt(offset, value);
            registers =
                    new Registers(registers.apicBase(), Bytes.of(page), registers.tscDeadline());
        }
    }

    private final Keeper keeper = new Keeper();

    private final Keeper second = new Keeper();

    private void entrust() {
        apic.entrust(keeper);
        rig.apic(1).entrust(second);
    }

    @Test
    void theEngineIsGivenTheRegisters() {
        rig.write(0, TPR, 0x20);
        rig.write(0, LVT_TIMER, 0x31);
        rig.write(0, DIVIDE, 0xB);
        rig.write(0, INITIAL_COUNT, 1000);
        rig.clock.advance(400);
        rig.bus.send(0xFEE0_0000L, 0x45);
        entrust();
        assertThat(keeper.save().apicBase()).isEqualTo(0xFEE0_0900L);
        assertThat(keeper.register(TPR)).isEqualTo(0x20);
        assertThat(keeper.register(SVR)).isEqualTo(0x1FF);
        assertThat(keeper.register(LVT_TIMER)).isEqualTo(0x31);
        assertThat(keeper.register(CURRENT_COUNT)).isEqualTo(600);
        assertThat(keeper.register(IRR + 0x20)).isEqualTo(1 << 5);
        rig.clock.advance(1000);
        assertThat(keeper.register(IRR + 0x10)).as("the timer is the engine's").isZero();
    }

    @Test
    void whatTheEngineHasIsSavedAndComesBack() {
        entrust();
        keeper.register(TPR, 0x30);
        keeper.register(IRR + 0x20, 1 << 7);
        keeper.register(LVT_TIMER, 0x31);
        keeper.register(DIVIDE, 0xB);
        keeper.register(INITIAL_COUNT, 1000);
        keeper.register(CURRENT_COUNT, 300);
        assertThat(apic.save().tpr()).isEqualTo(0x30);
        apic.withdraw(keeper);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(300);
        assertThat(rig.take(0)).isEqualTo(0x47);
        rig.eoi(0);
        rig.write(0, TPR, 0);
        rig.clock.advance(300);
        assertThat(rig.take(0)).isEqualTo(0x31);
    }

    @Test
    void oneEngineTakesThemOverFromAnother() {
        entrust();
        keeper.register(TPR, 0x30);
        Keeper next = new Keeper();
        apic.entrust(next);
        assertThat(next.register(TPR)).isEqualTo(0x30);
        apic.withdraw(keeper);
        next.register(TPR, 0x50);
        assertThat(apic.registerPage()).isEqualTo(-1);
        apic.withdraw(next);
        assertThat(apic.registerPage()).isEqualTo(0xFEE0_0000L);
        assertThat(apic.save().tpr()).isEqualTo(0x50);
    }

    @Test
    void anEngineThatRefusesThemLeavesThemWhereTheyWere() {
        rig.write(0, LVT_TIMER, 0x31);
        rig.write(0, DIVIDE, 0xB);
        rig.write(0, INITIAL_COUNT, 1000);
        Keeper refusing =
                new Keeper() {
                    @Override
                    public void load(Registers given) {
                        throw new IllegalArgumentException("no");
                    }
                };
        assertThatThrownBy(() -> apic.entrust(refusing)).hasMessage("no");
        assertThat(apic.registerPage()).isEqualTo(0xFEE0_0000L);
        rig.clock.advance(1000);
        assertThat(rig.take(0)).isEqualTo(0x31);
    }

    @Test
    void anEngineThatGivesUpLeavesThemToTheOneBefore() {
        entrust();
        Keeper next = new Keeper();
        apic.entrust(next);
        next.register(TPR, 0x50);
        apic.withdraw(next);
        assertThat(keeper.register(TPR)).isEqualTo(0x50);
        keeper.register(TPR, 0x60);
        assertThat(apic.save().tpr()).isEqualTo(0x60);
    }

    @Test
    void whatIsLoadedReachesTheEngineWhenItSettles() {
        LocalApicState before = apic.save();
        entrust();
        keeper.register(TPR, 0x30);
        apic.load(before);
        apic.settle();
        assertThat(keeper.register(TPR)).isZero();
        apic.programVirtualWire();
        assertThat(keeper.register(LVT_LINT0)).isEqualTo(0x700);
    }

    @Test
    void theIoApicSendsThroughTheEngineAndIsToldOfTheEnd() {
        entrust();
        rig.redirect(16, 1, 0x8050);
        assertThat(keeper.routes.get(16)).isEqualTo(new EngineApic.Message(0xFEE0_1000L, 0xC050));
        rig.ioApic.pin(16).set(true);
        assertThat(keeper.sent).containsExactly(new EngineApic.Message(0xFEE0_1000L, 0xC050));
        apic.endOfInterrupt(0x50);
        assertThat(keeper.sent).as("the wire is high still").hasSize(2);
        rig.ioApic.pin(16).set(false);
        apic.endOfInterrupt(0x50);
        assertThat(keeper.sent).hasSize(2);
        keeper.accepts = false;
        rig.ioApic.pin(16).set(true);
        assertThat(rig.io(0x30) & 1 << 14).as("nobody took it").isZero();
    }

    @Test
    void aMessageOnTheWayToAnEngineWaitsUntilAllCpusAreThere() {
        apic.entrust(keeper);
        rig.bus.send(0xFEE0_1000L, 0x45);
        assertThat(keeper.sent).as("the engine has no CPU 1 yet").isEmpty();
        rig.apic(1).entrust(new Keeper());
        assertThat(keeper.sent).containsExactly(new EngineApic.Message(0xFEE0_1000L, 0x45));
    }

    @Test
    void aMessageOnTheWayBackWaitsUntilAllCpusAreThere() {
        Keeper other = new Keeper();
        apic.entrust(keeper);
        rig.apic(1).entrust(other);
        apic.withdraw(keeper);
        rig.bus.send(0xFEE0_1000L, 0x45);
        rig.bus.send(0xFEE0_0000L, 0x46);
        rig.apic(1).withdraw(other);
        assertThat(keeper.sent).isEmpty();
        assertThat(rig.take(1)).isEqualTo(0x45);
        assertThat(rig.take(0)).isEqualTo(0x46);
    }

    @Test
    void anEndThatTheEngineDidNotTellIsFound() {
        entrust();
        rig.redirect(16, 0, 0x8050);
        rig.ioApic.pin(16).set(true);
        keeper.register(IRR + 0x20, 1 << 16);
        assertThat(rig.ioApic.save().redirection().at(16) & 1 << 14).as("it waits").isNotZero();
        keeper.register(IRR + 0x20, 0);
        keeper.register(ISR + 0x20, 1 << 16);
        assertThat(rig.ioApic.save().redirection().at(16) & 1 << 14).as("it runs").isNotZero();
        keeper.register(ISR + 0x20, 0);
        assertThat(rig.ioApic.save().redirection().at(16) & 1 << 14).as("it is over").isZero();
        apic.withdraw(keeper);
        rig.apic(1).withdraw(second);
        assertThat(rig.take(0)).as("the wire is high still").isEqualTo(0x50);
    }

    @Test
    void anEndThatTheIoApicIsNotToHearOfIsNotMadeUp() {
        rig.write(0, SVR, 0x11FF);
        entrust();
        rig.redirect(16, 0, 0x8050);
        rig.ioApic.pin(16).set(true);
        apic.withdraw(keeper);
        rig.apic(1).withdraw(second);
        assertThat(rig.io(0x30) & 1 << 14).isNotZero();
    }

    @Test
    void messagesSayWhomTheyAreForAndHow() {
        entrust();
        rig.redirect(3, 2, 0x0941);
        rig.ioApic.pin(3).set(true);
        // Lowest priority, logical: the redirection hint, too.
        assertThat(keeper.sent).containsExactly(new EngineApic.Message(0xFEE0_200CL, 0x141));
    }

    @Test
    void theOldControllersAreTheMachinesStill() {
        rig.picVectors.add(0x21);
        entrust();
        assertThat(apic.pending()).isFalse();
        rig.bus.lint0().set(true);
        assertThat(apic.pending()).isTrue();
        assertThat(apic.acknowledge()).isEqualTo(0x21);
        assertThat(apic.pending()).isFalse();
        assertThat(apic.acknowledge()).isEqualTo(-1);
    }

    @Test
    void anExtIntMessageReachesTheCpuOfThatNumber() {
        rig.picVectors.add(0x22);
        entrust();
        rig.redirect(0, 1, 0x0700);
        rig.ioApic.pin(0).set(true);
        assertThat(keeper.sent).isEmpty();
        assertThat(rig.apic(1).pending()).isTrue();
        assertThat(rig.apic(1).acknowledge()).isEqualTo(0x22);
    }

    @Test
    void whatWasDueAlreadyHappens() {
        rig.write(0, LVT_TIMER, 0x31);
        rig.write(0, DIVIDE, 0xB);
        rig.write(0, INITIAL_COUNT, 1000);
        LocalApicState armed = apic.save();
        entrust();
        rig.clock.advance(5000);
        apic.load(armed);
        apic.settle();
        assertThat(keeper.register(IRR + 0x10)).isEqualTo(1 << 0x11);
        assertThat(keeper.register(CURRENT_COUNT)).isZero();
    }

    @Test
    void aDeadlineGoesAlong() {
        rig.write(0, LVT_TIMER, 2 << 17 | 0x31);
        apic.writeMsr(IA32_TSC_DEADLINE, 9000);
        entrust();
        assertThat(keeper.save().tscDeadline()).isEqualTo(9000);
        apic.withdraw(keeper);
        rig.clock.advance(9000);
        assertThat(rig.take(0)).isEqualTo(0x31);
    }
}
