// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import dev.frond.machine.MachineControl;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import java.util.concurrent.locks.ReentrantLock;

/**
 * The keyboard and auxiliary device controller of a PC, an Intel 8042 with the program of the PS/2
 * (IBM, Personal System/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device
 * Controller), with nothing plugged into either connector.
 *
 * <p>It takes each byte at once, so that IBF always reads 0. What is sent to a device is lost on
 * the line and nothing comes back.
 */
public final class I8042 implements Device<I8042.State> {
    /**
     * The controller.
     *
     * @param commandByte the command byte: interrupt enables, SYS, disables, translation
     * @param outputPort port P2 as last written; the interrupt pins are not kept
     * @param outputBuffer the byte that port 60h reads
     * @param full OBF
     * @param fromAux whether what fills the output buffer counts as the auxiliary device's
     * @param commandLast whether port 64h was written last, not 60h
     * @param awaiting the command whose data byte comes next to port 60h, or 0
     */
    public record State(
            int commandByte,
            int outputPort,
            int outputBuffer,
            boolean full,
            boolean fromAux,
            boolean commandLast,
            int awaiting) {
        /** After power-on: both devices disabled, no interrupts, A20 on, reset line high. */
        public static final State RESET =
                new State(DISABLE_KBD | DISABLE_AUX, P2_IDLE, 0, false, false, false, 0);

        public State {
            Checks.bits("commandByte", commandByte, COMMAND_BYTE_MASK);
            Checks.bits("outputPort", outputPort, P2_MASK);
            Checks.bits("outputBuffer", outputBuffer, 0xFF);
            if (fromAux && !full) {
                throw new IllegalArgumentException(
                        "fromAux true: accepted only while the output buffer is full");
            }
            if (awaiting != 0 && !takesData(awaiting)) {
                throw new IllegalArgumentException(
                        "awaiting %Xh: accepted are 0, 60h, D1h, D2h, D3h and D4h"
                                .formatted(awaiting));
            }
        }
    }

    // Status register (port 64h)
    private static final int OBF = 1 << 0;
    private static final int SYS = 1 << 2;
    private static final int CMD = 1 << 3;
    private static final int KEYLOCK_OPEN = 1 << 4;
    private static final int AUX_OBF = 1 << 5;

    // Command byte; SYS is its bit 2 too
    private static final int INT_KBD = 1 << 0;
    private static final int INT_AUX = 1 << 1;
    private static final int DISABLE_KBD = 1 << 4;
    private static final int DISABLE_AUX = 1 << 5;
    private static final int COMMAND_BYTE_MASK = 0x7F;

    // Input port P1: both data lines idle, no manufacturing jumper, keylock open
    private static final int P1 = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 7;

    // Output port P2; the clock and data lines idle
    private static final int P2_RESET = 1 << 0;
    private static final int P2_A20 = 1 << 1;
    private static final int P2_IRQ1 = 1 << 4;
    private static final int P2_IRQ12 = 1 << 5;
    private static final int P2_LINES = 1 << 2 | 1 << 3 | 1 << 6 | 1 << 7;
    private static final int P2_MASK = P2_RESET | P2_A20 | P2_LINES;
    private static final int P2_IDLE = P2_RESET | P2_A20 | P2_LINES;

    // Commands (port 64h)
    private static final int READ_COMMAND_BYTE = 0x20;
    private static final int WRITE_COMMAND_BYTE = 0x60;
    private static final int AUX_DISABLE = 0xA7;
    private static final int AUX_ENABLE = 0xA8;
    private static final int AUX_INTERFACE_TEST = 0xA9;
    private static final int SELF_TEST = 0xAA;
    private static final int KBD_INTERFACE_TEST = 0xAB;
    private static final int KBD_DISABLE = 0xAD;
    private static final int KBD_ENABLE = 0xAE;
    private static final int READ_INPUT_PORT = 0xC0;
    private static final int READ_OUTPUT_PORT = 0xD0;
    private static final int WRITE_OUTPUT_PORT = 0xD1;
    private static final int WRITE_KBD_OUTPUT_BUFFER = 0xD2;
    private static final int WRITE_AUX_OUTPUT_BUFFER = 0xD3;
    private static final int WRITE_TO_AUX = 0xD4;
    private static final int PULSE_OUTPUT_PORT = 0xF0;

    private static final int SELF_TEST_PASSED = 0x55;
    private static final int INTERFACE_TEST_PASSED = 0x00;

    private final ReentrantLock lock = new ReentrantLock();
    private final IrqLine keyboard;
    private final IrqLine aux;
    private final MachineControl machine;

    private int commandByte;
    private int outputPort;
    private int outputBuffer;
    private boolean full;
    private boolean fromAux;
    private boolean commandLast;
    private int awaiting;

    /**
     * A controller whose interrupt pins are {@code keyboard} and {@code aux}, and whose reset pin
     * is {@code machine}'s.
     */
    public I8042(IrqLine keyboard, IrqLine aux, MachineControl machine) {
        this.keyboard = keyboard;
        this.aux = aux;
        this.machine = machine;
        load(State.RESET);
    }

