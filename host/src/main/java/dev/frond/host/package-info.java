// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The only room that calls the host's native interfaces. Everything goes through the foreign
 * function interface of the JDK, no native library is shipped. A failure is a {@link
 * dev.frond.host.HostException} that carries operation, thing and errno.
 *
 * <ul>
 *   <li>For a guest's memory and disks: {@link dev.frond.host.HostMemory}, {@link
 *       dev.frond.host.HostFile}.
 *   <li>For a program in a terminal: {@link dev.frond.host.Terminal}, {@link
 *       dev.frond.host.Signals}.
 *   <li>For machine code on x86-64 Linux: {@link dev.frond.host.ExecutableMemory} holds it, {@link
 *       dev.frond.host.NativeFunction} calls it, {@link dev.frond.host.FaultHandler} takes its
 *       faults away from the virtual machine. {@link dev.frond.host.NativeCode} stands on them and
 *       runs code with chosen registers, in {@link dev.frond.host.FixedMemory} where its addresses
 *       matter; {@link dev.frond.host.HostCpu} tells what it may use.
 * </ul>
 *
 * <p>Memory, terminals and files need Linux; the rest says clearly that it needs Linux on x86-64.
 */
@NullMarked
package dev.frond.host;

import org.jspecify.annotations.NullMarked;
