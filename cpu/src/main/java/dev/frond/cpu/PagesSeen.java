// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import java.util.Arrays;

/**
 * A set of linear pages that may say "perhaps" of a page that is not in it, if that shares its
 * place with several that are.
 */
final class PagesSeen {
    private static final int PLACES = 8192;
    private static final int PAGE_SHIFT = 12;

    // Neither is the number of a page.
    private static final long NONE = -1;
    private static final long SEVERAL = -2;

    private final long[] places = new long[PLACES];
    private boolean any = true;

    PagesSeen() {
        clear();
    }

    /** Puts the page of {@code linear} in. */
    void add(long linear) {
        long number = linear >>> PAGE_SHIFT;
        int place = (int) number & PLACES - 1;
        if (places[place] != number) {
            places[place] = places[place] == NONE ? number : SEVERAL;
            any = true;
        }
    }

    /** Whether the page of {@code linear} may be in. */
    boolean mayContain(long linear) {
        long number = linear >>> PAGE_SHIFT;
        long there = places[(int) number & PLACES - 1];
        return there == number || there == SEVERAL;
    }

    /** Empties it. */
    void clear() {
        if (any) {
            Arrays.fill(places, NONE);
            any = false;
        }
    }
}
