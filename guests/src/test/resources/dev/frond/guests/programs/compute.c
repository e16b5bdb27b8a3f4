/* Copyright 2026 The Frond Authors. SPDX-License-Identifier: Apache-2.0 */
/* Integers, and floating-point sums that are exact in whatever order and precision they are made. */
#include <stdint.h>
#include <stdio.h>

static float a[64][64], b[64][64];

int main(void) {
    uint32_t hash = 2166136261u;
    for (int i = 0; i < 100000; i++) {
        hash = (hash ^ (i & 255)) * 16777619u;
    }
    for (int i = 0; i < 64; i++) {
        for (int j = 0; j < 64; j++) {
            a[i][j] = i + 2 * j;
            b[i][j] = j - i + 7;
        }
    }
    double sum = 0;
    long double other = 0;
    for (int i = 0; i < 64; i++) {
        float row = 0;
        for (int j = 0; j < 64; j++) {
            row += a[i][j] * b[i][j];
            other += (long double)a[i][j] * b[i][j];
        }
        sum += row;
    }
    printf("%08x %.1f %.1Lf\n", hash, sum, other);
    return 0;
}
