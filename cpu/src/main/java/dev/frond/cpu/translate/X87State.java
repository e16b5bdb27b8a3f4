// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.fpu.X87;
import dev.frond.cpu.fpu.X87Image;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The guest's x87 state between {@link Cpu#x87}, the context and the host's unit. Emitted code
 * loads the unit from the context when it needs it, and the stubs put it back whenever emitted code
 * leaves; here is what Java does.
 */
final class X87State {
    // Places in the context.

    /** 0 while the x87 unit of the host is the guest's, whenever emitted code runs. */
    static final int AWAY = Context.X87;

    /** Not 0 if {@link #IMAGE} is the state, as long as that is not in the host's unit. */
    static final int GIVEN = AWAY + 0x04;

    /** Not 0 if the state may be newer here than in {@link Cpu#x87}. */
    static final int USED = AWAY + 0x08;

    /** The last x87 instruction: its offset from {@link #CODE}, and its opcode from bit 16. */
    static final int LAST = AWAY + 0x0C;

    static final int CODE = AWAY + 0x10;

    /** The selectors of the last x87 instruction's code, and of the last operand. */
    static final int CODE_SELECTOR = AWAY + 0x18;

    static final int DATA_SELECTOR = AWAY + 0x1C;

    /** The address of the last x87 operand. */
    static final int OPERAND = AWAY + 0x20;

    /** A control word on its way. */
    static final int CONTROL = AWAY + 0x28;

    /** As FNSAVE writes it in 64-bit mode, but for the pointers. */
    static final int IMAGE = AWAY + 0x30;

    static final int SIZE = 0x30 + 108;

    private static final X87Image.Layout LAYOUT = X87Image.Layout.PROTECTED_32;

    private final Cpu cpu;
    private final Context context;
    private final MemorySegment memory;
    private final byte[] image = new byte[LAYOUT.stateBytes()];

    X87State(Cpu cpu, Context context) {
        this.cpu = cpu;
        this.context = context;
        memory = context.memory();
        forget();
    }

    /** The state is in {@link Cpu#x87} only. */
    void forget() {
        context.int4(AWAY, 1);
        context.int4(GIVEN, 0);
        context.int4(USED, 0);
    }

    /** Lets emitted code start without the state in the host's unit. */
    void unload() {
        context.int4(AWAY, 1);
    }

    /** Lets emitted code start with the state in the host's unit. */
    void give() {
        X87 unit = cpu.x87;
        X87Image.store(unit, LAYOUT, image, 0);
        MemorySegment.copy(image, 0, memory, JAVA_BYTE, IMAGE, image.length);
        context.set(CODE, unit.instructionPointer());
        context.int4(LAST, unit.opcode() << 16);
        context.int4(CODE_SELECTOR, unit.codeSelector());
        context.set(OPERAND, unit.dataPointer());
        context.int4(DATA_SELECTOR, unit.dataSelector());
        context.int4(AWAY, 0);
        context.int4(GIVEN, 1);
        context.int4(USED, 1);
    }

    /**
     * Brings the state to {@link Cpu#x87} if it is newer here. What the host's unit takes for the
     * last instruction is of emitted code; the guest's is noted beside.
     */
    void take() {
        if (context.int4(USED) == 0) {
            return;
        }
        MemorySegment.copy(memory, JAVA_BYTE, IMAGE, image, 0, image.length);
        X87Image.load(cpu.x87, LAYOUT, image, 0);
        int last = context.int4(LAST);
        cpu.x87.instruction(
                context.get(CODE) + (last & 0xFFFF), context.int4(CODE_SELECTOR), last >>> 16);
        cpu.x87.operand(context.get(OPERAND), context.int4(DATA_SELECTOR));
        context.int4(USED, 0);
    }

    // --- for the comparison with the interpreter
    // ----------------------------------------------------------------------------------

    /** Lets {@link Cpu#x87} have the state that may be newer here, where it stays. */
    void copy() {
        if (isUsed()) {
            take();
            context.int4(USED, 1);
        }
    }

    /** Whether the state may be newer here than in {@link Cpu#x87}. */
    boolean isUsed() {
        return context.int4(USED) != 0;
    }

    /** The state in {@link Cpu#x87}. */
    long[] interpreters() {
        return X87Image.save(cpu.x87);
    }

    /** Puts it back. */
    void interpreters(long[] state) {
        X87Image.load(cpu.x87, state);
    }

    /** Says what differs between the state here and in {@link Cpu#x87}, {@code before} that. */
    void compare(long[] before, List<String> out) {
        long[] interpreted = interpreters();
        copy();
        long[] emitted = interpreters();
        interpreters(interpreted);
        for (int i = 0; i < emitted.length; i++) {
            Registers.compare(
                    "x87, long " + i + " of X87Image.save",
                    before[i],
                    interpreted[i],
                    emitted[i],
                    out);
        }
    }

    /** As {@link #take}, before the interpreter changes the state. */
    void takeBack() {
        take();
        forget();
    }
}
