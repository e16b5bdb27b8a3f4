// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** Work that is done a number of times over; what it returns depends on the first round alone. */
struct program {
    const char *name;
    uint64_t (*run)(uint64_t rounds);
    /** A feature of the processor as __builtin_cpu_supports names it, or none. */
    int (*supported)(void);
};

/** Programs of one kind, whose figures are told together. */
struct family {
    const char *name;
    const struct program *programs;
    size_t count;
};

extern const struct family integer, floating, vector, memory, code, kernel, parallel;

/** Ends with a message about what failed. */
void die(const char *what) __attribute__((noreturn));

/** Keeps the compiler from computing ahead or leaving out what makes x. */
static inline uint64_t opaque(uint64_t x)
{
    __asm__ volatile("" : "+r"(x) : : "memory");
    return x;
}

/** The same numbers on every machine. */
static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

#endif
