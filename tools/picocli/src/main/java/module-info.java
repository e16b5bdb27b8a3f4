// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Picocli, compiled from its published sources for the JDK that Frond runs on. */
module info.picocli {
    requires static java.sql;

    exports picocli;
}
