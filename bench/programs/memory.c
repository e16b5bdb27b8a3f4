// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory moved and filled: the C library's way, string instructions, and a vector's arithmetic.

#include <string.h>

#include "programs.h"

static char from[1 << 20] __attribute__((aligned(64))), to[1 << 20] __attribute__((aligned(64)));

static uint64_t memcpy_run(uint64_t rounds)
{
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (char) (i * 5);
    while (rounds--) {
        memcpy(to, (const char *) opaque((uint64_t) from), sizeof to);
        opaque((uint64_t) to);
    }
    return (uint8_t) to[777777];
}

static uint64_t stream_run(uint64_t rounds)
{
    enum { N = 1 << 15 };
    static double a[N], b[N], c[N];
    for (int i = 0; i < N; i++) {
        b[i] = i;
        c[i] = 2 * i;
    }
    while (rounds--) {
        for (int i = 0; i < N; i++)
            a[i] = b[i] + 3.0 * c[i];
        opaque((uint64_t) a);
    }
    return (uint64_t) a[1234];
}

static uint64_t rep_movs_run(uint64_t rounds)
{
    memset(from, 3, sizeof from);
    while (rounds--) {
        const void *source = from;
        void *target = to;
        size_t count = sizeof to;
        __asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
    }
    return (uint8_t) to[99];
}

static uint64_t rep_stos_run(uint64_t rounds)
{
    while (rounds--) {
        void *target = to;
        size_t count = sizeof to / 8;
        __asm__ volatile("rep stosq" : "+D"(target), "+c"(count) : "a"(0x0102030405060708) : "memory");
    }
    return (uint8_t) to[100];
}

static const struct program PROGRAMS[] = {
    {"memcpy", memcpy_run, NULL},
    {"stream", stream_run, NULL},
    {"rep-movs", rep_movs_run, NULL},
    {"rep-stos", rep_stos_run, NULL},
};

const struct family memory = {"memory", PROGRAMS, COUNT(PROGRAMS)};
