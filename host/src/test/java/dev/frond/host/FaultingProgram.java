// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

/**
 * A program with the fault handler installed that runs a faulting instruction outside of every
 * region.
 */
final class FaultingProgram {
    private FaultingProgram() {}

    public static void main(String[] args) {
        try (NativeCode cpu = NativeCode.create(4096);
                ExecutableMemory memory =
                        ExecutableMemory.allocate(4096, 0, ExecutableMemory.Placement.ANYWHERE)) {
            cpu.load(NativeCode.Mode.LONG, 0, new byte[] {0x0F, 0x0B});
            System.out.println(cpu.run());
            byte[] code =
                    switch (args[0]) {
                        case "unknown" -> new byte[] {0x0F, 0x0B, (byte) 0xC3}; // ud2; ret
                        case "trap" -> new byte[] {(byte) 0xCC, (byte) 0xC3}; // int3; ret
                        default -> throw new IllegalArgumentException(args[0]);
                    };
            for (int i = 0; i < code.length; i++) {
                memory.code().set(JAVA_BYTE, i, code[i]);
            }
            NativeFunction.at(memory.address()).call(0, 0);
            System.out.println("survived");
        }
    }
}
