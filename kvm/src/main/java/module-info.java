// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** The engine that executes guest code on the processor itself, by Linux KVM. */
module dev.frond.kvm {
    requires static org.jspecify;
    requires transitive dev.frond.machine;
    requires dev.frond.host;

    exports dev.frond.kvm;
}
