// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.interp.WindowSegments.Data;

import java.util.Optional;
import java.util.SplittableRandom;

/**
 * What {@link RandomCode} has in 16- and 32-bit code only: jumps and calls to offsets, far
 * transfers, loads of segment registers.
 */
final class RandomTransfers {
    private final RandomCode code;
    private final SplittableRandom random;
    private final boolean code16;
    private final Optional<WindowSegments> windows;

    RandomTransfers(
            RandomCode code,
            SplittableRandom random,
            boolean code16,
            Optional<WindowSegments> windows) {
        this.code = code;
        this.random = random;
        this.code16 = code16;
        this.windows = windows;
    }

    /** The same in 16- and 32-bit code, with operands of either size in segments. */
    void indirect() {
        boolean word = windows.isPresent() && code.chance(1, 4);
        int[] prefix = word ? new int[] {0x66} : new int[0];
        int size = word != code16 ? 2 : 4;
        switch (random.nextInt(windows.isEmpty() ? 2 : 6)) {
            case 0 -> {
                // CALL next; next: POP EAX
                call(prefix, size);
                code.bytes(prefix);
                code.bytes(0x58);
            }
            case 1 -> {
                // CALL next; next: ADD [ESP],to behind RET; RET
                call(prefix, size);
                int length = 2 * prefix.length + (code16 ? 6 : 5);
                code.bytes(prefix);
                code.wideAddress();
                code.bytes(0x83, 0x04, 0x24, length);
                code.bytes(prefix);
                code.bytes(0xC3);
            }
            case 2, 3 -> {
                // JMP EAX or CALL EAX
                boolean calls = code.chance(1, 2);
                numberOfNext(prefix.length + 2);
                code.bytes(prefix);
                code.bytes(0xFF, calls ? 0xD0 : 0xE0);
                restoreStack(calls);
            }
            case 4 -> {
                // MOV [EBX],EAX; JMP or CALL [EBX]
                boolean calls = code.chance(1, 2);
                int store = code16 ? 4 : 2;
                numberOfNext(store + prefix.length + (code16 ? 3 : 2));
                code.wideAddress();
                code.wide();
                code.bytes(0x89, 0x03);
                code.bytes(prefix);
                code.wideAddress();
                code.bytes(0xFF, calls ? 0x13 : 0x23);
                restoreStack(calls);
            }
            default -> {
                // PUSH EAX; RET
                numberOfNext(2 * prefix.length + 2);
                code.bytes(prefix);
                code.bytes(0x50);
                code.bytes(prefix);
                code.bytes(0xC3);
            }
        }
    }

    private void call(int[] prefix, int size) {
        code.bytes(prefix);
        code.bytes(0xE8);
        code.little(0, size);
    }

    private void restoreStack(boolean moved) {
        if (moved) {
            code.address(Cpu.RSP, Seg.SS, code.displacement() & -8);
        }
    }

    /** Lets EAX be the offset of what follows {@code more} bytes more. */
    private void numberOfNext(int more) {
        int own = code16 ? 7 : 6;
        code.number(Cpu.RAX, (int) code.here() + own + more);
    }

    /** A far jump, call or return to the next instruction in the same segment. */
    void farTransfer() {
        boolean word = code.chance(1, 4);
        int[] prefix = word ? new int[] {0x66} : new int[0];
        int size = word != code16 ? 2 : 4;
        int how = random.nextInt(4);
        if (how < 2) {
            // JMPF or CALLF
            int length = prefix.length + 3 + size;
            long next = code.here() + length;
            code.bytes(prefix);
            code.bytes(how == 0 ? 0xEA : 0x9A);
            code.little(next, size);
            code.little(code.codeSelector(), 2);
            restoreStack(how == 1);
            return;
        }
        // PUSH selector; PUSH offset; RETF; or PUSHF before that, and IRET
        if (how == 3) {
            code.bytes(prefix);
            code.bytes(0x9C);
        }
        code.bytes(prefix);
        code.bytes(0x68);
        code.little(code.codeSelector(), size);
        long next = code.here() + 2L * prefix.length + 2 + size;
        code.bytes(prefix);
        code.bytes(0x68);
        code.little(next, size);
        code.bytes(prefix);
        code.bytes(how == 2 ? 0xCB : 0xCF);
    }

    private static final int[] LOADED = {Seg.ES, Seg.DS, Seg.FS, Seg.GS, Seg.SS};

    /** Loads a segment register, and what is relative to it anew. */
    void loadSegment() {
        int seg = LOADED[random.nextInt(LOADED.length)];
        Data to =
                seg == Seg.SS
                        ? windows.orElseThrow().stack(random)
                        : windows.orElseThrow().data(random);
        int upper = random.nextInt() << 16;
        boolean word = code.chance(1, 3);
        int size = word != code16 ? 2 : 4;
        switch (random.nextInt(3)) {
            case 0 -> {
                code.number(Cpu.RAX, to.selector() | upper);
                code.bytes(0x8E, 0xC0 | seg << 3);
            }
            case 1 -> {
                if (word) {
                    code.bytes(0x66);
                }
                code.bytes(0x68);
                code.little(to.selector(), size);
                if (word) {
                    code.bytes(0x66);
                }
                if (seg < Seg.FS) {
                    code.bytes(seg << 3 | 7);
                } else {
                    code.bytes(0x0F, seg == Seg.FS ? 0xA1 : 0xA9);
                }
            }
            default -> {
                // MOV EAX,selector; MOV [EBX+size],AX; LES register,[EBX] or a sibling
                code.number(Cpu.RAX, to.selector() | upper);
                code.wideAddress();
                code.wide();
                code.bytes(0x89, 0x43, size);
                if (word) {
                    code.bytes(0x66);
                }
                code.wideAddress();
                switch (seg) {
                    case Seg.ES -> code.bytes(0xC4);
                    case Seg.DS -> code.bytes(0xC5);
                    case Seg.SS -> code.bytes(0x0F, 0xB2);
                    default -> code.bytes(0x0F, seg == Seg.FS ? 0xB4 : 0xB5);
                }
                code.bytes(0x03 | code.register() << 3);
            }
        }
        code.loaded(seg, to);
        if (seg == Seg.DS) {
            code.number(Cpu.RBX, (int) to.middle());
        } else if (seg == Seg.SS) {
            code.number(Cpu.RSP, (int) to.middle() + (code.displacement() & -8));
        }
    }
}
