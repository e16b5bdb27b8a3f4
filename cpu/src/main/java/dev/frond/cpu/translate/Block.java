// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

/**
 * One translated block. Places in code memory count from its start.
 *
 * @param page the page that it was translated from
 * @param offset the offset of its first instruction in the page
 * @param key what it was translated for, see {@link Modes}
 * @param fromJump entered with the guest's instruction pointer in RCX and flags saved
 * @param flagsSaved entered with flags saved
 * @param flagsLive entered with flags in the host's
 */
record Block(CodePage page, int offset, int key, int fromJump, int flagsSaved, int flagsLive) {}
