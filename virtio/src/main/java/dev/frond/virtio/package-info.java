// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Virtio 1.2: queues, transports and devices.
 *
 * <p>A {@link dev.frond.virtio.VirtioDevice} is what one type of device is about: its features, its
 * configuration space, and what it does with the chains of its queues. A transport, {@link
 * dev.frond.virtio.VirtioMmio}, is all the rest: registers, negotiation, status, queues, interrupt.
 * Both are devices of the machine, each with its own state; the transport takes the device's lock,
 * so that registers, timers and completions all enter by one door.
 *
 * <p>A {@link dev.frond.virtio.VirtQueue} is believed in nothing. It looks for the rings in RAM,
 * never in device memory; copies each descriptor once; follows no more descriptors than the queue
 * can have; and lends no more chains than the ring has entries. A rule broken puts the device into
 * DEVICE_NEEDS_RESET (section 2.1), where it stays, quiet, until its driver resets it.
 *
 * <p>A device may work on a {@link dev.frond.virtio.Chain} from any thread, without the lock,
 * straight in guest memory, and takes the lock to give it back. It promises two things for that:
 * {@code stop} returns when no such work touches guest memory any more, so that a driver may reuse
 * it; {@code drain}, before a machine is saved, when all of it is given back.
 */
@NullMarked
package dev.frond.virtio;

import org.jspecify.annotations.NullMarked;
