// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import java.util.Map;

/**
 * What a virtual CPU has done so far: instructions executed (0 where the engine cannot tell), and
 * how often it left guest code, by reason, in the order to show them.
 */
public record VcpuStats(long instructions, Map<String, Long> exits) {}
