// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

import java.util.OptionalLong;

/**
 * The machine that a kernel is loaded into.
 *
 * @param memory its memory bus
 * @param map what the kernel is told of it
 * @param rsdp the physical address of the ACPI RSDP, if there are ACPI tables
 * @param powerOn the state of the boot CPU after power-on
 */
public record BootTarget(AddressSpace memory, MemoryMap map, OptionalLong rsdp, CpuState powerOn) {}
