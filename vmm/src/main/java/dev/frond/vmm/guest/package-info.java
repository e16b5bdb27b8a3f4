// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Named guests: what the user can run without bringing a kernel. {@link
 * dev.frond.vmm.guest.GuestCatalog} is the way in; a guest is a kernel and an initramfs in the
 * user's cache, put there whole or not at all.
 */
@NullMarked
package dev.frond.vmm.guest;

import org.jspecify.annotations.NullMarked;
