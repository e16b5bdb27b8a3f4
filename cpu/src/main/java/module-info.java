// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The x86-64 processor: one instruction table, its decoder, its meanings and the interpreter. */
module dev.frond.cpu {
    requires static java.compiler;
    requires static transitive org.jspecify;
    requires transitive dev.frond.machine;
    requires transitive dev.frond.host;

    exports dev.frond.cpu;
    exports dev.frond.cpu.decode;
    exports dev.frond.cpu.fpu;
    exports dev.frond.cpu.interp;
    exports dev.frond.cpu.translate;
}
