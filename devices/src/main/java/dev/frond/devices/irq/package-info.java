// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Interrupt controllers: the local APIC of each CPU, the I/O APIC, and the bus between them.
 *
 * <p>All APICs of a machine share the lock of their {@link dev.frond.devices.irq.ApicBus}, so that
 * an interrupt goes from pin to CPU under one lock and no order between two APICs matters. Under it
 * they call out to two things only: to the {@link dev.frond.machine.clock.Clock}, and to {@link
 * dev.frond.machine.vcpu.CpuSignals}, which leave word for the CPU and return. The 8259 pair has a
 * lock of its own and drives a pin here while it holds it; therefore its INTA cycle is run without
 * the lock of the bus.
 */
@NullMarked
package dev.frond.devices.irq;

import org.jspecify.annotations.NullMarked;
