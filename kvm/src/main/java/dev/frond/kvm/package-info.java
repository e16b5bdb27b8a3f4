// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/**
 * The engine that executes guest code on the processor itself, by Linux KVM (Documentation/virt/kvm
 * /api.rst of the kernel).
 *
 * <p>{@link dev.frond.kvm.KvmSupport} tells whether this host can, {@link dev.frond.kvm.KvmEngine}
 * is one virtual machine of KVM: memory slots that follow the machine's memory, and CPUs. A {@code
 * KvmVcpu} runs guest code until KVM needs the machine: ports, device memory, the local APIC, HLT.
 * Interrupt controllers are Frond's own.
 *
 * <p>The structures of the kernel's headers are declared once, in {@code Structs}; commands and
 * numbers stand in {@code Kvm}.
 */
@NullMarked
package dev.frond.kvm;

import org.jspecify.annotations.NullMarked;