    /** The data port, 60h on a PC. */
    public Region.Io data() {
        return new Region.Io(new DataPort(), 1, AccessWidths.BYTE, lock);
    }

    /** The command and status port, 64h on a PC. */
    public Region.Io command() {
        return new Region.Io(new CommandPort(), 1, AccessWidths.BYTE, lock);
    }

    private final class DataPort implements IoHandler {
        @Override
        public long read(long offset, int size) {
            full = false;
            fromAux = false;
            update();
            return outputBuffer;
        }

        @Override
        public void write(long offset, int size, long value) {
            commandLast = false;
            int command = awaiting;
            awaiting = 0;
            takeData(command, (int) value & 0xFF);
            update();
        }
    }

    private final class CommandPort implements IoHandler {
        @Override
        public long read(long offset, int size) {
            return (full ? OBF : 0)
                    | commandByte & SYS
                    | (commandLast ? CMD : 0)
                    | KEYLOCK_OPEN
                    | (fromAux ? AUX_OBF : 0);
        }

        @Override
        public void write(long offset, int size, long value) {
            commandLast = true;
            awaiting = 0;
            obey((int) value & 0xFF);
            update();
        }
    }

    private static boolean takesData(int command) {
        return switch (command) {
            case WRITE_COMMAND_BYTE,
                    WRITE_OUTPUT_PORT,
                    WRITE_KBD_OUTPUT_BUFFER,
                    WRITE_AUX_OUTPUT_BUFFER,
                    WRITE_TO_AUX ->
                    true;
            default -> false;
        };
    }

    private void obey(int command) {
        if (takesData(command)) {
            awaiting = command;
            return;
        }
        switch (command) {
            case READ_COMMAND_BYTE -> answer(commandByte);
            case AUX_DISABLE -> commandByte |= DISABLE_AUX;
            case AUX_ENABLE -> commandByte &= ~DISABLE_AUX;
            case AUX_INTERFACE_TEST, KBD_INTERFACE_TEST -> answer(INTERFACE_TEST_PASSED);
            case SELF_TEST -> {
                // The test starts the program anew, and SYS tells that it passed.
                commandByte = SYS | DISABLE_KBD | DISABLE_AUX;
                outputPort = P2_IDLE;
                answer(SELF_TEST_PASSED);
            }
            case KBD_DISABLE -> commandByte |= DISABLE_KBD;
            case KBD_ENABLE -> commandByte &= ~DISABLE_KBD;
            case READ_INPUT_PORT -> answer(P1);
            case READ_OUTPUT_PORT -> answer(outputPort | interruptPins());
            default -> {
                // A 0 in the low four bits pulls that pin of P2 low for some microseconds.
                if (command >= PULSE_OUTPUT_PORT && (command & P2_RESET) == 0) {
                    machine.reset();
                }
            }
        }
    }

    private void takeData(int command, int data) {
        switch (command) {
            case WRITE_COMMAND_BYTE -> commandByte = data & COMMAND_BYTE_MASK;
            case WRITE_OUTPUT_PORT -> {
                outputPort = data & P2_MASK;
                if ((data & P2_RESET) == 0) {
                    machine.reset();
                }
            }
            case WRITE_KBD_OUTPUT_BUFFER -> answer(data);
            case WRITE_AUX_OUTPUT_BUFFER -> {
                answer(data);
                fromAux = true;
            }
            // Sending enables a device; nobody is there to acknowledge the byte.
            case WRITE_TO_AUX -> commandByte &= ~DISABLE_AUX;
            default -> commandByte &= ~DISABLE_KBD;
        }
    }

    /** Puts a byte into the output buffer, over one that was not read. */
    private void answer(int data) {
        outputBuffer = data;
        full = true;
        fromAux = false;
    }

    private int interruptPins() {
        if (!full) {
            return 0;
        } else if (fromAux) {
            return (commandByte & INT_AUX) != 0 ? P2_IRQ12 : 0;
        }
        return (commandByte & INT_KBD) != 0 ? P2_IRQ1 : 0;
    }

    private void update() {
        int pins = interruptPins();
        keyboard.set((pins & P2_IRQ1) != 0);
        aux.set((pins & P2_IRQ12) != 0);
    }

    // State

    @Override
    public State resetState() {
        return State.RESET;
    }

    @Override
    public State save() {
        return new State(
                commandByte, outputPort, outputBuffer, full, fromAux, commandLast, awaiting);
    }

    @Override
    public void load(State state) {
        commandByte = state.commandByte();
        outputPort = state.outputPort();
        outputBuffer = state.outputBuffer();
        full = state.full();
        fromAux = state.fromAux();
        commandLast = state.commandLast();
        awaiting = state.awaiting();
    }

    @Override
    public void settle() {
        update();
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }
}
