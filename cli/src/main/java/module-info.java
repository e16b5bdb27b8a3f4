// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The command line. */
module dev.frond.cli {
    requires static org.jspecify;
    requires dev.frond.vmm;
    requires info.picocli;

    opens dev.frond.cli to
            info.picocli;
}
