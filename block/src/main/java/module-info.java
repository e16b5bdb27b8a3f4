// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Host-facing disk backends. */
module dev.frond.block {
    requires static org.jspecify;
    requires transitive dev.frond.machine;

    exports dev.frond.block;
}
