// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import java.util.List;

/**
 * A run of nodes that executes as one: {@link NodeFuser} makes a class of its own for each, which
 * calls them one after the other as constants, so that HotSpot compiles them together and nothing
 * is dispatched between them.
 */
abstract class Fused extends Node {
    /** What it executes, in the order of execution. */
    final List<Node> nodes;

    /** The index in {@link #nodes} of the one that threw last. */
    int failed;

    Fused(List<Node> nodes) {
        super(nodes.getFirst().offset(), 0);
        this.nodes = nodes;
    }

    /** The node that {@link #execute} threw out of. */
    final Node failed() {
        return nodes.get(failed);
    }
}
