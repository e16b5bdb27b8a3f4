// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The only room that calls the host's native interfaces: memory mapping, signals, ioctl, terminals.
 */
module dev.frond.host {
    requires jdk.unsupported;
    requires static org.jspecify;

    exports dev.frond.host;
}
